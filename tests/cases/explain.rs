//! `callcard explain --reach` and `--against`: an example of a call for each rule, and two rule sets beside each other.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::program::{Ran, project, run};

/// Rules that are reached in ways that differ: kinds of numbers, hours, routes, and what sources say.
const SETS: [&str; 5] = [
    r#"
lists: {depots: ["+492215550000..+492215550999", "+90 216 555 XX XX"]}
rules:
  - {name: hidden, when: {direction: inbound, customer: {withheld: true}}, card: none}
  - {name: depots, when: {customer: {in: depots}}, card: none}
  - {name: one-number, when: {customer: "+90 532 123 45 67"}, card: none}
  - {name: class, when: {customer: {number: "+90 5[34]2*", kind: mobile}}, card: none}
  - {name: british-mobile, when: {customer: {country: GB, kind: mobile}}, card: none}
  - {name: free-of-charge, when: {customer: {kind: toll_free}}, card: none}
  - {name: colleague, when: {direction: internal, customer: "1XX"}, card: none}
  - {name: within, when: {direction: internal}, card: none}
  - {name: we-call, when: {direction: outbound, not: {customer: {country: TR}}}, card: none}
  - {name: "no", card: none}
"#,
    r#"
defaults: {time_zone: America/New_York, region: US}
schedules:
  office: "Mo-Fr 09:00-18:00; Sa 09:00-13:00"
  christmas: "Dec 25 10:00-12:00; 2031 Jun 01 00:00-24:00"
rules:
  - {name: holiday, when: {schedule: christmas}, card: none}
  - {name: short, when: {schedule: "Oct 29 12:30-12:45"}, card: none}
  - {name: first-monday, when: {schedule: ["Mo[1] 07:00-08:00", "Su[-1] 23:00-23:30"]}, card: none}
  - {name: open, when: {schedule: office}, card: none}
  - {name: night, when: {schedule: "Mo-Th 18:00-02:00, Fr-Sa 18:00-04:00"}, card: none}
  - {name: leap-day, when: {schedule: "Feb 29"}, card: none}
  - {name: rest, when: {not: {schedule: "Jan-Nov"}}, card: none}
  - {name: last, card: none}
"#,
    r#"
sources:
  crm: {http: {url: "https://crm.example.com/v1", query: {phone: "{{customer.e164}}"}, numbers: [$.phone]}}
  erp: {http: {url: "https://erp.example.com/v1", query: {phone: "{{customer.e164}}"}, numbers: [$.phone]}}
rules:
  - {name: both-down, needs: {crm: failed, erp: failed}, card: none}
  - {name: crm-down, needs: {crm: failed}, card: none}
  - {name: shared, needs: {crm: many, erp: none}, card: none}
  - {name: known, needs: {crm: one}, card: none}
  - {name: debtor, when: {direction: inbound}, needs: {crm: none, erp: some}, card: none}
  - {name: new-one, needs: {crm: none, erp: none}, card: none}
  - {name: others, card: none}
"#,
    r#"
rules:
  - {name: line, when: {line: [328, "+90 258 244 00 32"]}, card: none}
  - {name: only-the-number, when: {not: {line: 7}, line: "+90 258 244 00 3X"}, card: none}
  - {name: team, when: {callee: {type: team, id: [12]}}, card: none}
  - {name: any-team, when: {callee: {type: team}}, card: none}
  - {name: somebody, when: {event: call_bridged, user: [1121]}, card: none}
  - {name: answered, when: {event: call_bridged}, card: none}
  - name: either
    when:
      any:
        - {direction: outbound, customer: {country: DE}}
        - {not: {any: [{customer: "*"}, {direction: inbound}]}}
    card: none
"#,
    r#"
accounts:
  support: {token: "${SUPPORT_TOKEN}", webhook_secret: "${SUPPORT_SECRET}"}
  sales: {token: "${SALES_TOKEN}", webhook_secret: "${SALES_SECRET}"}
rules:
  - {name: for-sales, when: {account: sales, customer: "+44*"}, card: none}
  - {name: for-support, when: {account: support}, card: none}
  - {name: for-all, card: none}
"#,
];

/// A directory with rules, written without their first line.
fn directory(rules: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("rules")).unwrap();
    fs::write(directory.path().join("rules/main.yaml"), format!("version: 1\n{rules}")).unwrap();
    directory
}

