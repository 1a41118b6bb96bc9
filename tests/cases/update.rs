//! `callcard test --update`: what came out goes into the test file, and nothing else in it changes.

use std::fs;
use std::path::Path;

use crate::program::{Ran, run};

const RULES: &str = r#"version: 1
sources:
  crm:
    http: {url: "https://crm.example.com/v1", query: {phone: "{{customer.e164}}"}}
rules:
  - name: silent
    needs: {crm: failed}
    card: none
  - name: known
    needs: {crm: some}
    card:
      - {type: title, text: "{{crm.name}}", link: "https://crm.example.com/{{crm.id}}"}
      - {type: shortText, label: Company, text: "{{crm.company}}"}
      - {type: user, label: Owner, user_id: "{{crm.owner}}"}
"#;

/// A test about an inbound call; `expect` as it is written behind the key.
fn case(name: &str, crm: &str, expect: &str) -> String {
    let event = r#"{direction: inbound, caller_number: "+905321234567"}"#;
    format!("  - name: {name}\n    event: {event}\n    sources: {{crm: {crm}}}\n    expect:{expect}")
}

/// Writes rules and tests, updates them, and gives the tests as they are then.
fn updated(tests: &str, arguments: &[&str]) -> (Ran, String) {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules");
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("main.yaml"), RULES).unwrap();
    fs::write(rules.join("main.test.yaml"), tests).unwrap();
    let ran = run(directory.path(), &[&["test", "--update"], arguments].concat());
    assert_eq!(fs::read_dir(&rules).unwrap().count(), 2, "nothing is left beside the files");
    (ran, fs::read_to_string(rules.join("main.test.yaml")).unwrap())
}

/// Every test in `before` passes after the update, and the file is `after` to the byte.
fn becomes(before: &str, after: &str) {
    let head = "version: 1\n# top\ntests:\n";
    let (ran, found) = updated(&format!("{head}{before}"), &[]);
    assert_eq!(found, format!("{head}{after}"), "{ran:#?}");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.ends_with(" 0 failed\n"), "{ran:#?}");
}

const JANE: &str = "[{id: 7, name: Jane, company: Acme}]";

#[test]
fn only_values_that_differ_change_with_their_quotes_and_the_comments_around() {
    let expect = |name: &str, link: &str, company: &str, rule: &str| {
        case(
            "a",
            JANE,
            &format!(
                "   # why\n      rule: {rule}  # r\n      # before\n      card:\n        # first\n        - type: title # t\n          text: '{name}'\n          # link\n          link: \"https://crm.example.com/{link}\"  # l\n        # second\n        - {{type: shortText, label: Company, text: {company}}}  # s\n      # behind\n  # tail\n"
            ),
        )
    };
    becomes(&expect("it''s", "8", "\"B: c\"", "\"silent\""), &expect("Jane", "7", "\"Acme\"", "\"known\""));
    becomes(&expect("Jane", "7", "Other", "silent"), &expect("Jane", "7", "Acme", "known"));
}

#[test]
fn rows_come_and_go_one_by_one() {
    let (title, company, owner) = (
        "        - {type: title, text: Jane, link: \"https://crm.example.com/7\"}\n",
        "        - {type: shortText, label: Company, text: Acme}\n",
        "        - {type: user, label: Owner, user_id: 5}\n",
    );
    let old = "        # gone\n        - type: shortText\n          text: old  # row\n        # stays\n";
    let of = |rows: &[&str]| {
        case("a", "[{id: 7, name: Jane, company: Acme, owner: 5}]", &format!("\n      card:\n{}", rows.concat()))
    };
    let all = of(&[title, company, owner]);
    becomes(&of(&[title]), &all);
    becomes(&of(&[owner]), &all);
    becomes(&of(&[title, owner]), &all);
    becomes(&of(&[title, company, owner, old]), &of(&[title, company, owner, "        # gone\n        # stays\n"]));
    becomes(of(&[title, company]).trim_end(), all.trim_end());
    let block = of(&["        - type: title\n          text: Jane  # n\n          # link\n", company, owner]);
    let linked = of(&[
        "        - type: title\n          text: Jane  # n\n          link: \"https://crm.example.com/7\"\n          # link\n",
        company,
        owner,
    ]);
    becomes(&block, &linked);
    let label = of(&["        - type: title\n          label: A  # l\n          text: Jane  # n\n", company, owner]);
    let without = "        - type: title\n          text: Jane  # n\n          link: \"https://crm.example.com/7\"\n";
    becomes(&label, &of(&[without, company, owner]));
}

#[test]
fn a_list_in_brackets_stays_one() {
    let of = |rows: &str| {
        case("a", "[{id: 7, name: Jane, company: Acme, owner: 5}]", &format!(" {{card: [{rows}], rule: known}}\n"))
    };
    let title = "{type: title, text: Jane, link: \"https://crm.example.com/7\"}";
    let company = "{type: shortText, label: Company, text: Acme}";
    let owner = "{\"type\": \"user\", \"label\": \"Owner\", \"user_id\": 5}";
    let all = of(&format!("{title}, {company}, {owner}"));
    becomes(&of(&format!("{title}, {owner}")), &all);
    becomes(&of(&format!("{company}, {owner}")), &all);
    becomes(&of(&format!("{title}, {company}, {owner}, {{type: title, text: x}}")), &all);
    becomes(
        &of(&format!("{{type: title, text: x}}, {title}, {company}, {owner}")),
        &of(&format!("{title}, {company}, {owner}")),
    );
    becomes(&of(&format!("{{type: title, text: Jane, label: x}}, {company}, {owner}")), &all);
    becomes(
        &of(&format!("{{type: title, text: Jane, link: x}}, {company}, {owner}")).replace("link: x", "link: \"x\""),
        &all,
    );
}

