//! `check/<what-is-wrong>/`: rule files with one mistake, and in `expected.txt` the exact problem.
//!
//! A folder holds one fault and must get one problem: a second one about the same fault would send its reader the wrong
//! way. Only folders whose name begins with `several-` hold more.

use std::path::Path;

use serde_json::Value;

use crate::program::{difference, folders, own_arguments, project, run, wrong};

/// `path:line:column: severity[CODE]: message`, and below it the help and the edit that mends it.
fn written(problem: &Value) -> String {
    let text = |key: &str| problem[key].as_str().unwrap().to_owned();
    let place = format!("{}:{}:{}", text("path"), problem["line"], problem["column"]);
    let help = problem["help"].as_str().map(|help| format!("  help: {help}\n")).unwrap_or_default();
    let fix = problem["fix"].as_object().map(|fix| {
        let end = if fix["line"] == fix["end_line"] { String::new() } else { format!("{}:", fix["end_line"]) };
        let (start, end) = (format!("{}:{}", fix["line"], fix["column"]), format!("{end}{}", fix["end_column"]));
        format!("  fix: {start}-{end} becomes {}\n", fix["replacement"])
    });
    let (severity, fix) = (text("severity"), fix.unwrap_or_default());
    format!("{place}: {severity}[{}]: {}\n{help}{fix}", text("code"), text("message"))
}

/// What is wrong with the case, or nothing.
fn check(folder: &Path) -> Option<String> {
    let own = own_arguments(folder);
    let arguments: Vec<&str> =
        ["check", "--format", "json"].into_iter().chain(own.iter().map(String::as_str)).collect();
    let ran = run(folder, &arguments);
    let output = ran.json();
    let problems = output["problems"].as_array().unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();

    let allowed = output["allowed"].as_array().unwrap();

    let wrong = problems.iter().any(|problem| problem["severity"] == "error");
    if ran.code != Some(i32::from(wrong)) || !ran.stderr.is_empty() {
        return Some(format!("{name}: exit code and stderr are not those of such problems: {ran:#?}"));
    }
    if problems.len() + allowed.len() != 1 && !name.starts_with("several-") {
        return Some(format!("{name}: one fault gave {} problems: {problems:#?}", problems.len()));
    }
    let told = problems.iter().map(written);
    let permitted =
        allowed.iter().map(|one| format!("allowed: {}  reason: {}\n", written(one), one["reason"].as_str().unwrap()));
    difference(&folder.join("expected.txt"), &told.chain(permitted).collect::<String>())
}

#[test]
fn each_mistake_is_told_once_at_its_place_with_help() {
    let wrong = wrong("check", check);
    assert!(wrong.is_empty(), "{}\n{} cases differ", wrong.join("\n"), wrong.len());
}

#[test]
fn every_code_has_a_case() {
    let source = std::fs::read_to_string(project().join("src/problem.rs")).unwrap();
    let codes = source.lines().filter_map(|line| line.split_once(" = \"R")?.1.split_once('"')).map(|(code, _)| code);
    let expected: String =
        folders("check").iter().map(|folder| std::fs::read_to_string(folder.join("expected.txt")).unwrap()).collect();
    let without: Vec<&str> = codes.filter(|code| !expected.contains(&format!("[R{code}]"))).collect();
    assert!(without.is_empty(), "no case in tests/cases/check for R{}", without.join(", R"));
    assert!(expected.contains("[R060]"), "the codes of src/problem.rs are read as they are written there");
}

#[test]
fn every_problem_has_help() {
    for folder in folders("check") {
        let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
        let (problems, helps) = (
            expected.lines().filter(|line| !line.starts_with(' ')),
            expected.lines().filter(|line| line.starts_with("  help: ")),
        );
        assert_eq!(problems.count(), helps.count(), "{}:\n{expected}", folder.display());
    }
}
