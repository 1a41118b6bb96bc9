//! The schemas that `callcard schema` prints: what an editor completes and explains from.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::program::{project, run};

const SCHEMAS: [&str; 4] = ["rules", "tests", "card", "event"];

fn printed(name: &str) -> Value {
    let ran = run(project(), &["schema", name]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{name}");
    ran.json()
}

/// The schema with what it refers to; what stands beside a `$ref` comes first.
fn resolved(root: &Value, schema: &Value) -> Map<String, Value> {
    let mut keys = schema.as_object().cloned().unwrap_or_default();
    if let Some(reference) = schema["$ref"].as_str() {
        for (key, value) in resolved(root, root.pointer(reference.trim_start_matches('#')).unwrap()) {
            keys.entry(key).or_insert(value);
        }
    }
    keys
}

/// Calls `look` with every key that the schema describes, by its path.
fn each_key(root: &Value, look: &mut dyn FnMut(&str, &Map<String, Value>)) {
    fn walk(root: &Value, schema: &Value, path: &str, look: &mut dyn FnMut(&str, &Map<String, Value>)) {
        for (name, inner) in schema.as_object().into_iter().flatten() {
            // `then` only narrows keys that are described where they are defined.
            if matches!(name.as_str(), "if" | "then" | "examples") {
                continue;
            }
            if name == "properties" {
                for (key, schema) in inner.as_object().unwrap() {
                    look(&format!("{path}/{key}"), &resolved(root, schema));
                }
            }
            walk(root, inner, &format!("{path}/{name}"), look);
        }
        for (position, inner) in schema.as_array().into_iter().flatten().enumerate() {
            walk(root, inner, &format!("{path}/{position}"), look);
        }
    }
    walk(root, root, "", look);
}

/// The names of all keys of rules and tests.
pub fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for name in ["rules", "tests"] {
        each_key(&printed(name), &mut |path, _| keys.extend(path.rsplit('/').next().map(str::to_owned)));
    }
    keys
}

/// Whether a key holds a value that a person types, and not further keys, which have examples of their own.
fn is_leaf(root: &Value, schema: &Map<String, Value>) -> bool {
    let inner = |key: &str| {
        let schema = schema.get(key).map(|inner| resolved(root, inner)).unwrap_or_default();
        schema.contains_key("properties")
    };
    !schema.contains_key("properties") && !inner("items") && !inner("additionalProperties")
}

#[test]
fn each_one_is_the_file_in_the_project_and_a_valid_schema_of_draft_7() {
    for name in SCHEMAS {
        let schema = printed(name);
        let file = std::fs::read_to_string(project().join(format!("schemas/{name}.schema.json"))).unwrap();
        assert_eq!(schema, serde_json::from_str::<Value>(&file).unwrap(), "{name}");
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#", "{name}");
        if let Err(error) = jsonschema::draft7::meta::validate(&schema) {
            panic!("{name}: {error}");
        }
        jsonschema::draft7::options().build(&schema).unwrap();
    }
    assert_eq!(run(project(), &["schema"]).json(), printed("rules"));
}

#[test]
fn every_key_of_rules_and_tests_is_explained() {
    let mut silent = Vec::new();
    for name in ["rules", "tests"] {
        let schema = printed(name);
        each_key(&schema, &mut |path, key| {
            let description = key.get("description").and_then(Value::as_str).unwrap_or_default();
            if description.len() <= 3 {
                silent.push(format!("{name}{path}"));
            }
        });
    }
    assert!(silent.is_empty(), "without description: {silent:#?}");
}

#[test]
fn every_leaf_key_of_rules_and_tests_has_examples_that_fit_it() {
    let mut wrong = Vec::new();
    for name in ["rules", "tests"] {
        let schema = printed(name);
        each_key(&schema, &mut |path, key| {
            let examples = key.get("examples").and_then(Value::as_array).cloned().unwrap_or_default();
            if examples.is_empty() && is_leaf(&schema, key) {
                wrong.push(format!("{name}{path} has none"));
            }
            let mut alone = key.clone();
            alone.insert("definitions".to_owned(), schema["definitions"].clone());
            let validator = jsonschema::draft7::options().build(&Value::Object(alone)).unwrap();
            for example in examples.iter().filter(|example| !validator.is_valid(example)) {
                wrong.push(format!("{name}{path}: {example} does not fit"));
            }
        });
    }
    assert!(wrong.is_empty(), "examples: {wrong:#?}");
}

#[test]
fn the_shipped_rules_and_tests_fit() {
    for entry in std::fs::read_dir(project().join("rules")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".yaml") {
            continue;
        }
        let which = if name.ends_with(".test.yaml") { "tests" } else { "rules" };
        let schema = printed(which);
        let text = std::fs::read_to_string(&path).unwrap();
        let modeline = format!("# yaml-language-server: $schema=../schemas/{which}.schema.json");
        assert_eq!(text.lines().next(), Some(modeline.as_str()), "{name}: an editor finds the schema");
        let value: Value = serde_yaml::from_str(&text).unwrap();
        let validator = jsonschema::draft7::options().build(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn every_sample_event_fits() {
    let validator = jsonschema::draft7::options().build(&printed("event")).unwrap();
    for entry in std::fs::read_dir(project().join("tests/events")).unwrap() {
        let path = entry.unwrap().path();
        let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(validator.is_valid(&event), "{}", path.display());
    }
}

#[test]
fn no_key_is_a_word_that_older_yaml_reads_as_a_boolean_or_null() {
    let taken = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"];
    for name in ["rules", "tests"] {
        each_key(&printed(name), &mut |path, _| {
            let key = path.rsplit('/').next().unwrap().to_lowercase();
            assert!(!taken.contains(&key.as_str()), "{name}{path}");
        });
    }
}
