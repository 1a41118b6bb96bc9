//! The webhook's door: who gets in, what is answered, and what is kept of what nobody can read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::canary;
use super::event::{inbound, sample};
use super::phone::Phone;
use super::server::{Place, SECRET, Server};

/// More than this is no webhook.
const BODY_BYTES_MAX: usize = 256 * 1024;

#[tokio::test]
async fn a_wrong_secret_and_an_unknown_account_are_turned_away_alike() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    canary::text("wrong-secret-canary");
    let mut answers = Vec::new();
    for path in [
        "/webhooks/hipcall/wrong-secret-canary",
        &format!("/webhooks/nobody/{SECRET}"),
        "/webhooks/nobody/wrong-secret-canary",
        &format!("/webhooks/hipcall/{SECRET}x"),
        &format!("/webhooks/HIPCALL/{SECRET}"),
        "/webhooks/hipcall/%00",
    ] {
        let body = sample("outbound_init").to_string();
        let response = server.client.post(format!("{}{path}", server.public)).body(body).send().await.unwrap();
        let mut headers: Vec<String> = response.headers().keys().map(ToString::to_string).collect();
        headers.sort();
        answers.push((response.status().as_u16(), headers, response.bytes().await.unwrap()));
    }
    assert_eq!(answers[0].0, 404);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(server.deliveries().await.len(), 0);
    assert_eq!(server.get_json("/api/unreadable").await["unreadable"], json!([]));
    assert_eq!(server.metric("callcard_webhooks_total{account=\"none\",outcome=\"not_authentic\"}").await, 6.0);
    let loud = server.lines_at("WARN").await;
    assert_eq!(loud.len(), 1, "many strangers are said once: {loud:?}");
    assert_eq!(phone.received().len(), 0);
}

#[tokio::test]
async fn while_a_secret_is_changed_both_are_taken_and_the_old_one_is_told_once() {
    let phone = Phone::start();
    let mut place = Place::shipped(&phone);
    place.set("HIPCALL_WEBHOOK_SECRET", "new-secret-canary-1f6b-29d0-77ae");
    place.set("HIPCALL_WEBHOOK_SECRET_OLD", SECRET);
    canary::secret("new-secret-canary");
    let server = Server::start(place).await;
    let url = format!("{}/webhooks/hipcall/new-secret-canary-1f6b-29d0-77ae", server.public);
    let event = inbound("by-the-new-one", "442045205757");
    assert_eq!(server.client.post(url).body(event.to_string()).send().await.unwrap().status(), 200);
    assert_eq!(server.settled("by-the-new-one").await["state"], "sent");
    let used = "callcard_webhooks_with_old_secret_total{account=\"hipcall\"}";
    assert_eq!(server.metric(used).await, 0.0);
    for call in ["by-the-old-one", "again"] {
        server.ring_and_settle(&inbound(call, "442045205757")).await;
    }
    assert_eq!(server.metric(used).await, 2.0);
    let loud = server.lines_at("WARN").await;
    assert_eq!(loud.len(), 1, "it is said once: {loud:?}");
    assert_eq!(loud[0]["account"], "hipcall");
}

#[tokio::test]
async fn a_secret_that_can_be_guessed_is_told_at_the_start() {
    let phone = Phone::start();
    let mut place = Place::shipped(&phone);
    place.set("HIPCALL_WEBHOOK_SECRET", "guessed-canary");
    canary::text("guessed-canary");
    let server = Server::start(place).await;
    let told = |line: &Value| line["message"].as_str().is_some_and(|text| text.contains("HIPCALL_WEBHOOK_SECRET"));
    assert!(server.lines_at("WARN").await.iter().any(told), "{:?}", server.log());
}

#[tokio::test]
async fn a_path_with_too_little_or_too_much_in_it_is_not_found() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let full = format!("/webhooks/hipcall/{SECRET}/more");
    for path in ["/", "/webhooks", "/webhooks/hipcall", "/webhooks/hipcall/", &full, "/metrics", "/api/deliveries"] {
        let response = server.client.post(format!("{}{path}", server.public)).body("{}").send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn only_post_is_allowed() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let response = server.client.request(method.clone(), server.webhook_url()).send().await.unwrap();
        assert_eq!(response.status(), 405, "{method}");
    }
}

