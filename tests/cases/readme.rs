//! README.md says what is true: its YAML blocks are rules and tests that pass, and the commands it names exist.

use std::fs;

use crate::program::{project, run};

fn readme() -> String {
    fs::read_to_string(project().join("README.md")).unwrap()
}

/// The fenced blocks of a language, in order.
fn blocks(language: &str) -> Vec<String> {
    let readme = readme();
    let fence = format!("\n```{language}\n");
    readme.split(&fence).skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0.to_owned() + "\n")).collect()
}

/// A directory with the shipped data, so that `data/contacts.csv` is there.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("rules/data");
    fs::create_dir_all(&data).unwrap();
    let shipped = project().join("rules/data/contacts.csv");
    fs::copy(shipped, data.join("contacts.csv")).unwrap();
    directory
}

#[test]
fn every_rule_file_in_the_readme_passes_check() {
    let rules: Vec<String> = blocks("yaml").into_iter().filter(|block| block.contains("\nrules:")).collect();
    assert!(rules.len() >= 3, "the README shows rules, a web service and accounts");
    for block in rules {
        let directory = directory();
        fs::write(directory.path().join("rules/main.yaml"), &block).unwrap();
        let ran = run(directory.path(), &["check", "--deny", "warnings"]);
        assert_eq!(ran.code, Some(0), "{}\n{block}", ran.stdout);
    }
}

#[test]
fn the_tests_in_the_readme_pass_for_the_first_rules_in_it() {
    let yaml = blocks("yaml");
    let rules = yaml.iter().find(|block| block.contains("\nrules:")).unwrap();
    let tests = yaml.iter().find(|block| block.contains("\ntests:")).unwrap();
    let directory = directory();
    fs::write(directory.path().join("rules/main.yaml"), rules).unwrap();
    fs::write(directory.path().join("rules/main.test.yaml"), tests).unwrap();
    let ran = run(directory.path(), &["test"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(ran.stdout.contains("2 passed, 0 failed"), "{}", ran.stdout);
    let shown = blocks("text").into_iter().find(|block| block.contains("SURVIVES")).unwrap();
    let ran = run(directory.path(), &["test", "--mutants"]);
    assert!(ran.stdout.contains(&shown), "{}", ran.stdout);
}

#[test]
fn what_the_readme_shows_of_the_demo_is_what_the_demo_prints() {
    let shown = blocks("text").into_iter().find(|block| block.contains('☎')).unwrap();
    let ran = run(project(), &["demo", "--once"]);
    for line in shown.lines().filter(|line| line.contains('┃') || line.trim_start().starts_with("rule ")) {
        assert!(ran.stdout.contains(line.trim()), "`{line}` is not in\n{}", ran.stdout);
    }
}

#[test]
fn every_command_in_the_readme_exists() {
    let readme = readme();
    let named = readme.split("`callcard ").skip(1).filter_map(|rest| rest.split(['`', ' ', '[']).next());
    let mut count = 0;
    for command in named {
        let ran = run(project(), &[command, "--help"]);
        assert_eq!(ran.code, Some(0), "callcard {command}");
        count += 1;
    }
    assert!(count >= 6, "only {count} commands were found");
}
