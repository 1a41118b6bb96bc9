//! `callcard test --format junit`: the XML that CI servers read, and that no name or text can break.

use crate::program::{Ran, project, run};

const EVENT: &str = "event: {direction: inbound, caller_number: \"+905321234567\"}";

/// Runs the tests of two files against a rule for everybody.
fn junit(one: &str, two: &str, arguments: &[&str]) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules");
    std::fs::create_dir_all(rules.join("vip")).unwrap();
    let everybody = r#"rules: [{name: everybody, card: [{type: title, text: "<b>\"A&B\"</b>"}]}]"#;
    std::fs::write(rules.join("main.yaml"), format!("version: 1\n{everybody}\n")).unwrap();
    std::fs::write(rules.join("a.test.yaml"), format!("version: 1\ntests:\n{one}")).unwrap();
    std::fs::write(rules.join("vip/b&c.test.yml"), format!("version: 1\ntests:\n{two}")).unwrap();
    run(directory.path(), &[&["test", "--format", "junit"], arguments].concat())
}

fn case(name: &str, expect: &str) -> String {
    format!("  - name: {name}\n    {EVENT}\n    expect: {expect}\n")
}

#[test]
fn a_suite_is_a_file_and_a_failure_has_the_differences() {
    let one = case("somebody calls", "{rule: everybody}") + &case("nobody calls", "{rule: none, card: none}");
    let ran = junit(&one, &case("again", "{rule: everybody}"), &[]);
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="callcard" tests="3" failures="1" errors="0" time="0">
  <testsuite name="rules/a.test.yaml" file="rules/a.test.yaml" tests="2" failures="1" errors="0" time="0">
    <testcase classname="rules.a" name="somebody calls" time="0"/>
    <testcase classname="rules.a" name="nobody calls" time="0">
      <failure message="rule: expected `none`, but `everybody` decides" type="difference">rules/a.test.yaml:6
rule: expected `none`, but `everybody` decides
card: expected none
  + {&quot;type&quot;:&quot;title&quot;,&quot;text&quot;:&quot;&lt;b&gt;\&quot;A&amp;B\&quot;&lt;/b&gt;&quot;}</failure>
    </testcase>
  </testsuite>
  <testsuite name="rules/vip/b&amp;c.test.yml" file="rules/vip/b&amp;c.test.yml" tests="1" failures="0" errors="0" time="0">
    <testcase classname="rules.vip.b&amp;c" name="again" time="0"/>
  </testsuite>
</testsuites>
"#;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""), "{ran:#?}");
    assert_eq!(ran.stdout, expected);
}

#[test]
fn a_name_with_markup_and_control_characters_stays_within_its_attribute() {
    let name = r#""]]> <!-- & \"x\" 'y' \u0001\u001b[31m \uFFFE ü😀 \t \n end""#;
    let ran = junit(&case(name, "{rule: everybody}"), &case("again", "{rule: everybody}"), &[]);
    let escaped =
        "name=\"]]&gt; &lt;!-- &amp; &quot;x&quot; &apos;y&apos; \u{fffd}\u{fffd}[31m \u{fffd} ü😀 &#9; &#10; end\"";
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains(escaped), "{}", ran.stdout);
}

#[test]
fn a_filter_leaves_only_its_tests_and_their_files() {
    let ran = junit(&case("one", "{rule: everybody}"), &case("two", "{rule: everybody}"), &["--filter", "two"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(ran.stdout.matches("<testsuite ").count(), 1, "{}", ran.stdout);
    assert_eq!(ran.stdout.matches("<testcase ").count(), 1, "{}", ran.stdout);
}

#[test]
fn the_same_tests_give_the_same_file() {
    let once = || run(project(), &["test", "--format", "junit"]).stdout;
    assert_eq!(once(), once());
    assert!(once().contains("failures=\"0\""));
}

#[test]
fn rules_with_a_mistake_give_no_file_that_looks_like_passed_tests() {
    let folder = project().join("tests/cases/check/test-of-an-unknown-rule");
    let ran = run(&folder, &["test", "--format", "junit"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
    assert!(ran.stderr.contains("no rule is named `everbody`"), "{}", ran.stderr);
}

/// Elements with the attributes that they may have, those first that they must: `junit-10.xsd` of Jenkins' xUnit plugin.
const SCHEMA: [(&str, usize, &[&str]); 4] = [
    ("testsuites", 0, &["name", "time", "tests", "failures", "errors"]),
    (
        "testsuite",
        4,
        &[
            "name",
            "tests",
            "failures",
            "errors",
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
            "version",
        ],
    ),
    ("testcase", 1, &["name", "time", "classname", "group"]),
    ("failure", 0, &["type", "message"]),
];

#[test]
fn elements_and_attributes_are_those_of_the_schema_of_jenkins() {
    let same = case("same name", "{rule: everybody}").repeat(2);
    let ran = junit(&(same + &case("nobody", "{rule: none}")), &case("two", "{card: none}"), &[]);
    let mut open: Vec<&str> = Vec::new();
    for tag in ran.stdout.split('<').skip(2).filter_map(|rest| Some(rest.split_once('>')?.0)) {
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let (name, attributes) = tag.trim_end_matches('/').split_once(' ').unwrap();
        let position = SCHEMA.iter().position(|(element, ..)| *element == name).unwrap();
        assert_eq!(open.len(), position, "`{name}` stands in {open:?}");
        let (_, must, may) = SCHEMA[position];
        let found: Vec<&str> = attributes.split("=\"").map(|part| part.rsplit([' ', '"']).next().unwrap()).collect();
        let found = &found[..found.len() - 1];
        assert!(found.iter().all(|attribute| may.contains(attribute)), "{name}: {found:?}");
        assert!(may[..must].iter().all(|attribute| found.contains(attribute)), "{name}: {found:?}");
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && ran.stdout.matches("<testcase ").count() == 4, "{}", ran.stdout);
}
