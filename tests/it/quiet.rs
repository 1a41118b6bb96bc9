//! Calls and events that get no card: too old, internal, withheld, unwanted, over.

use serde_json::json;

use super::crm::Crm;
use super::event::{hangup, inbound, sample};
use super::phone::{Phone, error, too_many};
use super::server::{Server, until};

#[tokio::test]
async fn a_call_that_began_two_years_ago_is_too_late_and_sends_nothing() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let mut event = sample("outbound_init");
    event["data"]["started_at"] = json!("2024-11-17T10:41:00Z");
    let settled = server.ring_and_settle(&event).await;
    assert_eq!(settled["state"], "too_late");
    assert!(settled["reason"].as_str().unwrap().contains("hours ago"), "{settled}");
    let listed = server.get_json("/api/deliveries?state=too_late").await;
    assert_eq!(listed["deliveries"][0]["call_id"], event["data"]["uuid"]);
    assert_eq!(phone.received().len(), 0);
}

#[tokio::test]
async fn internal_calls_and_other_events_are_ignored_and_leave_nothing_behind() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    server.ring(&sample("internal_init"), "ignored").await;
    for name in ["task_created", "contact_updated", "an_event_of_next_year"] {
        server.ring(&json!({"event": name, "data": {"uuid": "t/1", "title": "x"}}), "ignored").await;
    }
    assert_eq!(server.deliveries().await.len(), 0);
    assert_eq!(server.get_json("/api/unreadable").await["unreadable"], json!([]));
    assert_eq!(phone.received().len(), 0);
}

#[tokio::test]
async fn an_answered_call_that_no_rule_asks_for_is_ignored() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    server.ring(&sample("inbound_bridged"), "ignored").await;
    assert_eq!(server.deliveries().await.len(), 0);
}

#[tokio::test]
async fn an_internal_call_gets_a_card_where_a_rule_names_it() {
    let phone = Phone::start();
    let rules = "
version: 1
rules:
  - name: colleagues
    when: {direction: internal}
    card: [{type: title, text: A colleague}]
";
    let server = Server::with(rules, &phone).await;
    let event = sample("internal_init");
    assert_eq!(server.ring_and_settle(&event).await["rule"], "colleagues");
    assert_eq!(phone.received().len(), 1);
}

#[tokio::test]
async fn a_supplier_gets_no_card_and_the_delivery_says_why() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let settled = server.ring_and_settle(&inbound("supplier", "492215550123")).await;
    assert_eq!((&settled["state"], &settled["rule"]), (&json!("no_card"), &json!("suppliers-get-no-card")));
    assert!(settled["reason"].as_str().unwrap().contains("card: none"), "{settled}");
    assert_eq!(phone.received().len(), 0);
}

#[tokio::test]
async fn nobody_is_asked_about_a_withheld_caller() {
    let (phone, crm) = (Phone::start(), Crm::knowing(&json!([{"phone": "anonymous", "name": "Nobody"}])));
    let rules = format!(
        "
version: 1
sources:
  crm:
{}
rules:
  - name: known
    needs: {{crm: some}}
    card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]
  - name: nobody
    needs: {{crm: none}}
    card: [{{type: title, text: Withheld}}]
",
        crm.source("")
    );
    let server = Server::with(&rules, &phone).await;
    let mut event = sample("withheld_init");
    let forms = [json!("anonymous"), json!(null), json!(""), json!("Restricted"), json!("101"), json!({"a": 1})];
    for (position, number) in forms.into_iter().enumerate() {
        let id = format!("withheld-{position}");
        event["data"]["uuid"] = json!(id);
        event["data"]["caller_number"] = number;
        let settled = server.ring_and_settle(&event).await;
        assert_eq!(settled["rule"], "nobody", "{}", event["data"]["caller_number"]);
        assert!(settled["trace"]["sources"][0]["milliseconds"].is_null(), "{settled}");
        assert_eq!(phone.cards_of(&id), [json!({"card": [{"type": "title", "text": "Withheld"}]})]);
    }
    assert_eq!(crm.asked().len(), 0);
}

#[tokio::test]
async fn a_withheld_caller_gets_the_card_of_the_rule_for_it() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let event = sample("withheld_init");
    assert_eq!(server.ring_and_settle(&event).await["rule"], "withheld-caller");
    let card = json!({"card": [
        {"type": "title", "text": "Gizli numara"},
        {"type": "shortText", "label": "Aranan hat", "text": "+90 258 244 00 32"},
    ]});
    assert_eq!(phone.received()[0].card(), card);
}

#[tokio::test]
async fn after_the_hang_up_a_pending_card_is_over_and_never_sent() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    phone.script([too_many(1)]);
    server.ring(&inbound("over", "442045205757"), "accepted").await;
    until("the first attempt was put off", async || {
        server.delivery("over").await.filter(|delivery| delivery["state"] == "pending" && delivery["attempts"] == 1)
    })
    .await;
    server.ring(&hangup("over"), "accepted").await;
    assert_eq!(server.settled("over").await["state"], "over");
    // A later call is put off as long: once its second attempt is here, the first call's would have been.
    phone.script([too_many(1)]);
    assert_eq!(server.ring_and_settle(&inbound("later", "442045205757")).await["state"], "sent");
    assert_eq!(phone.received_of("over").len(), 1);
    assert_eq!(phone.received_of("later").len(), 2);
}

#[tokio::test]
async fn a_call_whose_hang_up_came_first_gets_no_card() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    server.ring(&hangup("hasty"), "accepted").await;
    server.ring(&inbound("hasty", "442045205757"), "accepted").await;
    assert_eq!(server.settled("hasty").await["state"], "over");
    assert_eq!(server.line_of("hasty").await["outcome"], "over");
    server.ring_and_settle(&inbound("later", "442045205757")).await;
    assert_eq!(phone.received_of("hasty").len(), 0);
}

#[tokio::test]
async fn each_call_that_the_hang_up_ended_has_its_line_too() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    phone.always(Some(error(503)));
    server.ring(&inbound("over", "442045205757"), "accepted").await;
    until("the first attempt failed", async || {
        server.delivery("over").await.filter(|delivery| delivery["state"] == "pending" && delivery["attempts"] == 1)
    })
    .await;
    server.ring(&hangup("over"), "accepted").await;
    assert_eq!(server.line_of("over").await["outcome"], "over");
}