#[tokio::test]
async fn a_body_may_have_256_kib_and_not_one_byte_more() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let mut event = inbound("large", "442045205757");
    event["data"]["padding"] = json!("");
    let missing = BODY_BYTES_MAX - event.to_string().len();
    event["data"]["padding"] = json!("p".repeat(missing));
    assert_eq!(event.to_string().len(), BODY_BYTES_MAX);
    assert_eq!(server.ring_and_settle(&event).await["state"], "sent");

    event["data"]["uuid"] = json!("larger");
    assert_eq!(event.to_string().len(), BODY_BYTES_MAX + 1);
    assert_eq!(server.webhook(&event).await.0, 413);
    assert_eq!(server.deliveries().await.len(), 1);
    assert_eq!(server.get_json("/api/unreadable").await["unreadable"], json!([]));
    server.ring_and_settle(&inbound("next", "442045205757")).await;
}

#[tokio::test]
async fn a_body_that_says_nothing_of_its_length_is_cut_at_the_same_limit() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let mut stream = TcpStream::connect(server.public.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!("POST /webhooks/hipcall/{SECRET} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..5 {
        // The server may close as soon as it has seen too much.
        let _ = stream.write_all(chunk.as_bytes());
    }
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_kept_and_listed_but_never_logged() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let event = |uuid: Value| json!({"event": "call_init", "data": {"uuid": uuid, "note": "body-canary-31"}});
    canary::text("body-canary-31");
    canary::text("call/with/slash");
    canary::text(&"c".repeat(65));
    let bodies = [
        b"body-canary-31 is not JSON".to_vec(),
        br#"["body-canary-31"]"#.to_vec(),
        br#""body-canary-31""#.to_vec(),
        br#"{"event": "body-canary-31"#.to_vec(),
        b"\xff\xfe body-canary-31".to_vec(),
        Vec::new(),
        br#"{"data": {"uuid": "a", "note": "body-canary-31"}}"#.to_vec(),
        br#"{"event": "call_init", "note": "body-canary-31"}"#.to_vec(),
        event(Value::Null).to_string().into_bytes(),
        event(json!("call/with/slash")).to_string().into_bytes(),
        event(json!("../body-canary-31")).to_string().into_bytes(),
        event(json!("c".repeat(65))).to_string().into_bytes(),
        event(json!("")).to_string().into_bytes(),
        event(json!({"id": "body-canary-31"})).to_string().into_bytes(),
    ];
    for body in &bodies {
        let shown = String::from_utf8_lossy(body).into_owned();
        assert_eq!(server.webhook_bytes(body.clone()).await, (200, json!({"status": "unreadable"})), "{shown}");
    }
    let listed = server.get_json("/api/unreadable").await["unreadable"].as_array().unwrap().clone();
    assert_eq!(listed.len(), bodies.len());
    for (row, body) in listed.iter().rev().zip(&bodies) {
        assert_eq!((&row["account"], &row["bytes"]), (&json!("hipcall"), &json!(body.len())));
        assert!(!row["reason"].as_str().unwrap().is_empty());
        assert!(!row.to_string().contains("body-canary"), "{row}");
    }
    assert_eq!(server.deliveries().await.len(), 0);
    assert_eq!(
        server.metric("callcard_webhooks_total{account=\"hipcall\",outcome=\"unreadable\"}").await,
        bodies.len() as f64
    );
    assert_eq!(phone.received().len(), 0);
}

#[tokio::test]
async fn the_longest_call_id_is_a_call_id() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let id = "c".repeat(64);
    server.ring_and_settle(&inbound(&id, "442045205757")).await;
    assert_eq!(phone.cards_of(&id).len(), 1);
}

#[tokio::test]
async fn an_event_is_answered_while_everything_behind_it_hangs() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    phone.always(Some(super::host::Reply::Hang));
    for number in 0..80 {
        let begun = std::time::Instant::now();
        server.ring(&inbound(&format!("hanging-{number}"), "442045205757"), "accepted").await;
        // Milliseconds, where nobody else uses the machine; the attempts behind it hang for five seconds.
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    assert_eq!(server.get_json("/readyz").await["pending"], 80);
}

#[tokio::test]
async fn a_half_sent_body_neither_blocks_the_others_nor_stays_for_ever() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let mut half = TcpStream::connect(server.public.strip_prefix("http://").unwrap()).unwrap();
    half.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let head = format!("POST /webhooks/hipcall/{SECRET} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{{\"event\"");
    half.write_all(head.as_bytes()).unwrap();
    server.ring_and_settle(&inbound("whole", "442045205757")).await;
    let answer = tokio::task::spawn_blocking(move || {
        let mut status = [0; 12];
        half.read_exact(&mut status).map(|()| status)
    });
    assert_eq!(&answer.await.unwrap().unwrap(), b"HTTP/1.1 408");
    assert_eq!(server.deliveries().await.len(), 1);
}
