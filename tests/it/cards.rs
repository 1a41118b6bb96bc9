//! The main job: a call comes in, its card goes out, once, to the right place.

use serde_json::{Value, json};

use super::event::{inbound, outbound, sample};
use super::phone::{Phone, TOKEN};
use super::server::Server;

/// What the agent sees of İrem Çelik, who is in the shipped contacts with a number without plus.
fn card_of_irem() -> Value {
    json!({"card": [
        {"type": "title", "text": "İrem Çelik", "link": "https://crm.example.com/contacts/1006"},
        {"type": "user", "label": "Temsilci", "user_id": 1122},
    ]})
}

#[tokio::test]
async fn the_vendors_published_event_brings_its_card_to_the_documented_address_with_the_token() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let settled = server.ring_and_settle(&sample("outbound_init")).await;
    assert_eq!((&settled["state"], &settled["status"]), (&json!("sent"), &json!(201)));
    assert_eq!(settled["rule"], "known-customer");

    let received = phone.received();
    assert_eq!(received.len(), 1);
    let request = &received[0].request;
    assert_eq!(request.method, "POST");
    assert_eq!(request.target, "/api/v3/calls/2483a75a-56a2-41f1-991b-92b1667e324a/cards");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(received[0].card(), card_of_irem());
    assert_eq!(settled["card"], card_of_irem());
}

#[tokio::test]
async fn an_inbound_call_brings_the_card_of_the_one_who_calls() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let event = sample("inbound_init");
    server.ring_and_settle(&event).await;
    let card = json!({"card": [
        {"type": "title", "text": "Ayşe Yılmaz", "link": "https://crm.example.com/contacts/1001"},
        {"type": "shortText", "label": "★ VIP", "text": "Yılmaz Mobilya"},
        {"type": "shortText", "label": "Bakiye", "text": "1.250,50 ₺"},
        {"type": "shortText", "label": "Not", "text": "Teslimat pazartesi"},
        {"type": "user", "label": "Temsilci", "user_id": 1121},
    ]});
    assert_eq!(phone.cards_of(event["data"]["uuid"].as_str().unwrap()), [card]);
}

#[tokio::test]
async fn foreign_numbers_without_plus_are_found_and_shown_in_international_form() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    server.ring_and_settle(&inbound("british", "442045205757")).await;
    let jane = json!({"card": [
        {"type": "title", "text": "Jane Smith", "link": "https://crm.example.com/contacts/1002"},
        {"type": "shortText", "label": "Şirket", "text": "Acme Ltd"},
        {"type": "user", "label": "Temsilci", "user_id": 1122},
    ]});
    assert_eq!(phone.cards_of("british"), [jane]);

    server.ring_and_settle(&inbound("german", "4915123456789")).await;
    let unknown = json!({"card": [
        {"type": "title", "text": "+49 1512 3456789",
         "link": "https://crm.example.com/contacts/new?phone=%2B4915123456789"},
        {"type": "shortText", "label": "Ülke", "text": "DE"},
    ]});
    assert_eq!(phone.cards_of("german"), [unknown]);
}

#[tokio::test]
async fn every_way_of_writing_a_number_finds_the_same_customer() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let numbers = ["905438856301", "05438856301", "5438856301", "0090 (543) 885 63 01", "+90 (0) 543 885 63 01"];
    for (position, number) in numbers.iter().enumerate() {
        let id = format!("number-{position}");
        let settled = server.ring_and_settle(&outbound(&id, number)).await;
        assert_eq!(settled["rule"], "known-customer", "{number}");
        assert_eq!(phone.cards_of(&id), [card_of_irem()], "{number}");
    }
}

#[tokio::test]
async fn the_vendors_other_call_id_and_old_integers_work_as_well() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let mut event = outbound("call_abc123", "905438856301");
    event["data"]["direction"] = json!(2);
    event["data"]["caller_number"] = json!(902_582_440_032_u64);
    event["data"]["callee_number"] = json!(905_438_856_301_u64);
    event["data"]["number_id"] = json!("328");
    event["data"]["a_new_key"] = json!({"nobody": ["knows", null]});
    server.ring_and_settle(&event).await;
    assert_eq!(phone.received()[0].request.target, "/api/v3/calls/call_abc123/cards");
    assert_eq!(phone.cards_of("call_abc123"), [card_of_irem()]);
}

#[tokio::test]
async fn a_second_webhook_for_one_call_sends_one_card() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let event = sample("outbound_init");
    server.ring_and_settle(&event).await;
    server.ring(&event, "duplicate").await;
    // A call that comes later is served after whatever the duplicate could have set off.
    server.ring_and_settle(&inbound("later", "442045205757")).await;
    server.idle().await;
    assert_eq!(phone.received().len(), 2);
    assert_eq!(server.deliveries().await.len(), 2);
    assert_eq!(server.metric("callcard_webhooks_total{account=\"hipcall\",outcome=\"duplicate\"}").await, 1.0);
}

#[tokio::test]
async fn of_twenty_copies_at_once_one_is_accepted() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let event = sample("outbound_init");
    let answers = futures_util::future::join_all((0..20).map(|_| server.webhook(&event))).await;
    let count = |status: &str| answers.iter().filter(|answer| **answer == (200, json!({ "status": status }))).count();
    assert_eq!((count("accepted"), count("duplicate")), (1, 19), "{answers:?}");
    let id = event["data"]["uuid"].as_str().unwrap();
    assert_eq!(server.settled(id).await["state"], "sent");
    server.idle().await;
    assert_eq!(phone.received().len(), 1);
    assert_eq!(phone.cards_of(id), [card_of_irem()]);
}

#[tokio::test]
async fn the_card_of_the_vendors_documentation_pasted_into_a_rule_is_sent_as_it_stands() {
    let phone = Phone::start();
    let rules = r#"
version: 1
rules:
  - name: pasted
    card: {"card": [
      {"type": "title", "text": "My CRM", "link": "https://my-crm.com"},
      {"type": "shortText", "label": "Full Name", "text": "Jane Doe", "link": "https://my-crm.com/1", "ios": "crm://1", "android": "crm://1"},
      {"type": "user", "label": "Sales Person", "user_id": 11}
    ]}
"#;
    let server = Server::with(rules, &phone).await;
    server.ring_and_settle(&inbound("pasted", "+905321234567")).await;
    let card = json!({"card": [
        {"type": "title", "text": "My CRM", "link": "https://my-crm.com"},
        {"type": "shortText", "label": "Full Name", "text": "Jane Doe", "link": "https://my-crm.com/1", "ios": "crm://1", "android": "crm://1"},
        {"type": "user", "label": "Sales Person", "user_id": 11},
    ]});
    assert_eq!(phone.cards_of("pasted"), [card]);
}
