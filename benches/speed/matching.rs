//! The rules whose `when` holds for a call, among 10 to 100,000 of them.
//!
//! The rules are of four kinds that an index can tell apart: a prefix, a range, a line, a direction with a pattern.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::OnceLock;

use callcard::condition::Facts;
use callcard::event::Call;
use callcard::rules::RuleSet;
use divan::Bencher;
use divan::counter::ItemsCount;
use serde_json::json;

use crate::ratio::nanoseconds;
use crate::{call, loaded};

const SIZES: [usize; 4] = [10, 1_000, 10_000, 100_000];

/// Calls that are matched in one run, so that it is not always the same way through the index.
const CALLS: usize = 64;

/// Rules of one file; a set of this size has several.
const RULES_A_FILE: usize = 10_000;

/// Rules with the calls that are matched against them, and the table in which a hash look-up would find them.
struct Subject {
    rules: RuleSet,
    calls: Vec<Call>,
    table: HashMap<String, usize>,
}

/// Loaded once: reading 100,000 rules takes longer than all the measuring.
fn subject(size: usize) -> &'static Subject {
    static SUBJECTS: OnceLock<BTreeMap<usize, OnceLock<Subject>>> = OnceLock::new();
    let subjects = SUBJECTS.get_or_init(|| SIZES.into_iter().map(|size| (size, OnceLock::new())).collect());
    subjects[&size].get_or_init(|| Subject::new(size))
}

impl Subject {
    fn new(size: usize) -> Subject {
        let directory = tempfile::tempdir().unwrap();
        for begin in (0..size).step_by(RULES_A_FILE) {
            let mut text = String::from("version: 1\nrules:\n");
            for rule in begin..size.min(begin + RULES_A_FILE) {
                writeln!(text, "  - {{name: rule-{rule}, when: {}, card: none}}", when(rule)).unwrap();
            }
            std::fs::write(directory.path().join(format!("rules-{begin:06}.yaml")), text).unwrap();
        }
        let rules = loaded(directory.path());
        let mut calls = Vec::with_capacity(CALLS);
        for rule in (0..CALLS).map(|position| position * size / CALLS) {
            let call = call_for(rule);
            let facts = Facts::new(&call, &serde_json::Value::Null, &rules.defaults.time_zone);
            let found: Vec<&str> = rules.matching(&facts).map(|rule| rule.name.as_ref()).collect();
            assert_eq!(found, [format!("rule-{rule}")]);
            calls.push(call);
        }
        let table = (0..size).filter_map(|rule| Some((call_for(rule).customer.e164()?.to_owned(), rule))).collect();
        Subject { rules, calls, table }
    }

    fn matched(&self) -> usize {
        let facts = |call| Facts::new(divan::black_box(call), &serde_json::Value::Null, &self.rules.defaults.time_zone);
        self.calls.iter().map(|call| self.rules.matching(&facts(call)).count()).sum()
    }

    fn looked_up(&self) -> usize {
        let found = |call: &Call| self.table.get(divan::black_box(call).customer.e164()?).copied();
        self.calls.iter().filter_map(found).sum()
    }
}

/// The `when` of a rule. No two of them hold for the same call.
fn when(rule: usize) -> String {
    match rule % 4 {
        0 => format!("{{customer: \"+90542{rule:05}*\"}}"),
        1 => format!("{{customer: \"+90532{rule:05}00..+90532{rule:05}49\"}}"),
        2 => format!("{{line: {}}}", rule + 1),
        _ => format!("{{direction: outbound, customer: \"+90552{rule:05}XX\"}}"),
    }
}

/// A call that the rule is about, from or to a number that is only its own.
fn call_for(rule: usize) -> Call {
    match rule % 4 {
        0 => call(json!({"caller_number": format!("+90542{rule:05}11"), "number_id": 0})),
        1 => call(json!({"caller_number": format!("+90532{rule:05}11"), "number_id": 0})),
        2 => call(json!({"caller_number": format!("+90507{rule:05}11"), "number_id": rule + 1})),
        _ => call(json!({"direction": "outbound", "callee_number": format!("+90552{rule:05}11"), "number_id": 0})),
    }
}

#[divan::bench(args = SIZES)]
fn a_hash_look_up(bencher: Bencher<'_, '_>, size: usize) {
    let subject = subject(size);
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| subject.looked_up());
}

#[divan::bench(args = SIZES)]
fn a_call_matched(bencher: Bencher<'_, '_>, size: usize) {
    let subject = subject(size);
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| subject.matched());
}

/// Prints what matching one call takes, as a ratio to 10 rules and to a hash look-up in a table of the same size.
pub fn ratios() {
    let one = |run: &dyn Fn() -> usize| nanoseconds(run) / CALLS as f64;
    let figures = SIZES.map(|size| (size, one(&|| subject(size).matched()), one(&|| subject(size).looked_up())));
    let [(_, few, _), ..] = figures;
    println!("\n{:<16} {:>12} {:>12} {:>16}", "matching", "nanoseconds", "× 10 rules", "× hash look-up");
    for (size, matched, looked_up) in figures {
        let rules = format!("{size} rules");
        println!("{rules:<16} {matched:>12.0} {:>12.1} {:>16.1}", matched / few, matched / looked_up);
    }
}
