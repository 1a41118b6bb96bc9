//! Random rule sets against brute force: every call of a small world is decided by every rule.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Verdict;
use crate::condition::Facts;
use crate::event::{Call, Event, Region};
use crate::rules::{Accounts, Environment, Loaded, RuleSet, Secrets, load};
use crate::source::Network;

const RULE_SETS: u64 = 60;
const CALLS: usize = 1_000;

/// Texts of conditions, of which a random `when` is made. Every set of them overlaps with others in several ways.
const CONDITIONS: &[&str] = &[
    "direction: inbound",
    "direction: [inbound, outbound]",
    "direction: [outbound, internal]",
    "customer: \"+90*\"",
    "customer: [\"+90 5*\", \"+44*\"]",
    "customer: \"+90 532 123 45 6X\"",
    "customer: [\"+905321234560..+905321234567\", \"1XX\"]",
    "customer: \"*\"",
    "customer: {country: TR}",
    "customer: {country: [DE, GB], kind: [mobile, fixed]}",
    "customer: {kind: mobile}",
    "customer: {kind: [extension, withheld]}",
    "customer: {withheld: true}",
    "customer: {withheld: false}",
    "customer: {in: depots, kind: fixed}",
    "line: 328",
    "line: [5, \"+90 258*\"]",
    "callee: {type: team}",
    "callee: {id: [12, 13]}",
    "user: [1121, 8]",
    "event: call_bridged",
    "event: [call_init, call_bridged]",
    "schedule: \"Mo-Fr 09:00-18:00\"",
    "schedule: \"Mo-Fr 12:00-13:00; Sa 09:00-12:00\"",
    "schedule: \"Sa-Su\"",
    "schedule: \"2026 Dec 25\"",
    "expr: customer.kind == 'mobile'",
    "expr: call.direction != 'inbound'",
];

/// The same where each condition is true for some call of the world and false for another, and nothing else matters.
const EXACT: &[&str] = &[
    "direction: inbound",
    "direction: [outbound, internal]",
    "line: 328",
    "line: [5, 6]",
    "user: [1121, 8]",
    "user: 8",
    "callee: {type: team}",
    "callee: {type: [team, user]}",
    "event: call_bridged",
    "event: [call_init, call_bridged]",
];

struct Writer {
    random: fastrand::Rng,
    conditions: &'static [&'static str],
}

impl Writer {
    fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.random.usize(..choices.len())]
    }

    /// The inside of a `when` in flow style; each key at most once.
    fn when(&mut self, depth: usize) -> String {
        let mut parts: Vec<String> = Vec::new();
        for _ in 0..self.random.usize(1..=2) {
            let part = match self.random.u8(0..6) {
                0 if depth > 0 => format!("not: {{{}}}", self.when(depth - 1)),
                1 if depth > 0 => {
                    format!("any: [{{{}}}, {{{}}}]", self.when(depth - 1), self.when(depth - 1))
                }
                _ => self.one(self.conditions).to_owned(),
            };
            let key = part.split(':').next().unwrap();
            if !parts.iter().any(|other| other.split(':').next() == Some(key)) {
                parts.push(part);
            }
        }
        parts.join(", ")
    }

    fn rule_set(&mut self, needs: bool) -> String {
        let mut text = "version: 1\ndefaults: {time_zone: UTC}\nlists: {depots: [\"+90 258*\", \"+49 221*\"]}\n\
            sources:\n  crm: {http: {url: \"https://crm.example.com/\"}}\n  erp: {http: {url: \"https://erp.example.com/\"}}\n\
            rules:\n"
            .to_owned();
        for position in 0..self.random.usize(3..12) {
            let when = if self.random.u8(0..9) == 0 { String::new() } else { format!("when: {{{}}}, ", self.when(2)) };
            let mut asked = String::new();
            if needs && self.random.u8(0..3) == 0 {
                let outcome = self.one(&["one", "many", "some", "none", "failed"]);
                asked = format!("needs: {{{}: {outcome}}}, ", self.one(&["crm", "erp"]));
            }
            writeln!(text, "  - {{name: r{position}, {when}{asked}card: none}}").unwrap();
        }
        text
    }
}

fn network() -> Network {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Network::new().unwrap()
}

fn rules(text: &str, network: &Network) -> RuleSet {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.yaml"), text).unwrap();
    let environment =
        Environment { secrets: Secrets::Unset, network, accounts: Accounts::Written(None), proofs: false };
    let Loaded { rules, problems, .. } = load(directory.path(), &environment);
    rules.unwrap_or_else(|| panic!("{problems:#?}\n{text}"))
}

fn verdicts(rules: &RuleSet) -> Vec<Verdict> {
    let prover = rules.prover();
    (0..rules.rules.len()).map(|position| prover.verdict(position)).collect()
}

/// The first rule that decides, without the index.
fn decides(rules: &RuleSet, call: &Call, counts: [Option<usize>; 2]) -> Option<usize> {
    let values = values(call);
    let facts = Facts::new(call, &values, &rules.defaults.time_zone);
    let counts = if call.customer.e164().is_some() { counts } else { [Some(0); 2] };
    rules
        .rules
        .iter()
        .position(|rule| rule.when.holds(&facts) && rule.needs.iter().all(|(source, need)| need.holds(counts[*source])))
}

/// What the expressions above see.
fn values(call: &Call) -> Value {
    json!({
        "call": { "direction": call.direction.map(|direction| direction.as_str()) },
        "customer": { "kind": call.customer.kind().as_str() },
    })
}

