//! The pages under `docs/`: every example is a whole file that passes, and what stands below it comes out.
//!
//! ` ```yaml ` is a rule file, or tests of the rule file before it; ` ```yaml wrong ` is one with a mistake, and the
//! ` ```text ` behind it is what `check` prints about it. ` ```csv NAME ` and ` ```json NAME ` are files beside them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::program::{project, run};
use crate::schemas::keys;

const PAGES: [&str; 3] = ["docs/rules.md", "docs/sources.md", "docs/migration.md"];

/// Its examples are files of other programs too: `tests/it/operations.rs` looks at them.
const OPERATIONS: &str = "docs/operations.md";

fn page(name: &str) -> String {
    std::fs::read_to_string(project().join(name)).unwrap()
}

/// The fenced blocks of a page: what stands behind the fence, and the text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("\n```").skip(1).step_by(2);
    blocks.map(|block| block.split_once('\n').unwrap()).collect()
}

/// A directory with the data of a page.
fn directory(page: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (info, text) in blocks(page) {
        if let Some((_, name)) = info.split_once(' ').filter(|(language, _)| matches!(*language, "csv" | "json")) {
            write(directory.path(), name, text);
        }
    }
    directory
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join("rules").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("{text}\n")).unwrap();
}

fn is_tests(text: &str) -> bool {
    text.contains("\ntests:")
}

#[test]
fn every_example_is_a_rule_file_that_passes_check_or_tests_that_pass() {
    let mut wrong = Vec::new();
    for name in PAGES {
        let page = page(name);
        let directory = directory(&page);
        let mut examples = 0;
        for (_, text) in blocks(&page).into_iter().filter(|(info, _)| *info == "yaml") {
            let command = if is_tests(text) {
                write(directory.path(), "main.test.yaml", text);
                &["test"][..]
            } else {
                write(directory.path(), "main.yaml", text);
                let _ = std::fs::remove_file(directory.path().join("rules/main.test.yaml"));
                &["check", "--deny", "warnings"]
            };
            let ran = run(directory.path(), command);
            if ran.code != Some(0) || ran.stdout.contains("\n0 passed") {
                wrong.push(format!("{name}\n{text}\n{}{}", ran.stdout, ran.stderr));
            }
            examples += 1;
        }
        assert!(examples >= 2, "{name} has only {examples} examples");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_wrong_example_has_the_mistake_that_stands_below_it() {
    let mut count = 0;
    for name in PAGES {
        let page = page(name);
        let directory = directory(&page);
        for pair in blocks(&page).windows(2).filter(|pair| pair[0].0 == "yaml wrong") {
            write(directory.path(), "main.yaml", pair[0].1);
            let ran = run(directory.path(), &["check", "--deny", "warnings"]);
            assert_eq!((ran.code, pair[1].0), (Some(1), "text"), "{name}: {ran:#?}");
            assert_eq!(ran.stdout, format!("{}\n", pair[1].1), "{name}");
            count += 1;
        }
    }
    assert!(count >= 1, "no page shows a mistake");
}

/// What stands behind `$ callcard explain --reach RULE`, up to the next command, is what it prints.
#[test]
fn a_call_that_a_page_shows_for_a_rule_is_the_one_that_is_found() {
    let page = page("docs/rules.md");
    let directory = directory(&page);
    let mut count = 0;
    for pair in blocks(&page).windows(2).filter(|pair| pair[1].0 == "console") {
        write(directory.path(), "main.yaml", pair[0].1);
        for shown in pair[1].1.split("$ callcard ").filter(|shown| shown.starts_with("explain --reach")) {
            let (command, printed) = shown.split_once('\n').unwrap();
            let ran = run(directory.path(), &command.split(' ').collect::<Vec<_>>());
            assert_eq!(ran.stdout.trim_end(), printed.trim_end(), "{command}: {}", ran.stderr);
            count += 1;
        }
    }
    assert!(count >= 2, "the page shows {count} calls");
}

#[test]
fn every_key_of_the_schemas_is_explained_on_the_page_about_rules() {
    let page = page("docs/rules.md");
    let spans = page.split("\n```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2));
    let named: BTreeSet<&str> = spans.collect();
    let silent: Vec<String> = keys().into_iter().filter(|key| !named.contains(key.as_str())).collect();
    assert!(silent.is_empty(), "docs/rules.md does not have {silent:?} in backticks");
}

#[test]
fn every_code_and_every_command_that_a_page_names_exists() {
    for name in PAGES.into_iter().chain([OPERATIONS]) {
        let page = page(name);
        for command in page.split("`callcard ").skip(1).filter_map(|rest| rest.split(['`', ' ']).next()) {
            assert_eq!(run(project(), &[command, "--help"]).code, Some(0), "{name}: callcard {command}");
        }
        for code in page.split("--explain ").skip(1).filter_map(|rest| rest.split('`').next()) {
            assert_eq!(run(project(), &["check", "--explain", code]).code, Some(0), "{name}: {code}");
        }
    }
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    for name in PAGES.into_iter().chain([OPERATIONS]) {
        let page = page(name);
        let anchor = |heading: &str| {
            let kept = heading.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        };
        let headings: BTreeSet<String> = page
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(|line| format!("#{}", anchor(line.trim_start_matches('#').trim())))
            .collect();
        let links = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let found =
                headings.contains(link) || project().join("docs").join(link.split('#').next().unwrap()).is_file();
            assert!(found, "{name}: nothing is at {link}");
        }
    }
}
