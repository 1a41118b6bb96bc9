//! Sources that are asked within the time there is: kept answers, second tries, a pause after failures.

use std::time::Duration;

use serde_json::{Value, json};

use super::crm::{Crm, found, page};
use super::event::inbound;
use super::host::Reply;
use super::phone::Phone;
use super::server::{Place, Server, until};

const NUMBER: &str = "+905321234567";

/// Rules that show what a CRM said; `keys` stand beside its `http`.
fn rules(crm: &Crm, keys: &str) -> String {
    format!(
        "
version: 1
defaults: {{decide_within: 10s}}
sources:
  crm:
{}    {keys}
rules:
  - name: one
    needs: {{crm: one}}
    card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]
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

/// A CRM that answers with one person of this name.
fn knows(name: &str) -> Reply {
    super::canary::text(name);
    found(&json!([{"phone": NUMBER, "name": name}]))
}

/// Rings about the same person: the rule, the title, and the trace's step.
async fn ring(server: &Server, call_id: &str) -> (Value, Value, Value) {
    let settled = server.ring_and_settle(&inbound(call_id, NUMBER)).await;
    (settled["rule"].clone(), settled["card"]["card"][0]["text"].clone(), settled["trace"]["sources"][0].clone())
}

async fn reload(server: &Server) {
    let response = server.client.post(format!("{}/-/reload", server.admin)).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
}

#[tokio::test]
async fn the_second_call_of_a_person_has_its_card_from_the_cache() {
    let (phone, crm) = (Phone::start(), Crm::start(knows("Jane Canary")));
    let server = Server::with(&rules(&crm, "cache: {fresh: 1h}"), &phone).await;
    let (rule, title, step) = ring(&server, "one").await;
    assert_eq!((rule, title, &step["how"]), (json!("one"), json!("Jane Canary"), &Value::Null));
    crm.always(page(500));
    let (rule, title, step) = ring(&server, "two").await;
    assert_eq!((rule, title, &step["how"]), (json!("one"), json!("Jane Canary"), &json!("cache")));
    assert_eq!(crm.asked().len(), 1);
    for (how, count) in [("asked", 1.0), ("cache", 1.0), ("stale", 0.0)] {
        let name = format!("callcard_source_questions_total{{source=\"crm\",how=\"{how}\"}}");
        assert_eq!(server.metric(&name).await, count, "{how}");
    }
    assert_eq!(server.metric("callcard_source_kept{source=\"crm\"}").await, 1.0);
    assert!(server.metric("callcard_source_kept_bytes{source=\"crm\"}").await > 256.0);
    assert_eq!(server.metric("callcard_source_seconds_count{source=\"crm\"}").await, 1.0);
}

#[tokio::test]
async fn an_old_answer_is_given_while_the_crm_is_down() {
    let (phone, crm) = (Phone::start(), Crm::start(knows("Jane Canary")));
    let server = Server::with(&rules(&crm, "cache: {fresh: 0s, stale: 1h}"), &phone).await;
    assert_eq!(ring(&server, "one").await.0, "one");
    crm.always(Reply::Close);
    let (rule, title, step) = ring(&server, "two").await;
    assert_eq!((rule, title, &step["how"]), (json!("one"), json!("Jane Canary"), &json!("stale")));
    until("it was asked in the background", async || (crm.asked().len() >= 2).then_some(())).await;
    assert_eq!(ring(&server, "three").await.1, "Jane Canary");
}

#[tokio::test]
async fn an_answer_that_came_too_late_for_one_call_is_there_for_the_next() {
    let (phone, crm) =
        (Phone::start(), Crm::start(Reply::Late(Duration::from_secs(1), Box::new(knows("Jane Canary")))));
    let server = Server::with(&rules(&crm, "cache: {fresh: 1h}\n    timeout: 100ms"), &phone).await;
    let (rule, _, step) = ring(&server, "one").await;
    assert_eq!((rule, &step["how"]), (json!("failed"), &json!("late")));
    let kept = "callcard_source_kept{source=\"crm\"}";
    until("the answer is there", async || (server.metric(kept).await > 0.0).then_some(())).await;
    assert_eq!(ring(&server, "two").await.1, "Jane Canary");
    assert_eq!(crm.asked().len(), 1);
}

#[tokio::test]
async fn a_failing_crm_is_asked_twice_and_then_left_alone() {
    let (phone, crm) = (Phone::start(), Crm::start(page(500)));
    let server = Server::with(&rules(&crm, "breaker: {failures: 3, pause: 1h}"), &phone).await;
    let closed = "callcard_source_breaker{source=\"crm\",state=\"closed\"}";
    let open = "callcard_source_breaker{source=\"crm\",state=\"open\"}";
    let (rule, _, step) = ring(&server, "one").await;
    assert_eq!((rule, &step["tries"], crm.asked().len()), (json!("failed"), &json!(2), 2));
    assert_eq!((server.metric(closed).await, server.metric(open).await), (1.0, 0.0));
    ring(&server, "two").await;
    assert_eq!(crm.asked().len(), 3, "the third failure opens it, so there is no second try");
    let (rule, _, step) = ring(&server, "three").await;
    assert_eq!((rule, &step["how"], crm.asked().len()), (json!("failed"), &json!("refused"), 3));
    let why = step["why"].as_str().unwrap();
    assert!(why.starts_with("it is not asked for another 3") && why.ends_with("after 3 failures in a row"), "{why}");
    assert_eq!((server.metric(closed).await, server.metric(open).await), (0.0, 1.0));
    assert_eq!(server.metric("callcard_source_tries_total{source=\"crm\",outcome=\"failed\"}").await, 3.0);
    let told = server.log().into_iter().filter(|line| line["breaker"] == "open").count();
    assert_eq!(told, 1, "each change of its state is one line");
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_of_a_source_that_is_the_same() {
    let (phone, crm) = (Phone::start(), Crm::start(knows("Jane Canary")));
    let text = rules(&crm, "cache: {fresh: 1h}").replace("bearer: \"${CRM_TOKEN}\"", "bearer: \"${file:TOKEN_FILE}\"");
    let place = Place::new(&text, &phone);
    place.write(".token", "first-token-canary");
    super::canary::secret("first-token-canary");
    super::canary::secret("second-token-canary");
    let text = text.replace("TOKEN_FILE", place.rules().join(".token").to_str().unwrap());
    place.write("main.yaml", &text);
    let server = Server::start(place).await;
    ring(&server, "one").await;
    server.place.write("main.yaml", &text.replace("The CRM is down", "It is down"));
    reload(&server).await;
    assert_eq!(ring(&server, "two").await.2["how"], "cache");
    assert_eq!(crm.asked().len(), 1);
    // Another token may see other people.
    server.place.write(".token", "second-token-canary");
    reload(&server).await;
    assert_eq!(ring(&server, "three").await.2["how"], Value::Null);
    assert_eq!(crm.asked()[1].header("authorization"), Some("Bearer second-token-canary"));
    // Another address is another service.
    server.place.write("main.yaml", &text.replace("/v1/contacts", "/v2/contacts"));
    reload(&server).await;
    assert_eq!(ring(&server, "four").await.2["how"], Value::Null);
    assert_eq!(crm.asked().len(), 3);
}

#[tokio::test]
async fn a_second_request_answers_where_the_first_hangs() {
    let (phone, crm) = (Phone::start(), Crm::start(Reply::Hang));
    let server = Server::with(&rules(&crm, "hedge: 500ms"), &phone).await;
    server.ring(&inbound("one", NUMBER), "accepted").await;
    until("the first request hangs", async || (!crm.asked().is_empty()).then_some(())).await;
    crm.always(knows("Jane Canary"));
    let settled = server.settled("one").await;
    assert_eq!((&settled["rule"], &settled["trace"]["sources"][0]["hedged"]), (&json!("one"), &json!(true)));
    assert_eq!(crm.asked().len(), 2);
    let name = "callcard_source_second_requests_total{source=\"crm\",why=\"hedge\"}";
    assert_eq!(server.metric(name).await, 1.0);
}

#[tokio::test]
async fn a_crm_is_not_asked_more_often_a_minute_than_it_may_be() {
    let (phone, crm) = (Phone::start(), Crm::start(knows("Jane Canary")));
    let server = Server::with(&rules(&crm, "per_minute: 1"), &phone).await;
    assert_eq!(ring(&server, "one").await.0, "one");
    let (rule, _, step) = ring(&server, "two").await;
    assert_eq!((rule, &step["how"], crm.asked().len()), (json!("failed"), &json!("refused"), 1));
    assert!(step["why"].as_str().unwrap().ends_with("ms (`per_minute: 1`)"), "{step}");
}

#[tokio::test]
async fn a_crm_that_hangs_has_no_more_questions_than_it_may_have_at_once() {
    let (phone, crm) = (Phone::start(), Crm::start(Reply::Hang));
    // The first question goes on for the cache after its call was decided.
    let server = Server::with(&rules(&crm, "at_once: 1\n    timeout: 200ms\n    cache: {fresh: 1h}"), &phone).await;
    assert_eq!(ring(&server, "one").await.2["how"], "late");
    let settled = server.ring_and_settle(&inbound("two", "+905439998877")).await;
    let step = &settled["trace"]["sources"][0];
    assert_eq!((&settled["rule"], &step["how"]), (&json!("failed"), &json!("refused")));
    assert_eq!(step["why"], "its turn did not come in time (`at_once: 1`)");
    assert_eq!(crm.asked().len(), 1);
}