/// Runs the rules against an example for each of them.
fn run_the_examples(directory: &Path) -> Ran {
    let listed = run(directory, &["test", "--coverage", "--format", "json"]).json();
    let count = listed["coverage"]["kinds"]["rules"]["all"].as_u64().unwrap();
    let rules = fs::read_to_string(directory.join("rules/main.yaml")).unwrap();
    let names =
        rules.split("- {name: ").chain(rules.split("- name: ")).filter_map(|rest| rest.split([',', '\n']).next());
    let names: Vec<&str> = names.map(|name| name.trim_matches('"')).filter(|name| !name.contains(':')).collect();
    let mut tests = String::new();
    for name in &names {
        let ran = run(directory, &["explain", "--reach", name]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{name}: {}", ran.stdout);
        tests.extend(ran.stdout.lines().map(|line| format!("  {line}\n")));
    }
    assert_eq!(names.len() as u64, count, "{names:?}");
    fs::write(directory.join("rules/reach.test.yaml"), format!("version: 1\ntests:\n{tests}")).unwrap();
    run(directory, &["test"])
}

#[test]
fn an_example_for_a_rule_is_a_test_that_passes() {
    for rules in SETS {
        let directory = directory(rules);
        let ran = run_the_examples(directory.path());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{rules}{}", ran.stdout);
    }
}

#[test]
fn every_shipped_rule_has_an_example() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("rules/data")).unwrap();
    for file in ["main.yaml", "data/contacts.csv"] {
        let shipped = fs::read_to_string(project().join("rules").join(file)).unwrap();
        fs::write(directory.path().join("rules").join(file), shipped).unwrap();
    }
    let ran = run_the_examples(directory.path());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
}

#[test]
fn an_example_is_an_ordinary_call_and_says_what_matters() {
    let shown = |rules: &str, rule: &str| run(directory(rules).path(), &["explain", "--reach", rule]).stdout;
    let hidden = "\
- name: a call that reaches hidden
  event: {direction: inbound, caller_number: anonymous}
  at: 2026-03-02T10:00:00+03:00
  expect: {rule: hidden}
";
    assert_eq!(shown(SETS[0], "hidden"), hidden);
    let holiday = shown(SETS[1], "holiday");
    assert!(holiday.contains("\n  at: 2026-12-25T10:00:00-05:00\n"), "in the time zone of the rules: {holiday}");
    let others = shown(SETS[0], "we-call");
    assert!(others.contains("callee_number: \"+"), "somebody who can be called: {others}");
    let sales = shown(SETS[4], "for-sales");
    assert!(sales.contains("caller_number: \"+44") && sales.contains("  account: sales\n"), "{sales}");
    let debtor = shown(SETS[2], "debtor");
    assert!(debtor.contains("caller_number: \"+90"), "of the country of the rules: {debtor}");
    assert!(debtor.contains("  sources: {crm: [], erp: [{}]}\n"), "{debtor}");
}

const DEAD: &str = r#"rules:
  - {name: turkey, when: {customer: "+90*"}, card: none}
  - {name: istanbul, when: {customer: "+90 212*"}, card: none}
  - {name: nobody, when: {customer: {withheld: true, country: TR}}, card: none}
"#;

#[test]
fn what_keeps_every_call_from_a_rule_is_told() {
    let directory = directory(DEAD);
    let explain = |arguments: &[&str]| run(directory.path(), &[&["explain", "--reach"], arguments].concat());
    let ran = explain(&["istanbul"]);
    let covered =
        "`istanbul` never decides. These rules before it decide all of its calls:\n  turkey  rules/main.yaml:3\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(1), covered, ""));
    let ran = explain(&["nobody"]);
    let impossible = "`nobody` never decides: no call has what it asks for (R062)\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(1), impossible, ""));
    let json = |rule: &str| explain(&[rule, "--format", "json"]).json();
    assert_eq!(json("istanbul"), json!({"rule": "istanbul", "reached": false, "decided_by": ["turkey"]}));
    assert_eq!(json("nobody"), json!({"rule": "nobody", "reached": false, "decided_by": []}));
    let found = json("turkey");
    assert_eq!((&found["reached"], &found["at"]), (&json!(true), &json!("2026-03-02T10:00:00+03:00")));
    assert_eq!((&found["account"], &found["sources"]), (&json!("hipcall"), &json!({})));
    assert_eq!(found["event"]["direction"], "inbound");
}

