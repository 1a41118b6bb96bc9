//! A document against its JSON Schema: every key and type, told in the words of the language.
//!
//! The schema is the one description of the structure: editors read the same file. What a schema can't say, such as
//! whether a name is defined, is not here.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::yaml::{Document, Kind, Node};
use crate::problem::{Code, Problem, did_you_mean};

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

/// A structural problem, and the pointer of the value that it spoils.
pub(super) struct Finding {
    pub(super) pointer: String,
    pub(super) problem: Problem,
}

impl Schema {
    fn new(text: &str) -> Schema {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
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
            findings.push(Finding { pointer, problem: Problem { code, place: document.place(mark), message, help } });
        };
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = self.known_keys(error.schema_path().as_str());
                for name in unexpected {
                    let mark = node.key(name).map_or(&node.mark, |key| &key.mark);
                    let help = did_you_mean(name, known.iter().map(String::as_str));
                    add(mark, format!("{pointer}/{name}"), Code::UnknownKey, format!("unknown key `{name}`"), help);
                }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let help = self.described(error.schema_path().as_str(), name);
                add(&node.mark, pointer, Code::MissingKey, format!("the key `{name}` is missing"), help);
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
        let help = self.example(schema_path);
        let found = node.text().map_or_else(|| describe(node), |text| format!("`{text}`"));
        match kind {
            ValidationErrorKind::Type { kind } => {
                let expected = match kind {
                    TypeKind::Single(one) => type_name(&one.to_string()).to_owned(),
                    TypeKind::Multiple(many) => {
                        many.iter().map(|one| type_name(&one.to_string()).to_owned()).collect::<Vec<_>>().join(" or ")
                    }
                };
                (Code::WrongType, format!("expected {expected}, found {}", describe(node)), help)
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<String> = options.as_array().into_iter().flatten().map(plain).collect();
                let help = did_you_mean(node.text().unwrap_or_default(), options.iter().map(String::as_str));
                (Code::WrongValue, format!("{found} is not allowed here; one of `{}` is", options.join("`, `")), help)
            }
            ValidationErrorKind::Pattern { pattern } => {
                let words: Vec<&str> = pattern.trim_matches(['^', '$', '(', ')']).split('|').collect();
                if words.len() > 1 && words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
                {
                    let help = did_you_mean(node.text().unwrap_or_default(), words.iter().copied());
                    return (
                        Code::WrongValue,
                        format!("{found} is not allowed here; one of `{}` is", words.join("`, `")),
                        help,
                    );
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

    /// What the schema says about a missing key.
    fn described(&self, schema_path: &str, name: &str) -> Option<String> {
        let property = self.beside(schema_path)?.get("properties")?.get(name)?;
        property.get("description").and_then(Value::as_str).map(|text| format!("`{name}`: {text}"))
    }

    /// An example, if the schema has one for this value.
    fn example(&self, schema_path: &str) -> Option<String> {
        let schema = self.beside(schema_path)?;
        let example = schema.get("examples")?.get(0)?;
        Some(format!("for example: {}", plain(example)))
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
                problem: Problem {
                    code: Code::QuoteIt,
                    place: document.place(&node.mark),
                    message: format!("YAML reads `{typed}` as the number {}", plain(&node.to_json())),
                    help: Some(format!("write it in quotes: \"{typed}\"")),
                },
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
