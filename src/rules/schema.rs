//! A document against its JSON Schema: every key and type, told in the words of the language.
//!
//! The schema is the one description of the structure: editors read the same file. What a schema can't say, such as
//! whether a name is defined, is not here.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Value, json};

use super::yaml::{Document, Kind, Node};
use crate::problem::{Code, Problem, did_you_mean, nearest};

/// The schema of rule files, also printed by `callcard schema rules`.
pub const RULES_SCHEMA: &str = include_str!("../../schemas/rules.schema.json");

/// The schema of test files, also printed by `callcard schema tests`.
pub const TESTS_SCHEMA: &str = include_str!("../../schemas/tests.schema.json");

/// One of the two languages that a file can be written in.
pub(super) struct Schema {
    value: Value,
    validator: Option<Validator>,
}

pub(super) static RULES: LazyLock<Schema> = LazyLock::new(|| Schema::new(RULES_SCHEMA));
pub(super) static TESTS: LazyLock<Schema> = LazyLock::new(|| Schema::new(TESTS_SCHEMA));

/// What sources would say, by name: the `sources` of a test in a file of their own.
pub(super) static RECORDS: LazyLock<Schema> = LazyLock::new(|| {
    let tests: Value = serde_json::from_str(TESTS_SCHEMA).unwrap_or_default();
    let sources = tests.pointer("/definitions/test/properties/sources").cloned().unwrap_or_default();
    Schema::of(json!({ "allOf": [sources], "definitions": tests.get("definitions") }))
});

/// A structural problem, and the pointer of the value that it spoils.
pub(super) struct Finding {
    pub(super) pointer: String,
    pub(super) problem: Problem,
}

impl Schema {
    fn new(text: &str) -> Schema {
        Schema::of(serde_json::from_str(text).unwrap_or_default())
    }

    fn of(value: Value) -> Schema {
        let validator = jsonschema::draft7::options().with_pattern_options(PatternOptions::regex()).build(&value).ok();
        Schema { value, validator }
    }

    /// Every place where the document breaks the schema, in the order of the file.
    pub(super) fn check(&self, document: &Document) -> Vec<Finding> {
        let value = document.root.to_json();
        let mut findings = quote_it(document, &document.root, String::new());
        if let Some(validator) = &self.validator {
            for error in validator.iter_errors(&value) {
                self.findings(document, &error, &mut findings);
            }
        }
        findings.sort_by_key(|finding| (finding.problem.place.line, finding.problem.place.column));
        // An unquoted number is also of the wrong type: one of the two is enough.
        findings.dedup_by(|later, earlier| later.problem.place == earlier.problem.place);
        findings
    }

