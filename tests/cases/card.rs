//! `card/<name>/`: rules, one event and perhaps what the sources say; in `expected.json` the whole explanation.
//!
//! The whole output is pinned, not the card alone, so that a condition that holds for the wrong reason is noticed. Only
//! the time that sources took is left out of it.

use std::path::Path;

use serde_json::Value;

use crate::program::{difference, folders, own_arguments, project, run, wrong};

/// A Monday, a quarter past eleven in Istanbul.
const AT: &str = "2026-03-02T11:15:00+03:00";

/// Takes out what is different each time.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("milliseconds");
            fields.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// Decides the case's event.
fn explained(folder: &Path) -> (Option<i32>, Value) {
    let mut arguments = vec!["explain", "--format", "json", "--at", AT, "--event", "event.json"];
    if folder.join("records.yaml").exists() {
        arguments.extend(["--records", "records.yaml"]);
    }
    let own = own_arguments(folder);
    arguments.extend(own.iter().map(String::as_str));
    let ran = run(folder, &arguments);
    assert_eq!(ran.stderr, "", "{}", folder.display());
    let mut found = ran.json();
    without_times(&mut found);
    (ran.code, found)
}

/// What is wrong with the case, or nothing.
fn check(folder: &Path) -> Option<String> {
    let (code, found) = explained(folder);
    // Whoever asks why gets an answer also where no card is due.
    if code != Some(0) {
        return Some(format!("{}: exit code {code:?}", folder.display()));
    }
    difference(&folder.join("expected.json"), &format!("{found:#}\n"))
}

#[test]
fn each_event_gets_the_card_that_its_folder_expects_for_the_reasons_it_expects() {
    let wrong = wrong("card", check);
    assert!(wrong.is_empty(), "{}\n{} cases differ", wrong.join("\n"), wrong.len());
}

#[test]
fn every_card_that_comes_out_fits_the_schema_that_is_printed() {
    let schema = run(project(), &["schema", "card"]).json();
    let validator = jsonschema::draft7::options().build(&schema).unwrap();
    for folder in folders("card") {
        let expected: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
        if expected["card"].is_null() {
            assert!(expected["no_card"].is_string(), "{}: neither a card nor a reason", folder.display());
        } else {
            let body = serde_json::json!({ "card": expected["card"] });
            assert!(validator.is_valid(&body), "{}: {body:#}", folder.display());
        }
    }
}

#[test]
fn the_same_call_gives_the_same_bytes() {
    let folder = project().join("tests/cases/card/helpers");
    assert_eq!(explained(&folder).1.to_string(), explained(&folder).1.to_string());
}

#[test]
fn every_sample_event_has_a_case() {
    for sample in std::fs::read_dir(project().join("tests/events")).unwrap() {
        let path = sample.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().replace('_', "-");
        let case = project().join("tests/cases/card").join(format!("sample-{name}"));
        let event = std::fs::read_to_string(case.join("event.json"));
        assert_eq!(event.ok(), std::fs::read_to_string(&path).ok(), "{}", case.display());
    }
}
