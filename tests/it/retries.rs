//! What the card API may answer, and what is done about it: again, never again, or too late.

use std::time::Duration;

use serde_json::{Value, json};

use super::event::inbound;
use super::host::Reply;
use super::phone::{Phone, error, too_many};
use super::server::{EVERYBODY, Place, Server, until};

const NUMBER: &str = "+905321234567";

/// What each attempt for a call sent; all must be the same bytes.
fn the_same_body(phone: &Phone, call_id: &str, attempts: usize) {
    let received = phone.received_of(call_id);
    assert_eq!(received.len(), attempts);
    for one in &received {
        assert_eq!(one.request.body, received[0].request.body);
    }
    assert_eq!(received[0].card(), json!({"card": [{"type": "title", "text": "+90 532 123 45 67"}]}));
    assert_eq!(phone.cards_of(call_id).len(), 1);
}

#[tokio::test]
async fn a_card_waits_for_an_api_that_refuses_connections() {
    let mut phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.stop();
    server.ring(&inbound("down", NUMBER), "accepted").await;
    let waiting = until("two attempts failed", async || {
        server.delivery("down").await.filter(|row| row["attempts"] == 2 && row["state"] == "pending")
    })
    .await;
    assert!(waiting["reason"].as_str().unwrap().contains("no connection"), "{waiting}");
    phone.restart();
    assert_eq!(server.settled("down").await["state"], "sent");
    the_same_body(&phone, "down", 1);
}

#[tokio::test]
async fn after_429_the_card_waits_as_long_as_the_api_asks() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.script([too_many(2)]);
    assert_eq!(server.ring_and_settle(&inbound("busy", NUMBER)).await["state"], "sent");
    the_same_body(&phone, "busy", 2);
    let received = phone.received();
    let waited = received[1].request.at.duration_since(received[0].request.at);
    // A stored time is in whole milliseconds.
    assert!(waited >= Duration::from_millis(1990), "{waited:?}");
}

#[tokio::test]
async fn after_500_twice_the_third_attempt_sends_the_same_bytes() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.script([error(500), error(500)]);
    let settled = server.ring_and_settle(&inbound("shaky", NUMBER)).await;
    assert_eq!((&settled["state"], &settled["attempts"]), (&json!("sent"), &json!(3)));
    the_same_body(&phone, "shaky", 3);
}

#[tokio::test]
async fn a_retry_sends_what_was_decided_first_also_after_a_reload() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.script([too_many(1)]);
    server.ring(&inbound("decided", NUMBER), "accepted").await;
    until("the first attempt came", async || (phone.received().len() == 1).then_some(())).await;
    server.place.write("main.yaml", &EVERYBODY.replace("{{customer.international}}", "something else"));
    let reload = server.client.post(format!("{}/-/reload", server.admin)).send().await.unwrap();
    assert_eq!(reload.status(), 200);
    server.settled("decided").await;
    the_same_body(&phone, "decided", 2);
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_any_other_failure_of_the_server_is_tried_again() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let failures = [Reply::Close, Reply::HalfAnswer, error(502), error(503), error(504), error(408)];
    for (position, failure) in failures.into_iter().enumerate() {
        let id = format!("failure-{position}");
        phone.script([failure]);
        assert_eq!(server.ring_and_settle(&inbound(&id, NUMBER)).await["state"], "sent", "{id}");
        the_same_body(&phone, &id, 2);
    }
}

#[tokio::test]
async fn any_2xx_is_success_and_a_redirect_is_not_followed() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    for status in [200, 202, 204] {
        let id = format!("status-{status}");
        phone.script([Reply::Answer { status, headers: Vec::new(), body: Vec::new() }]);
        let settled = server.ring_and_settle(&inbound(&id, NUMBER)).await;
        assert_eq!((&settled["state"], &settled["status"]), (&json!("sent"), &json!(status)));
    }
    let elsewhere = phone.api().replace("/api/v3", "/elsewhere");
    phone.script([Reply::Answer { status: 307, headers: vec![("location".into(), elsewhere)], body: Vec::new() }]);
    assert_eq!(server.ring_and_settle(&inbound("moved", NUMBER)).await["state"], "refused");
    assert_eq!(phone.received().len(), 4);
}

