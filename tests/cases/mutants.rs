//! `callcard test --mutants`: which changes are made, which of them tests notice, and what is told about the others.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Ran, project, run};

/// Runs tests against rules, both without their first line.
fn mutants(rules: &str, tests: &str, arguments: &[&str]) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("rules");
    fs::create_dir(&at).unwrap();
    fs::write(at.join("main.yaml"), format!("version: 1\n{rules}")).unwrap();
    fs::write(at.join("main.test.yaml"), format!("version: 1\ntests:\n{tests}")).unwrap();
    run(directory.path(), &[&["test", "--mutants"], arguments].concat())
}

/// What survives with tests that look at nothing, so all mutants that are made: `what`, and below it the diff.
fn made(rules: &str) -> Vec<String> {
    let blind = "  - {name: a, event: {direction: inbound}, expect: {rows: [{}]}}\n";
    let tests = if rules.contains("crm") { "  []\n" } else { blind };
    let ran = mutants(rules, tests, &["--format", "json"]);
    let report = ran.json();
    assert_eq!(report["failed"], 0, "{ran:#?}");
    let survivors = report["mutants"]["survivors"].as_array().unwrap().clone();
    survivors.iter().map(survivor).collect()
}

fn survivor(survivor: &Value) -> String {
    let diff: Vec<&str> = survivor["diff"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    format!("{}\n{}", survivor["what"].as_str().unwrap(), diff.join("\n"))
}

const CRM: &str =
    "sources:\n  crm: {http: {url: \"https://crm.example.com/\", query: {phone: \"{{customer.e164}}\"}}}\n";

fn assert_made(rules: &str, expected: &[&str]) {
    let rules = format!("{CRM}{rules}");
    let found = made(&rules);
    for mutant in expected {
        assert!(found.iter().any(|found| found == mutant), "{mutant}\n\nis not among\n\n{}", found.join("\n\n"));
    }
    assert_eq!(found.len(), expected.len(), "{}", found.join("\n\n"));
}

const CARD: &str = "    needs: {crm: some}\n    card: [{type: title, text: A}]\n";
const NEED: [&str; 2] = [
    "rule `a` without its need `crm: some`\n-     needs: {crm: some}",
    "rule `a` needs `crm: one` instead of `some`\n-     needs: {crm: some}\n+     needs: {crm: one}",
];

#[test]
fn each_condition_is_dropped_and_negated_wherever_it_stands() {
    let rules = format!(
        "rules:\n  - name: a\n    when:\n      direction: inbound  # d\n      any:\n        - {{line: 1, user: [2, 3]}}\n        - callee: {{type: team, id: 4}}\n      not: {{customer: \"+90*\"}}\n{CARD}"
    );
    let own = [
        "rule `a` without its condition `direction`\n-       direction: inbound  # d",
        "rule `a` with its condition `direction` negated\n-       direction: inbound  # d\n-       any:\n-         - {line: 1, user: [2, 3]}\n-         - callee: {type: team, id: 4}\n-       not: {customer: \"+90*\"}\n+       {any: [{line: 1, user: [2, 3]}, {callee: {type: team, id: 4}}], not: {any: [{customer: \"+90*\"}, {direction: inbound}]}}",
        "rule `a` without its condition `any`\n-       any:\n-         - {line: 1, user: [2, 3]}\n-         - callee: {type: team, id: 4}",
        "rule `a` with its condition `any` negated\n-       direction: inbound  # d\n-       any:\n-         - {line: 1, user: [2, 3]}\n-         - callee: {type: team, id: 4}\n-       not: {customer: \"+90*\"}\n+       {direction: inbound, not: {any: [{customer: \"+90*\"}, {any: [{line: 1, user: [2, 3]}, {callee: {type: team, id: 4}}]}]}}",
        "rule `a` without block 1 of `any`\n-         - {line: 1, user: [2, 3]}",
        "rule `a` without its condition `line`\n-         - {line: 1, user: [2, 3]}\n+         - {user: [2, 3]}",
        "rule `a` with its condition `line` negated\n-         - {line: 1, user: [2, 3]}\n+         - {not: {line: 1}, user: [2, 3]}",
        "rule `a` without its condition `user`\n-         - {line: 1, user: [2, 3]}\n+         - {line: 1}",
        "rule `a` with its condition `user` negated\n-         - {line: 1, user: [2, 3]}\n+         - {line: 1, not: {user: [2, 3]}}",
        "rule `a` without block 2 of `any`\n-         - callee: {type: team, id: 4}",
        "rule `a` with its condition `callee` negated\n-         - callee: {type: team, id: 4}\n+         - not: {callee: {type: team, id: 4}}",
        "rule `a` without `type` of its condition `callee`\n-         - callee: {type: team, id: 4}\n+         - callee: {id: 4}",
        "rule `a` without `id` of its condition `callee`\n-         - callee: {type: team, id: 4}\n+         - callee: {type: team}",
        "rule `a` without its condition `not`\n-       not: {customer: \"+90*\"}",
        "rule `a` with its condition `not` negated\n-       not: {customer: \"+90*\"}\n+       not: {not: {customer: \"+90*\"}}",
    ];
    assert_made(&rules, &[own.as_slice(), &NEED].concat());
}

#[test]
fn rules_change_places_unless_that_is_proved_to_make_no_difference() {
    let rule = |name: &str, when: &str, need: &str| {
        format!("  - {{name: {name}, when: {{{when}}}, needs: {{crm: {need}}}, card: none}}\n")
    };
    let swaps = |one: String, two: String| {
        let found = made(&format!("{CRM}rules:\n{one}{two}"));
        found.into_iter().filter(|what| what.contains(" behind ")).collect::<Vec<_>>()
    };
    let (one, two) = (rule("a", "line: 1", "one"), rule("b", "user: 1", "some"));
    let diff = format!("rule `a` behind `b`\n- {one}  {two}+ {}", one.trim_end());
    assert_eq!(swaps(one, two), [diff]);
    for (one, two) in [
        (rule("a", "line: 1", "one"), rule("b", "user: 1", "many")),
        (rule("a", "direction: inbound", "one"), rule("b", "direction: outbound", "one")),
        (rule("a", "customer: \"+90*\"", "one"), rule("b", "customer: {country: GB}", "one")),
        (rule("a", "customer: {withheld: true}", "none"), rule("b", "line: 1", "one")),
    ] {
        assert_eq!(swaps(one, two), Vec::<String>::new());
    }
}

#[test]
fn ranges_and_numbers_of_rows_move_by_one() {
    let rules = format!(
        "lists:\n  l: [\"+90 532 000 01 00 .. +90 532 000 01 99\", \"+44*\"]\nrules:\n  - name: a\n    when: {{customer: {{in: l}}, line: '+49 10..+49 19'}}\n{}",
        "    needs: {crm: some}\n    card:\n      - {type: title, text: A}\n      - {each: crm, as: one, at_most: 1, type: shortText, text: \"{{one.name}}\"}\n"
    );
    let found = made(&format!("{CRM}{rules}"));
    let moved: Vec<&str> =
        found.iter().filter(|what| what.contains("instead of")).map(|what| what.split_once('\n').unwrap().0).collect();
    assert_eq!(
        moved,
        [
            "rule `a` with `+49 09..+49 19` instead of `+49 10..+49 19`",
            "rule `a` with `+49 11..+49 19` instead of `+49 10..+49 19`",
            "rule `a` with `+49 10..+49 18` instead of `+49 10..+49 19`",
            "rule `a` with `+49 10..+49 20` instead of `+49 10..+49 19`",
            "rule `a` needs `crm: one` instead of `some`",
            "row 2 of the card of rule `a` with `at_most: 2` instead of 1",
            "list `l` with `+90 532 000 00 99 .. +90 532 000 01 99` instead of `+90 532 000 01 00 .. +90 532 000 01 99`",
            "list `l` with `+90 532 000 01 01 .. +90 532 000 01 99` instead of `+90 532 000 01 00 .. +90 532 000 01 99`",
            "list `l` with `+90 532 000 01 00 .. +90 532 000 01 98` instead of `+90 532 000 01 00 .. +90 532 000 01 99`",
            "list `l` with `+90 532 000 01 00 .. +90 532 000 02 00` instead of `+90 532 000 01 00 .. +90 532 000 01 99`",
        ]
    );
    assert!(found.iter().any(|what| what.ends_with("+     when: {customer: {in: l}, line: '+49 10..+49 20'}")));
    let rows = found.iter().filter(|what| what.contains(" without row ")).count();
    assert_eq!(rows, 2, "{found:#?}");
}

#[test]
fn hours_move_by_a_minute_where_they_have_a_name_and_where_not() {
    let rules = "schedules:\n  office: \"Mo-Fr 09:00-18:00\"\nrules:\n  - name: a\n    when: {schedule: [office, Sa 10:00-12:00]}\n    card: none\n";
    let test = |at: &str, expect: &str| {
        format!(
            "  - {{name: \"{at}\", event: {{direction: inbound, caller_number: \"+905321234567\"}}, at: {at}:00+03:00, expect: {{rule: {expect}}}}}\n"
        )
    };
    let times = |first: &str, rest: &[(&str, &str)]| {
        let rest = rest.iter().map(|(at, expect)| test(at, expect));
        [test(first, "a")].into_iter().chain(rest).collect::<String>()
    };
    let ends = [
        ("2026-03-02T08:59", "none"),
        ("2026-03-02T17:59", "a"),
        ("2026-03-02T18:00", "none"),
        ("2026-03-07T09:59", "none"),
        ("2026-03-07T10:00", "a"),
        ("2026-03-07T11:59", "a"),
        ("2026-03-07T12:00", "none"),
    ];
    let ran = mutants(rules, &times("2026-03-02T09:00", &ends), &[]);
    assert!(ran.stdout.ends_with("10 mutants: 10 noticed, 0 survived\n"), "{ran:#?}");
    let ran = mutants(rules, &times("2026-03-02T09:30", &ends), &[]);
    let survivor =
        "SURVIVES schedule `office` with `Mo-Fr 09:01-18:00` instead of `Mo-Fr 09:00-18:00`  rules/main.yaml:3:11\n";
    assert!(ran.stdout.contains(survivor) && ran.stdout.ends_with("9 noticed, 1 survived\n"), "{ran:#?}");
}

#[test]
fn a_test_that_looks_notices_and_one_that_does_not_is_told_with_place_and_diff() {
    let rules = "rules:\n  - name: a\n    when: {direction: inbound}\n    card: [{type: title, text: A}]\n";
    let inbound = "  - {name: in, event: {direction: inbound, caller_number: \"+905321234567\"}, expect: {rule: a}}\n";
    let outbound =
        "  - {name: out, event: {direction: outbound, callee_number: \"+905321234567\"}, expect: {rule: none}}\n";
    let ran = mutants(rules, &format!("{inbound}{outbound}"), &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    assert!(ran.stdout.ends_with("\n2 mutants: 2 noticed, 0 survived\n"), "{}", ran.stdout);
    let ran = mutants(rules, inbound, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "no test notices 1 mutant\n"), "{ran:#?}");
    let expected = "SURVIVES rule `a` without its condition `direction`  rules/main.yaml:4:23\n     -     when: {direction: inbound}\n1 mutant";
    assert!(ran.stdout.contains(expected.trim_end_matches("1 mutant")), "{}", ran.stdout);
    for format in ["json", "junit", "github"] {
        let ran = mutants(rules, inbound, &["--format", format]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "no test notices 1 mutant\n"), "{format}");
    }
    let report = mutants(rules, inbound, &["--format", "json"]).json()["mutants"].take();
    assert_eq!((&report["noticed"], &report["is_cut"]), (&1.into(), &false.into()));
    let place = [&report["survivors"][0]["path"], &report["survivors"][0]["line"], &report["survivors"][0]["column"]];
    assert_eq!(place, [&Value::from("rules/main.yaml"), &4.into(), &23.into()]);
}

