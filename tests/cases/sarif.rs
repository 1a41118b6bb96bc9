//! `callcard check --format sarif`: what SARIF 2.1.0 demands, and that it tells what the other formats tell.
//!
//! The schema is not here (it is 130 kB and not ours): these tests look at each object by hand. The output was validated
//! with the schema and Microsoft's `sarif-multitool validate` when it was written.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::program::{folders, project, run};

fn check_case(name: &str) -> PathBuf {
    project().join("tests/cases/check").join(name)
}

/// The one run of a log.
fn sarif(directory: &Path, arguments: &[&str]) -> Value {
    let mut log = run(directory, &[&["check", "--format", "sarif"], arguments].concat()).json();
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("/sarif-schema-2.1.0.json"));
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
    log["runs"][0].take()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn count(value: &Value) -> u64 {
    value.as_u64().filter(|count| *count > 0).unwrap_or_else(|| panic!("{value} does not count from 1"))
}

/// The text from a region's beginning to its end, columns being code points.
fn cut(text: &str, region: &Value) -> String {
    let place = |line: &str, column: &str| {
        let (line, column) = (count(&region[line]) as usize, count(&region[column]) as usize);
        let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        before + text[before..].chars().take(column - 1).map(char::len_utf8).sum::<usize>()
    };
    text[place("startLine", "startColumn")..place("endLine", "endColumn")].to_owned()
}

/// A result and the problem that JSON tells in its place.
fn compare(result: &Value, rules: &[Value], problem: &Value) {
    let always = ["ruleId", "ruleIndex", "level", "message", "locations", "suppressions"];
    let fix = (!problem["fix"].is_null()).then_some("fixes");
    assert_eq!(keys(result), always.into_iter().chain(fix).collect::<Vec<_>>());
    let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
    assert_eq!((&result["ruleId"], &rule["id"]), (&problem["code"], &problem["code"]));
    let severity = &problem["severity"];
    assert_eq!((&result["level"], &rule["defaultConfiguration"]["level"]), (severity, severity));
    let text = format!("{}\n{}", problem["message"].as_str().unwrap(), problem["help"].as_str().unwrap());
    assert_eq!(result["message"]["text"], text.replace('{', "{{").replace('}', "}}"), "braces stand twice: 3.11.5");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], problem["path"], "no path of a case needs an escape");
    let region = &place["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&problem["line"], &problem["column"]));
    if region.get("endLine").is_some() {
        let place = |line: &str, column: &str| (count(&region[line]), count(&region[column]));
        assert!(place("startLine", "startColumn") < place("endLine", "endColumn"), "{region}");
    }
    let suppressions = match problem["reason"].as_str() {
        Some(reason) => json!([{"kind": "inSource", "justification": reason}]),
        None => json!([]),
    };
    assert_eq!(result["suppressions"], suppressions);
    if fix.is_some() {
        compare_fix(&result["fixes"], problem);
    }
}

/// The edit of a result and that of the problem.
fn compare_fix(fixes: &Value, problem: &Value) {
    let fix = &problem["fix"];
    let region = json!({
        "startLine": fix["line"], "startColumn": fix["column"],
        "endLine": fix["end_line"], "endColumn": fix["end_column"],
    });
    let expected = json!([{
        "description": {"text": problem["help"].as_str().unwrap().replace('{', "{{").replace('}', "}}")},
        "artifactChanges": [{
            "artifactLocation": {"uri": problem["path"]},
            "replacements": [{"deletedRegion": region, "insertedContent": {"text": fix["replacement"]}}],
        }],
    }]);
    assert_eq!(*fixes, expected);
}

