//! A document against its JSON Schema: every key and type, told in the words of the language.
//!
//! The schema is the one description of the structure: editors read the same file. What a schema can't say, such as
//! whether a name is defined, is not here.

mod belongs;
mod quick;

use std::collections::BTreeSet;
use std::sync::{LazyLock, OnceLock};

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Value, json};

use quick::Quick;

use super::typed;
use super::yaml::{Document, Kind, Mark, Node};
use crate::problem::{Code, Fix, Problem, did_you_mean, nearest};

/// The schema of rule files, also printed by `callcard schema rules`.
pub const RULES_SCHEMA: &str = include_str!("../../schemas/rules.schema.json");

/// The schema of test files, also printed by `callcard schema tests`.
pub const TESTS_SCHEMA: &str = include_str!("../../schemas/tests.schema.json");

/// One of the two languages that a file can be written in.
pub(super) struct Schema {
    value: Value,
    quick: Quick,
    /// Made for the first document that is not seen at once to be right: that takes longer than to load some rules.
    validator: OnceLock<Option<Validator>>,
    /// Whether a date without quotes is what is meant: a test says when a call came.
    has_dates: bool,
}

pub(super) static RULES: LazyLock<Schema> = LazyLock::new(|| Schema::new(RULES_SCHEMA, false));
pub(super) static TESTS: LazyLock<Schema> = LazyLock::new(|| Schema::new(TESTS_SCHEMA, true));

/// What sources would say, by name: the `sources` of a test in a file of their own.
pub(super) static RECORDS: LazyLock<Schema> = LazyLock::new(|| {
    let tests: Value = serde_json::from_str(TESTS_SCHEMA).unwrap_or_default();
    let sources = tests.pointer("/definitions/test/properties/sources").cloned().unwrap_or_default();
    Schema::of(json!({ "allOf": [sources], "definitions": tests.get("definitions") }), true)
});

/// A structural problem, and the pointer of the value that it is about; an error spoils it.
pub(super) struct Finding {
    pub(super) pointer: String,
    pub(super) problem: Problem,
    /// The pointers of what an unknown key may have been meant to be.
    meant: Vec<String>,
}

impl Finding {
    /// Errors first, at one place.
    fn order(&self) -> (usize, usize, &str, bool) {
        let Problem { place, .. } = &self.problem;
        (place.line, place.column, &self.pointer, !self.problem.is_error())
    }
}

/// What is wrong with a value that is there.
struct Wrong {
    code: Code,
    message: String,
    help: Option<String>,
    fix: Option<Box<Fix>>,
}

impl Schema {
    fn new(text: &str, has_dates: bool) -> Schema {
        Schema::of(serde_json::from_str(text).unwrap_or_default(), has_dates)
    }

    fn of(value: Value, has_dates: bool) -> Schema {
        Schema { quick: Quick::of(&value), value, validator: OnceLock::new(), has_dates }
    }

    fn validator(&self) -> Option<&Validator> {
        let options = || jsonschema::draft7::options().with_pattern_options(PatternOptions::regex());
        self.validator.get_or_init(|| options().build(&self.value).ok()).as_ref()
    }

    /// Every place where the document breaks the schema, in the order of the file.
    pub(super) fn check(&self, document: &Document) -> Vec<Finding> {
        let typed = typed::check(document, !self.has_dates).into_iter();
        let mut findings: Vec<Finding> =
            typed.map(|(pointer, problem)| Finding { pointer, problem, meant: Vec::new() }).collect();
        let is_right = self.quick.holds(&document.root) == Some(true);
        if let Some(validator) = (!is_right).then(|| self.validator()).flatten() {
            for error in validator.iter_errors(&document.root.to_json()) {
                self.findings(document, &error, &mut findings);
            }
        }
        // A misspelt key is not missing besides, and neither is one that stands too far in.
        let meant: BTreeSet<String> = findings.iter().flat_map(|finding| finding.meant.clone()).collect();
        findings.retain(|finding| finding.problem.code != Code::MissingKey || !meant.contains(&finding.pointer));
        findings.sort_by(|a, b| a.order().cmp(&b.order()));
        // An unquoted number is also of the wrong type: one of the two is enough.
        findings.dedup_by(|later, earlier| {
            (&later.problem.place, &later.pointer) == (&earlier.problem.place, &earlier.pointer)
        });
        findings
    }

