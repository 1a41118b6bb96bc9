//! Sources that are slow, dead or lying: they cost a card its rows, never its deadline.

use std::time::Duration;

use serde_json::{Value, json};

use super::crm::{self, Crm, found, page};
use super::event::inbound;
use super::host::Reply;
use super::phone::Phone;
use super::server::{Place, Server};

const NUMBER: &str = "+905321234567";

/// Rules that show what a CRM said; `defaults` and `timeout` are written as in YAML.
fn rules(crm: &Crm, decide_within: &str, timeout: &str) -> String {
    format!(
        "
version: 1
defaults: {{decide_within: {decide_within}}}
sources:
  crm:
{}{timeout}
rules:
  - name: one
    needs: {{crm: one}}
    card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]
  - name: many
    needs: {{crm: many}}
    card: [{{type: title, text: \"{{{{crm.count}}}} people\"}}]
  - name: failed
    needs: {{crm: failed}}
    card: [{{type: title, text: The CRM is down}}]
  - name: nobody
    needs: {{crm: none}}
    card: [{{type: title, text: Nobody knows}}]
",
        crm.source("")
    )
}

/// Asks a CRM that answers so about one call: the settled delivery and what the CRM was asked.
async fn ask(reply: Reply) -> (Value, Crm) {
    let (phone, crm) = (Phone::start(), Crm::start(reply));
    let server = Server::with(&rules(&crm, "10s", "    timeout: 5s\n    retry: false"), &phone).await;
    let settled = server.ring_and_settle(&inbound("asked", NUMBER)).await;
    assert_eq!(settled["state"], "sent", "{settled}");
    assert_eq!(phone.cards_of("asked").len(), 1);
    (settled, crm)
}

fn jane() -> Value {
    super::canary::text("Jane Canary");
    json!({"phone": NUMBER, "mobile": null, "name": "Jane Canary"})
}

#[tokio::test]
async fn a_crm_is_asked_once_a_call_with_its_token_and_the_number() {
    let (settled, crm) = ask(found(&json!([jane()]))).await;
    assert_eq!(settled["rule"], "one");
    let asked = crm.asked();
    assert_eq!(asked.len(), 1, "four rules need it");
    assert_eq!(asked[0].target, "/v1/contacts?phone=%2B905321234567");
    assert_eq!(asked[0].method, "GET");
    assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {}", crm::TOKEN).as_str()));
}

#[tokio::test]
async fn numbers_are_compared_however_they_are_written() {
    let records = json!([{"phone": "0532 123 45 67", "name": "Jane Canary"}, {"mobile": 905_321_234_567_u64}]);
    let (settled, _) = ask(found(&records)).await;
    assert_eq!(settled["rule"], "many");
    assert_eq!(settled["card"]["card"][0]["text"], "2 people");
}

#[tokio::test]
async fn the_record_of_another_person_is_dropped() {
    let other = json!({"phone": "+905439998877", "name": "Somebody Canary"});
    super::canary::text("Somebody Canary");
    let (settled, _) = ask(found(&json!([other, {"name": "No Number Canary"}]))).await;
    assert_eq!(settled["rule"], "nobody");
    assert_eq!(settled["trace"]["sources"][0]["dropped"], 2);
    let (settled, _) = ask(found(&json!([other, jane()]))).await;
    assert_eq!((&settled["rule"], &settled["card"]["card"][0]["text"]), (&json!("one"), &json!("Jane Canary")));
}

#[tokio::test]
async fn a_status_under_none_means_nobody_and_any_other_error_is_a_failure() {
    for (reply, rule) in [
        (page(404), "nobody"),
        (found(&json!([])), "nobody"),
        (Reply::Answer { status: 204, headers: Vec::new(), body: Vec::new() }, "nobody"),
        (page(500), "failed"),
        (page(401), "failed"),
        (page(200), "failed"),
        (Reply::Close, "failed"),
        (Reply::HalfAnswer, "failed"),
    ] {
        let what = format!("{reply:?}");
        let (settled, crm) = ask(reply).await;
        assert_eq!(settled["rule"], rule, "{what}: {settled}");
        assert_eq!(crm.asked().len(), 1, "{what}");
        assert_eq!(settled["trace"]["sources"][0]["why"].is_string(), rule == "failed", "{settled}");
    }
}

#[tokio::test]
async fn an_answer_of_any_size_is_a_failure_and_not_a_full_memory() {
    let mut records = vec![jane()];
    records.resize(40_000, json!({"phone": "+905439998877", "note": "n".repeat(20)}));
    let (settled, _) = ask(found(&json!(records))).await;
    assert_eq!(settled["rule"], "failed", "{settled}");
}

#[tokio::test]
async fn json_of_another_shape_holds_no_record_of_this_customer() {
    for (answer, rule) in [
        (json!(null), "nobody"),
        (json!([]), "nobody"),
        (json!({"results": {"phone": NUMBER}}), "failed"),
        (json!({"results": "x"}), "nobody"),
        (json!(7), "nobody"),
    ] {
        let (settled, _) = ask(Reply::json(200, &answer)).await;
        assert_eq!(settled["rule"], rule, "{answer}: {settled}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Crm::knowing(&json!([jane()]));
    let location = format!("http://127.0.0.1:{}/v1/contacts", other.port());
    let (settled, crm) =
        ask(Reply::Answer { status: 302, headers: vec![("location".into(), location)], body: Vec::new() }).await;
    assert_eq!(settled["rule"], "failed");
    assert_eq!((crm.asked().len(), other.asked().len()), (1, 0));
}

#[tokio::test]
async fn a_crm_that_is_slower_than_its_timeout_has_failed() {
    let (phone, crm) = (Phone::start(), Crm::start(Reply::Hang));
    let server = Server::with(&rules(&crm, "50s", "    timeout: 300ms"), &phone).await;
    let settled = server.ring_and_settle(&inbound("slow", NUMBER)).await;
    assert_eq!((&settled["state"], &settled["rule"]), (&json!("sent"), &json!("failed")));
    let took = settled["trace"]["sources"][0]["milliseconds"].as_f64().unwrap();
    assert!((300.0..5_000.0).contains(&took), "{took}");
}

#[tokio::test]
async fn what_a_crm_has_not_said_when_the_decision_is_due_does_not_count() {
    let reply = Reply::Late(Duration::from_secs(3), Box::new(found(&json!([jane()]))));
    let (phone, crm) = (Phone::start(), Crm::start(reply));
    let server = Server::with(&rules(&crm, "500ms", ""), &phone).await;
    let settled = server.ring_and_settle(&inbound("late", NUMBER)).await;
    assert_eq!(settled["rule"], "failed");
    let milliseconds = server.line_of("late").await["milliseconds"].as_u64().unwrap();
    assert!(milliseconds < 2_500, "{milliseconds}");
}

#[tokio::test]
async fn a_source_that_hangs_does_not_hold_up_the_card_of_an_earlier_rule_or_another_call() {
    let (phone, crm) = (Phone::start(), Crm::start(Reply::Hang));
    let rules = format!(
        "
version: 1
defaults: {{decide_within: 50s}}
sources:
  people:
    csv: {{file: people.csv, numbers: [phone]}}
  crm:
{}
rules:
  - name: from-the-table
    needs: {{people: one}}
    card: [{{type: title, text: \"{{{{people.name}}}}\"}}]
  - name: from-the-crm
    needs: {{crm: one}}
    card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]
",
        crm.source("")
    );
    let place = Place::new(&rules, &phone);
    place.write("people.csv", "phone,name\n0532 123 45 67,Table Canary\n");
    super::canary::text("Table Canary");
    let server = Server::start(place).await;
    // This one waits for the CRM for 50 s, longer than the test waits for the next.
    server.ring(&inbound("waits", "+905439998877"), "accepted").await;
    let settled = server.ring_and_settle(&inbound("first", NUMBER)).await;
    assert_eq!((&settled["state"], &settled["rule"]), (&json!("sent"), &json!("from-the-table")));
    assert_eq!(server.delivery("waits").await.unwrap()["state"], "leased");
}

#[tokio::test]
async fn a_source_that_only_rules_behind_the_deciding_one_mention_is_not_asked() {
    let (phone, crm) = (Phone::start(), Crm::knowing(&json!([jane()])));
    let rules = rules(&crm, "10s", "").replace(
        "rules:\n",
        "rules:\n  - name: everybody\n    when: {direction: inbound}\n    card: [{type: title, text: Hello}]\n",
    );
    let server = Server::with(&rules, &phone).await;
    assert_eq!(server.ring_and_settle(&inbound("first", NUMBER)).await["rule"], "everybody");
    assert_eq!(crm.asked().len(), 0);
}