#[test]
fn the_result_of_one_mistake_has_every_part() {
    let run = sarif(&check_case("card-undefined"), &[]);
    let driver = &run["tool"]["driver"];
    assert_eq!((keys(driver), &driver["name"]), (vec!["name", "version", "rules"], &"callcard".into()));
    assert_eq!(driver["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rule = &driver["rules"][0];
    assert_eq!(keys(rule), ["id", "shortDescription", "fullDescription", "help", "defaultConfiguration"]);
    assert_eq!(
        (&rule["id"], &rule["shortDescription"]["text"]),
        (&"R021".into(), &"A name that nothing defines.".into())
    );
    assert!(rule["help"]["text"].as_str().unwrap().contains("```yaml wrong"), "the page of `--explain`: {rule}");
    assert_eq!(rule["help"]["markdown"], rule["help"]["text"]);
    assert!(!rule["fullDescription"]["text"].as_str().unwrap().contains('\n'), "the first paragraph: {rule}");
    let expected = json!([{
        "ruleId": "R021",
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": "no card is named `custmer`\ndid you mean `customer`?"},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": "rules/main.yaml"},
            "region": {"startLine": 7, "startColumn": 11, "endLine": 7, "endColumn": 18},
        }}],
        "suppressions": [],
        "fixes": [{
            "description": {"text": "did you mean `customer`?"},
            "artifactChanges": [{
                "artifactLocation": {"uri": "rules/main.yaml"},
                "replacements": [{
                    "deletedRegion": {"startLine": 7, "startColumn": 11, "endLine": 7, "endColumn": 18},
                    "insertedContent": {"text": "customer"},
                }],
            }],
        }],
    }]);
    assert_eq!(run["results"], expected);
}

#[test]
fn every_mistake_is_told_as_json_tells_it() {
    let rules: Vec<String> =
        folders("check").iter().map(|folder| folder.join("rules").to_str().unwrap().to_owned()).collect();
    let rules: Vec<&str> =
        rules.iter().map(|path| path.strip_prefix(&format!("{}/", project().display())).unwrap()).collect();
    let log = sarif(project(), &rules);
    let json = run(project(), &[&["check", "--format", "json"], rules.as_slice()].concat()).json();
    let list = |key: &str| json[key].as_array().unwrap().clone();
    let (results, problems) = (log["results"].as_array().unwrap(), [list("problems"), list("allowed")].concat());
    assert!(list("allowed").len() >= 3, "cases that comments allow");
    assert_eq!(keys(&log), ["tool", "columnKind", "results"]);
    assert!(results.len() == problems.len() && results.len() >= rules.len() / 2, "{} results", results.len());
    let rules = log["tool"]["driver"]["rules"].as_array().unwrap();
    results.iter().zip(&problems).for_each(|(result, problem)| compare(result, rules, problem));
}

#[test]
fn each_code_that_occurs_is_one_rule() {
    let run = sarif(&check_case("several-mistakes-in-three-files"), &[]);
    let ids = |list: &Value, key: &str| {
        let ids: Vec<String> =
            list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect();
        ids
    };
    let mut occur = ids(&run["results"], "ruleId");
    occur.sort();
    occur.dedup();
    assert_eq!(ids(&run["tool"]["driver"]["rules"], "id"), occur);
}

#[test]
fn good_rules_are_a_run_without_results() {
    let run = sarif(project(), &[]);
    assert_eq!((&run["results"], &run["tool"]["driver"]["rules"]), (&Value::Array(vec![]), &Value::Array(vec![])));
}

#[test]
fn a_region_counts_code_points_and_a_path_is_percent_encoded() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().canonicalize().unwrap().join("kural dosyaları 50%");
    std::fs::create_dir(&rules).unwrap();
    let text = "version: 1\r\nrules: [{name: a, card: [{type: title, text: \"😀 Ayşe\", linq: x}]}]\r\n";
    std::fs::write(rules.join("é#1.yaml"), text).unwrap();
    for given in ["kural dosyaları 50%", "./kural dosyaları 50%", rules.to_str().unwrap()] {
        let run = sarif(&directory.path().canonicalize().unwrap(), &[given]);
        let place = &run["results"][0]["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert_eq!(uri, "kural%20dosyalar%C4%B1%2050%25/%C3%A9%231.yaml", "{given}");
        assert_eq!(cut(text, &place["region"]), "linq");
    }
}

#[test]
fn a_file_elsewhere_has_a_whole_uri() {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = check_case("card-undefined").join("rules");
    let run = sarif(directory.path(), &[elsewhere.to_str().unwrap()]);
    let uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.starts_with("file:///") && uri.ends_with("/card-undefined/rules/main.yaml"), "{uri}");
}

#[test]
fn a_warning_is_one() {
    let run = sarif(&check_case("source-unused"), &[]);
    assert_eq!(run["results"][0]["level"], "warning");
    assert_eq!(run["tool"]["driver"]["rules"][0]["defaultConfiguration"]["level"], "warning");
}
