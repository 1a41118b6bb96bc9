//! A card that was sent and never answered for: it is asked about before it is sent again, and its call is told the truth about.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::event::{hangup, inbound};
use super::host::Reply;
use super::phone::{Phone, error};
use super::server::{EVERYBODY, Place, Server, until};

const NUMBER: &str = "+905321234567";

/// The delivery of a call once it is in this state.
async fn in_state(server: &Server, call_id: &str, state: &str) -> Value {
    until(&format!("call {call_id} is {state}"), async || {
        server.delivery(call_id).await.filter(|delivery| delivery["state"] == state)
    })
    .await
}

/// How often a card was sent for the call, and how often was asked whether it arrived.
fn requests(phone: &Phone, call_id: &str) -> (usize, usize) {
    (phone.received_of(call_id).len(), phone.asked_about(call_id).len())
}

/// An answer so late that something can happen before.
fn slow() -> Reply {
    Reply::Late(Duration::from_millis(700), Box::new(Reply::json(201, &json!({"data": {}}))))
}

async fn under_way(phone: &Phone, call_id: &str) {
    until("the card is under way", async || (requests(phone, call_id).0 == 1).then_some(())).await;
}

#[tokio::test]
async fn a_card_that_arrived_without_an_answer_is_not_sent_again() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.script([Reply::Taken]);
    let settled = server.ring_and_settle(&inbound("taken", NUMBER)).await;
    assert_eq!((&settled["state"], &settled["status"]), (&json!("sent"), &json!(200)));
    assert_eq!(requests(&phone, "taken"), (1, 1));
    let question = phone.asked_about("taken")[0].request.clone();
    assert_eq!(question.target, "/api/v3/calls/taken/cards");
    let arrived = "callcard_arrivals_total{account=\"hipcall\",outcome=\"arrived\"}";
    assert_eq!(server.metric(arrived).await, 1.0);
}

#[tokio::test]
async fn a_card_that_did_not_arrive_is_sent_again() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    for (position, fault) in [Reply::Close, Reply::HalfAnswer].into_iter().enumerate() {
        let id = format!("lost-{position}");
        phone.script([fault]);
        assert_eq!(server.ring_and_settle(&inbound(&id, NUMBER)).await["state"], "sent");
        assert_eq!((requests(&phone, &id), phone.cards_of(&id).len()), ((2, 1), 1));
    }
}

#[tokio::test]
async fn a_card_whose_server_was_killed_before_the_answer_is_not_sent_again() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.script([slow()]);
    server.ring(&inbound("killed", NUMBER), "accepted").await;
    under_way(&phone, "killed").await;
    let server = server.killed_and_started_again().await;
    assert_eq!(server.settled("killed").await["state"], "sent");
    assert_eq!(requests(&phone, "killed"), (1, 1));
}

#[tokio::test]
async fn a_call_whose_event_a_crash_took_along_behind_its_card_is_asked_about() {
    let phone = Phone::start();
    let rules = EVERYBODY.replace("    card:", "    when: {event: [call_init, call_bridged]}\n    card:");
    assert_ne!(rules, EVERYBODY);
    let server = Server::with(&rules, &phone).await;
    let lost = inbound("lost", NUMBER);
    server.ring_and_settle(&lost).await;
    assert_eq!(requests(&phone, "lost"), (1, 0), "it began behind the start");
    // What no commit had reached is gone, and with a power cut what no wait for the disk had.
    let place = server.killed();
    std::fs::remove_dir_all(place.data()).unwrap();
    let server = Server::start(place).await;
    let mut bridged = lost;
    bridged["event"] = json!("call_bridged");
    assert_eq!(server.ring_and_settle(&bridged).await["state"], "sent");
    assert_eq!(requests(&phone, "lost"), (1, 1), "it has its card");
    let mut other = inbound("other", NUMBER);
    other["data"]["started_at"] = bridged["data"]["started_at"].clone();
    assert_eq!(server.ring_and_settle(&other).await["state"], "sent");
    assert_eq!((requests(&phone, "other"), phone.cards_of("other").len()), ((1, 1), 1), "it had none");
    let mut refused = inbound("refused", NUMBER);
    refused["data"]["started_at"] = bridged["data"]["started_at"].clone();
    phone.script([error(503)]);
    assert_eq!(server.ring_and_settle(&refused).await["state"], "sent");
    assert_eq!(requests(&phone, "refused"), (2, 1), "it is asked about once");
}

#[tokio::test]
async fn while_the_api_gives_no_answer_the_outcome_stays_unknown_and_is_shown_so() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.script([Reply::Taken]);
    phone.lists(Some(error(500)));
    server.ring(&inbound("unknown", NUMBER), "accepted").await;
    until("it was asked twice", async || (requests(&phone, "unknown").1 == 2).then_some(())).await;
    let unknown = in_state(&server, "unknown", "unknown").await;
    assert_eq!((&unknown["reason"], &unknown["settled_at"]), (&json!("scripted 500"), &Value::Null));
    let listed = server.get_json("/api/deliveries?state=unknown").await;
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 1);
    let server = server.killed_and_started_again().await;
    phone.lists(None);
    assert_eq!(server.settled("unknown").await["state"], "sent");
    assert_eq!(requests(&phone, "unknown").0, 1);
}

