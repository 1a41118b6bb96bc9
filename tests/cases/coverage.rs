//! `callcard test --coverage`: what counts, what is missing, and when the command fails.

use std::fs;

use crate::program::{Ran, project, run};

const RULES: &str = r#"version: 1
sources:
  crm:
    http: {url: "https://crm.example.com/v1", query: {phone: "{{customer.e164}}"}}
cards:
  shared:
    - {type: title, text: "{{crm.name}}"}
    - {type: shortText, label: Number, text: "{{customer.e164}}"}
    - {type: shortText, label: Always, text: "{{crm.count}} found"}
    - {type: shortText, label: VIP, text: Yes, show: crm.vip}
rules:
  - name: known
    when:
      direction: inbound
      any:
        - {line: 1}
        - not: {customer: ["+44*", "+90*"]}
    needs: {crm: one}
    card: shared
  - name: rest
    needs: {crm: none}
    card: none
"#;

/// Runs tests, written as the items of `tests`, against the rules above.
fn coverage(tests: &str, arguments: &[&str]) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules");
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("main.yaml"), RULES).unwrap();
    fs::write(rules.join("main.test.yaml"), format!("version: 1\ntests:\n{tests}")).unwrap();
    run(directory.path(), &[&["test", "--coverage"], arguments].concat())
}

fn case(name: &str, event: &str, crm: &str) -> String {
    format!("  - name: {name}\n    event: {{{event}}}\n    sources: {{crm: {crm}}}\n    expect: {{rule: RULE}}\n")
}

const ONE: &str = r#"direction: inbound, caller_number: "+905321234567", number_id: 1"#;

fn one() -> String {
    case("one", ONE, "[{name: Jane}]").replace("RULE", "known")
}

#[test]
fn what_no_test_reached_is_told_at_its_place() {
    let ran = coverage(&one(), &[]);
    let missing = "\
coverage
  rules      1 of 2
  conditions 5 of 10
  needs      2 of 4
  rows       4 of 6
  all        12 of 22, 54.5%
  rules/main.yaml:7:7  row 1 of card `shared` was never left out
  rules/main.yaml:10:7  row 4 of card `shared` was never shown
  rules/main.yaml:14:7  condition `direction` of rule `known` was never false
  rules/main.yaml:15:7  condition `any` of rule `known` was never false
  rules/main.yaml:16:12  condition `line` of rule `known` was never false
  rules/main.yaml:17:11  condition `not` of rule `known` was never true
  rules/main.yaml:17:17  condition `customer` of rule `known` was never false
  rules/main.yaml:18:13  need `crm: one` of rule `known` was never unmet
  rules/main.yaml:20:11  rule `rest` never decided
  rules/main.yaml:21:13  need `crm: none` of rule `rest` was never met
";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    assert_eq!(ran.stdout, format!("ok   one\n\n1 passed, 0 failed\n\n{missing}"));
}

#[test]
fn all_of_it_can_be_reached_and_what_an_earlier_rule_takes_counts() {
    let line = r#"direction: inbound, caller_number: "+905321234567", number_id: 2"#;
    let british = r#"direction: outbound, callee_number: "+491711234567", number_id: 1"#;
    let tests = [
        one(),
        case("vip without a name", ONE, "[{vip: true}]").replace("RULE", "known"),
        case("nobody", ONE, "[]").replace("RULE", "rest"),
        case("another line", line, "[]").replace("RULE", "rest"),
        case("another direction", british, "[]").replace("RULE", "rest"),
    ];
    let ran = coverage(&tests.concat(), &["--fail-under", "100"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    assert!(ran.stdout.ends_with("  all        22 of 22, 100.0%\n"), "{}", ran.stdout);
}

#[test]
fn less_than_asked_for_fails_and_says_so_in_every_format() {
    for format in ["text", "json", "junit", "github"] {
        let ran = coverage(&one(), &["--format", format, "--fail-under", "54.6"]);
        assert_eq!(ran.code, Some(1), "{format}: {ran:#?}");
        assert_eq!(ran.stderr, "coverage is 54.5%, and 54.6% is asked for\n", "{format}");
        assert_eq!(coverage(&one(), &["--format", format, "--fail-under", "54.5"]).code, Some(0), "{format}");
    }
    for percent in ["101", "-1", "many", "NaN"] {
        assert_eq!(coverage(&one(), &[&format!("--fail-under={percent}")]).code, Some(2), "{percent}");
    }
    assert_eq!(run(project(), &["test", "--fail-under", "1"]).code, Some(2), "it means nothing without --coverage");
}

#[test]
fn json_has_the_numbers_and_each_place() {
    let coverage = coverage(&one(), &["--format", "json"]).json()["coverage"].take();
    assert_eq!((&coverage["covered"], &coverage["all"]), (&12.into(), &22.into()));
    assert_eq!(coverage["kinds"]["needs"], serde_json::json!({"covered": 2, "all": 4}));
    assert_eq!(coverage["missing"].as_array().unwrap().len(), 10);
    let first = &coverage["missing"][2];
    assert_eq!((&first["kind"], &first["line"], &first["column"]), (&"conditions".into(), &14.into(), &7.into()));
    assert_eq!(first["message"], "condition `direction` of rule `known` was never false");
}

#[test]
fn without_tests_nothing_is_covered() {
    let ran = coverage("  []\n", &["--fail-under", "1"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stdout.contains("  all        0 of 22, 0.0%\n"), "{}", ran.stdout);
}

#[test]
fn the_shipped_tests_reach_all_of_the_shipped_rules() {
    let ran = run(project(), &["test", "--coverage", "--fail-under", "100"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
}