#[tokio::test]
async fn what_the_api_refuses_is_never_sent_again_and_its_words_are_kept() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let refusals = [
        error(400),
        error(401),
        error(403),
        error(404),
        Reply::json(422, &json!({"errors": {"card": ["scripted 422"]}})),
    ];
    for (refusal, status) in refusals.into_iter().zip([400, 401, 403, 404, 422]) {
        let id = format!("refused-{status}");
        phone.script([refusal]);
        let settled = server.ring_and_settle(&inbound(&id, NUMBER)).await;
        assert_eq!((&settled["state"], &settled["status"]), (&json!("refused"), &json!(status)));
        assert!(settled["reason"].as_str().unwrap().contains(&format!("scripted {status}")), "{settled}");
    }
    for (outcome, count) in [("unauthorized", 2.0), ("refused", 3.0)] {
        let name = format!("callcard_attempts_total{{account=\"hipcall\",outcome=\"{outcome}\"}}");
        assert_eq!(server.metric(&name).await, count, "{name}");
    }
    // The waits before a second and a third attempt have passed for all of them once a later call has waited so long.
    phone.script([error(500), error(500)]);
    server.ring_and_settle(&inbound("later", NUMBER)).await;
    server.idle().await;
    assert_eq!(phone.received().len(), 5 + 3);
}

#[tokio::test]
async fn what_the_api_quotes_of_the_card_or_the_token_is_not_repeated() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let words = format!("text +90 532 123 45 67 is bad, token {} too\n{{\"level\":\"forged\"}}", super::phone::TOKEN);
    phone.script([Reply::json(422, &json!({"errors": {"card": [words]}}))]);
    let settled = server.ring_and_settle(&inbound("quoted", NUMBER)).await;
    let reason = settled["reason"].as_str().unwrap();
    assert!(reason.contains("is bad"), "{reason}");
    assert!(!reason.contains("532") && !reason.contains(super::phone::TOKEN) && !reason.contains('\n'), "{reason}");
}

#[tokio::test]
async fn a_token_that_the_api_refuses_is_said_loudly_once() {
    let phone = Phone::start();
    let mut place = Place::new(EVERYBODY, &phone);
    place.set("HIPCALL_API_TOKEN", "an-expired-token-canary");
    super::canary::secret("an-expired-token-canary");
    let server = Server::start(place).await;
    let ids: Vec<String> = (0..15).map(|number| format!("expired-{number}")).collect();
    for id in &ids {
        server.ring(&inbound(id, NUMBER), "accepted").await;
    }
    for id in &ids {
        let settled = server.settled(id).await;
        assert_eq!((&settled["state"], &settled["status"]), (&json!("refused"), &json!(401)));
        server.line_of(id).await;
    }
    let loud: Vec<Value> = server.log().into_iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(loud.len(), 1, "{loud:?}");
    assert!(loud[0]["message"].as_str().unwrap().contains("token"), "{loud:?}");
    assert_eq!((&loud[0]["status"], &loud[0]["account"]), (&json!(401), &json!("hipcall")));
}

#[tokio::test]
async fn nothing_is_sent_once_the_call_is_older_than_send_within() {
    let phone = Phone::start();
    let rules = EVERYBODY.replace("rules:", "defaults: {send_within: 2s}\nrules:");
    // Each to a server of its own: what the API says to one call counts for the next ones.
    for (position, fault) in [error(500), too_many(1), too_many(30), Reply::Close].into_iter().enumerate() {
        let server = Server::with(&rules, &phone).await;
        let id = format!("late-{position}");
        phone.always(Some(fault));
        let begun = std::time::Instant::now();
        let settled = server.ring_and_settle(&inbound(&id, NUMBER)).await;
        assert_eq!(settled["state"], "too_late", "{settled}");
        assert!(!settled["reason"].is_null(), "{settled}");
        // Half a second for what was begun in time.
        let within = Duration::from_millis(2500);
        let received = phone.received_of(&id);
        assert!(!received.is_empty() && received.len() < 12, "{}", received.len());
        assert!(received.iter().all(|one| one.request.at.duration_since(begun) < within));
    }
    phone.always(None);
    let server = Server::with(&rules, &phone).await;
    assert_eq!(server.ring_and_settle(&inbound("in-time", NUMBER)).await["state"], "sent");
}