#[test]
fn a_rule_that_does_not_exist_and_two_questions_at_once_are_refused() {
    let directory = directory(DEAD);
    let ran = run(directory.path(), &["explain", "--reach", "istambul"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
    assert_eq!(ran.stderr, "callcard: no rule is named `istambul`: did you mean `istanbul`?\n");
    let event = project().join("tests/events/inbound_init.json");
    for more in [["--event", event.to_str().unwrap()], ["--against", "rules"], ["--at", "2026-03-02T10:00:00Z"]] {
        let ran = run(directory.path(), &[&["explain", "--reach", "turkey"][..], &more].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{more:?}: {ran:#?}");
    }
    assert_eq!(run(directory.path(), &["explain", "--against", "rules"]).code, Some(2), "against what?");
}

#[test]
fn rules_that_are_wrong_reach_nothing() {
    let directory = directory("rules:\n  - {name: turkey, when: {customr: \"+90*\"}, card: none}\n");
    let ran = run(directory.path(), &["explain", "--reach", "turkey"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
    assert!(ran.stderr.contains("did you mean `customer`?"), "{}", ran.stderr);
}

const CARD: &str = r#"rules:
  - name: everybody
    card:
      - {type: title, text: Hello}
      - {type: shortText, label: Line, text: "{{line.id}}"}
      - {type: shortText, label: Country, text: "{{customer.country}}"}
"#;

/// What becomes of the same call under rules, and under others.
fn against(here: &str, there: &str, more: &[&str]) -> Ran {
    let directory = directory(here);
    fs::create_dir(directory.path().join("old")).unwrap();
    fs::write(directory.path().join("old/main.yaml"), format!("version: 1\n{there}")).unwrap();
    let event = project().join("tests/events/inbound_init.json");
    let arguments = ["explain", "--event", event.to_str().unwrap(), "--against", "old"];
    run(directory.path(), &[&arguments, more].concat())
}

#[test]
fn two_rule_sets_that_decide_the_same_say_so() {
    let ran = against(CARD, CARD, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    assert!(ran.stdout.starts_with("the same: rule everybody; {"), "{}", ran.stdout);
    let told = against(CARD, CARD, &["--format", "json"]).json();
    assert_eq!((&told["same"], &told["here"]["rule"]), (&json!(true), &json!("everybody")));
}

#[test]
fn records_count_for_both_rule_sets_though_one_lacks_the_source() {
    let here = "sources: {crm: {http: {url: \"https://crm.example.com/\"}}}\nrules:\n  - {name: known, needs: {crm: one}, card: none}\n";
    let records = tempfile::tempdir().unwrap();
    let file = records.path().join("records.yaml");
    fs::write(&file, "crm: [{name: Jane Doe}]\n").unwrap();
    let ran = against(here, "rules:\n  - {name: nobody, card: none}\n", &["--records", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    assert!(ran.stdout.starts_with("- rule nobody\n+ rule known\n"), "{}", ran.stdout);
}

#[test]
fn only_what_two_rule_sets_do_differently_is_marked() {
    let there = CARD.replace("      - {type: shortText, label: Line, text: \"{{line.id}}\"}\n", "");
    let ran = against(CARD, &there, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    let marks: Vec<char> = ran.stdout.lines().filter_map(|line| line.chars().next()).collect();
    assert_eq!(marks, [' ', ' ', '+', ' '], "{}", ran.stdout);

    let ran = against(CARD, "rules:\n  - {name: nobody, card: none}\n", &[]);
    assert!(ran.stdout.starts_with("- rule nobody\n+ rule everybody\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n- no card: "), "{}", ran.stdout);
    let told = against(CARD, "rules:\n  - {name: nobody, card: none}\n", &["--format", "json"]).json();
    assert_eq!((&told["same"], &told["against"]["rule"]), (&json!(false), &json!("nobody")));
}

#[test]
fn other_rules_that_are_wrong_or_absent_are_told() {
    let ran = against(CARD, "rules:\n  - {name: everybody}\n", &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
    assert!(ran.stderr.contains("old/main.yaml:3"), "{}", ran.stderr);
    let event = project().join("tests/events/inbound_init.json");
    let arguments = ["explain", "--event", event.to_str().unwrap(), "--against", "nowhere"];
    let ran = run(directory(CARD).path(), &arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
}
