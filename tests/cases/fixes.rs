//! The edits that `check` offers: made in the file, each takes its problem away.

use std::path::Path;

use serde_json::Value;

use crate::program::{folders, own_arguments, run};

/// The byte at which a line and a column (in characters) stand.
fn byte(text: &str, line: &Value, column: &Value) -> usize {
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap() - 1;
    let before: usize = text.split_inclusive('\n').take(number(line)).map(str::len).sum();
    before + text[before..].chars().take(number(column)).map(char::len_utf8).sum::<usize>()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { drop(std::fs::copy(entry.path(), target)) }
    }
}

fn problems(folder: &Path, arguments: &[String]) -> Vec<Value> {
    let own = arguments.iter().map(String::as_str);
    let arguments: Vec<&str> = ["check", "--format", "json"].into_iter().chain(own).collect();
    run(folder, &arguments).json()["problems"].as_array().unwrap().clone()
}

#[test]
fn each_edit_takes_its_problem_away() {
    let mut mended = 0;
    for folder in folders("check") {
        let arguments = own_arguments(&folder);
        let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
        if !expected.contains("\n  fix: ") {
            continue;
        }
        for problem in problems(&folder, &arguments).iter().filter(|problem| !problem["fix"].is_null()) {
            let directory = tempfile::tempdir().unwrap();
            copy(&folder, directory.path());
            let (file, fix) = (directory.path().join(problem["path"].as_str().unwrap()), &problem["fix"]);
            let text = std::fs::read_to_string(&file).unwrap();
            let (start, end) =
                (byte(&text, &fix["line"], &fix["column"]), byte(&text, &fix["end_line"], &fix["end_column"]));
            let edited = [&text[..start], fix["replacement"].as_str().unwrap(), &text[end..]].concat();
            std::fs::write(&file, &edited).unwrap();
            let left = problems(directory.path(), &arguments);
            let same = |other: &Value| ["code", "path", "line"].iter().all(|key| other[key] == problem[key]);
            assert!(!left.iter().any(same), "{}: {problem:#}\nis still there in\n{edited}", folder.display());
            mended += 1;
        }
    }
    assert!(mended >= 50, "{mended} edits");
}
