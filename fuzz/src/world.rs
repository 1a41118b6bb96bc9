//! What several targets need: a directory in which rules stand, calls, records, and a decision in paused time.

use std::path::Path;
use std::sync::LazyLock;

use callcard::engine::{Decision, Outcome, decide};
use callcard::event::{Call, Event, Region};
use callcard::rules::{Accounts, Environment, Loaded, RuleSet, Secrets, load};
use callcard::source::{Network, Record, Stub};
use jiff::Timestamp;
use jsonschema::Validator;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

/// When webhooks arrive: a Monday, a quarter past eleven in Istanbul.
const RECEIVED_AT: i64 = 1_772_439_300;

static NETWORK: LazyLock<Network> = LazyLock::new(|| {
    // It may be there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Network::new().expect("a client can be made")
});

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../../schemas/card.schema.json")).expect("the schema is JSON");
    jsonschema::draft7::new(&schema).expect("the schema is one")
});

/// Connections that are never made, but for one target.
pub fn network() -> &'static Network {
    &NETWORK
}

pub fn received_at() -> Timestamp {
    Timestamp::from_second(RECEIVED_AT).expect("it is in range")
}

/// A directory of this process alone.
pub fn directory() -> TempDir {
    tempfile::Builder::new().prefix("callcard-fuzz-").tempdir().expect("a directory can be made")
}

/// A runtime whose time stands still but for waiting.
pub fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime can be made")
}

/// Reads a rule directory or file. Secrets are not looked up.
pub fn loaded(path: &Path, proofs: bool) -> Loaded {
    let environment =
        Environment { secrets: Secrets::Unset, network: network(), accounts: Accounts::Written(None), proofs };
    load(path, &environment)
}

pub fn region(letters: &str) -> Region {
    Region::parse(letters).unwrap_or_default()
}

/// The call of an event.
pub fn call(event: &Value, region: Region) -> Option<Call> {
    let event = Event::parse(event.to_string().as_bytes()).ok()?;
    Call::new(&event, "hipcall", region, received_at())
}

/// Calls of all kinds, with and without what rules ask about.
pub fn calls(region: Region) -> Vec<Call> {
    let made = [
        json!({"event": "call_init", "data": {
            "uuid": "a", "direction": "inbound", "caller_number": "+905321234567", "callee_number": "+902582440032",
            "number_id": 328, "callee_type": "team", "callee_id": 12, "started_at": "2026-03-02T08:15:00Z"}}),
        json!({"event": "call_bridged", "data": {
            "uuid": "b", "direction": "outbound", "caller_number": "02582440032", "callee_number": "442079460123",
            "user_id": 7, "channel_id": 5, "started_at": "2026-03-07T23:59:59Z"}}),
        json!({"event": "call_init", "data": {
            "uuid": "c", "direction": "internal", "caller_number": "101", "callee_number": "102", "user_id": "8"}}),
        json!({"event": "call_init", "data": {"uuid": "d", "direction": 1, "caller_number": "anonymous"}}),
        json!({"event": "call_init", "data": {
            "uuid": "e", "caller_number": ["x"], "extra": {"list": [1, 2, 3], "text": "{{x}}\u{202e}\n"}}}),
    ];
    made.iter().filter_map(|event| call(event, region)).collect()
}

/// What a source may say; the last one is a failure.
pub const ANSWERS: usize = 4;

/// One of [`ANSWERS`], in a few fields that rules are likely to name.
pub fn answer(choice: usize) -> Stub {
    let records = match choice % ANSWERS {
        0 => Ok(json!([{
            "id": 1234, "name": "O\"Brien \\ {{x}} A&B \u{202e}\n", "full_name": "Ayşe", "company": "İstanbul",
            "balance": 12.5, "phone": "+905321234567", "url": "https://crm.example.com/1", "due_on": "2026-03-02",
            "vip": true, "none": null, "list": ["a", {"b": []}]}])),
        1 => Ok(json!([])),
        2 => Ok(json!([{"id": "1", "name": "x".repeat(5_000)}, {"name": null, "balance": "-1.5e300", "all": []}, {}])),
        _ => Err("down".to_owned()),
    };
    Stub { answer: records.map(|records| as_records(&records)), after: std::time::Duration::ZERO }
}

/// The objects of a list.
pub fn as_records(list: &Value) -> Vec<Record> {
    list.as_array().into_iter().flatten().filter_map(|record| record.as_object().cloned()).collect()
}

/// Decides, and checks what must hold of every decision: it takes no time of its own, says the same twice, and its card is
/// one that the phone system takes.
pub fn decided(runtime: &Runtime, rules: &RuleSet, call: &Call) -> Decision {
    let once = || {
        runtime.block_on(async {
            let begun = Instant::now();
            let decision = decide(rules, call, begun + rules.defaults.decide_within).await;
            assert!(begun.elapsed() <= rules.defaults.decide_within, "a decision after its deadline");
            decision
        })
    };
    let decision = once();
    let again = once();
    assert_eq!(decision.outcome, again.outcome, "the same call gets another card");
    assert_eq!(json!(decision.trace), json!(again.trace), "the same call is explained otherwise");
    match &decision.outcome {
        Outcome::Card(card) => {
            let body = serde_json::from_str(&card.body()).expect("a card is JSON");
            assert!(SCHEMA.is_valid(&body), "a card that breaks its schema: {body}");
            for text in leaves(card.rows()) {
                assert!(!text.contains(is_unfit), "a character that turns a screen around: {text:?}");
            }
        }
        Outcome::NoCard(_) => {}
        Outcome::Invalid(mistakes) => panic!("rules that `check` accepts make a card that is refused: {mistakes:?}"),
    }
    decision
}

/// Control characters and those that change the direction of what follows.
fn is_unfit(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The texts of the rows.
pub fn leaves(rows: &Value) -> impl Iterator<Item = &str> {
    let fields = rows.as_array().into_iter().flatten().filter_map(Value::as_object);
    fields.flat_map(|row| row.values().filter_map(Value::as_str))
}