#[test]
fn a_card_becomes_none_and_none_becomes_a_card() {
    let rows = "\n        - {type: title, text: Jane, link: \"https://crm.example.com/7\"}\n        - {type: shortText, label: Company, text: Acme}";
    let flow = rows.replace("\n        - ", ", ");
    let flow = flow.trim_start_matches(", ");
    let block = |card: &str| format!("\n      card:{card}  # c\n      rule: known\n");
    becomes(&case("a", JANE, &block(" none")), &case("a", JANE, &block(rows)));
    becomes(
        &case("a", JANE, " {card: none, rule: silent}\n"),
        &case("a", JANE, &format!(" {{card: [{flow}], rule: known}}\n")),
    );
    becomes(&case("a", "failed", &block(rows)), &case("a", "failed", &block(" none").replace("known", "silent")));
    becomes(&case("a", "[]", " {rows: [{text: Jane}]}\n"), &case("a", "[]", " {card: none}\n"));
}

#[test]
fn some_rows_keep_the_keys_they_name_and_a_test_is_not_given_a_card() {
    becomes(
        &case("a", JANE, " {rows: [{text: Joe}, {label: Company, text: Emca}]}\n"),
        &case("a", JANE, " {rows: [{text: Jane}, {label: Company, text: Acme}]}\n"),
    );
    becomes(
        &case("a", JANE, " {rows: [{text: Jane}, {text: Acme}, {text: more}]}\n"),
        &case("a", JANE, " {rows: [{text: Jane}, {text: Acme}]}\n"),
    );
    becomes(&case("a", JANE, " {rule: silent}\n"), &case("a", JANE, " {rule: known}\n"));
    becomes(&case("a", "[]", " {rule: silent}\n"), &case("a", "[]", " {rule: none}\n"));
}

#[test]
fn what_a_record_says_is_written_so_that_it_is_read_back() {
    let names =
        [r#""Jane: \"Doe\" #1""#, r#""  - x""#, "\"yes\"", "\"0532\"", r#""it's {x}""#, "\"★ İrem, \\\\ Çelik\""];
    for name in names {
        let record = format!("[{{id: 7, name: {name}, company: Acme}}]");
        for expect in [
            " {rows: [{text: x}]}\n",
            " {rows: [{text: 'x'}]}\n",
            "\n      rows:\n        - text: x\n",
            " {card: none}\n",
        ] {
            let (ran, text) = updated(&format!("version: 1\ntests:\n{}", case("a", &record, expect)), &[]);
            assert_eq!(ran.code, Some(0), "{ran:#?}\n{text}");
        }
    }
}

#[test]
fn line_ends_and_the_mark_at_the_beginning_stay() {
    let of = |rows: &str| {
        let tests = format!("version: 1\ntests:\n{}", case("a", JANE, &format!("\n      card:\n{rows}")));
        format!("\u{feff}{}", tests.replace('\n', "\r\n"))
    };
    let title = "        - {type: title, text: Jane, link: \"https://crm.example.com/7\"}\n";
    let company = "        - {type: shortText, label: Company, text: Acme}\n";
    let (ran, text) = updated(&of(title), &[]);
    assert_eq!((ran.code, text), (Some(0), of(&format!("{title}{company}"))));
}

#[test]
fn only_the_tests_that_run_are_updated() {
    let of = |one: &str, two: &str| {
        let rule = |rule: &str| format!(" {{rule: {rule}}}\n");
        format!("version: 1\ntests:\n{}{}", case("one", JANE, &rule(one)), case("two", JANE, &rule(two)))
    };
    let (ran, text) = updated(&of("silent", "silent"), &["--filter", "two"]);
    assert_eq!((ran.code, text), (Some(0), of("silent", "known")));
    assert_eq!(ran.stderr, "updated rules/main.test.yaml\n");
}

#[test]
fn a_row_that_stands_elsewhere_is_left_and_told() {
    let anchor = case("one", JANE, " {card: &card [{type: title, text: Joe}]}\n");
    let before = format!("version: 1\ntests:\n{anchor}{}", case("two", JANE, " {card: *card}\n"));
    let (ran, text) = updated(&before, &[]);
    assert_eq!((ran.code, text), (Some(1), before));
    assert!(ran.stderr.contains("rules/main.test.yaml:10: these rows can't be changed where they stand"), "{ran:#?}");
}

#[test]
fn files_that_need_no_change_are_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules");
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("main.yaml"), RULES).unwrap();
    let write = |name: &str, text: &str| fs::write(rules.join(name), text).unwrap();
    let read = |name: &str| fs::read_to_string(rules.join(name)).unwrap();
    let passes = format!("version: 1\ntests:\n{}", case("a", JANE, " {rule: known}\n"));
    write("a.test.yaml", &passes);
    let written = |name: &str| fs::metadata(rules.join(name)).unwrap().modified().unwrap();
    let before = written("a.test.yaml");
    write("b.test.yaml", &passes.replace("known", "silent"));
    let update = |path: &Path| run(path, &["test", "--update"]);
    assert_eq!(update(directory.path()).stderr, "updated rules/b.test.yaml\n");
    assert_eq!((written("a.test.yaml"), read("b.test.yaml")), (before, passes.clone()));
    let broken = passes.replace("known", "silent") + "  - [\n";
    write("b.test.yaml", &broken);
    assert_eq!((update(directory.path()).code, read("b.test.yaml")), (Some(1), broken));
}
