//! A person asks to be forgotten: caches, outbox and traces, down to the bytes of the files.

use serde_json::{Value, json};

use super::event::{inbound, outbound};
use super::host::Reply;
use super::phone::Phone;
use super::server::{Server, until};

const NUMBER: &str = "+905321234567";

const RULES: &str = r#"
version: 1
sources:
  directory: {hipcall: {}}
rules:
  - name: known
    needs: {directory: some}
    card: [{type: title, text: "{{directory.name}}"}]
"#;

/// A phone system whose directory knows Jane under her number and John under another.
fn phone() -> Phone {
    super::canary::text("Jane Canary");
    let contact = |name: &str, number: &str| json!({"full_name": name, "phones": [{"number": number}]});
    let phone = Phone::start();
    phone.knows(json!([contact("Jane Canary", NUMBER), contact("John Canary", "+905439998877")]), json!([]));
    phone
}

async fn forget(server: &Server, query: &str) -> (u16, Value) {
    let response = server.client.post(format!("{}/-/forget{query}", server.admin)).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

/// Whether a text stands anywhere in the data directory.
fn is_kept(server: &Server, text: &str) -> bool {
    let mut next = vec![server.place.data()];
    while let Some(directory) = next.pop() {
        for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                next.push(path);
            } else if String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(text) {
                return true;
            }
        }
    }
    false
}

#[tokio::test]
async fn a_forgotten_person_is_in_no_file_and_the_answer_says_what_was_removed() {
    let phone = phone();
    let rules = RULES.replace("hipcall: {}}", "hipcall: {}, cache: {fresh: 1h}}");
    let server = Server::with(&rules, &phone).await;
    for event in [inbound("first", NUMBER), outbound("second", "0532 123 45 67"), inbound("other", "905439998877")] {
        assert_eq!(server.ring_and_settle(&event).await["state"], "sent");
    }
    let (status, answer) = server.webhook_bytes(b"{\"caller_number\": \"0 532 1234567\"".to_vec()).await;
    assert_eq!((status, &answer["status"]), (200, &json!("unreadable")));
    assert!(is_kept(&server, "5321234567") && is_kept(&server, "Jane Canary"));

    let (status, answer) = forget(&server, "?number=%2B90+532+123+45+67").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer,
        json!({"number": "+90 *** ** 67", "deliveries": 2, "unreadable": 1, "caches": {"directory": 1}})
    );
    for gone in ["5321234567", "532 123 45 67", "532 1234567", "Jane Canary"] {
        assert!(!is_kept(&server, gone), "{gone}");
    }
    assert!(is_kept(&server, "5439998877") && is_kept(&server, "John Canary"), "everybody else is still there");

    let first = server.settled("first").await;
    assert_eq!((&first["state"], &first["reason"]), (&json!("sent"), &json!("forgotten on request")));
    assert_eq!((&first["card"], &first["trace"]), (&json!(null), &json!(null)));
    assert_eq!(server.webhook(&inbound("first", NUMBER)).await.1, json!({"status": "duplicate"}));
    assert_eq!(phone.asked().len(), 2, "once for each of the two, however many calls they had");
    server.ring_and_settle(&inbound("later", NUMBER)).await;
    assert_eq!(phone.asked().len(), 3, "nothing is kept of Jane");
    server.ring_and_settle(&inbound("other-later", "905439998877")).await;
    assert_eq!(phone.asked().len(), 3, "what is known of John is kept");
    let line = server.log().into_iter().find(|line| line["customer.number"] == "+90 *** ** 67").unwrap();
    assert_eq!((&line["deliveries"], &line["unreadable"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn a_call_that_is_being_decided_gets_no_card_and_leaves_nothing_behind() {
    let phone = phone();
    phone.looks_up(Some(Reply::Hang));
    let server = Server::with(&RULES.replace("sources:", "defaults: {decide_within: 60s}\nsources:"), &phone).await;
    server.ring(&inbound("hangs", NUMBER), "accepted").await;
    until("the directory is asked", async || (!phone.asked().is_empty()).then_some(())).await;
    let (_, answer) = forget(&server, "?number=905321234567").await;
    assert_eq!(answer["deliveries"], 1, "{answer}");
    let settled = server.settled("hangs").await;
    assert_eq!((&settled["state"], &settled["reason"]), (&json!("no_card"), &json!("forgotten on request")));
    assert!(!is_kept(&server, "5321234567"));
    assert_eq!(phone.cards_of("hangs").len(), 0);
}

#[tokio::test]
async fn a_number_is_read_in_any_form_and_what_is_none_is_told_with_help() {
    let phone = phone();
    let server = Server::with(RULES, &phone).await;
    for form in ["+905321234567", "%2B905321234567", "05321234567", "0090%20532%20123%2045%2067"] {
        let (status, answer) = forget(&server, &format!("?number={form}")).await;
        assert_eq!((status, &answer["number"]), (200, &json!("+90 *** ** 67")), "{form}");
    }
    let (_, answer) = forget(&server, "?number=+12025550123").await;
    assert_eq!(answer["number"], "+1 *** ** 23", "a blank is the plus that was not encoded");
    for query in ["", "?number=", "?number=101", "?number=anonymous"] {
        let (status, answer) = forget(&server, query).await;
        assert_eq!(status, 400, "{query}: {answer}");
        assert!(answer["help"].as_str().unwrap().contains("/-/forget?number=%2B90"), "{answer}");
    }
    assert_eq!(server.get("/-/forget?number=05321234567").await.0, 405);
    for (outcome, count) in [("done", 5.0), ("wrong_number", 4.0), ("failed", 0.0)] {
        let name = format!("callcard_forget_requests_total{{outcome=\"{outcome}\"}}");
        assert_eq!(server.metric(&name).await, count, "{name}");
    }
}
