//! An oracle: calls at random, a phone system and a CRM that fail at random, and a server that is killed at random moments.
//!
//! It writes down what was answered and what arrived, and compares in the end. The seed is printed;
//! `CALLCARD_ORACLE_SEED` makes the same calls and faults again, as far as the clock allows, and `CALLCARD_ORACLE_SECONDS` says how
//! long it goes on. What it knows of the promises is written down here, and nothing is taken from the library.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use super::canary;
use super::crm::{Crm, found};
use super::event::{hangup, inbound};
use super::host::Reply;
use super::phone::{Faults, Phone, error, too_many};
use super::server::{Place, Server};

/// For a gate; a night finds more.
const SECONDS: u64 = 8;
/// On a machine that does other things as well it may take longer.
const KILLS_MIN: usize = 3;

const SEND_WITHIN: Duration = Duration::from_secs(4);

/// A request that left in time may be read this much later, on a machine that does other things as well.
const ON_ITS_WAY: Duration = Duration::from_millis(1500);

/// The CRM knows the first one; the other has no card before somebody answers.
const NUMBERS: [&str; 2] = ["+905321234567", "+905321234568"];

fn rules(crm: &Crm) -> String {
    format!(
        "
version: 1
defaults: {{decide_within: 300ms, send_within: {}s}}
sources:
  crm:
{}
rules:
  - name: known
    when: {{customer: \"{}\"}}
    needs: {{crm: some}}
    card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]
  - name: answered
    when: {{event: call_bridged}}
    card: [{{type: title, text: Answered}}]
",
        SEND_WITHIN.as_secs(),
        crm.source("    timeout: 250ms\n    breaker: {failures: 1000}"),
        NUMBERS[0],
    )
}

/// What was answered; what was not is in doubt, for the server was killed meanwhile.
#[derive(Default)]
struct Record {
    /// Each call's first event, and when the call began.
    calls: Vec<(String, Value, Instant)>,
    /// How often an event was answered `accepted`.
    accepted: BTreeMap<(String, String), usize>,
    /// When a call's hang-up was answered.
    ended: BTreeMap<String, Instant>,
    unreadable: usize,
    kills: Vec<Instant>,
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn server_place(rules: &str, phone: &Phone) -> Place {
    let mut place = Place::new(rules, phone);
    place.set("HIPCALL_REQUESTS_PER_MINUTE", "1000000");
    place
}

/// A third of all cards and questions goes wrong, each in its own way.
fn goes_wrong(seed: u64) -> Faults {
    let mut random = Rng::with_seed(seed);
    Box::new(move |request| {
        let taken = || Box::new(Reply::json(201, &json!({"data": {}})));
        Some(match (random.u8(0..100), request.method.as_str()) {
            (0..6, _) => error(500),
            (6..9, _) => too_many(1),
            (9..12, _) => Reply::Hang,
            (12..17, _) => Reply::Close,
            (17..20, _) => Reply::HalfAnswer,
            (20..27, "POST") => Reply::Taken,
            (27..33, "POST") => Reply::Late(Duration::from_millis(random.u64(50..600)), taken()),
            _ => return None,
        })
    })
}

fn crm_at_random(seed: u64) -> Crm {
    let random = Mutex::new(Rng::with_seed(seed));
    Crm::answering(move |request, _| match random.lock().unwrap().u8(0..100) {
        0..8 => error(500),
        8..12 => Reply::Hang,
        12..16 => Reply::Close,
        _ if request.target.contains(&NUMBERS[0][1..]) => found(&json!([{"phone": NUMBERS[0], "name": "Jane"}])),
        _ => found(&json!([])),
    })
}

/// One webhook, whose answer is written down if there is one.
async fn post(client: reqwest::Client, url: String, body: Vec<u8>, record: Arc<Mutex<Record>>) {
    let Ok(answer) = client.post(url).body(body.clone()).send().await else { return };
    let status = answer.status().as_u16();
    let Ok(text) = answer.text().await else { return };
    let answered: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut record = record.lock().unwrap();
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        assert_eq!((status, &answered), (200, &json!({"status": "unreadable"})));
        record.unreadable += 1;
        return;
    };
    let name = |key: &Value| key.as_str().unwrap().to_owned();
    let (call_id, event) = (name(&event["data"]["uuid"]), name(&event["event"]));
    match (status, answered["status"].as_str()) {
        (200, Some("accepted")) if event == "call_hangup" => {
            record.ended.entry(call_id).or_insert_with(Instant::now);
        }
        (200, Some("accepted")) => *record.accepted.entry((call_id, event)).or_default() += 1,
        (200, Some("duplicate")) => {}
        _ => panic!("{event} of {call_id}: {status} {text}"),
    }
}

/// The next webhook: mostly a new call, else something about one of the last.
fn next(random: &mut Rng, record: &mut Record) -> Vec<u8> {
    let recent = record.calls.len().saturating_sub(20);
    let earlier = (!record.calls.is_empty()).then(|| record.calls[random.usize(recent..record.calls.len())].clone());
    match (random.u8(0..100), earlier) {
        (0..3, _) => b"{\"event\": \"call_init\"".to_vec(),
        (3..15, Some((_, event, _))) => event.to_string().into_bytes(),
        (15..35, Some((_, mut event, _))) => {
            event["event"] = json!("call_bridged");
            event.to_string().into_bytes()
        }
        (35..55, Some((call_id, ..))) => hangup(&call_id).to_string().into_bytes(),
        _ => {
            let call_id = format!("oracle-{}", record.calls.len());
            let event = inbound(&call_id, NUMBERS[random.usize(0..2)]);
            record.calls.push((call_id, event.clone(), Instant::now()));
            event.to_string().into_bytes()
        }
    }
}

/// What one run is made of.
struct Run {
    random: Rng,
    record: Arc<Mutex<Record>>,
    posts: Vec<tokio::task::JoinHandle<()>>,
}

impl Run {
    /// Webhooks at random for a while.
    async fn ring(&mut self, server: &Server, during: Duration) {
        let until = Instant::now() + during;
        while Instant::now() < until {
            let body = next(&mut self.random, &mut self.record.lock().unwrap());
            let posted = post(server.client.clone(), server.webhook_url(), body, Arc::clone(&self.record));
            self.posts.push(tokio::spawn(posted));
            tokio::time::sleep(Duration::from_millis(self.random.u64(0..25))).await;
        }
    }

    async fn answered(&mut self) {
        for post in self.posts.drain(..) {
            post.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_and_whenever_it_is_killed_every_promise_about_deliveries_holds() {
    let seed = from_environment("CALLCARD_ORACLE_SEED", Rng::new().u64(..));
    let seconds = from_environment("CALLCARD_ORACLE_SECONDS", SECONDS);
    eprintln!("CALLCARD_ORACLE_SEED={seed} CALLCARD_ORACLE_SECONDS={seconds}");
    for number in NUMBERS {
        canary::number(number);
    }
    let mut random = Rng::with_seed(seed);
    let (phone, crm) = (Phone::start(), crm_at_random(random.u64(..)));
    phone.fails(Some(goes_wrong(random.u64(..))));
    let mut server = Server::start(server_place(&rules(&crm), &phone)).await;
    let mut run = Run { random, record: Arc::default(), posts: Vec::new() };
    let begun = Instant::now();
    for kills in 0.. {
        if kills >= KILLS_MIN && begun.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
        let during = Duration::from_millis(run.random.u64(20..1500));
        run.ring(&server, during).await;
        // Killed while they wait for their answers, or some time after them.
        if run.random.bool() {
            run.answered().await;
        }
        run.record.lock().unwrap().kills.push(Instant::now());
        server = server.killed_and_started_again().await;
    }
    run.ring(&server, Duration::from_secs(1)).await;
    run.answered().await;
    phone.fails(None);
    crm.always(found(&json!([{"phone": NUMBERS[0], "name": "Jane"}])));
    server.idle().await;
    let record = std::mem::take(&mut *run.record.lock().unwrap());
    told(&record, &phone);
    everything_accepted_is_settled(&record, &server).await;
    one_card_and_in_time(&record, &phone);
    for number in 0..10 {
        let call_id = format!("fresh-{number}");
        assert_eq!(server.ring_and_settle(&inbound(&call_id, NUMBERS[0])).await["state"], "sent");
        assert_eq!(phone.received_of(&call_id).len(), 1, "{call_id}");
    }
}

/// What a run was made of: one in which nothing happened shows nothing.
fn told(record: &Record, phone: &Phone) {
    let Record { calls, accepted, ended, unreadable, kills } = record;
    let (posts, accepted) = (phone.received().len(), accepted.len());
    eprintln!(
        "{} kills, {} calls, {accepted} events accepted, {} hang-ups, {unreadable} unreadable, {posts} posts",
        kills.len(),
        calls.len(),
        ended.len(),
    );
    assert!(accepted > 20 && ended.len() > 3 && posts > 10);
}

async fn everything_accepted_is_settled(record: &Record, server: &Server) {
    for ((call_id, event), times) in &record.accepted {
        assert_eq!(*times, 1, "{event} of {call_id} was accepted more than once");
        let listed = server.get_json(&format!("/api/deliveries?call={call_id}")).await;
        let row = listed["deliveries"].as_array().unwrap().iter().find(|row| row["event"] == *event);
        let row = row.unwrap_or_else(|| panic!("{event} of {call_id} was accepted and is lost"));
        assert!(row["settled_at"].is_string(), "{row}");
    }
    for (call_id, event, _) in &record.calls {
        if record.accepted.contains_key(&(call_id.clone(), "call_init".to_owned())) {
            server.ring(event, "duplicate").await;
        }
    }
    let kept = server.get_json("/api/unreadable").await["unreadable"].as_array().unwrap().len();
    assert!(kept >= record.unreadable.min(100), "{kept} of {}", record.unreadable);
}

fn one_card_and_in_time(record: &Record, phone: &Phone) {
    let received = phone.received();
    for (call_id, _, begun) in &record.calls {
        let posts: Vec<_> = received.iter().filter(|one| one.call_id == *call_id).collect();
        let taken: Vec<Instant> =
            posts.iter().filter(|one| one.status == Some(201)).map(|one| one.request.at).collect();
        // A card is asked about before it is sent again, so even a kill excuses a second one only where it was on its way.
        for two in taken.windows(2) {
            let excused = record.kills.iter().any(|kill| *kill > two[0] && kill.duration_since(two[0]) < ON_ITS_WAY);
            assert!(excused && taken.len() == 2, "{call_id} got {} cards", taken.len());
        }
        for post in &posts {
            assert_eq!(post.request.body, posts[0].request.body, "{call_id} got different cards");
            let age = post.request.at.duration_since(*begun);
            assert!(age < SEND_WITHIN + ON_ITS_WAY, "{call_id} was sent {age:?} after its start");
            if let Some(ended) = record.ended.get(call_id) {
                let after = post.request.at.saturating_duration_since(*ended);
                assert!(after < ON_ITS_WAY, "{call_id} was sent {after:?} after its hang-up");
            }
        }
    }
}
