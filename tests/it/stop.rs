//! SIGTERM: the server ends by itself, soon, and with exit code 0, whatever its connections are doing. With `--drain` it goes
//! on for a while first.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::event::inbound;
use super::host::Reply;
use super::phone::Phone;
use super::server::{Place, SECRET, Server, until};
use super::start::refuses;
use super::tls;

const RULES: &str = "
version: 1
rules:
  - name: everybody
    when: {direction: inbound}
    card: [{type: title, text: \"{{customer.international}}\"}]
";

/// Deployments give a process ten seconds or more (Docker ten, Kubernetes thirty) before they kill it.
const SECONDS: Duration = Duration::from_secs(9);

/// A connection with these bytes already sent.
fn connection(address: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

async fn stops(server: &mut Server, within: Duration) {
    let asked = Instant::now();
    server.signal("TERM");
    let ended = server.ended().await;
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(asked.elapsed() < within, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn an_idle_server_ends_at_once() {
    let phone = Phone::start();
    let mut server = Server::with(RULES, &phone).await;
    server.ring_and_settle(&inbound("one", "+905321234567")).await;
    stops(&mut server, Duration::from_secs(3)).await;
    let log = server.log();
    assert!(log.iter().all(|line| line["level"] == "INFO"), "{log:?}");
}

#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let phone = Phone::start();
    let mut server = Server::with(RULES, &phone).await;
    let mut kept = connection(&server.admin, b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(kept.read(&mut [0; 64]).unwrap() > 0);
    let silent = connection(&server.public, b"");
    stops(&mut server, SECONDS).await;
    drop((kept, silent));
}

#[tokio::test]
async fn half_sent_requests_do_not_hold_it_up() {
    let phone = Phone::start();
    let mut server = Server::with(RULES, &phone).await;
    let body = format!("POST /webhooks/hipcall/{SECRET} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{{\"event\"");
    let half = [connection(&server.public, body.as_bytes()), connection(&server.public, b"POST /webhooks/hip")];
    stops(&mut server, SECONDS).await;
    drop(half);
}

#[tokio::test]
async fn a_hanging_card_api_does_not_hold_it_up_and_the_call_is_kept() {
    let phone = Phone::start();
    let mut server = Server::with(RULES, &phone).await;
    phone.always(Some(Reply::Hang));
    server.ring(&inbound("kept", "+905321234567"), "accepted").await;
    until("it is under way", async || (phone.received().len() == 1).then_some(())).await;
    stops(&mut server, SECONDS).await;
    phone.always(None);
    let server = server.killed_and_started_again().await;
    assert_eq!(server.settled("kept").await["state"], "sent");
    assert_eq!(phone.cards_of("kept").len(), 1);
}

#[tokio::test]
async fn interrupt_from_the_keyboard_ends_it_too() {
    let phone = Phone::start();
    let mut server = Server::with(RULES, &phone).await;
    server.signal("INT");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_draining_server_is_not_ready_and_takes_webhooks_until_it_stops() {
    let phone = Phone::start();
    let mut place = Place::new(RULES, &phone);
    place.argument("--drain", "3");
    let mut server = Server::start(place).await;
    assert_eq!(server.get("/readyz").await.0, 200);
    let asked = Instant::now();
    server.signal("TERM");
    until("it is not ready", async || (server.get("/readyz").await.0 == 503).then_some(())).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    server.ring(&inbound("late", "+905321234567"), "accepted").await;
    server.line_of("late").await;
    assert_eq!(server.ended().await.code(), Some(0));
    assert!((3..9).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
    assert_eq!(phone.cards_of("late").len(), 1);
}

#[tokio::test]
async fn a_second_signal_ends_the_draining() {
    let phone = Phone::start();
    let mut place = Place::new(RULES, &phone);
    place.argument("--drain", "5");
    let mut server = Server::start(place).await;
    server.signal("TERM");
    until("it drains", async || (server.get("/readyz").await.0 == 503).then_some(())).await;
    stops(&mut server, Duration::from_secs(4)).await;
}

#[tokio::test]
async fn a_drain_that_would_outlast_the_patience_of_who_stops_it_is_refused() {
    let phone = Phone::start();
    let mut place = Place::new(RULES, &phone);
    place.argument("--drain", "6");
    refuses(&place, 2, &["--drain", "5"]).await;
}

#[tokio::test]
async fn half_open_handshakes_and_streams_do_not_hold_it_up() {
    let phone = Phone::start();
    let (authority, mut server) = tls::secured(&phone, 90).await;
    // The begin of a handshake, and nothing.
    let half = [connection(&server.public, &[0x16, 3, 1, 2, 0, 1, 0]), connection(&server.public, b"")];
    let mut streams = authority.http2(&server);
    streams.write_all(&tls::half_a_request(&format!("/webhooks/hipcall/{SECRET}"))).unwrap();
    // The server's own settings are answered with: it has taken the connection.
    assert!(streams.read(&mut [0; 9]).unwrap() > 0);
    stops(&mut server, SECONDS).await;
    drop((half, streams));
}
