//! Whether a value surely keeps to its schema, told from the tree itself.
//!
//! It knows the keywords of JSON Schema that the schemas of rules and tests are written with; where it meets another, or a
//! doubt, it says nothing. What is wrong with a value, and where, is not its business: `jsonschema` tells that. Nearly all
//! rules are right, and a hundred thousand of them need neither a second tree nor the validator then.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use regex::Regex;
use serde_json::{Map, Number, Value};

use crate::rules::yaml::{Kind, Mark, Node};

/// A schema, with its patterns. Each is compiled when the first text comes that has to have it.
pub(super) struct Quick {
    patterns: BTreeMap<String, OnceLock<Option<Regex>>>,
}

impl Quick {
    pub(super) fn of(schema: &Value) -> Quick {
        let mut patterns = BTreeMap::new();
        collect(schema, &mut patterns);
        Quick { patterns }
    }

    /// Whether the value keeps to the schema; nothing where that can't be said here.
    pub(super) fn holds(&self, schema: &Value, value: &Node) -> Option<bool> {
        Check { quick: self, root: schema }.holds(schema, value)
    }
}

/// Patterns with a backslash are not read the same everywhere, so they are left out.
fn collect(schema: &Value, patterns: &mut BTreeMap<String, OnceLock<Option<Regex>>>) {
    match schema {
        Value::Object(keywords) => {
            let pattern = keywords.get("pattern").and_then(Value::as_str).filter(|pattern| !pattern.contains('\\'));
            patterns.extend(pattern.map(|pattern| (pattern.to_owned(), OnceLock::new())));
            keywords.values().for_each(|inner| collect(inner, patterns));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, patterns)),
        _ => {}
    }
}

struct Check<'a> {
    quick: &'a Quick,
    root: &'a Value,
}

impl Check<'_> {
    fn holds(&self, schema: &Value, value: &Node) -> Option<bool> {
        let keywords = match schema {
            Value::Bool(holds) => return Some(*holds),
            other => other.as_object()?,
        };
        // In draft 7 nothing beside a reference counts.
        if let Some(reference) = keywords.get("$ref") {
            let name = reference.as_str()?.strip_prefix("#/definitions/")?;
            return self.holds(self.root.get("definitions")?.get(name)?, value);
        }
        for (keyword, asked) in keywords {
            if !self.keyword(keyword, asked, keywords, value)? {
                return Some(false);
            }
        }
        Some(true)
    }

    fn keyword(&self, keyword: &str, asked: &Value, beside: &Map<String, Value>, value: &Node) -> Option<bool> {
        Some(match (keyword, &value.kind) {
            ("$schema" | "$id" | "title" | "description" | "examples" | "definitions" | "then", _) => true,
            ("type", kind) => is_of_type(asked, kind)?,
            ("enum", kind) => any(asked.as_array()?, |one| equals(one, kind))?,
            ("const", kind) => equals(asked, kind)?,
            ("allOf", _) => all(asked.as_array()?, |schema| self.holds(schema, value))?,
            ("if", _) => {
                !beside.contains_key("else")
                    && (!self.holds(asked, value)? || self.holds(beside.get("then")?, value)?)
            }
            ("minLength", Kind::Text(text)) => count(asked)? <= text.chars().count(),
            ("pattern", Kind::Text(text)) => self.pattern(asked.as_str()?)?.is_match(text),
            ("minimum", Kind::Number(number)) => asked.as_i64()? <= number.as_i64()?,
            ("maximum", Kind::Number(number)) => asked.as_i64()? >= number.as_i64()?,
            ("minItems", Kind::List(items)) => count(asked)? <= items.len(),
            ("maxItems", Kind::List(items)) => count(asked)? >= items.len(),
            ("uniqueItems", Kind::List(items)) => (items.len() <= 1).then_some(true)?,
            ("items", Kind::List(items)) => all(items, |item| self.holds(asked, item))?,
            (_, Kind::Map(entries)) => {
                let names = || entries.iter().map(|(key, _)| key.name.as_ref());
                let has = |name: &Value| Some(names().any(|other| Some(other) == name.as_str()));
                match keyword {
                    "properties" => all(entries, |(key, value)| {
                        asked.get(&*key.name).map_or(Some(true), |schema| self.holds(schema, value))
                    })?,
                    "additionalProperties" => {
                        let known = beside.get("properties").and_then(Value::as_object);
                        let is_known = |name: &str| known.is_some_and(|known| known.contains_key(name));
                        all(
                            entries,
                            |(key, value)| if is_known(&key.name) { Some(true) } else { self.holds(asked, value) },
                        )?
                    }
                    "required" => all(asked.as_array()?, has)?,
                    "minProperties" => count(asked)? <= entries.len(),
                    "maxProperties" => count(asked)? >= entries.len(),
                    "propertyNames" => all(entries, |(key, _)| {
                        self.holds(asked, &Node { kind: Kind::Text(key.name.as_ref().into()), mark: Mark::default() })
                    })?,
                    "dependencies" => all(asked.as_object()?, |(name, needed)| {
                        if names().any(|other| other == name) { all(needed.as_array()?, has) } else { Some(true) }
                    })?,
                    _ => is_of_another_kind(keyword)?,
                }
            }
            _ => is_of_another_kind(keyword)?,
        })
    }

    fn pattern(&self, pattern: &str) -> Option<&Regex> {
        self.quick.patterns.get(pattern)?.get_or_init(|| Regex::new(pattern).ok()).as_ref()
    }
}

/// A keyword that asks for something only of values of another kind always holds.
fn is_of_another_kind(keyword: &str) -> Option<bool> {
    const KNOWN: [&str; 14] = [
        "additionalProperties",
        "dependencies",
        "items",
        "maxItems",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "pattern",
        "properties",
        "propertyNames",
        "required",
    ];
    (KNOWN.contains(&keyword) || keyword == "uniqueItems").then_some(true)
}

