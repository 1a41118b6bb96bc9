//! One card a call, also where both of its events could have one: the first whose decision is a card.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::crm::{Crm, found};
use super::event::inbound;
use super::host::Reply;
use super::phone::{Phone, error};
use super::server::{Server, until};

const NUMBER: &str = "+905321234567";

/// Who is known has a card when it rings, everybody has one when somebody answers, and who is British always has one.
fn rules(crm: &Crm) -> String {
    format!(
        "
version: 1
defaults: {{decide_within: 50s}}
sources:
  crm:
{}
rules:
  - name: british
    when: {{customer: \"+44*\"}}
    card: [{{type: title, text: British}}]
  - name: ringing
    needs: {{crm: some}}
    card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]
  - name: answered
    when: {{event: call_bridged}}
    card: [{{type: title, text: Answered}}]
",
        crm.source("    timeout: 40s")
    )
}

fn bridged(call_id: &str, number: &str) -> Value {
    let mut event = inbound(call_id, number);
    event["event"] = json!("call_bridged");
    event
}

fn jane() -> Reply {
    found(&json!([{"phone": NUMBER, "name": "Jane"}]))
}

fn card(title: &str) -> Value {
    json!({"card": [{"type": "title", "text": title}]})
}

/// The delivery of one event.
async fn delivery(server: &Server, call_id: &str, event: &str) -> Value {
    let is_it = |row: &Value| row["call_id"] == call_id && row["event"] == event;
    server.deliveries().await.into_iter().find(is_it).unwrap_or_default()
}

/// What became of both events, once nothing is left to do.
async fn outcomes(server: &Server, call_id: &str) -> [Value; 2] {
    server.idle().await;
    let state = async |event: &str| delivery(server, call_id, event).await["state"].clone();
    [state("call_init").await, state("call_bridged").await]
}

async fn asked(crm: &Crm, questions: usize) {
    until("the CRM is asked", async || (crm.asked().len() == questions).then_some(())).await;
}

#[tokio::test]
async fn while_the_first_event_is_decided_the_second_waits_and_another_call_does_not() {
    let (phone, crm) = (Phone::start(), Crm::start(Reply::Hang));
    let server = Server::with(&rules(&crm), &phone).await;
    server.ring(&inbound("slow", NUMBER), "accepted").await;
    server.ring(&bridged("slow", NUMBER), "accepted").await;
    asked(&crm, 1).await;
    assert_eq!(server.ring_and_settle(&bridged("other", "+442045205757")).await["state"], "sent");
    let waiting = delivery(&server, "slow", "call_bridged").await;
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&json!("pending"), &json!(0)));
    assert_eq!(phone.received_of("slow").len(), 0);

    crm.always(jane());
    let server = server.killed_and_started_again().await;
    assert_eq!(outcomes(&server, "slow").await, ["sent", "superseded"]);
    assert_eq!(phone.cards_of("slow"), [card("Jane")]);
    assert_eq!((phone.received_of("slow").len(), crm.asked().len()), (1, 2), "the second event asks nobody");
}

#[tokio::test]
async fn of_two_events_at_once_one_sends_its_card_and_the_other_is_superseded() {
    let (phone, crm) = (Phone::start(), Crm::start(Reply::Late(Duration::from_millis(100), Box::new(jane()))));
    let server = Server::with(&rules(&crm), &phone).await;
    let ids: Vec<String> = (0..20).map(|number| format!("at-once-{number}")).collect();
    let events: Vec<Value> = ids.iter().flat_map(|id| [inbound(id, NUMBER), bridged(id, NUMBER)]).collect();
    futures_util::future::join_all(events.iter().map(|event| server.ring(event, "accepted"))).await;
    for id in &ids {
        let mut outcomes = outcomes(&server, id).await;
        outcomes.sort_by_key(Value::to_string);
        assert_eq!(outcomes, ["sent", "superseded"], "{id}");
        assert_eq!(phone.received_of(id).len(), 1, "{id}");
    }
    let superseded = "callcard_deliveries_total{account=\"hipcall\",outcome=\"superseded\",rule=\"none\"}";
    // It is counted after it is stored.
    until("all are counted", async || (server.metric(superseded).await == 20.0).then_some(())).await;
    let listed = server.get_json("/api/deliveries?state=superseded").await;
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn the_second_event_has_its_card_and_all_its_time_where_the_first_one_is_decided_to_have_none() {
    let nobody = Reply::Late(Duration::from_millis(2500), Box::new(found(&json!([]))));
    let (phone, crm) = (Phone::start(), Crm::start(nobody));
    // Time for one question, not for two.
    let rules = rules(&crm).replace("decide_within: 50s", "decide_within: 4s");
    let rules = rules.replace("{event: call_bridged}", "{event: call_bridged}\n    needs: {crm: none}");
    let server = Server::with(&rules, &phone).await;
    server.ring(&inbound("unknown", NUMBER), "accepted").await;
    server.ring(&bridged("unknown", NUMBER), "accepted").await;
    assert_eq!(outcomes(&server, "unknown").await, ["no_card", "sent"]);
    assert_eq!(phone.cards_of("unknown"), [card("Answered")]);
    let settled_at = async |event: &str| -> Timestamp {
        delivery(&server, "unknown", event).await["settled_at"].as_str().unwrap().parse().unwrap()
    };
    assert!(settled_at("call_init").await <= settled_at("call_bridged").await);
}

#[tokio::test]
async fn a_card_that_is_tried_again_or_refused_supersedes_the_second_event_as_well() {
    let (phone, crm) = (Phone::start(), Crm::start(jane()));
    let server = Server::with(&rules(&crm), &phone).await;
    phone.always(Some(error(503)));
    server.ring(&inbound("again", NUMBER), "accepted").await;
    until("it was tried", async || (!phone.received().is_empty()).then_some(())).await;
    server.ring(&bridged("again", NUMBER), "accepted").await;
    until("the second event is superseded while the first one is tried", async || {
        (delivery(&server, "again", "call_bridged").await["state"] == "superseded").then_some(())
    })
    .await;
    assert_eq!(delivery(&server, "again", "call_init").await["settled_at"], Value::Null);
    phone.always(None);
    assert_eq!(outcomes(&server, "again").await, ["sent", "superseded"]);
    assert_eq!(phone.cards_of("again"), [card("Jane")]);

    phone.script([error(422)]);
    server.ring_and_settle(&inbound("refused", NUMBER)).await;
    server.ring(&bridged("refused", NUMBER), "accepted").await;
    assert_eq!(outcomes(&server, "refused").await, ["refused", "superseded"]);
    assert_eq!(phone.received_of("refused").len(), 1);
}

#[tokio::test]
async fn a_card_that_was_under_way_when_the_server_was_killed_stays_the_card_of_its_call() {
    let (phone, crm) = (Phone::start(), Crm::start(jane()));
    let server = Server::with(&rules(&crm), &phone).await;
    phone.always(Some(Reply::Hang));
    server.ring(&inbound("hung", NUMBER), "accepted").await;
    until("it is under way", async || (phone.received().len() == 1).then_some(())).await;
    let place = server.killed();
    phone.always(None);
    // Decided anew, the first event would have no card now and the second one would.
    crm.always(found(&json!([])));
    let server = Server::start(place).await;
    server.ring(&bridged("hung", NUMBER), "accepted").await;
    assert_eq!(outcomes(&server, "hung").await, ["sent", "superseded"]);
    assert_eq!(phone.cards_of("hung"), [card("Jane")]);
    assert_eq!(phone.received_of("hung")[0].card(), card("Jane"));
}
