//! `callcard test`: what a failing test shows, which tests run, and that time passes at no cost.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::program::{Ran, project, run};

const RULES: &str = r#"version: 1
sources:
  crm:
    http: {url: "https://crm.example.com/v1", query: {phone: "{{customer.e164}}"}}
rules:
  - name: known
    needs: {crm: one}
    card:
      - {type: title, text: "{{crm.name}}"}
      - {type: shortText, label: Company, text: "{{crm.company}}"}
  - name: silent
    needs: {crm: failed}
    card: none
  - name: unknown
    when: {direction: inbound}
    card: [{type: title, text: "{{customer.international}}"}]
"#;

/// Runs tests, written as the items of `tests`, against the rules above.
fn test(tests: &str, arguments: &[&str]) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(rules.join("main.yaml"), RULES).unwrap();
    std::fs::write(rules.join("main.test.yaml"), format!("version: 1\ntests:\n{tests}")).unwrap();
    std::fs::write(rules.join("event.json"), EVENT).unwrap();
    let arguments: Vec<&str> = ["test"].iter().chain(arguments).copied().collect();
    run(directory.path(), &arguments)
}

const EVENT: &str =
    r#"{"event": "call_init", "data": {"uuid": "a", "direction": "inbound", "caller_number": "+905321234567"}}"#;

/// One test about an inbound call.
fn case(name: &str, sources: &str, expect: &str) -> String {
    let event = r#"{direction: inbound, caller_number: "+905321234567"}"#;
    format!("  - name: {name}\n    event: {event}\n    sources: {sources}\n    expect: {expect}\n")
}

#[test]
fn the_shipped_tests_pass() {
    let ran = run(project(), &["test"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    let passed = ran.stdout.lines().filter(|line| line.starts_with("ok   ")).count();
    assert!(passed > 5 && ran.stdout.ends_with(&format!("\n\n{passed} passed, 0 failed\n")), "{}", ran.stdout);
}

#[test]
fn a_wrong_row_is_shown_beside_the_expected_one_with_the_trace_below() {
    let expect = "{card: [{type: title, text: Jane Doe}, {type: shortText, label: Company, text: Acme}]}";
    let ran = test(&case("a customer calls", "{crm: [{name: Jane Doe, company: Acme Inc.}]}", expect), &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{ran:#?}");
    for line in [
        "FAIL a customer calls  rules/main.test.yaml:3",
        r#"         {"type":"title","text":"Jane Doe"}"#,
        r#"         {"type":"shortText","label":"Company"}"#,
        r#"       - "text": "Acme""#,
        r#"       + "text": "Acme Inc.""#,
        "     |   ✓ known  decides  rules/main.yaml:6",
        "     |       ✓ needs crm: one – one",
        "0 passed, 1 failed",
    ] {
        assert!(ran.stdout.lines().any(|shown| shown == line), "`{line}` is not in\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}'), "colour without a terminal");
}

#[test]
fn another_rule_than_the_expected_one_is_named() {
    let ran = test(&case("a customer calls", "{crm: []}", "{rule: known}"), &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("rule: expected `known`, but `unknown` decides"), "{}", ran.stdout);
    assert!(ran.stdout.contains("✗ needs crm: one – none"), "{}", ran.stdout);
}

#[test]
fn a_missing_card_says_why_there_is_none() {
    let ran = test(&case("nobody answers", "{crm: failed}", "{rows: [{text: Jane}]}"), &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("no card: the rule says `card: none`"), "{}", ran.stdout);
}

#[test]
fn rows_must_be_there_in_their_order() {
    let sources = "{crm: [{name: Jane, company: Acme}]}";
    let in_order = case("in order", sources, "{rows: [{text: Jane}, {label: Company}]}");
    let turned = case("turned", sources, "{rows: [{label: Company}, {text: Jane}]}");
    let ran = test(&format!("{in_order}{turned}"), &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.starts_with("ok   in order\nFAIL turned"), "{}", ran.stdout);
}

#[test]
fn an_expected_card_that_is_none_fails_where_one_comes() {
    let ran = test(&case("a customer calls", "{crm: [{name: Jane}]}", "{card: none}"), &[]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("card: expected none\n"), "{}", ran.stdout);
}

#[test]
fn an_event_may_be_keys_a_body_or_a_file() {
    let keys = case("keys", "{crm: []}", "{rule: unknown}");
    let body = format!("  - name: body\n    event: {EVENT}\n    expect: {{rule: unknown}}\n");
    let file = "  - name: file\n    event: {file: event.json}\n    expect: {rule: unknown}\n";
    let ran = test(&format!("{keys}{body}{file}"), &[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.ends_with("3 passed, 0 failed\n"), "{}", ran.stdout);
}

#[test]
fn a_filter_runs_those_whose_name_has_it() {
    let one = case("a customer calls", "{crm: []}", "{rule: unknown}");
    let two = case("a supplier calls", "{crm: []}", "{rule: known}");
    let ran = test(&format!("{one}{two}"), &["--filter", "customer"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "ok   a customer calls\n\n1 passed, 0 failed\n"));
}

#[test]
fn a_filter_that_no_test_has_is_told() {
    let ran = test(&case("a customer calls", "{crm: []}", "{rule: unknown}"), &["--filter", "nothing"]);
    assert_ne!(ran.code, Some(0), "a misspelt filter looks like passed tests: {ran:#?}");
}

#[test]
fn json_has_the_numbers_and_each_test() {
    let one = case("a customer calls", "{crm: []}", "{rule: unknown}");
    let two = case("a supplier calls", "{crm: []}", "{rule: known}");
    let ran = test(&format!("{one}{two}"), &["--format", "json"]);
    let report = ran.json();
    assert_eq!((ran.code, &report["passed"], &report["failed"]), (Some(1), &1.into(), &1.into()));
    assert_eq!(report["tests"][0]["passed"], true);
    let failed = &report["tests"][1];
    assert_eq!((&failed["name"], &failed["line"]), (&"a supplier calls".into(), &7.into()));
    assert_eq!(failed["path"], "rules/main.test.yaml");
    assert_eq!(failed["differences"][0], "rule: expected `known`, but `unknown` decides");
    assert_eq!(failed["rule"], "unknown");
    assert_eq!(failed["card"][0]["text"], "+90 532 123 45 67");
}

#[test]
fn ten_minutes_pass_in_no_time_and_an_answer_after_the_deadline_does_not_count() {
    let late = case("late", "{crm: {after: 10m, records: [{name: Jane}]}}", "{rule: silent, card: none}");
    let in_time = case("in time", "{crm: {after: 1400ms, records: [{name: Jane}]}}", "{rule: known}");
    let begun = Instant::now();
    let ran = test(&format!("{late}{in_time}"), &[]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn rules_with_a_mistake_run_no_test() {
    let folder = project().join("tests/cases/check/test-of-an-unknown-rule");
    let ran = run(&folder, &["test"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
    assert!(ran.stderr.contains("no rule is named `everbody`"), "{}", ran.stderr);
}

#[test]
fn a_directory_without_tests_says_so() {
    let folder = project().join("tests/cases/check/card-unused");
    let ran = run(Path::new(&folder), &["test"]);
    assert!(ran.stdout.ends_with("0 passed, 0 failed\n"), "{ran:#?}");
}