#[tokio::test]
async fn where_the_api_does_not_answer_the_question_the_card_is_sent_again_and_that_is_said_once() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.lists(Some(error(405)));
    for id in ["first", "second"] {
        phone.script([Reply::Taken]);
        assert_eq!(server.ring_and_settle(&inbound(id, NUMBER)).await["state"], "sent");
        assert_eq!(requests(&phone, id), (2, 1));
    }
    let told: Vec<Value> = server.log().into_iter().filter(|line| line["silenced"].is_number()).collect();
    assert_eq!((told.len(), &told[0]["status"]), (1, &json!(405)), "{told:?}");
    assert!(told[0]["message"].as_str().unwrap().contains("does not tell whether a card arrived"), "{told:?}");
}

#[tokio::test]
async fn a_hang_up_while_the_card_is_under_way_does_not_make_it_over() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.script([slow()]);
    server.ring(&inbound("brief", NUMBER), "accepted").await;
    under_way(&phone, "brief").await;
    server.ring(&hangup("brief"), "accepted").await;
    let settled = server.settled("brief").await;
    assert_eq!((&settled["state"], &settled["status"]), (&json!("sent"), &json!(201)));
    assert_eq!(requests(&phone, "brief"), (1, 0));
}

#[tokio::test]
async fn after_the_hang_up_a_card_of_unknown_outcome_is_asked_about_and_never_sent() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.lists(Some(error(500)));
    for (id, fault) in [("arrived", Reply::Taken), ("lost", Reply::Close)] {
        phone.script([fault]);
        server.ring(&inbound(id, NUMBER), "accepted").await;
        in_state(&server, id, "unknown").await;
        server.ring(&hangup(id), "accepted").await;
    }
    phone.lists(None);
    assert_eq!(server.settled("arrived").await["state"], "sent");
    assert_eq!(server.settled("lost").await["state"], "over");
    assert_eq!(server.line_of("lost").await["outcome"], "over");
    assert_eq!((requests(&phone, "arrived").0, requests(&phone, "lost").0), (1, 1));
}

#[tokio::test]
async fn a_card_that_is_refused_for_now_after_its_call_ended_is_over() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.script([Reply::Late(Duration::from_millis(700), Box::new(error(503)))]);
    server.ring(&inbound("refused", NUMBER), "accepted").await;
    under_way(&phone, "refused").await;
    server.ring(&hangup("refused"), "accepted").await;
    assert_eq!(server.settled("refused").await["state"], "over");
    assert_eq!(server.line_of("refused").await["outcome"], "over");
    assert_eq!(requests(&phone, "refused"), (1, 0));
}

#[tokio::test]
async fn at_the_deadline_it_is_asked_once_more_and_nothing_is_sent() {
    let phone = Phone::start();
    let server = Server::with(&EVERYBODY.replace("rules:", "defaults: {send_within: 2s}\nrules:"), &phone).await;
    phone.script([Reply::Close]);
    phone.lists(Some(error(503)));
    let begun = Instant::now();
    let settled = server.ring_and_settle(&inbound("late", NUMBER)).await;
    assert_eq!(settled["state"], "too_late");
    assert_eq!(settled["reason"], "whether the card arrived is not known: scripted 503");
    assert_eq!(requests(&phone, "late").0, 1);
    let last = phone.asked_about("late").pop().unwrap().request.at;
    assert!(last.duration_since(begun) > Duration::from_millis(1500));
}

#[tokio::test]
async fn a_question_counts_against_the_rate_of_the_account() {
    let phone = Phone::start();
    let mut place = Place::new(EVERYBODY, &phone);
    place.set("HIPCALL_REQUESTS_PER_MINUTE", "2");
    let server = Server::start(place).await;
    phone.script([Reply::Taken]);
    assert_eq!(server.ring_and_settle(&inbound("first", NUMBER)).await["state"], "sent");
    assert_eq!(requests(&phone, "first"), (1, 1));
    server.ring(&inbound("second", NUMBER), "accepted").await;
    assert_eq!(server.metric("callcard_account_requests_left{account=\"hipcall\"}").await, 0.0);
    assert_eq!(server.delivery("second").await.unwrap()["state"], "pending");
    assert_eq!(requests(&phone, "second"), (0, 0));
}

#[tokio::test]
async fn after_a_power_cut_what_may_have_been_sent_is_asked_about_first() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    assert_eq!(server.ring_and_settle(&inbound("arrived", NUMBER)).await["state"], "sent");
    let place = server.killed();
    // What is left where only the events have reached the disk: no commit since then waited for it.
    let database = rusqlite::Connection::open(place.data().join("outbox.sqlite3")).unwrap();
    let lost = "UPDATE delivery SET state = 'pending', claimable_at = received_at, settled_at = NULL, status = NULL, is_unknown = 0,
                attempts = 0, rule = NULL, revision = NULL, card = NULL, trace = NULL;
                UPDATE boot SET id = 'before the power cut';";
    database.execute_batch(lost).unwrap();
    drop(database);
    let server = Server::start(place).await;
    assert_eq!(server.settled("arrived").await["state"], "sent");
    assert_eq!(requests(&phone, "arrived"), (1, 1), "it is not sent again");
}
