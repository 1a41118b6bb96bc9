//! Random rule sets: what is taken for proved is compared with running every test on all of the changed rules.

use std::fmt::Write;

use super::*;
use crate::cli::settings;
use crate::rules::{Case, Expected, ExpectedCard, Loaded, Secrets, load};

const RULE_SETS: u64 = 5;
const RULES: usize = 6;
const TESTS: usize = 30;

/// Every set of them overlaps with others in several ways.
const CONDITIONS: &[&str] = &[
    "direction: inbound",
    "direction: [inbound, outbound]",
    "direction: [outbound, internal]",
    "customer: {in: depots}",
    "customer: \"+905321234560..+905321234563\"",
    "customer: {country: TR, kind: mobile}",
    "customer: {withheld: true}",
    "line: [1, 2]",
    "any: [{line: 1}, {direction: outbound, user: 8}]",
    "not: {line: 2}",
    "not: {customer: \"+90*\"}",
    "event: [call_init, call_bridged]",
    "schedule: office",
    "schedule: \"Mo-Fr 09:00-12:30; PH off\"",
];
const NEEDS: &[&str] = &["one", "many", "some", "none", "failed"];
const NUMBERS: &[&str] = &["+905321234559", "+905321234560", "+905321234564", "+442079460123", "anonymous", "101"];
const ANSWERS: &[&str] = &["[]", "failed", "[{n: A}]", "[{n: A}, {n: B}, {n: C}]"];
const TIMES: &[&str] = &["2026-03-02T09:00:00+03:00", "2026-03-02T12:30:00+03:00", "2026-03-01T10:00:00+03:00"];

fn one<'a>(random: &mut fastrand::Rng, choices: &[&'a str]) -> &'a str {
    choices[random.usize(..choices.len())]
}

fn rules(random: &mut fastrand::Rng) -> String {
    let mut text = String::from(
        "version: 1\nlists: {depots: [\"+905321234562..+905321234565\"]}\nschedules: {office: \"Mo-Fr 09:00-18:00\"}\nsources:\n",
    );
    for source in ["crm", "erp"] {
        writeln!(
            text,
            "  {source}: {{http: {{url: \"https://example.com/\", query: {{n: \"{{{{customer.e164}}}}\"}}}}}}"
        )
        .unwrap();
    }
    text.push_str("cards:\n  shared:\n    - {type: title, text: T}\n    - {each: crm, as: r, at_most: 2, type: shortText, text: \"{{r.n}}\"}\n");
    text.push_str("rules:\n  - {name: uses, when: {customer: {in: depots}, schedule: office, user: 9}, needs: {crm: one, erp: one}, card: shared}\n");
    for index in 0..RULES {
        let (first, second) = (one(random, CONDITIONS), one(random, CONDITIONS));
        let key = |condition: &str| condition.split(':').next().map(str::to_owned);
        let when = if key(first) == key(second) { first.to_owned() } else { format!("{first}, {second}") };
        let needs = match random.u8(0..3) {
            0 => String::new(),
            1 => format!("needs: {{crm: {}}}, ", one(random, NEEDS)),
            _ => format!("needs: {{crm: {}, erp: {}}}, ", one(random, NEEDS), one(random, NEEDS)),
        };
        let card = one(random, &["none", "shared", "[{type: title, text: A}, {type: shortText, text: B}]"]);
        writeln!(text, "  - {{name: r{index}, when: {{{when}}}, {needs}card: {card}}}").unwrap();
    }
    text
}