#[test]
fn a_need_that_earlier_rules_leave_no_choice_is_no_mutant() {
    let rule = |name: &str, need: &str| format!("  - {{name: {name}, needs: {{crm: {need}}}, card: none}}\n");
    let rules = ["one", "many", "failed", "none"].map(|need| rule(&format!("is-{need}"), need)).concat();
    let test = |need: &str, said: &str| {
        let event = "{direction: inbound, caller_number: \"+905321234567\"}";
        format!("  - {{name: {need}, event: {event}, sources: {{crm: {said}}}, expect: {{rule: is-{need}}}}}\n")
    };
    let tests = [("one", "[{a: 1}]"), ("many", "[{a: 1}, {a: 2}]"), ("failed", "failed"), ("none", "[]")];
    let tests = tests.map(|(need, said)| test(need, said)).concat();
    let ran = mutants(&format!("{CRM}rules:\n{rules}"), &tests, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
}

#[test]
fn no_mutant_is_made_of_rules_whose_tests_fail() {
    let rules = "rules:\n  - {name: a, card: none}\n";
    let ran = mutants(rules, "  - {name: a, event: {direction: inbound}, expect: {rule: none}}\n", &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("first the tests have to pass") && !ran.stdout.contains("mutant"), "{ran:#?}");
}

#[test]
fn what_an_alias_stands_for_is_left_alone() {
    let rules = "rules:\n  - name: a\n    when: &w {direction: inbound}\n    needs: {crm: some}\n    card: none\n  - {name: b, when: *w, needs: {crm: many}, card: none}\n";
    let found = made(&format!("{CRM}{rules}"));
    assert!(!found.iter().any(|what| what.starts_with("rule `b` with") && what.contains("condition")), "{found:#?}");
}

#[test]
fn a_thousand_mutants_and_a_hundred_tests_take_seconds() {
    let rule = |at: usize| {
        format!(
            "  - name: r{at}\n    when: {{direction: inbound, customer: \"+90532{at:04}000..+90532{at:04}999\", line: {at}}}\n    needs: {{crm: one}}\n    card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]\n"
        )
    };
    let test = |at: usize| {
        format!(
            "  - name: t{at}\n    event: {{direction: inbound, caller_number: \"+90532{at:04}500\", number_id: {at}}}\n    sources: {{crm: {{after: 30s, records: [{{name: A}}]}}}}\n    expect: {{rule: none}}\n"
        )
    };
    let rules: String = (0..100).map(rule).collect();
    let tests: String = (0..100).map(test).collect();
    let begun = Instant::now();
    let ran = mutants(&format!("{CRM}rules:\n{rules}"), &tests, &["--format", "json"]);
    let report = ran.json();
    let made = report["mutants"]["noticed"].as_u64().unwrap()
        + report["mutants"]["survivors"].as_array().unwrap().len() as u64;
    assert!(made > 1_000, "{made}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?} without any optimisation", begun.elapsed());
}

#[test]
fn the_shipped_tests_notice_every_mutant_of_the_shipped_rules() {
    let ran = run(project(), &["test", "--mutants"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
}