fn call(event: &str, data: &Value, at: &str) -> Call {
    let mut body = json!({"event": event, "data": {"uuid": "u"}});
    body["data"].as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    let event = Event::parse(body.to_string().as_bytes()).unwrap();
    let at: Timestamp = at.parse().unwrap();
    let mut call = Call::new(&event, "hipcall", Region::default(), at).unwrap();
    call.started_at = at;
    call
}

fn random_call(random: &mut fastrand::Rng) -> Call {
    let mut one = |choices: &[Value]| choices[random.usize(..choices.len())].clone();
    let numbers: Vec<Value> = [
        "+905321234567",
        "+905321234561",
        "+905321234569",
        "+905331234567",
        "+902582440032",
        "+902121234567",
        "+904440333",
        "+908501234567",
        "+442079460123",
        "+447700900123",
        "+492211234567",
        "+491711234567",
        "+15551234567",
        "+80012345678",
        "101",
        "999999",
        "anonymous",
        "",
        "no number",
        "+1234567890123456",
    ]
    .iter()
    .map(|text| json!(text))
    .collect();
    let data = json!({
        "direction": one(&[json!("inbound"), json!("outbound"), json!("internal"), json!("sideways")]),
        "caller_number": one(&numbers),
        "callee_number": one(&numbers),
        "number_id": one(&[json!(328), json!(5), json!(7), json!(null)]),
        "callee_type": one(&[json!("team"), json!("user"), json!(null)]),
        "callee_id": one(&[json!(12), json!(14), json!(null)]),
        "user_id": one(&[json!(1121), json!(8), json!(9), json!(null)]),
    });
    let at = one(&[
        json!("2026-03-02T10:00:00Z"),
        json!("2026-03-02T12:30:00Z"),
        json!("2026-03-06T17:59:59Z"),
        json!("2026-03-07T10:00:00Z"),
        json!("2026-03-08T00:00:00Z"),
        json!("2026-12-25T12:30:00Z"),
    ]);
    let event = one(&[json!("call_init"), json!("call_init"), json!("call_bridged"), json!("call_hangup")]);
    call(event.as_str().unwrap(), &data, at.as_str().unwrap())
}

#[test]
fn what_is_called_dead_never_decides_and_the_index_finds_what_a_scan_finds() {
    let (network, mut random, mut dead) = (network(), fastrand::Rng::with_seed(42), 0);
    let calls: Vec<Call> = (0..CALLS).map(|_| random_call(&mut random)).collect();
    for seed in 0..RULE_SETS {
        let mut writer = Writer { random: fastrand::Rng::with_seed(seed), conditions: CONDITIONS };
        let text = writer.rule_set(true);
        let rules = rules(&text, &network);
        let verdicts = verdicts(&rules);
        dead += verdicts.iter().filter(|verdict| !matches!(verdict, Verdict::Alive)).count();
        for call in &calls {
            let mut count = || [None, Some(0), Some(1), Some(2)][random.usize(..4)];
            if let Some(position) = decides(&rules, call, [count(), count()]) {
                assert!(matches!(verdicts[position], Verdict::Alive), "seed {seed}: r{position} decides\n{text}");
            }
            let values = values(call);
            let facts = Facts::new(call, &values, &rules.defaults.time_zone);
            let scanned = rules.rules.iter().filter(|rule| rule.when.holds(&facts)).map(|rule| &rule.name);
            let found = rules.matching(&facts).map(|rule| &rule.name);
            assert!(scanned.eq(found), "seed {seed}: {call:?}\n{text}");
        }
    }
    assert!(dead > 50, "{dead} rules were called dead");
}

#[test]
fn where_brute_force_sees_every_call_a_rule_is_dead_just_when_it_never_decides() {
    let mut calls = Vec::new();
    for event in ["call_init", "call_bridged", "call_hangup"] {
        for direction in ["inbound", "outbound", "internal", "sideways"] {
            for line in [json!(328), json!(5), json!(6), json!(7)] {
                for user in [json!(1121), json!(8), json!(null)] {
                    for callee in [json!("team"), json!("user"), json!("greeting"), json!(null)] {
                        let data = json!({"direction": direction, "caller_number": "+905321234567", "number_id": line,
                            "callee_number": "+902582440032", "user_id": user, "callee_type": callee});
                        calls.push(call(event, &data, "2026-03-02T10:00:00Z"));
                    }
                }
            }
        }
    }
    let (network, mut dead, mut alive) = (network(), 0, 0);
    for seed in 0..RULE_SETS {
        let mut writer = Writer { random: fastrand::Rng::with_seed(seed), conditions: EXACT };
        let text = writer.rule_set(false);
        let rules = rules(&text, &network);
        let mut decided = vec![false; rules.rules.len()];
        for position in calls.iter().filter_map(|call| decides(&rules, call, [None, None])) {
            decided[position] = true;
        }
        for (position, verdict) in verdicts(&rules).iter().enumerate() {
            assert_ne!(*verdict, Verdict::Unknown, "seed {seed}: r{position}\n{text}");
            let is_alive = matches!(verdict, Verdict::Alive);
            assert_eq!(is_alive, decided[position], "seed {seed}: r{position} is {verdict:?}\n{text}");
            if is_alive {
                alive += 1
            } else {
                dead += 1
            }
            if let Verdict::Covered(covering) = verdict {
                assert!(covering.iter().all(|cover| *cover < position) && !covering.is_empty());
            }
        }
    }
    assert!(dead > 50 && alive > 50, "{dead} dead, {alive} alive");
}
