//! The card API and its faults, over real HTTP on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;

const CARD: &str = r#"{"card":[{"type":"title","text":"Jane Doe","link":"https://crm.example.com/1234"}]}"#;
const TOKEN: &str = "s3cret-token";
const NOW: i64 = 1_772_000_000;

/// What the server saw of a request.
#[derive(Debug, Default, Clone)]
struct Seen {
    count: usize,
    target: String,
    headers: HeaderMap,
    body: String,
}

fn phone() -> Phone {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Phone::new().unwrap()
}

/// So short that a test of a silent server is; the outcome is the same however slow the machine.
fn hasty_phone() -> Phone {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Phone::with_attempt_timeout(Duration::from_millis(300)).unwrap()
}

async fn send(phone: &Phone, address: SocketAddr) -> Attempt {
    let (api, token) = (format!("http://{address}/api/v3").parse().unwrap(), SecretString::from(TOKEN));
    let now = Timestamp::from_second(NOW).unwrap();
    phone.send(&Target { api: &api, token: &token }, "0193-ab/c", CARD, now).await.0
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A server that gives each request the same answer.
async fn server(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> (SocketAddr, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (listener, address) = listener().await;
    let kept = Arc::clone(&seen);
    let answer = async move |request: Request| {
        let (parts, sent) = request.into_parts();
        let sent = axum::body::to_bytes(sent, 1 << 20).await.unwrap();
        let mut seen = kept.lock().unwrap();
        seen.count += 1;
        seen.target = format!("{} {}", parts.method, parts.uri);
        seen.headers = parts.headers;
        seen.body = String::from_utf8(sent.to_vec()).unwrap();
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        (StatusCode::from_u16(status).unwrap(), headers.collect::<HeaderMap>(), body)
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (address, seen)
}

async fn answer_to(status: u16, headers: &'static [(&'static str, &'static str)], body: &'static str) -> Attempt {
    let (address, _) = server(status, headers, body).await;
    send(&phone(), address).await
}

fn later(why: &str, after: Option<u64>, status: u16) -> Attempt {
    Attempt::Later { why: why.to_owned(), after: after.map(Duration::from_secs), status: Some(status) }
}

fn refused(status: u16, why: &str, unauthorized: bool) -> Attempt {
    Attempt::Refused { status, why: why.to_owned(), unauthorized }
}

/// A server written by hand: takes one request whole and hands its connection over.
async fn raw_server() -> (SocketAddr, oneshot::Receiver<TcpStream>) {
    let (listener, address) = listener().await;
    let (hand_over, taken) = oneshot::channel();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(CARD.as_bytes()) {
            assert_ne!(connection.read_buf(&mut request).await.unwrap(), 0, "the request broke off");
        }
        hand_over.send(connection).unwrap();
    });
    (address, taken)
}

/// Sends a card to a server that answers with these bytes and hangs up.
async fn answered_with(bytes: &'static str) -> Attempt {
    let (address, connection) = raw_server().await;
    tokio::spawn(async move { connection.await.unwrap().write_all(bytes.as_bytes()).await });
    send(&phone(), address).await
}

#[tokio::test]
async fn a_card_goes_to_its_call_with_the_token() {
    let (address, seen) = server(200, &[], r#"{"data":{}}"#).await;
    assert_eq!(send(&phone(), address).await, Attempt::Sent { status: 200 });
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.target, "POST /api/v3/calls/0193-ab%2Fc/cards");
    assert_eq!(seen.headers["authorization"], "Bearer s3cret-token");
    assert_eq!(seen.headers["content-type"], "application/json");
    assert!(!seen.headers.contains_key("accept-encoding"));
    assert_eq!((seen.body.as_str(), seen.count), (CARD, 1));
}

#[tokio::test]
async fn any_2xx_is_sent() {
    assert_eq!(answer_to(201, &[], r#"{"data":{}}"#).await, Attempt::Sent { status: 201 });
    assert_eq!(answer_to(204, &[], "").await, Attempt::Sent { status: 204 });
    assert_eq!(answer_to(200, &[], "<html>not what was documented").await, Attempt::Sent { status: 200 });
}

#[tokio::test]
async fn a_refusal_has_the_words_of_the_api() {
    let body = r#"{"errors":{"detail":"Unauthorized"}}"#;
    assert_eq!(answer_to(401, &[], body).await, refused(401, "Unauthorized", true));
    assert_eq!(answer_to(403, &[], body).await, refused(403, "Unauthorized", true));
    let body = r#"{"errors":{"detail":"Not Found"}}"#;
    assert_eq!(answer_to(404, &[], body).await, refused(404, "Not Found", false));
    let body = r#"{"errors":{"card":["can't be blank", "is invalid"], "rows":[{"text":["is too long"]}, {}, null]}}"#;
    let why = "card: can't be blank; card: is invalid; rows.text: is too long";
    assert_eq!(answer_to(422, &[], body).await, refused(422, why, false));
}

#[tokio::test]
async fn a_refusal_without_known_words_gets_ours() {
    for body in
        ["", "<html>Jane Doe</html>", "[]", r#"{"errors":{}}"#, r#"{"errors":{"detail":" "}}"#, r#"{"error":"x"}"#]
    {
        assert_eq!(answer_to(400, &[], body).await, refused(400, "the card API answered 400 without a reason", false));
    }
}

#[tokio::test]
async fn a_reason_never_holds_the_token_the_url_or_the_card() {
    let body = r#"{"errors":{"card":["'Jane\nDoe' at https://crm.example.com/1234: s3cret-token must not call 0193-ab/c at 127.0.0.1, a \u001b[31mtitle"]}}"#;
    let why = "…: '…' at …: … must not call … at …, a [31mtitle";
    let Attempt::Refused { why: said, .. } = answer_to(422, &[], body).await else { panic!("refused") };
    assert_eq!(said, why.replacen('…', "card", 1));
}

#[test]
fn a_reason_is_cut_after_it_was_masked() {
    let url = Url::parse("https://use.example.com/api/v3").unwrap();
    let confidential = Confidential { token: TOKEN, url: &url, call_id: "a", card_json: CARD };
    let words = format!("{}{TOKEN} and more", "ü".repeat(195));
    let why = confidential.cleaned(&words);
    assert_eq!(why, format!("{}… an…", "ü".repeat(195)));
    assert_eq!(why.chars().count(), 200);
}

#[tokio::test]
async fn a_full_rate_limit_is_for_later() {
    let why = "the card API answered 429 without a reason";
    assert_eq!(answer_to(429, &[], "").await, later(why, None, 429));
    assert_eq!(answer_to(429, &[("retry-after", "7")], "").await, later(why, Some(7), 429));
    let both = &[("retry-after", "7"), ("x-ratelimit-reset", "1772000030")];
    assert_eq!(answer_to(429, both, "").await, later(why, Some(7), 429));
    assert_eq!(answer_to(429, &[("x-ratelimit-reset", "1772000030")], "").await, later(why, Some(30), 429));
    assert_eq!(answer_to(429, &[("x-ratelimit-reset", "30")], "").await, later(why, None, 429));
    let unreadable = &[("retry-after", "soon"), ("x-ratelimit-reset", "-1")];
    assert_eq!(answer_to(429, unreadable, "").await, later(why, None, 429));
    let endless = &[("retry-after", "18446744073709551615")];
    assert_eq!(answer_to(429, endless, "").await, later(why, Some(3600), 429));
}

#[tokio::test]
async fn a_fault_of_the_api_is_for_later() {
    let why = |status| format!("the card API answered {status} without a reason");
    // The rate limit is in each answer. It is not what this one is about.
    let reset = &[("x-ratelimit-reset", "1772000030")];
    assert_eq!(answer_to(500, reset, "").await, later(&why(500), None, 500));
    assert_eq!(answer_to(408, &[], "").await, later(&why(408), None, 408));
    // 1772000000 is 06:13:20 on that day.
    let date = &[("retry-after", "Wed, 25 Feb 2026 06:13:25 GMT")];
    assert_eq!(answer_to(503, date, "").await, later(&why(503), Some(5), 503));
    let past = &[("retry-after", "Wed, 25 Feb 2026 06:13:15 GMT")];
    assert_eq!(answer_to(503, past, "").await, later(&why(503), Some(0), 503));
    let body = r#"{"errors":{"detail":"Internal Server Error"}}"#;
    assert_eq!(answer_to(500, &[], body).await, later("Internal Server Error", None, 500));
}

#[tokio::test]
async fn a_redirect_is_refused_and_not_followed() {
    let (address, seen) = server(302, &[("location", "/elsewhere")], "").await;
    let why = "the card API answered 302 without a reason";
    assert_eq!(send(&phone(), address).await, refused(302, why, false));
    assert_eq!(seen.lock().unwrap().count, 1);
}

#[tokio::test]
async fn a_silent_api_leaves_it_unknown() {
    let (address, connection) = raw_server().await;
    let attempt = send(&hasty_phone(), address).await;
    assert_eq!(attempt, Attempt::Unknown { why: "no answer within 0.3 s".to_owned() });
    // Open until now, or the end of the connection would have been the answer.
    drop(connection);
}

#[tokio::test]
async fn an_answer_that_breaks_off_before_its_status_leaves_it_unknown() {
    for bytes in ["", "HTTP/1.1 20", "SSH-2.0-OpenSSH_9.2\r\n\r\n"] {
        let attempt = answered_with(bytes).await;
        assert!(matches!(&attempt, Attempt::Unknown { why } if why.starts_with("no answer: ")), "{attempt:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_after_its_status_has_that_status() {
    let attempt = answered_with("HTTP/1.1 201 Created\r\ncontent-length: 99\r\n\r\n{\"data").await;
    assert_eq!(attempt, Attempt::Sent { status: 201 });
    let attempt = answered_with("HTTP/1.1 422 No\r\ncontent-length: 99\r\n\r\n{\"errors").await;
    assert_eq!(attempt, refused(422, "the card API answered 422 without a reason", false));
}

#[tokio::test]
async fn no_connection_is_for_later() {
    let (listener, address) = listener().await;
    drop(listener);
    let attempt = send(&phone(), address).await;
    let Attempt::Later { why, after: None, status: None } = attempt else { panic!("{attempt:?}") };
    assert!(why.starts_with("no connection: Connection refused"), "{why}");
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_whole() {
    const WHOLE: usize = 30 * 1024 * 1024;
    let (address, connection) = raw_server().await;
    let written = tokio::spawn(async move {
        let mut connection = connection.await.unwrap();
        let head = format!("HTTP/1.1 422 No\r\ncontent-length: {WHOLE}\r\n\r\n{{\"errors\":{{\"detail\":\"");
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut written = 0;
        // Ends when the client has had enough and closes.
        while written < WHOLE && connection.write_all(&[b'a'; 16 * 1024]).await.is_ok() {
            written += 16 * 1024;
        }
        written
    });
    let attempt = send(&phone(), address).await;
    assert_eq!(attempt, refused(422, "the card API answered 422 without a reason", false));
    assert!(written.await.unwrap() < WHOLE);
}

#[tokio::test]
async fn a_target_that_makes_no_url_is_never_written_to() {
    let (phone, token, now) = (phone(), SecretString::from(TOKEN), Timestamp::UNIX_EPOCH);
    for (api, call_id) in [("mailto:a", "a"), ("http://a/api/v3", "."), ("http://a/api/v3", ".."), ("http://a", "")] {
        let attempt = phone.send(&Target { api: &api.parse().unwrap(), token: &token }, call_id, CARD, now).await.0;
        assert!(matches!(attempt, Attempt::Later { status: None, .. }), "{attempt:?}");
    }
    let broken = SecretString::from("line\nbreak");
    let api = "http://127.0.0.1:9".parse().unwrap();
    let attempt = phone.send(&Target { api: &api, token: &broken }, "a", CARD, now).await.0;
    let why = "the request could not be built".to_owned();
    assert_eq!(attempt, Attempt::Later { why, after: None, status: None });
}

#[test]
fn a_reason_leaves_no_rest_of_a_text_that_begins_like_another() {
    let url = Url::parse("https://use.example.com/api/v3").unwrap();
    let card_json = r#"{"card":[{"type":"title","text":"Jane"},{"type":"title","text":"Jane Doe"}]}"#;
    let confidential = Confidential { token: TOKEN, url: &url, call_id: "a", card_json };
    assert_eq!(confidential.cleaned("no 'Jane Doe', no 'Jane'"), "no '…', no '…'");
}
