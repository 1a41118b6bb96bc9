//! `callcard fmt`: one layout, the same meaning, and every comment where it was.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::program::{Ran, project, run};

const UNTIDY: &str = "# first\nversion:   1   # the grammar\n\nrules:\n- name:   a\n  # why\n  card: [ {type: title,   text: 'it''s \"x\"'} ]\n";
const TIDY: &str = "# first\nversion: 1 # the grammar\n\nrules:\n  - name: a\n    # why\n    card: [{type: title, text: 'it''s \"x\"'}]\n";

fn directory(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("rules")).unwrap();
    std::fs::write(directory.path().join("rules/main.yaml"), text).unwrap();
    directory
}

fn text(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("rules/main.yaml")).unwrap()
}

fn said(ran: &Ran) -> (Option<i32>, &str, &str) {
    (ran.code, ran.stdout.as_str(), ran.stderr.as_str())
}

/// Everything below a directory, copied.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else if path.is_file() {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[test]
fn a_file_gets_its_layout_and_keeps_its_comments() {
    let directory = directory(UNTIDY);
    assert_eq!(said(&run(directory.path(), &["fmt"])), (Some(0), "rules/main.yaml\n", "1 file changed\n"));
    assert_eq!(text(directory.path()), TIDY);
    assert_eq!(said(&run(directory.path(), &["fmt"])), (Some(0), "", "0 files changed\n"), "once is enough");
    assert_eq!(std::fs::read_dir(directory.path().join("rules")).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn check_lists_what_would_change_and_changes_nothing() {
    let directory = directory(UNTIDY);
    let ran = run(directory.path(), &["fmt", "--check"]);
    assert_eq!(said(&ran), (Some(1), "rules/main.yaml\n", "1 file would change\n"));
    assert_eq!(text(directory.path()), UNTIDY);
    run(directory.path(), &["fmt"]);
    assert_eq!(said(&run(directory.path(), &["fmt", "--check"])), (Some(0), "", "0 files would change\n"));
}

#[test]
fn the_shipped_rules_and_those_of_init_have_their_layout() {
    assert_eq!(run(project(), &["fmt", "--check"]).code, Some(0));
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), &["init", "rules"]);
    assert_eq!(run(directory.path(), &["fmt", "--check"]).code, Some(0));
}

#[test]
fn a_file_that_is_not_yaml_is_told_and_the_others_get_their_layout() {
    let directory = directory(UNTIDY);
    let broken = directory.path().join("rules/broken.yaml");
    std::fs::write(&broken, "rules: [\n").unwrap();
    let ran = run(directory.path(), &["fmt"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "rules/main.yaml\n"));
    assert!(ran.stderr.contains("R010") && ran.stderr.ends_with("1 file changed\n"), "{ran:#?}");
    assert_eq!(
        (text(directory.path()).as_str(), std::fs::read_to_string(broken).unwrap().as_str()),
        (TIDY, "rules: [\n")
    );
}

#[test]
fn what_is_nested_too_deep_is_a_problem_and_no_crash() {
    let directory = directory(&"[".repeat(100_000));
    let ran = run(directory.path(), &["fmt"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("R010"), "{ran:#?}");
}

#[test]
fn a_value_below_a_comment_can_keep_its_layout() {
    let kept = "version: 1\n\n# callcard fmt: keep\nrules:   [{name: a,  card: none},\n          {name: bc, card: none, when: {line: 1}}]\n";
    let directory = directory(kept);
    assert!(!run(directory.path(), &["check"]).stdout.contains("R080"), "the comment is none that `check` reads");
    assert_eq!(run(directory.path(), &["fmt"]).code, Some(0));
    assert_eq!(text(directory.path()), kept);
}

#[test]
fn a_warning_that_a_comment_allows_stays_allowed() {
    let card = "{ type: title,   text: A }";
    let untidy = format!(
        "version: 1\n# callcard: allow R022 because the shop opens in May\nlists:   {{shop: [ '+90*' ]}}\nrules:\n\
         - name: a\n  card: [ {card}, {card}, {card}, {card}, {card} ]\n"
    );
    let directory = directory(&untidy);
    let check = || run(directory.path(), &["check", "--deny", "warnings"]);
    assert_eq!(check().code, Some(0), "{:#?}", check());
    assert_eq!(run(directory.path(), &["fmt"]).stdout, "rules/main.yaml\n");
    assert_eq!(check().code, Some(0), "{:#?}", check());
}

#[test]
fn line_ends_permissions_and_links_stay_what_they_are() {
    let directory = directory(&UNTIDY.replace('\n', "\r\n"));
    let (file, elsewhere) = (directory.path().join("rules/main.yaml"), directory.path().join("elsewhere.yaml"));
    std::fs::rename(&file, &elsewhere).unwrap();
    std::fs::set_permissions(&elsewhere, PermissionsExt::from_mode(0o640)).unwrap();
    symlink(&elsewhere, &file).unwrap();
    assert_eq!(run(directory.path(), &["fmt"]).code, Some(0));
    assert_eq!(text(directory.path()), TIDY.replace('\n', "\r\n"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(file.symlink_metadata().unwrap().is_symlink());
}

/// What every file below a directory says, by its path; those that are no YAML are left out.
fn values(directory: &Path, found: &mut Vec<(String, Value, usize)>) {
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            values(&path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let value = serde_yaml::from_str(&text).ok().filter(|_| path.extension().is_some_and(|end| end == "yaml"));
            found.extend(value.map(|value| (path.display().to_string(), value, text.matches('#').count())));
        }
    }
}

#[test]
fn no_file_of_any_case_says_something_else_in_its_layout() {
    let directory = tempfile::tempdir().unwrap();
    copy(&project().join("tests/cases"), &directory.path().join("rules"));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    values(directory.path(), &mut before);
    let ran = run(directory.path(), &["fmt"]);
    values(directory.path(), &mut after);
    assert_eq!(before, after);
    assert!(before.len() >= 200, "only {} files were read", before.len());
    assert!(!ran.stderr.contains("stays as it is"), "{}", ran.stderr);
    assert!(ran.stdout.lines().count() >= 20, "only a few changed: {}", ran.stdout);
    assert_eq!(run(directory.path(), &["fmt"]).stdout, "", "once is enough");
}