fn tests(random: &mut fastrand::Rng) -> String {
    let mut text = String::from("version: 1\ntests:\n");
    for index in 0..TESTS {
        let direction = one(random, &["direction: inbound, ", "direction: outbound, ", "direction: internal, ", ""]);
        let number = one(random, NUMBERS);
        let (line, user) = (random.u8(1..4), random.u8(8..10));
        let event = one(random, &["", "event: call_bridged, "]);
        writeln!(
            text,
            "  - name: t{index}\n    event: {{{event}{direction}caller_number: \"{number}\", callee_number: \"{number}\", number_id: {line}, user_id: {user}}}\n    at: {}\n    sources: {{crm: {}, erp: {}}}\n    expect: {{rule: none}}",
            one(random, TIMES), one(random, ANSWERS), one(random, ANSWERS)
        )
        .unwrap();
    }
    text
}

/// The rule set with tests that expect just what comes out.
fn suite(directory: &std::path::Path, random: &mut fastrand::Rng, runtime: &Runtime) -> Suite {
    std::fs::write(directory.join("main.yaml"), rules(random)).unwrap();
    std::fs::write(directory.join("main.test.yaml"), tests(random)).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = settings::network().unwrap();
    let loaded = load(directory, &settings::environment(Secrets::Unset, &network, None));
    let Loaded { rules: Some(rules), cases, written, .. } = loaded else { panic!("{:#?}", loaded.problems) };
    let exact = |case: Case| {
        let ran = Ran::of(case, &rules, runtime);
        let rows = super::super::difference::rows(&ran.decision.outcome).to_vec();
        let rule = ran.decision.rule.as_deref().unwrap_or("none").to_owned();
        let card = if rows.is_empty() { ExpectedCard::None } else { ExpectedCard::Whole(rows) };
        Ran::of(Case { expected: Expected { rule: Some(rule), card: Some(card) }, ..ran.case }, &rules, runtime)
    };
    let ran: Vec<Ran> = cases.into_iter().map(exact).collect();
    assert!(!ran.iter().any(Ran::failed));
    Suite { rules, written, ran }
}

/// All rules with the change, however far it is from any test.
fn changed(rules: &[Rule], change: &Change) -> Vec<Rule> {
    let mut rules = rules.to_vec();
    match change {
        Change::Removed(position) => drop(rules.remove(*position)),
        Change::Swapped(position) => rules.swap(*position, position + 1),
        Change::Rewritten(changed) => {
            for (position, rule) in changed {
                rules[*position] = rule.clone();
            }
        }
        Change::Card(users, card) => {
            for user in users {
                rules[*user].card = Some(card.clone());
            }
        }
    }
    rules
}

#[test]
fn what_is_proved_is_what_all_tests_on_all_rules_say() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (mut noticed, mut proved, mut survived) = (0, 0, 0);
    for seed in 0..RULE_SETS {
        let mut random = fastrand::Rng::with_seed(seed);
        let directory = tempfile::tempdir().unwrap();
        let suite = suite(directory.path(), &mut random, &runtime);
        let watchers: Vec<_> = suite.ran.iter().map(|ran| Watcher::new(ran, &suite.rules)).collect();
        let mutator = Mutator::new(&suite.written, &suite.rules);
        for mutation in mutator.mutations() {
            let Some(change) = mutator.compile(&mutation) else { continue };
            let whole = suite.rules.with_rules(changed(&suite.rules.rules, &change));
            let mut is_noticed = false;
            for watcher in &watchers {
                let expected = !watcher.ran.again(&whole.with_stubs(&watcher.ran.case.given), &runtime).is_empty();
                let found = watcher.notices(&change, &suite.rules.rules, &runtime);
                assert_eq!(found, expected, "seed {seed}, {}, {}", mutation.what, watcher.ran.case.name);
                is_noticed |= found;
            }
            let without_effect = mutator.is_without_effect(&change);
            assert!(!(is_noticed && without_effect), "seed {seed}, {}: {:?}", mutation.what, mutation.diff);
            match (is_noticed, without_effect) {
                (true, _) => noticed += 1,
                (false, true) => proved += 1,
                (false, false) => survived += 1,
            }
        }
    }
    assert!(noticed > 50 && proved > 5 && survived > 5, "{noticed} noticed, {proved} proved, {survived} survived");
}
