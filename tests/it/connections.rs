//! Connections that say nothing, too little or too much: they end by themselves, and no webhook waits for them.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use reqwest::Client;

use super::event::inbound;
use super::phone::Phone;
use super::server::{EVERYBODY, PATIENCE, Place, SECRET, Server, until};

/// Open files with which a server has 100 connections in all and 50 for an address.
const FEW_FILES: u64 = 400;

const OF_ADDRESS_MAX: usize = 50;

/// A webhook that had to wait for somebody else's timer would take seconds.
const AT_ONCE: Duration = Duration::from_secs(2);

fn address(server: &Server) -> SocketAddr {
    server.public.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A connection with these bytes already sent.
fn connection(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address(server)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// The head of a webhook whose body has so many bytes.
fn head(length: usize) -> String {
    format!("POST /webhooks/hipcall/{SECRET} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
}

/// What is left to read until the server closes.
fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // Closing a connection whose bytes were not all read may reset it.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

async fn closed(server: &Server, reason: &str) -> f64 {
    server.metric(&format!("callcard_connections_closed_total{{listener=\"public\",reason=\"{reason}\"}}")).await
}

async fn open(server: &Server) -> f64 {
    server.metric("callcard_connections{listener=\"public\"}").await
}

/// Some webhooks, each over a connection of its own.
async fn webhooks_arrive_at_once(server: &Server, name: &str) {
    for call in 0..10 {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let body = inbound(&format!("{name}-{call}"), "+905321234567").to_string();
        let begun = Instant::now();
        let answer = client.post(server.webhook_url()).body(body).send().await.unwrap();
        assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
        assert_eq!(answer.text().await.unwrap(), "{\"status\":\"accepted\"}");
    }
}

async fn with_few_files(phone: &Phone, trusted: Option<&str>) -> Server {
    let mut place = Place::new(EVERYBODY, phone);
    place.files_max(FEW_FILES);
    if let Some(trusted) = trusted {
        place.argument("--trusted-proxy", trusted);
    }
    Server::start(place).await
}

#[tokio::test]
async fn thousands_of_silent_connections_do_not_keep_a_webhook_waiting() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    // The other tests need files too.
    let count = usize::try_from(files / 4).unwrap().min(5000);
    let silent: Vec<TcpStream> = (0..count).map(|_| connection(&server, b"")).collect();
    webhooks_arrive_at_once(&server, "silent").await;
    drop(silent);
}

#[tokio::test]
async fn an_address_with_too_many_connections_loses_its_most_silent_ones() {
    let phone = Phone::start();
    let server = with_few_files(&phone, None).await;
    let whole = head(300);
    for bytes in ["", "POST /webhooks/hip", &whole] {
        let silent: Vec<TcpStream> = (0..3 * OF_ADDRESS_MAX).map(|_| connection(&server, bytes.as_bytes())).collect();
        webhooks_arrive_at_once(&server, &format!("bytes-{}", bytes.len())).await;
        assert!(open(&server).await <= OF_ADDRESS_MAX as f64);
        // The first ones had to leave, the last one has not.
        assert_eq!(rest(silent.into_iter().next().unwrap()), "");
    }
    assert!(closed(&server, "silent").await >= 6.0 * OF_ADDRESS_MAX as f64);
    assert_eq!(closed(&server, "refused").await, 0.0);
}

#[tokio::test]
async fn silent_connections_from_everywhere_do_not_keep_a_webhook_waiting() {
    let phone = Phone::start();
    let server = with_few_files(&phone, None).await;
    let mut silent = Vec::new();
    for host in 2..10 {
        let socket = tokio::net::TcpSocket::new_v4;
        for _ in 0..OF_ADDRESS_MAX - 1 {
            let socket = socket().unwrap();
            socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into()).unwrap();
            silent.push(socket.connect(address(&server)).await.unwrap());
        }
    }
    webhooks_arrive_at_once(&server, "everywhere").await;
    assert!(open(&server).await <= 2.0 * OF_ADDRESS_MAX as f64);
    assert_eq!(closed(&server, "refused").await, 0.0);
}

#[tokio::test]
async fn a_trusted_proxy_may_have_more_connections_than_an_address() {
    let phone = Phone::start();
    let server = with_few_files(&phone, Some("127.0.0.1")).await;
    let kept: Vec<TcpStream> = (0..OF_ADDRESS_MAX + 20).map(|_| connection(&server, b"")).collect();
    until("all are there", async || (open(&server).await >= kept.len() as f64).then_some(())).await;
    assert_eq!(closed(&server, "silent").await, 0.0);
}

#[tokio::test]
async fn a_first_request_that_does_not_come_is_waited_for_some_seconds() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let begun = Instant::now();
    let silent = connection(&server, b"");
    let mut slow = connection(&server, b"POST / HTTP/1.1\r\n");
    let trickling = std::thread::spawn(move || {
        // A header every moment; the connection is gone when one can't be sent.
        while slow.write_all(b"a: b\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(200));
            assert!(begun.elapsed() < PATIENCE, "a head may arrive for ever");
        }
    });
    assert_eq!(rest(silent), "");
    assert!((4..9).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    trickling.join().unwrap();
    until("both are counted", async || (closed(&server, "no_request").await >= 2.0).then_some(())).await;
}

#[tokio::test]
async fn a_body_that_trickles_is_waited_for_some_seconds() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let begun = Instant::now();
    let mut slow = connection(&server, head(100_000).as_bytes());
    let reading = slow.try_clone().unwrap();
    std::thread::spawn(move || {
        while slow.write_all(b" ").is_ok() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let answer = rest(reading);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!((4..9).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_head_has_its_size() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let large = format!("POST / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("POST / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(100));
    for bytes in [large, many] {
        let answer = rest(connection(&server, bytes.as_bytes()));
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn nothing_but_webhooks_is_answered_and_nobody_says_what_answers() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let post = format!("/webhooks/hipcall/{SECRET}");
    for client in [Client::builder().http1_only(), Client::builder().http2_prior_knowledge()] {
        let client = client.no_proxy().timeout(PATIENCE).build().unwrap();
        for (method, path, status) in [
            ("GET", "/", 404),
            ("POST", "/", 404),
            ("GET", "/healthz", 404),
            ("GET", "/metrics", 404),
            ("POST", "/-/reload", 404),
            ("GET", "/webhooks/hipcall", 404),
            ("POST", &format!("{post}/"), 404),
            ("POST", "/webhooks/hipcall/wrong", 404),
            ("GET", &post, 405),
            ("DELETE", &post, 405),
            ("OPTIONS", &post, 405),
        ] {
            let request = client.request(method.parse().unwrap(), format!("{}{path}", server.public));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{method} {path}");
            let known = ["content-length", "date", "allow"];
            let told = answer.headers().keys().find(|name| !known.contains(&name.as_str()));
            assert_eq!(told, None, "{method} {path}");
            assert_eq!(answer.text().await.unwrap(), "", "{method} {path}");
        }
    }
}
