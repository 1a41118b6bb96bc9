//! `--format github`: annotations as GitHub's runner reads them, of problems and of tests that fail.

use std::path::{Path, PathBuf};

use crate::program::{Ran, callcard, folders, project, run};

fn check_case(name: &str) -> PathBuf {
    project().join("tests/cases/check").join(name)
}

/// One annotation, read as the runner reads it.
#[derive(Debug)]
struct Annotation {
    command: String,
    properties: Vec<(String, String)>,
    message: String,
}

impl Annotation {
    fn read(line: &str) -> Annotation {
        let rest = line.strip_prefix("::").unwrap();
        let (head, message) = rest.split_once("::").unwrap();
        let (command, properties) = head.split_once(' ').unwrap();
        let unescaped = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
        let property = |text: &str| {
            let (key, value) = text.split_once('=').unwrap();
            (key.to_owned(), unescaped(&value.replace("%3A", ":").replace("%2C", ",")))
        };
        Annotation {
            command: command.to_owned(),
            properties: properties.split(',').map(property).collect(),
            message: unescaped(message),
        }
    }

    fn get(&self, key: &str) -> &str {
        self.properties.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

/// Rules with one mistake, in a file of any name.
fn rules(file: &Path) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, "version: 1\nrules: [{name: everybody, card: custmer}]\n").unwrap();
}

#[test]
fn a_problem_is_an_annotation_at_its_line_with_its_code_and_help() {
    let ran = run(&check_case("card-undefined"), &["check", "--format", "github"]);
    let expected = "::error file=rules/main.yaml,line=7,endLine=7,col=11,endColumn=18,title=R021::\
        no card is named `custmer`%0Adid you mean `customer`?\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(1), expected, ""));
}

#[test]
fn a_warning_is_one_and_fails_only_where_it_is_denied() {
    let folder = check_case("source-unused");
    let ran = run(&folder, &["check", "--format", "github"]);
    assert!(ran.code == Some(0) && ran.stdout.starts_with("::warning file=rules/main.yaml,line=3,"), "{ran:#?}");
    assert_eq!(run(&folder, &["check", "--format", "github", "--deny", "warnings"]).code, Some(1));
}

#[test]
fn good_rules_have_no_annotation() {
    let ran = run(project(), &["check", "--format", "github"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
    let ran = run(project(), &["test", "--format", "github"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn every_mistake_is_told_on_one_line_within_one_line_of_its_file() {
    let told = |folder: &Path| run(folder, &["check", "--format", "json"]).json()["problems"].clone();
    for name in
        ["several-mistakes-in-three-files", "file-with-a-quote-not-closed", "when-as-a-list", "rules-as-a-mapping"]
    {
        let folder = check_case(name);
        assert!(folders("check").contains(&folder), "{name}");
        let problems = told(&folder);
        let ran = run(&folder, &["check", "--format", "github"]);
        let annotations: Vec<Annotation> = ran.stdout.lines().map(Annotation::read).collect();
        assert_eq!(annotations.len(), problems.as_array().unwrap().len(), "{name}");
        for (annotation, problem) in annotations.iter().zip(problems.as_array().unwrap()) {
            assert_eq!(annotation.command, problem["severity"].as_str().unwrap());
            assert_eq!(annotation.get("file"), problem["path"].as_str().unwrap());
            assert_eq!(annotation.get("line"), problem["line"].to_string());
            assert_eq!(annotation.get("col"), problem["column"].to_string());
            assert!(["", annotation.get("line")].contains(&annotation.get("endLine")), "{annotation:?}");
            assert_eq!(annotation.get("title"), problem["code"].as_str().unwrap());
            let text = format!("{}\n{}", problem["message"].as_str().unwrap(), problem["help"].as_str().unwrap());
            assert_eq!(annotation.message, text);
        }
    }
}

#[test]
#[cfg(unix)]
fn a_path_with_what_would_end_a_property_is_read_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    rules(&directory.path().join("50%, a::b/x=1.yaml"));
    let ran = run(directory.path(), &["check", "--format", "github", "50%, a::b"]);
    assert!(ran.stdout.starts_with("::error file=50%25%2C a%3A%3Ab/x=1.yaml,line=2,"), "{}", ran.stdout);
    assert_eq!(Annotation::read(ran.stdout.trim_end()).get("file"), "50%, a::b/x=1.yaml");
}

#[test]
fn a_path_begins_at_the_workspace_however_the_rules_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let top = directory.path().canonicalize().unwrap();
    rules(&top.join("phone/rules/main.yaml"));
    let file = |work: &Path, rules: &str, workspace: &str| {
        let mut command = callcard(work, &["check", "--format", "github", rules]);
        let ran = Ran::from(command.env("GITHUB_WORKSPACE", workspace).output().unwrap());
        Annotation::read(ran.stdout.trim_end()).get("file").to_owned()
    };
    let (phone, whole) = (top.join("phone"), top.join("phone/rules"));
    let workspace = top.to_str().unwrap();
    assert_eq!(file(&phone, "rules", workspace), "phone/rules/main.yaml");
    assert_eq!(file(&phone, "../phone/./rules", workspace), "phone/rules/main.yaml");
    assert_eq!(file(&phone, whole.to_str().unwrap(), workspace), "phone/rules/main.yaml");
    assert_eq!(file(&phone, "rules", ""), "rules/main.yaml", "outside of GitHub");
    assert_eq!(file(&phone, "rules", "/elsewhere"), "rules/main.yaml");
}

#[test]
fn a_test_that_fails_is_an_annotation_at_its_place_with_its_differences() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let everybody = "version: 1\nrules: [{name: everybody, card: [{type: title, text: \"100%, really\"}]}]\n";
    std::fs::write(rules.join("main.yaml"), everybody).unwrap();
    let event = "event: {direction: inbound, caller_number: \"+905321234567\"}";
    let tests = format!(
        "version: 1\ntests:\n  - name: good\n    {event}\n    expect: {{rule: everybody}}\n  - name: \"bad: a, b\"\n    \
         {event}\n    expect: {{rule: none, card: none}}\n"
    );
    std::fs::write(rules.join("main.test.yaml"), tests).unwrap();
    let ran = run(directory.path(), &["test", "--format", "github"]);
    let expected = "::error file=rules/main.test.yaml,line=6,endLine=6,col=11,endColumn=22,title=FAIL bad%3A a%2C b::\
        rule: expected `none`, but `everybody` decides%0Acard: expected none%0A  + \
        {\"type\":\"title\",\"text\":\"100%25, really\"}\n";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(1), expected, ""));
}
