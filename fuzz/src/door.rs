//! A request on the public address: secret, origin and signature, with headers that a stranger made up.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderName, HeaderValue, Request};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use callcard::delivery;
use callcard::outbox::{Durability, Keep, Outbox};
use callcard::rules::{Accounts, Environment, Live, Secrets};
use callcard::web::{Metrics, Webhooks, public};
use hmac::{Hmac, KeyInit, Mac};
use prometheus_client::registry::Registry;
use serde_json::Value;
use sha2::Sha256;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use crate::{rules, world};

/// The key in `door/rules.yaml`, read from its base64.
const STANDARD_KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const HEADER_KEY: &[u8] = b"sixteen-and-more-letters";

/// A proxy that is trusted; where nobody may come from; and where somebody may.
const PROXY: &str = "10.0.0.1";
const STRANGER: &str = "198.51.100.9";
const SENDER: &str = "203.0.113.7";

/// What an authentic request is answered.
const STATUSES: [&str; 4] = ["accepted", "duplicate", "ignored", "unreadable"];

static DOOR: LazyLock<Mutex<(Runtime, Router)>> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let path = rules::written("door.yaml", include_bytes!("door/rules.yaml"));
    let environment = Environment {
        secrets: Secrets::From(&|_| None),
        network: world::network(),
        accounts: Accounts::Written(None),
        proofs: false,
    };
    let (live, _) = Live::start(path.clone(), None, &environment, world::received_at()).expect("the rules are good");
    let live = Arc::new(live);
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry, Arc::clone(&live), world::received_at);
    let deliveries = delivery::Metrics::register(&mut registry, &live.rules().accounts);
    let data = path.with_file_name("data");
    let webhooks = runtime.block_on(async {
        let outbox = Outbox::open(&data, Durability::Process, Keep::default()).expect("an outbox can be made");
        Webhooks::new(live, outbox, metrics, deliveries, world::received_at)
    });
    let trusted = vec!["10.0.0.0/8".parse().expect("it is a range")];
    Mutex::new((runtime, public(Arc::new(webhooks.behind(trusted)))))
});

/// A request as it arrives.
struct Arrival<'a> {
    peer: &'a str,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: &'a [u8],
}

impl Arrival<'_> {
    /// Whether it is let in; what stands in the answer is looked at.
    fn is_let_in(&self) -> bool {
        let mut request = Request::post(&self.path);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
                request = request.header(name, value);
            }
        }
        let Ok(mut request) = request.body(Body::from(self.body.to_vec())) else { return false };
        let peer = SocketAddr::new(self.peer.parse().expect("it is an address"), 4711);
        request.extensions_mut().insert(ConnectInfo(peer));
        let door = DOOR.lock().expect("nobody else has it");
        let (runtime, router) = &*door;
        let (status, answer) = runtime.block_on(async {
            let response = router.clone().oneshot(request).await.expect("it is always answered");
            let status = response.status().as_u16();
            (status, to_bytes(response.into_body(), 4096).await.expect("an answer is short"))
        });
        if status != 200 {
            assert!([400, 404, 413].contains(&status) && answer.is_empty(), "{status}: {answer:?}");
            return false;
        }
        let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
        let said = answer["status"].as_str().unwrap_or_default();
        assert!(STATUSES.contains(&said), "{said}");
        true
    }

    fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }
}

/// The first byte chooses who sends it; then lines with headers, an empty line, and the body.
pub fn door(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let end = rest.windows(2).position(|pair| pair == b"\n\n").unwrap_or(rest.len());
    let (lines, body) = rest.split_at(end);
    let headers = lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((String::from_utf8_lossy(&line[..colon]).to_lowercase(), line[colon + 1..].trim_ascii().to_vec()))
    });
    let headers: Vec<(String, Vec<u8>)> = headers.filter(|(name, _)| name != "content-length").take(16).collect();
    let path = "/webhooks/ranges/s-ranges".to_owned();
    let arrival = Arrival { peer: PROXY, path, headers, body: body.get(2..).unwrap_or_default() };
    match first % 8 {
        0 => stranger(Arrival { peer: STRANGER, ..arrival }),
        1 | 2 => behind_a_proxy(arrival, "x-forwarded-for", STRANGER, first % 2 == 0),
        3 => behind_a_proxy(arrival, "forwarded", &format!("for={STRANGER}"), true),
        4 => sender_behind_a_proxy(arrival),
        5 => unsigned(arrival),
        6 => signed(arrival),
        _ => guessed(arrival),
    }
}

/// Whoever comes himself is where he comes from, whatever he says.
fn stranger(arrival: Arrival<'_>) {
    assert!(!arrival.is_let_in(), "a stranger gets in: {:?}", arrival.headers);
}

/// A trusted proxy adds where a request comes from, to the last such header or in one of its own.
fn behind_a_proxy(mut arrival: Arrival<'_>, name: &str, value: &str, own: bool) {
    match arrival.headers.iter_mut().rev().find(|(known, _)| known == name).filter(|_| !own) {
        Some((_, said)) => said.extend_from_slice(format!(", {value}").as_bytes()),
        None => arrival.add(name, value),
    }
    assert!(!arrival.is_let_in(), "a stranger gets in behind a proxy: {:?}", arrival.headers);
}

/// What somebody wrote before does not keep the sender out, as long as the other header is not there to contradict.
fn sender_behind_a_proxy(mut arrival: Arrival<'_>) {
    arrival.headers.retain(|(name, _)| name != "forwarded");
    arrival.add("x-forwarded-for", SENDER);
    assert!(arrival.is_let_in(), "the sender is kept out: {:?}", arrival.headers);
}

/// Without a key nobody signs.
fn unsigned(mut arrival: Arrival<'_>) {
    for account in ["standard", "header"] {
        arrival.path = format!("/webhooks/{account}/s-{account}");
        assert!(!arrival.is_let_in(), "a forged signature: {:?}", arrival.headers);
    }
}

/// A good signature is taken, of any body, beside any headers.
fn signed(mut arrival: Arrival<'_>) {
    let mac = |key: &[u8], parts: &[&[u8]]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes()
    };
    let own = ["webhook-id", "webhook-timestamp", "webhook-signature", "x-signature"];
    arrival.headers.retain(|(name, _)| !own.contains(&name.as_str()));
    let seconds = world::received_at().as_second().to_string();
    let key = BASE64_STANDARD.decode(STANDARD_KEY).expect("it is base64");
    let standard = mac(&key, &[b"msg_1.", seconds.as_bytes(), b".", arrival.body]);
    arrival.add("webhook-id", "msg_1");
    arrival.add("webhook-timestamp", &seconds);
    arrival.add("webhook-signature", &format!("v1,{}", BASE64_STANDARD.encode(standard)));
    let hex: String = mac(HEADER_KEY, &[arrival.body]).iter().map(|byte| format!("{byte:02x}")).collect();
    arrival.add("x-signature", &format!("sha256={hex}"));
    for account in ["standard", "header"] {
        arrival.path = format!("/webhooks/{account}/s-{account}");
        assert!(arrival.is_let_in(), "a good signature is refused: {:?}", arrival.headers);
    }
}

/// A path that is not one of ours.
fn guessed(mut arrival: Arrival<'_>) {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-/_.~!$&'()*+,;=:@".contains(byte);
    let path: String = arrival.body.iter().copied().filter(is_plain).map(char::from).collect();
    arrival.peer = SENDER;
    arrival.path = format!("/webhooks/{path}");
    if !path.starts_with("ranges/s-ranges") {
        assert!(!arrival.is_let_in(), "a guessed path: {}", arrival.path);
    }
}