    fn findings(&self, document: &Document, error: &ValidationError<'_>, findings: &mut Vec<Finding>) {
        let pointer = error.instance_path().as_str().to_owned();
        let Some(node) = document.root.at(&pointer) else { return };
        let mut add = |mark, pointer: String, code, message: String, help: Option<String>| {
            let problem = Problem { help, ..Problem::new(code, document.place(mark), message) };
            findings.push(Finding { pointer, problem });
        };
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = self.known_keys(error.schema_path().as_str());
                for name in unexpected {
                    let mark = node.key(name).map_or(&node.mark, |key| &key.mark);
                    let help = self
                        .belongs(error.schema_path().as_str(), name)
                        .or_else(|| did_you_mean(name, known.iter().map(String::as_str)));
                    add(mark, format!("{pointer}/{name}"), Code::UnknownKey, format!("unknown key `{name}`"), help);
                }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let help = self.described(error.schema_path().as_str(), name);
                add(
                    &node.mark,
                    format!("{pointer}/{name}"),
                    Code::MissingKey,
                    format!("the key `{name}` is missing"),
                    help,
                );
            }
            ValidationErrorKind::PropertyNames { error } => {
                let name = error.instance().as_str().unwrap_or_default();
                let mark = node.key(name).map_or(&node.mark, |key| &key.mark);
                let message = format!("`{name}` can't be a name");
                let help = "names are letters, digits, `-` and `_`, and begin with a letter; at most 64 characters";
                add(mark, pointer, Code::WrongValue, message, Some(help.to_owned()));
            }
            kind => {
                let (code, message, help) = self.wrong(kind, node, error.schema_path().as_str());
                add(&node.mark, pointer, code, message, help);
            }
        }
    }

    /// A value that is there and not what it should be.
    fn wrong(&self, kind: &ValidationErrorKind, node: &Node, schema_path: &str) -> (Code, String, Option<String>) {
        let help = self.help(schema_path);
        let found = node.text().map_or_else(|| describe(node), |text| format!("`{text}`"));
        match kind {
            ValidationErrorKind::Type { kind } => {
                let expected = match kind {
                    TypeKind::Single(one) => type_name(&one.to_string()).to_owned(),
                    TypeKind::Multiple(many) => {
                        many.iter().map(|one| type_name(&one.to_string()).to_owned()).collect::<Vec<_>>().join(" or ")
                    }
                };
                let takes_any_text = expected.contains(type_name("string"))
                    && self.beside(schema_path).is_some_and(|schema| schema.get("pattern").is_none());
                let help = match &node.kind {
                    Kind::Number(number) if takes_any_text => Some(format!("write it in quotes: \"{number}\"")),
                    _ => help,
                };
                (Code::WrongType, format!("expected {expected}, found {}", describe(node)), help)
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<String> = options.as_array().into_iter().flatten().map(plain).collect();
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                not_allowed(node, &found, &options, help)
            }
            ValidationErrorKind::Pattern { pattern } => {
                let words: Vec<&str> = pattern.trim_matches(['^', '$', '(', ')']).split('|').collect();
                if pattern.starts_with("^(")
                    && words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
                {
                    return not_allowed(node, &found, &words, help);
                }
                (Code::WrongValue, format!("{found} does not have the right form"), help)
            }
            ValidationErrorKind::MinItems { .. }
            | ValidationErrorKind::MinProperties { .. }
            | ValidationErrorKind::MinLength { .. } => (Code::WrongValue, "this must not be empty".to_owned(), help),
            ValidationErrorKind::MaxProperties { limit } => {
                (Code::WrongValue, format!("at most {limit} of these keys may be given"), help)
            }
            ValidationErrorKind::Minimum { limit } => (Code::WrongValue, format!("{found} is less than {limit}"), help),
            ValidationErrorKind::Maximum { limit } => (Code::WrongValue, format!("{found} is more than {limit}"), help),
            other => (Code::WrongValue, format!("{found} is not allowed here (`{}`)", other.keyword()), help),
        }
    }

    /// The keys that stand beside an `additionalProperties: false`.
    fn known_keys(&self, schema_path: &str) -> Vec<String> {
        self.beside(schema_path)
            .and_then(|schema| schema.get("properties"))
            .and_then(Value::as_object)
            .map(|keys| keys.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The key under which an unknown key would be known.
    fn belongs(&self, schema_path: &str, name: &str) -> Option<String> {
        let keys = self.beside(schema_path)?.get("properties")?.as_object()?;
        let under = keys.iter().find(|(_, schema)| {
            let schema = match schema.get("$ref").and_then(Value::as_str) {
                Some(reference) => self.value.pointer(reference.trim_start_matches('#')),
                None => Some(*schema),
            };
            schema.and_then(|schema| schema.get("properties")?.get(name)).is_some()
        });
        under.map(|(key, _)| format!("`{name}` stands under `{key}`"))
    }

    /// What the schema says about a missing key, there or further out.
    fn described(&self, schema_path: &str, name: &str) -> Option<String> {
        let text =
            self.outwards(schema_path).find_map(|schema| schema.get("properties")?.get(name)?.get("description"));
        text.and_then(Value::as_str).map(|text| format!("`{name}`: {text}"))
    }

    /// An example of the value, or what the schema says about it or about what is around it.
    fn help(&self, schema_path: &str) -> Option<String> {
        self.outwards(schema_path).find_map(|schema| {
            let example = schema.get("examples").and_then(|examples| examples.get(0));
            let description = || schema.get("description").and_then(Value::as_str).map(str::to_owned);
            example.map(|example| format!("for example: {}", plain(example))).or_else(description)
        })
    }

    /// The schema that holds the keyword at the end of the path, then those around it.
    fn outwards<'a>(&'a self, schema_path: &'a str) -> impl Iterator<Item = &'a Value> {
        let ends = schema_path.match_indices('/').map(|(at, _)| at).collect::<Vec<_>>();
        ends.into_iter().rev().filter_map(|end| self.beside(schema_path.get(..=end)?))
    }

    /// The schema that holds the keyword at the end of the path.
    fn beside(&self, schema_path: &str) -> Option<&Value> {
        let (parent, _) = schema_path.rsplit_once('/')?;
        parent.split('/').skip(1).try_fold(&self.value, |schema, segment| {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            let schema = match schema.get("$ref").and_then(Value::as_str) {
                Some(reference) if segment != "$ref" => self.value.pointer(reference.trim_start_matches('#'))?,
                _ => schema,
            };
            match schema {
                Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
                _ if segment == "$ref" => self.value.pointer(schema.get("$ref")?.as_str()?.trim_start_matches('#')),
                _ => schema.get(&segment),
            }
        })
    }
}

/// A value that is none of those allowed.
fn not_allowed(node: &Node, found: &str, options: &[&str], help: Option<String>) -> (Code, String, Option<String>) {
    let message = match options {
        [one] => format!("{found} is not allowed here; only `{one}` is"),
        _ => format!("{found} is not allowed here; one of `{}` is", options.join("`, `")),
    };
    let near = nearest(node.text().unwrap_or_default(), options.iter().copied());
    (Code::WrongValue, message, near.map(|near| format!("did you mean `{near}`?")).or(help))
}

/// Unquoted numbers that YAML changes: a plus or zeros in front are lost, and with them the number.
fn quote_it(document: &Document, node: &Node, pointer: String) -> Vec<Finding> {
    match &node.kind {
        Kind::Number(_) => {
            let typed = document.typed(&node.mark).trim();
            let zero = typed.len() > 1 && typed.starts_with('0') && !typed.starts_with("0.");
            if !typed.starts_with('+') && !zero {
                return Vec::new();
            }
            vec![Finding {
                pointer,
                problem: Problem::new(
                    Code::QuoteIt,
                    document.place(&node.mark),
                    format!("YAML reads `{typed}` as the number {}", plain(&node.to_json()).trim_end_matches(".0")),
                )
                .help(format!("write it in quotes: \"{typed}\"")),
            }]
        }
        Kind::List(items) => items
            .iter()
            .enumerate()
            .flat_map(|(position, item)| quote_it(document, item, format!("{pointer}/{position}")))
            .collect(),
        Kind::Map(entries) => {
            entries.iter().flat_map(|(key, node)| quote_it(document, node, format!("{pointer}/{}", key.name))).collect()
        }
        _ => Vec::new(),
    }
}

fn type_name(json: &str) -> &str {
    match json {
        "string" => "a text",
        "object" => "a mapping",
        "array" => "a list",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    }
}

fn describe(node: &Node) -> String {
    match &node.kind {
        Kind::Null => "nothing".to_owned(),
        Kind::Bool(value) => format!("the boolean {value}"),
        Kind::Number(number) => format!("the number {number}"),
        Kind::Text(text) if text.is_empty() => "an empty text".to_owned(),
        Kind::Text(_) => "a text".to_owned(),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a mapping".to_owned(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