fn all<T>(items: impl IntoIterator<Item = T>, holds: impl Fn(T) -> Option<bool>) -> Option<bool> {
    for item in items {
        if !holds(item)? {
            return Some(false);
        }
    }
    Some(true)
}

fn any<T>(items: impl IntoIterator<Item = T>, holds: impl Fn(T) -> Option<bool>) -> Option<bool> {
    all(items, |item| holds(item).map(|holds| !holds)).map(|none| !none)
}

fn count(asked: &Value) -> Option<usize> {
    usize::try_from(asked.as_u64()?).ok()
}

fn is_of_type(asked: &Value, kind: &Kind) -> Option<bool> {
    match asked {
        Value::Array(types) => any(types, |one| is_of_type(one, kind)),
        one => match (one.as_str()?, kind) {
            ("string", Kind::Text(_)) | ("object", Kind::Map(_)) | ("array", Kind::List(_)) => Some(true),
            ("boolean", Kind::Bool(_)) | ("null", Kind::Null) | ("number", Kind::Number(_)) => Some(true),
            // Whether 1.0 is a whole number is not decided here.
            ("integer", Kind::Number(number)) => is_whole(number).then_some(true),
            ("string" | "object" | "array" | "boolean" | "null" | "number" | "integer", _) => Some(false),
            _ => None,
        },
    }
}

fn equals(asked: &Value, kind: &Kind) -> Option<bool> {
    match (asked, kind) {
        (Value::String(one), Kind::Text(other)) => Some(**one == **other),
        (Value::Bool(one), Kind::Bool(other)) => Some(one == other),
        (Value::Number(one), Kind::Number(other)) => (is_whole(one) && is_whole(other)).then_some(one == other),
        (Value::Array(_) | Value::Object(_), _) => None,
        (one, other) => Some(one.is_null() && *other == Kind::Null),
    }
}

fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::RULES;
    use super::*;
    use crate::problem::SourceFile;
    use crate::rules::yaml::{Document, Key, files};

    /// What is in the files that are not nested on purpose.
    fn roots() -> impl Iterator<Item = Node> {
        let file = |text| Arc::new(SourceFile { path: "a.yaml".into(), text });
        let files = files().into_iter().filter(|text| !text.contains("[[[["));
        files.filter_map(move |text| Document::parse(&file(text)).ok()).map(|document| document.root)
    }

    fn node(value: &Value) -> Node {
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(number) => Kind::Number(number.clone()),
            Value::String(text) => Kind::Text(text.as_str().into()),
            Value::Array(items) => Kind::List(items.iter().map(node).collect()),
            Value::Object(fields) => {
                let key = |name: &String| Key { name: name.as_str().into(), mark: Mark::default() };
                Kind::Map(fields.iter().map(|(name, value)| (key(name), node(value))).collect())
            }
        };
        Node { kind, mark: Mark::default() }
    }

    /// What is said of the value; `jsonschema` must say the same. Whether it keeps to the schema comes with it.
    fn compared(root: &Node) -> (Option<bool>, bool) {
        let is_right = RULES.validator().unwrap().is_valid(&root.to_json());
        let told = RULES.quick.holds(&RULES.value, root);
        assert!(told.is_none_or(|told| told == is_right), "{told:?}: {}", root.to_json());
        (told, is_right)
    }

    /// The places of all values in it.
    fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
        let inner: Vec<(String, &Value)> = match value {
            Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
            _ => Vec::new(),
        };
        inner.into_iter().for_each(|(name, value)| pointers(value, format!("{at}/{name}"), found));
        found.push(at);
    }

    #[test]
    fn it_says_of_rules_what_the_validator_says() {
        let (mut seen, mut right) = (0, 0);
        for root in roots() {
            if let (told, true) = compared(&root) {
                right += 1;
                seen += usize::from(told == Some(true));
            }
        }
        assert!(right > 50 && seen * 100 > right * 95, "{seen} of {right} were seen to be right");
    }

    #[test]
    fn it_says_what_the_validator_says_also_where_something_is_wrong() {
        let files: Vec<Value> = roots().map(|root| root.to_json()).collect();
        let others = json!([null, true, 0, -1, 1.0, 1.5, "", "x", "none", "title", [], {}, ["a", "a"], [1, 2], {"a": 1}, {"each": "a"}]);
        let others = others.as_array().unwrap();
        let mut random = fastrand::Rng::with_seed(3);
        let (mut seen, mut wrong) = (0, 0);
        for _ in 0..3_000 {
            let mut value = random.choice(&files).unwrap().clone();
            let mut places = Vec::new();
            pointers(&value, String::new(), &mut places);
            let Some(place) = value.pointer_mut(random.choice(&places).unwrap()) else { continue };
            match (random.u8(..3), place) {
                (0, Value::Object(fields)) => {
                    fields.insert(
                        random.choice(["name", "type", "text", "odd", "at_most"]).unwrap().to_owned(),
                        json!(1),
                    );
                }
                (1, Value::Object(fields)) if !fields.is_empty() => {
                    let name = fields.keys().nth(random.usize(..fields.len())).cloned();
                    fields.shift_remove(&name.unwrap());
                }
                (_, place) => *place = random.choice(others).unwrap().clone(),
            }
            let (told, is_right) = compared(&node(&value));
            wrong += usize::from(!is_right);
            seen += usize::from(told == Some(false));
        }
        assert!(wrong > 1_000 && seen > wrong / 2, "{seen} of {wrong} were seen to be wrong");
    }
}