    fn findings(&self, document: &Document, error: &ValidationError<'_>, findings: &mut Vec<Finding>) {
        let pointer = error.instance_path().as_str().to_owned();
        let schema_path = error.schema_path().as_str();
        let Some(node) = document.root.at(&pointer) else { return };
        let problem = |code, mark: &Mark, message: String| Problem::new(code, document.place(mark), message);
        let mut add = |pointer, problem, meant| findings.push(Finding { pointer, problem, meant });
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = self.known_keys(schema_path);
                for name in unexpected {
                    let mark = node.key(name).map_or(&node.mark, |key| &key.mark);
                    let mut problem = problem(Code::UnknownKey, mark, format!("unknown key `{name}`"));
                    let near = nearest(name, known.iter().map(String::as_str));
                    // One letter off is a slip, also where another mapping has the word itself.
                    let is_slip = near.is_some_and(|near| strsim::osa_distance(near, name) == 1);
                    let elsewhere = (!is_slip).then(|| self.belongs(schema_path, &pointer, name)).flatten();
                    if let Some((key, value)) = without_blank(name, &known) {
                        problem.help = Some(format!("a blank is missing behind the colon: `{key}: {value}`"));
                        problem.fix = document
                            .fix(mark, name)
                            .map(|fix| Box::new(Fix { replacement: format!("{key}: {value}"), ..*fix }));
                    } else if let Some(elsewhere) = elsewhere {
                        problem.help = Some(elsewhere);
                    } else {
                        let far = near.is_none().then(|| self.known_elsewhere(schema_path, name)).flatten();
                        let here = did_you_mean(name, known.iter().map(String::as_str));
                        let help: Vec<String> = here.into_iter().chain(far).collect();
                        problem.help = (!help.is_empty()).then(|| help.join("; "));
                        problem.fix = near.and_then(|near| document.fix(mark, near));
                    }
                    let near = near.map(|near| format!("{pointer}/{near}"));
                    let outer = pointer.match_indices('/').filter_map(|(end, _)| pointer.get(..end));
                    let outer = outer.map(|outer| format!("{outer}/{name}"));
                    add(format!("{pointer}/{name}"), problem, outer.chain(near).collect());
                }
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                let mut problem = problem(Code::MissingKey, &node.mark, format!("the key `{name}` is missing"));
                problem.help = self.described(schema_path, name);
                add(format!("{pointer}/{name}"), problem, Vec::new());
            }
            ValidationErrorKind::PropertyNames { error } => {
                let name = error.instance().as_str().unwrap_or_default();
                let mark = node.key(name).map_or(&node.mark, |key| &key.mark);
                let help = "names are letters, digits, `-` and `_`, and begin with a letter; at most 64 characters";
                let problem = problem(Code::WrongValue, mark, format!("`{name}` can't be a name")).help(help);
                add(pointer, problem, Vec::new());
            }
            kind => {
                let Wrong { code, message, help, fix } = self.wrong(kind, document, node, schema_path);
                add(pointer, Problem { help, fix, ..problem(code, &node.mark, message) }, Vec::new());
            }
        }
    }

    /// A value that is there and not what it should be.
    fn wrong(&self, kind: &ValidationErrorKind, document: &Document, node: &Node, schema_path: &str) -> Wrong {
        let help = self.help(schema_path);
        let found = node.text().map_or_else(|| describe(node), |text| format!("`{text}`"));
        let told = |code, message, help| Wrong { code, message, help, fix: None };
        match kind {
            ValidationErrorKind::Type { kind } => self.wrong_type(kind, document, node, schema_path),
            ValidationErrorKind::Enum { options } => {
                let options: Vec<String> = options.as_array().into_iter().flatten().map(plain).collect();
                let options: Vec<&str> = options.iter().map(String::as_str).collect();
                not_allowed(document, node, &found, &options, help)
            }
            ValidationErrorKind::Pattern { pattern } => {
                let words: Vec<&str> = pattern.trim_matches(['^', '$', '(', ')']).split('|').collect();
                if pattern.starts_with("^(")
                    && words.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
                {
                    return not_allowed(document, node, &found, &words, help);
                }
                told(Code::WrongValue, format!("{found} does not have the right form"), help)
            }
            ValidationErrorKind::MinItems { .. }
            | ValidationErrorKind::MinProperties { .. }
            | ValidationErrorKind::MinLength { .. } => {
                told(Code::WrongValue, "this must not be empty".to_owned(), help)
            }
            ValidationErrorKind::MaxItems { limit } => {
                told(Code::WrongValue, format!("at most {limit} of these may be listed"), help)
            }
            ValidationErrorKind::MaxProperties { limit } => {
                told(Code::WrongValue, format!("at most {limit} of these keys may be given"), help)
            }
            ValidationErrorKind::Minimum { limit } => {
                told(Code::WrongValue, format!("{found} is less than {limit}"), help)
            }
            ValidationErrorKind::Maximum { limit } => {
                told(Code::WrongValue, format!("{found} is more than {limit}"), help)
            }
            other => told(Code::WrongValue, format!("{found} is not allowed here (`{}`)", other.keyword()), help),
        }
    }

    fn wrong_type(&self, kind: &TypeKind, document: &Document, node: &Node, schema_path: &str) -> Wrong {
        let expected: Vec<String> = match kind {
            TypeKind::Single(one) => vec![type_name(&one.to_string()).to_owned()],
            TypeKind::Multiple(many) => many.iter().map(|one| type_name(&one.to_string()).to_owned()).collect(),
        };
        let takes = |json: &str| expected.iter().any(|one| one == type_name(json));
        let takes_any_text =
            takes("string") && self.beside(schema_path).is_some_and(|schema| schema.get("pattern").is_none());
        let (help, fix) = match &node.kind {
            Kind::Number(_) | Kind::Bool(_) if takes_any_text => {
                let fix = document.quoted(&node.mark);
                (Some(format!("write it in quotes: {}", fix.replacement)), Some(fix))
            }
            Kind::Text(text) if takes("boolean") && typed::is_misread(text) => {
                let meant =
                    if matches!(text.to_ascii_lowercase().as_str(), "y" | "yes" | "on") { "true" } else { "false" };
                (Some(format!("write `{meant}`")), document.fix(&node.mark, meant))
            }
            Kind::Map(_) if takes("array") => (Some("put `- ` in front of each item".to_owned()), None),
            _ => (self.help(schema_path), None),
        };
        let message = format!("expected {}, found {}", expected.join(" or "), describe(node));
        Wrong { code: Code::WrongType, message, help, fix }
    }

    /// The keys that stand beside an `additionalProperties: false`.
    fn known_keys(&self, schema_path: &str) -> Vec<String> {
        self.beside(schema_path)
            .and_then(|schema| schema.get("properties"))
            .and_then(Value::as_object)
            .map(|keys| keys.keys().cloned().collect())
            .unwrap_or_default()
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
fn not_allowed(document: &Document, node: &Node, found: &str, options: &[&str], help: Option<String>) -> Wrong {
    let message = match options {
        [one] => format!("{found} is not allowed here; only `{one}` is"),
        _ => format!("{found} is not allowed here; one of `{}` is", options.join("`, `")),
    };
    let near = nearest(node.text().unwrap_or_default(), options.iter().copied());
    let fix = near.and_then(|near| document.fix(&node.mark, near));
    let help = near.map(|near| format!("did you mean `{near}`?")).or(help);
    Wrong { code: Code::WrongValue, message, help, fix }
}

/// `direction:inbound` in brackets is one word to YAML.
fn without_blank<'a>(name: &'a str, known: &[String]) -> Option<(&'a str, &'a str)> {
    let (key, value) = name.split_once(':')?;
    known.iter().any(|known| known == key).then_some((key, value.trim()))
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
