//! The ready-made sources of `docs/sources`: each is a rule set of its own that passes, and can be copied beside others.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::program::{project, run};

fn directories() -> Vec<PathBuf> {
    let all = std::fs::read_dir(project().join("docs/sources")).unwrap().map(|entry| entry.unwrap().path());
    let mut directories: Vec<PathBuf> = all.collect();
    directories.sort();
    assert!(directories.len() >= 9, "{directories:?}");
    directories
}

#[test]
fn each_passes_check_and_its_tests_and_is_laid_out() {
    let mut wrong = Vec::new();
    for directory in directories() {
        let rules = directory.to_str().unwrap();
        for command in [&["check", "--deny", "warnings"][..], &["test"], &["fmt", "--check"]] {
            let ran = run(project(), &[&["--rules", rules], command].concat());
            let has_tests = command != ["test"] || ran.stdout.matches("\nok ").count() >= 3;
            if ran.code != Some(0) || !has_tests {
                wrong.push(format!("{rules} {command:?}\n{}{}", ran.stdout, ran.stderr));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn their_tests_reach_every_rule_and_every_need() {
    for directory in directories() {
        let ran = run(project(), &["--rules", directory.to_str().unwrap(), "test", "--coverage"]);
        for part in ["rules", "needs"] {
            let line = ran.stdout.lines().find_map(|line| line.trim().strip_prefix(part)).unwrap();
            let (reached, all) = line.trim().split_once(" of ").unwrap();
            assert_eq!(reached, all, "{}", ran.stdout);
        }
    }
}

#[test]
fn all_of_them_together_are_one_rule_set_without_a_mistake() {
    let together = tempfile::tempdir().unwrap();
    for directory in directories() {
        let name = directory.file_name().unwrap().to_str().unwrap();
        let file = format!("{name}.yaml");
        std::fs::create_dir_all(together.path().join("rules")).unwrap();
        std::fs::copy(directory.join(&file), together.path().join("rules").join(&file)).unwrap();
    }
    let ran = run(together.path(), &["check"]);
    assert!(!ran.stdout.contains("error["), "{}", ran.stdout);
}

/// The words in `${…}` of a definition are explained above it, and the page about sources names each directory.
#[test]
fn each_explains_its_environment_and_is_on_the_page_about_sources() {
    let page = std::fs::read_to_string(project().join("docs/sources.md")).unwrap();
    for directory in directories() {
        let name = directory.file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(directory.join(format!("{name}.yaml"))).unwrap();
        let (comment, rules) = text.split_once("\nversion: 1\n").unwrap();
        let variables: BTreeSet<&str> = rules.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect();
        assert!(!variables.is_empty(), "{name} has no secret");
        for word in variables.into_iter().chain(["Environment", "Numbers", "Limits"]) {
            assert!(comment.contains(word), "{name}: nothing is said about {word}");
        }
        assert!(page.contains(&format!("](sources/{name}/{name}.yaml)")), "docs/sources.md does not name {name}");
    }
}
