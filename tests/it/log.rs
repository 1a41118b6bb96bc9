//! The log: one line a call that tells what an operator asks, and nothing that names a person.
//!
//! That no server of the whole run logged a number, a name, a token or a body is checked where each one ends, in `server`.

use serde_json::{Value, json};

use super::crm::{Crm, found};
use super::event::{inbound, sample};
use super::phone::{Phone, error};
use super::server::Server;

const NUMBER: &str = "+905321234567";

/// The lines that tell what became of a call.
fn lines_of(server: &Server, call_id: &str) -> Vec<Value> {
    server.log().into_iter().filter(|line| line["call.id"] == call_id && line["outcome"].is_string()).collect()
}

#[tokio::test]
async fn a_call_has_one_line_with_its_rule_its_sources_its_outcome_and_its_time() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let id = "2483a75a-56a2-41f1-991b-92b1667e324a";
    server.ring_and_settle(&sample("outbound_init")).await;
    let line = server.line_of(id).await;
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["rule.name"], "known-customer");
    assert_eq!(line["outcome"], "sent");
    assert_eq!(line["account"], "hipcall");
    assert_eq!(line["attempts"], 1);
    assert!(line["milliseconds"].as_u64().unwrap() < 20_000, "{line}");
    assert!(line["sources"].as_str().unwrap().starts_with("contacts one "), "{line}");
    assert!(line["sources"].as_str().unwrap().ends_with(" ms"), "{line}");
    assert!(line["message"].as_str().unwrap().contains(id), "{line}");
    assert_eq!(line["rules.revision"], server.get_json("/readyz").await["revision"]);
    assert_eq!(lines_of(&server, id).len(), 1);
}

#[tokio::test]
async fn a_call_that_needed_several_attempts_has_one_line_that_still_tells_its_sources() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    phone.script([error(500), error(503)]);
    server.ring_and_settle(&sample("outbound_init")).await;
    let id = "2483a75a-56a2-41f1-991b-92b1667e324a";
    let line = server.line_of(id).await;
    assert_eq!((&line["attempts"], &line["rule.name"]), (&json!(3), &json!("known-customer")));
    assert_eq!(lines_of(&server, id).len(), 1);
    assert_eq!(line["rules.revision"], server.get_json("/readyz").await["revision"], "{line}");
    assert!(line["sources"].as_str().unwrap().contains("contacts one"), "{line}");
}

#[tokio::test]
async fn calls_without_a_card_have_their_line_with_the_reason() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    server.ring_and_settle(&inbound("supplier", "492215550123")).await;
    let line = server.line_of("supplier").await;
    assert_eq!((&line["outcome"], &line["rule.name"]), (&json!("no_card"), &json!("suppliers-get-no-card")));
    assert!(line["reason"].as_str().unwrap().contains("card: none"), "{line}");

    let mut old = inbound("old", "442045205757");
    old["data"]["started_at"] = json!("2024-11-17T10:41:00Z");
    server.ring_and_settle(&old).await;
    assert_eq!(server.line_of("old").await["outcome"], "too_late");
}

#[tokio::test]
async fn a_source_that_answers_with_the_number_or_a_name_leaves_no_trace_of_it() {
    let phone = Phone::start();
    super::canary::text("Logged Canary");
    for records in [
        json!([{"phone": NUMBER, "name": "Logged Canary"}]),
        json!([{"phone": "+905439998877", "name": "Logged Canary"}]),
    ] {
        let crm = Crm::start(found(&records));
        let rules = format!(
            "
version: 1
sources:
  crm:
{}
rules:
  - name: known
    needs: {{crm: some}}
    card: [{{type: title, text: \"{{{{crm.name}}}} {{{{customer.e164}}}}\"}}]
",
            crm.source("")
        );
        let server = Server::with(&rules, &phone).await;
        phone
            .script([super::host::Reply::json(422, &json!({"errors": {"card": [format!("Logged Canary {NUMBER}")]}}))]);
        let settled = server.ring_and_settle(&inbound("logged", NUMBER)).await;
        let line = server.line_of("logged").await;
        assert!(!line.to_string().contains("Canary") && !line.to_string().contains("5321234567"), "{line}");
        assert!(!settled["trace"].to_string().contains("Canary"), "{settled}");
        phone.script([]);
    }
}

#[tokio::test]
async fn the_webhook_address_in_the_log_hides_the_secret() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let line = server.log().into_iter().find(|line| line["listen"].is_string()).unwrap();
    assert!(line["message"].as_str().unwrap().contains("/webhooks/hipcall/…"), "{line}");
    assert!(!line.to_string().contains(super::server::SECRET));
}
