//! More calls than the card API allows: its own word about its rate, one budget for everything, the newest calls first.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::event::inbound;
use super::host::Reply;
use super::phone::{self, Phone, too_many};
use super::server::{EVERYBODY, Place, SECRET, Server, until};

const NUMBER: &str = "+905321234567";

/// A card that is taken, with what the API says about its rate.
fn taken(headers: &[(&str, String)]) -> Reply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Reply::Answer { status: 201, headers, body: b"{\"data\":{}}".to_vec() }
}

/// Nothing is left for so many seconds.
fn nothing_left_for(seconds: i64) -> Reply {
    let reset = jiff::Timestamp::now().as_second() + seconds;
    taken(&[("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset.to_string())])
}

fn account(phone: &Phone) -> String {
    format!("{{api: {}, token: \"{}\", webhook_secret: {SECRET}}}", phone.api(), phone::TOKEN)
}

async fn ring_at(server: &Server, account: &str, call_id: &str) {
    let url = server.webhook_url().replace("/hipcall/", &format!("/{account}/"));
    let sent = server.client.post(url).body(inbound(call_id, NUMBER).to_string()).send().await.unwrap();
    assert_eq!(sent.text().await.unwrap(), r#"{"status":"accepted"}"#);
}

async fn of_account(server: &Server, metric: &str, account: &str) -> f64 {
    server.metric(&format!("callcard_account_{metric}{{account=\"{account}\"}}")).await
}

async fn left(server: &Server, account: &str) -> f64 {
    of_account(server, "requests_left", account).await
}

async fn too_late(server: &Server, reason: &str) -> f64 {
    server.metric(&format!("callcard_too_late_total{{account=\"hipcall\",reason=\"{reason}\"}}")).await
}

/// The calls for which cards were sent, in the order of the requests.
fn calls(phone: &Phone) -> Vec<String> {
    phone.received().into_iter().map(|received| received.call_id).collect()
}

#[tokio::test]
async fn a_429_stops_its_account_and_no_other_and_then_the_newest_calls_go_first() {
    let (first, second) = (Phone::start(), Phone::start());
    let accounts = format!("accounts:\n  first: {}\n  second: {}\nrules:", account(&first), account(&second));
    let server = Server::start(Place::new(&EVERYBODY.replace("rules:", &accounts), &first)).await;
    first.script([too_many(3)]);
    ring_at(&server, "first", "refused").await;
    let stop = async || of_account(&server, "stopped_until_timestamp_seconds", "first").await;
    until("the account is stopped", async || (stop().await > 0.0).then_some(())).await;
    assert_eq!(left(&server, "first").await, 0.0);
    let now = jiff::Timestamp::now().as_duration().as_secs_f64();
    let stopped_until = stop().await;
    assert!(stopped_until > now && stopped_until < now + 3.0, "{stopped_until} at {now}");
    for call in ["one", "two", "three", "four"] {
        ring_at(&server, "first", call).await;
    }
    ring_at(&server, "second", "elsewhere").await;
    assert_eq!(server.settled("elsewhere").await["state"], "sent");
    assert_eq!(of_account(&server, "stopped_until_timestamp_seconds", "second").await, 0.0);
    assert_eq!(calls(&first), ["refused"], "the others wait");
    assert_eq!(server.delivery("four").await.unwrap()["attempts"], 0, "and cost nothing while they do");
    server.idle().await;
    let received = first.received();
    assert!(received[1].request.at - received[0].request.at >= Duration::from_millis(2950));
    let order = calls(&first);
    assert_eq!(order[1], "four");
    let position = |call: &str| order.iter().rposition(|one| one == call).unwrap();
    assert!(position("three") < position("one"), "{order:?}");
    let told: Vec<Value> = server.log().into_iter().filter(|line| line["seconds"].is_number()).collect();
    assert_eq!((told.len(), &told[0]["account"]), (1, &json!("first")), "{told:?}");
}

#[tokio::test]
async fn where_nothing_remains_the_account_waits_for_the_reset() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.script([nothing_left_for(3)]);
    let begun = jiff::Timestamp::now().as_second();
    assert_eq!(server.ring_and_settle(&inbound("first", NUMBER)).await["state"], "sent");
    server.ring(&inbound("second", NUMBER), "accepted").await;
    assert_eq!(left(&server, "hipcall").await, 0.0);
    assert_eq!(server.settled("second").await["state"], "sent");
    assert!(jiff::Timestamp::now().as_second() >= begun + 3);
}

#[tokio::test]
async fn what_the_rate_leaves_no_room_for_is_too_late_by_name_and_count() {
    let phone = Phone::start();
    let server = Server::with(&EVERYBODY.replace("rules:", "defaults: {send_within: 5s}\nrules:"), &phone).await;
    phone.script([too_many(2), nothing_left_for(60)]);
    server.ring(&inbound("refused", NUMBER), "accepted").await;
    until("the account is stopped", async || (left(&server, "hipcall").await == 0.0).then_some(())).await;
    for call in ["older", "newer", "newest"] {
        server.ring(&inbound(call, NUMBER), "accepted").await;
    }
    assert_eq!(server.settled("newest").await["state"], "sent");
    assert_eq!(server.settled("newer").await["state"], "too_late");
    let late = server.settled("older").await;
    let reason = late["reason"].as_str().unwrap();
    assert_eq!(late["state"], "too_late");
    assert!(reason.contains("newer calls went first: the account's rate"), "{reason}");
    assert_eq!(server.line_of("older").await["outcome"], "too_late");
    assert_eq!(server.settled("refused").await["state"], "too_late");
    assert_eq!((too_late(&server, "rate").await, too_late(&server, "late").await), (3.0, 0.0));
    let told: Vec<Value> = server.log().into_iter().filter(|line| line["reason"] == "rate").collect();
    assert_eq!(told.len(), 1, "one loud line a minute: {told:?}");
}

#[tokio::test]
async fn after_an_outage_only_calls_that_are_still_fresh_get_a_card() {
    let mut phone = Phone::start();
    let server = Server::with(&EVERYBODY.replace("rules:", "defaults: {send_within: 4s}\nrules:"), &phone).await;
    phone.stop();
    for number in 0..20 {
        server.ring(&inbound(&format!("old-{number}"), NUMBER), "accepted").await;
    }
    server.idle().await;
    assert_eq!(too_late(&server, "api").await, 20.0);
    server.ring(&inbound("fresh", NUMBER), "accepted").await;
    phone.restart();
    assert_eq!(server.settled("fresh").await["state"], "sent");
    assert_eq!(calls(&phone), ["fresh"]);
    let tries = server.metric("callcard_attempts_total{account=\"hipcall\",outcome=\"later\"}").await;
    assert!((3.0..40.0).contains(&tries), "an API that fails is not asked for every call: {tries}");
}

const LOOKUP: &str = r#"
version: 1
sources:
  directory: {hipcall: {}}
rules:
  - name: failed
    needs: {directory: failed}
    card: [{type: title, text: The directory is not asked}]
  - name: asked
    card: [{type: title, text: Nobody knows}]
"#;

#[tokio::test]
async fn cards_and_lookups_share_a_budget_and_the_last_of_it_is_for_cards() {
    let phone = Phone::start();
    let mut place = Place::new(LOOKUP, &phone);
    place.set("HIPCALL_REQUESTS_PER_MINUTE", "10");
    let server = Server::start(place).await;
    let mut rules = Vec::new();
    for number in 0..6 {
        let settled = server.ring_and_settle(&inbound(&format!("call-{number}"), NUMBER)).await;
        assert_eq!(settled["state"], "sent");
        rules.push(settled["rule"].as_str().unwrap().to_owned());
    }
    assert_eq!(rules, ["asked", "asked", "asked", "asked", "failed", "failed"]);
    assert_eq!((phone.asked().len(), phone.received().len(), left(&server, "hipcall").await), (4, 6, 0.0));
    server.ring(&inbound("waits", NUMBER), "accepted").await;
    server.ring(&inbound("waits-too", NUMBER), "accepted").await;
    assert_eq!((phone.asked().len(), phone.received().len()), (4, 6));
}

#[tokio::test]
async fn a_lookup_that_is_told_too_many_holds_back_the_cards_as_well() {
    let phone = Phone::start();
    let server = Server::with(LOOKUP, &phone).await;
    phone.looks_up(Some(too_many(2)));
    let begun = Instant::now();
    let settled = server.ring_and_settle(&inbound("one", NUMBER)).await;
    assert_eq!((&settled["state"], &settled["rule"]), (&json!("sent"), &json!("failed")));
    assert!(begun.elapsed() >= Duration::from_millis(1950));
}

#[tokio::test]
async fn a_restart_or_a_reload_does_not_spend_the_minute_again() {
    let phone = Phone::start();
    let mut place = Place::new(LOOKUP, &phone);
    place.set("HIPCALL_REQUESTS_PER_MINUTE", "10");
    let server = Server::start(place).await;
    for call in ["one", "two"] {
        server.ring_and_settle(&inbound(call, NUMBER)).await;
    }
    assert_eq!(left(&server, "hipcall").await, 6.0);
    server.place.write("main.yaml", &LOOKUP.replace("Nobody", "No one"));
    let reload = server.client.post(format!("{}/-/reload", server.admin)).send().await.unwrap();
    assert_eq!((reload.status().as_u16(), left(&server, "hipcall").await), (200, 6.0));
    let server = server.killed_and_started_again().await;
    until("it has read what was sent", async || (left(&server, "hipcall").await == 6.0).then_some(())).await;
}

#[tokio::test]
async fn accounts_with_the_same_token_share_what_it_may_do() {
    let phone = Phone::start();
    let same = account(&phone).replace('}', ", requests_per_minute: 10}");
    let accounts = format!("accounts:\n  first: {same}\n  second: {same}\nrules:");
    let server = Server::start(Place::new(&EVERYBODY.replace("rules:", &accounts), &phone)).await;
    for (account, call) in [("first", "one"), ("second", "two"), ("second", "three")] {
        ring_at(&server, account, call).await;
        server.settled(call).await;
    }
    assert_eq!((left(&server, "first").await, left(&server, "second").await), (7.0, 7.0));
}

#[tokio::test]
async fn headers_that_cannot_be_true_stop_nothing() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let lies = [
        ("x-ratelimit-remaining", "many"),
        ("x-ratelimit-limit", "-60"),
        ("x-ratelimit-remaining", "99999999999999999999999999"),
        ("x-ratelimit-reset", "99999999999999999999999999"),
        ("retry-after", "3600"),
    ];
    phone.script(lies.map(|(name, value)| taken(&[(name, value.to_owned())])));
    let begun = Instant::now();
    for number in 0..=lies.len() {
        assert_eq!(server.ring_and_settle(&inbound(&format!("call-{number}"), NUMBER)).await["state"], "sent");
    }
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert_eq!(of_account(&server, "stopped_until_timestamp_seconds", "hipcall").await, 0.0);
}
