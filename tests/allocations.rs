//! What a call costs, in allocations: a figure that no other program on the machine moves.
//!
//! The bounds are about twice what was measured. Whoever copies a table for each call or lets matching grow with the rules is
//! told here. What takes time and no memory is not: time is measured by the benches alone.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use callcard::condition::Facts;
use callcard::engine::{Outcome, decide};
use callcard::event::{Call, Event};
use callcard::rules::{Accounts, Environment, RuleSet, Secrets, load};
use callcard::source::{Network, Stub};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

/// One whole call: its event, the decision, the card's body and the trace as text.
const CALL_ALLOCATIONS_MAX: u64 = 400;
const CALL_BYTES_MAX: u64 = 45_000;

/// The same, with one row of a table instead of the stub.
const TABLE_ALLOCATIONS_MAX: u64 = 400;
const TABLE_BYTES_MAX: u64 = 45_000;

/// The rules that a call may match, looked up.
const MATCHING_ALLOCATIONS_MAX: u64 = 2;

const EVENT: &[u8] = br#"{"event": "call_init", "data": {"uuid": "u", "direction": "inbound",
    "caller_number": "0532 123 45 67", "callee_number": "+902582440032", "number_id": 328}}"#;

fn loaded(directory: &Path) -> RuleSet {
    // An error means that another test has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = Network::new().unwrap();
    let environment =
        Environment { secrets: Secrets::Unset, network: &network, accounts: Accounts::Written(None), proofs: false };
    let loaded = load(directory, &environment);
    loaded.rules.unwrap_or_else(|| panic!("{:#?}", loaded.problems.first()))
}

/// Rules whose card has five rows, with this source.
fn five_rows(directory: &Path, source: &Value) -> RuleSet {
    let rules = json!({"version": 1, "sources": {"crm": source}, "rules": [
        {"name": "from-abroad", "when": {"customer": {"country": ["GB", "DE"]}}, "card": "none"},
        {"name": "known", "when": {"direction": "inbound", "customer": "+90*"}, "needs": {"crm": "one"}, "card": [
            {"type": "title", "text": "{{crm.full_name}}", "link": "https://crm.example.com/contacts/{{crm.id}}"},
            {"type": "shortText", "label": "{{#if crm.vip}}VIP{{else}}Company{{/if}}", "text": "{{crm.company}}"},
            {"type": "shortText", "label": "Balance", "text": "{{money crm.balance 'TRY'}}", "show": "crm.balance"},
            {"type": "shortText", "label": "Last order", "text": "{{date crm.ordered_on}}, {{ago crm.ordered_on}}"},
            {"type": "user", "label": "In charge", "user_id": "{{crm.owner_id}}"},
        ]},
    ]});
    fs::write(directory.join("rules.yaml"), rules.to_string()).unwrap();
    loaded(directory)
}

/// What a call costs that is not the first one: what the first one makes is kept.
fn cost_of_a_call(rules: &RuleSet) -> AllocationInfo {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let one = || {
        let event = Event::parse(black_box(EVENT)).unwrap();
        let call = Call::new(&event, "hipcall", rules.defaults.region, Timestamp::UNIX_EPOCH).unwrap();
        let decision = runtime.block_on(decide(rules, &call, Instant::now() + Duration::from_secs(1)));
        let Outcome::Card(card) = &decision.outcome else { panic!("{:?}", decision.outcome) };
        assert_eq!(card.rows().as_array().unwrap().len(), 5);
        black_box((card.body(), serde_json::to_string(&decision.trace).unwrap()));
    };
    one();
    measure(one)
}

/// So many rules, each about ten numbers; the last one is the call's.
fn cost_of_matching(count: usize) -> AllocationInfo {
    let directory = tempfile::tempdir().unwrap();
    let mut text = String::from("version: 1\nrules:\n");
    for rule in 1..count {
        writeln!(text, "  - {{name: rule-{rule}, when: {{customer: \"+90542{rule:06}X\"}}, card: none}}").unwrap();
    }
    writeln!(text, "  - {{name: last, when: {{customer: \"+90532*\", line: 328}}, card: none}}").unwrap();
    fs::write(directory.path().join("rules.yaml"), text).unwrap();
    let rules = loaded(directory.path());
    let event = Event::parse(EVENT).unwrap();
    let call = Call::new(&event, "hipcall", rules.defaults.region, Timestamp::UNIX_EPOCH).unwrap();
    let one = || {
        let facts = Facts::new(&call, &Value::Null, &rules.defaults.time_zone);
        assert!(rules.matching(&facts).map(|rule| rule.name.as_ref()).eq(["last"]));
    };
    one();
    measure(one)
}

#[test]
fn a_call_with_a_stubbed_source_and_five_rows_stays_cheap() {
    let directory = tempfile::tempdir().unwrap();
    let http = json!({"http": {"url": "https://crm.example.com/", "query": {"phone": "{{customer.e164}}"}}});
    let record = json!({"id": 1001, "full_name": "Jane Doe", "company": "Acme Inc.", "vip": true, "balance": 1250.5,
        "ordered_on": "2026-02-27", "owner_id": 1121});
    let stub = Stub { answer: Ok(vec![record.as_object().unwrap().clone()]), after: Duration::ZERO };
    let rules = five_rows(directory.path(), &http).with_stubs(&[("crm".to_owned(), stub)]);
    let cost = cost_of_a_call(&rules);
    assert!(cost.count_total <= CALL_ALLOCATIONS_MAX && cost.bytes_total <= CALL_BYTES_MAX, "{cost:?}");
    assert_eq!(cost.count_current, 0, "nothing is left of a call: {cost:?}");
}

#[test]
fn a_call_found_in_a_table_costs_no_more_with_many_rows() {
    let cost = |rows: usize| {
        let directory = tempfile::tempdir().unwrap();
        let mut table = String::from("phone,id,full_name,company,vip,balance,ordered_on,owner_id\n");
        for row in 0..rows {
            writeln!(table, "+90532{:07},{row},Jane Doe,Acme Inc.,yes,1250.5,2026-02-27,1121", 1_234_567 + row)
                .unwrap();
        }
        fs::write(directory.path().join("people.csv"), table).unwrap();
        let source = json!({"csv": {"file": "people.csv", "numbers": ["phone"]}});
        cost_of_a_call(&five_rows(directory.path(), &source))
    };
    let (few, many) = (cost(1), cost(1_000));
    assert!(few.count_total <= TABLE_ALLOCATIONS_MAX && few.bytes_total <= TABLE_BYTES_MAX, "{few:?}");
    assert_eq!((many.count_total, many.bytes_total), (few.count_total, few.bytes_total));
}

#[test]
fn matching_allocates_no_more_with_ten_thousand_rules_than_with_ten() {
    let (few, many) = (cost_of_matching(10), cost_of_matching(10_000));
    assert!(few.count_total <= MATCHING_ALLOCATIONS_MAX, "{few:?}");
    assert!(many.count_total <= few.count_total && many.bytes_total <= few.bytes_total, "{few:?} {many:?}");
}
