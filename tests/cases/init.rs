//! `callcard init`: what it writes is fine as it is, and what is there already is left alone.

use std::path::Path;

use serde_json::Value;

use crate::program::{project, run};

const FILES: [&str; 7] = [
    "main.yaml",
    "main.test.yaml",
    "data/contacts.csv",
    ".schemas/rules.schema.json",
    ".schemas/tests.schema.json",
    ".pre-commit-config.yaml",
    ".github/workflows/rules.yml",
];

/// A directory with a rule set in `my-rules`.
fn initialised() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let ran = run(directory.path(), &["init", "my-rules"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    directory
}

fn text(directory: &Path, file: &str) -> String {
    std::fs::read_to_string(directory.join("my-rules").join(file)).unwrap()
}

fn yaml(directory: &Path, file: &str) -> Value {
    serde_yaml::from_str(&text(directory, file)).unwrap()
}

/// The commands of `callcard` that a configuration runs, as lists of arguments.
fn commands(configuration: &Value, found: &mut Vec<Vec<String>>) {
    match configuration {
        Value::String(text) => {
            let arguments = text.strip_prefix("callcard --").map(|_| text.split(' ').skip(1).map(str::to_owned));
            found.extend(arguments.map(Iterator::collect));
        }
        Value::Array(items) => items.iter().for_each(|item| commands(item, found)),
        Value::Object(keys) => keys.values().for_each(|value| commands(value, found)),
        _ => {}
    }
}

#[test]
fn the_rules_it_writes_pass_check_and_test() {
    let directory = initialised();
    let ran = run(directory.path(), &["--rules", "my-rules", "check", "--deny", "warnings"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let ran = run(directory.path(), &["--rules", "my-rules", "test"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.ends_with(" passed, 0 failed\n") && !ran.stdout.contains("\n0 passed"), "{ran:#?}");
    let ran = run(directory.path(), &["--rules", "my-rules", "demo", "--once"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stdout.contains("Jane Doe"), "the demo's caller is in the contacts: {ran:#?}");
}

#[test]
fn it_names_every_file_and_the_commands_to_type_next() {
    let directory = tempfile::tempdir().unwrap();
    let ran = run(directory.path(), &["init", "our rules"]);
    for file in FILES {
        assert!(directory.path().join("our rules").join(file).is_file(), "{file}");
        assert!(ran.stdout.contains(&format!("  {file} ")), "{file} in {}", ran.stdout);
    }
    for command in ["check", "test", "demo"] {
        assert!(ran.stdout.contains(&format!("callcard --rules 'our rules' {command} ")), "{}", ran.stdout);
    }
}

#[test]
fn it_writes_nothing_where_one_of_its_files_exists() {
    for file in FILES {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("my-rules").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "mine").unwrap();
        let ran = run(directory.path(), &["init", "my-rules"]);
        let expected = format!("callcard: `my-rules/{file}` is there already, and nothing was written\n");
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr), (Some(2), "", expected));
        assert_eq!(text(directory.path(), file), "mine");
        let others = FILES.iter().filter(|other| directory.path().join("my-rules").join(other).exists()).count();
        assert_eq!(others, 1, "only the one that was there");
    }
}

#[test]
fn a_directory_that_is_a_file_or_below_one_can_not_be_written() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("taken"), "").unwrap();
    for path in ["taken", "taken/below"] {
        let ran = run(directory.path(), &["init", path]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
        assert!(ran.stderr.contains(&format!("`{path}/main.yaml` can't be written")), "{ran:#?}");
    }
}

#[test]
fn other_files_in_the_directory_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("my-rules")).unwrap();
    std::fs::write(directory.path().join("my-rules/README.md"), "mine").unwrap();
    assert_eq!(run(directory.path(), &["init", "my-rules"]).code, Some(0));
    assert_eq!(text(directory.path(), "README.md"), "mine");
}

#[test]
fn the_schema_of_each_modeline_comes_along() {
    let directory = initialised();
    for (file, schema) in [("main.yaml", "rules"), ("main.test.yaml", "tests")] {
        let path = format!(".schemas/{schema}.schema.json");
        let modeline = format!("# yaml-language-server: $schema={path}");
        assert_eq!(text(directory.path(), file).lines().next(), Some(modeline.as_str()));
        let shipped = std::fs::read_to_string(project().join(format!("schemas/{schema}.schema.json"))).unwrap();
        assert_eq!(text(directory.path(), &path), shipped);
        let validator = jsonschema::draft7::options().build(&serde_json::from_str(&shipped).unwrap()).unwrap();
        assert!(validator.is_valid(&yaml(directory.path(), file)), "{file}");
    }
}

#[test]
fn what_runs_before_a_commit_and_in_ci_passes_until_a_rule_is_broken() {
    let directory = initialised();
    let rules = directory.path().join("my-rules");
    let mut found = Vec::new();
    for file in [".pre-commit-config.yaml", ".github/workflows/rules.yml"] {
        let before = found.len();
        commands(&yaml(directory.path(), file), &mut found);
        assert!(found.len() >= before + 2, "{file} runs check and test");
    }
    assert!(
        found
            .contains(&["--rules", ".", "check", "--deny", "warnings", "--format", "github"].map(str::to_owned).into())
    );
    let results =
        || found.iter().map(|arguments| run(&rules, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).code);
    assert!(results().all(|code| code == Some(0)), "{found:?}");
    let broken = text(directory.path(), "main.yaml").replace("card: customer", "card: custmer");
    std::fs::write(rules.join("main.yaml"), broken).unwrap();
    assert!(results().all(|code| code == Some(1)), "{found:?}");
}

#[test]
fn the_workflow_is_one_that_github_reads() {
    let directory = initialised();
    let workflow = yaml(directory.path(), ".github/workflows/rules.yml");
    let steps = workflow["jobs"]["rules"]["steps"].as_array().unwrap();
    assert!(workflow["jobs"]["rules"]["runs-on"].is_string() && workflow["on"].is_object(), "{workflow:#}");
    assert!(steps.iter().all(|step| step["uses"].is_string() != step["run"].is_string()), "{workflow:#}");
    assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "nothing more than reading");
}

#[test]
fn inside_another_git_repository_it_says_where_the_ci_files_count() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("own/.git")).unwrap();
    let own = run(directory.path(), &["init", "own"]);
    assert!(own.stdout.contains("a git repository of its own"), "{own:#?}");
    let inside = run(directory.path(), &["init", "own/deeper"]);
    assert!(inside.stdout.contains("is inside a git repository"), "{inside:#?}");
}
