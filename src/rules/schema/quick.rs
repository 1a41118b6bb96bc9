//! Whether a value surely keeps to its schema, told from the tree itself.
//!
//! It knows the keywords of JSON Schema that the schemas of rules and tests are written with; where it meets another, or a
//! doubt, it says nothing. What is wrong with a value, and where, is not its business: `jsonschema` tells that. Nearly all
//! rules are right, and a hundred thousand of them need neither a second tree nor the validator then.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use regex::Regex;
use serde_json::{Map, Number, Value};

use crate::rules::yaml::{Key, Kind, Mark, Node};

/// Keywords that ask for nothing, or for nothing by themselves.
const SILENT: [&str; 7] = ["$schema", "$id", "title", "description", "examples", "definitions", "then"];

const NULL: u8 = 1;
const BOOLEAN: u8 = 2;
const STRING: u8 = 4;
const ARRAY: u8 = 8;
const OBJECT: u8 = 16;
const NUMBER: u8 = 32;
const INTEGER: u8 = 64;

/// A schema that has been looked through once: its keywords are looked up no more.
pub(super) struct Quick {
    root: Schema,
    definitions: Vec<Schema>,
}

enum Schema {
    /// `true` or `false`.
    Is(bool),
    /// The definition at this position.
    Definition(usize),
    Keywords(Box<[Keyword]>),
}

enum Keyword {
    /// The values that are allowed, by [`bit`].
    Type(u8),
    Enum(Box<[Value]>),
    AllOf(Box<[Schema]>),
    IfThen(Box<[Schema; 2]>),
    MinLength(usize),
    Pattern(Pattern),
    Minimum(i64),
    Maximum(i64),
    Items(Box<Schema>),
    MinItems(usize),
    MaxItems(usize),
    UniqueItems,
    /// Those of known keys, by key, and that of all others.
    Properties(Box<[(Box<str>, Schema)]>, Box<Schema>),
    PropertyNames(Box<Schema>),
    Required(Texts),
    MinProperties(usize),
    MaxProperties(usize),
    /// Keys, each with those that must stand beside it.
    Dependencies(Box<[(Box<str>, Texts)]>),
    Unknown,
}

type Texts = Box<[Box<str>]>;

/// Compiled when the first text comes that has to have it.
type Pattern = Arc<(String, OnceLock<Option<Regex>>)>;

impl Quick {
    pub(super) fn of(schema: &Value) -> Quick {
        let definitions: Vec<(&str, &Value)> = schema
            .get("definitions")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, definition)| (name.as_str(), definition))
            .collect();
        let names = definitions.iter().map(|(name, _)| *name).collect();
        let mut reader = Reader { definitions: names, patterns: BTreeMap::new() };
        let root = reader.schema(schema);
        Quick { root, definitions: definitions.iter().map(|(_, definition)| reader.schema(definition)).collect() }
    }

    /// Whether the value keeps to the schema; nothing where that can't be said here.
    pub(super) fn holds(&self, value: &Node) -> Option<bool> {
        self.schema(&self.root, value)
    }

    fn schema(&self, schema: &Schema, value: &Node) -> Option<bool> {
        match schema {
            Schema::Is(holds) => Some(*holds),
            Schema::Definition(position) => self.schema(self.definitions.get(*position)?, value),
            Schema::Keywords(keywords) => all(keywords, |keyword| self.keyword(keyword, value)),
        }
    }

    /// A keyword that asks for something only of values of another kind always holds.
    fn keyword(&self, keyword: &Keyword, value: &Node) -> Option<bool> {
        Some(match (keyword, &value.kind) {
            (Keyword::Unknown, _) => return None,
            (Keyword::Type(types), kind) => is_of_type(*types, kind)?,
            (Keyword::Enum(asked), kind) => any(asked, |one| equals(one, kind))?,
            (Keyword::AllOf(schemas), _) => all(schemas, |schema| self.schema(schema, value))?,
            (Keyword::IfThen(both), _) => {
                let [asked, then] = &**both;
                !self.schema(asked, value)? || self.schema(then, value)?
            }
            (Keyword::MinLength(least), Kind::Text(text)) => *least <= text.len() && *least <= text.chars().count(),
            (Keyword::Pattern(pattern), Kind::Text(text)) => {
                pattern.1.get_or_init(|| Regex::new(&pattern.0).ok()).as_ref()?.is_match(text)
            }
            (Keyword::Minimum(least), Kind::Number(number)) => *least <= number.as_i64()?,
            (Keyword::Maximum(most), Kind::Number(number)) => *most >= number.as_i64()?,
            (Keyword::MinItems(least), Kind::List(items)) => *least <= items.len(),
            (Keyword::MaxItems(most), Kind::List(items)) => *most >= items.len(),
            (Keyword::UniqueItems, Kind::List(items)) => (items.len() <= 1).then_some(true)?,
            (Keyword::Items(schema), Kind::List(items)) => all(items, |item| self.schema(schema, item))?,
            (keyword, Kind::Map(entries)) => self.keyword_of_map(keyword, entries)?,
            _ => true,
        })
    }

    fn keyword_of_map(&self, keyword: &Keyword, entries: &[(Key, Node)]) -> Option<bool> {
        let has = |name: &str| entries.iter().any(|(key, _)| *key.name == *name);
        Some(match keyword {
            Keyword::Properties(known, others) => all(entries, |(key, value)| {
                let at = known.binary_search_by(|(name, _)| (**name).cmp(&*key.name));
                let schema = at.ok().and_then(|at| known.get(at)).map_or(&**others, |(_, schema)| schema);
                self.schema(schema, value)
            })?,
            Keyword::PropertyNames(schema) => all(entries, |(key, _)| {
                let name = Node { kind: Kind::Text((*key.name).into()), mark: Mark::default() };
                self.schema(schema, &name)
            })?,
            Keyword::Required(names) => names.iter().all(|name| has(name)),
            Keyword::MinProperties(least) => *least <= entries.len(),
            Keyword::MaxProperties(most) => *most >= entries.len(),
            Keyword::Dependencies(all) => {
                all.iter().all(|(name, needed)| !has(name) || needed.iter().all(|name| has(name)))
            }
            _ => true,
        })
    }
}

/// Looks through a schema.
struct Reader<'a> {
    definitions: Vec<&'a str>,
    /// Many keywords have the same one.
    patterns: BTreeMap<String, Pattern>,
}

impl Reader<'_> {
    fn schema(&mut self, schema: &Value) -> Schema {
        let keywords = match schema {
            Value::Bool(holds) => return Schema::Is(*holds),
            Value::Object(keywords) => keywords,
            _ => return Schema::Keywords([Keyword::Unknown].into()),
        };
        // In draft 7 nothing beside a reference counts.
        if let Some(reference) = keywords.get("$ref") {
            let position = self.definition(reference);
            return position.map_or(Schema::Keywords([Keyword::Unknown].into()), Schema::Definition);
        }
        let is_asked_beside = |keyword: &str| keyword == "additionalProperties" && keywords.contains_key("properties");
        let asking = keywords.iter();
        let asking = asking.filter(|(keyword, _)| !SILENT.contains(&keyword.as_str()) && !is_asked_beside(keyword));
        let read = asking.map(|(keyword, asked)| self.keyword(keyword, asked, keywords).unwrap_or(Keyword::Unknown));
        Schema::Keywords(read.collect())
    }

    fn definition(&self, reference: &Value) -> Option<usize> {
        let name = reference.as_str()?.strip_prefix("#/definitions/")?;
        self.definitions.iter().position(|known| *known == name)
    }

    fn keyword(&mut self, keyword: &str, asked: &Value, beside: &Map<String, Value>) -> Option<Keyword> {
        Some(match keyword {
            "type" => Keyword::Type(types(asked)?),
            "enum" => Keyword::Enum(asked.as_array()?.iter().cloned().collect()),
            "const" => Keyword::Enum([asked.clone()].into()),
            "allOf" => Keyword::AllOf(asked.as_array()?.iter().map(|schema| self.schema(schema)).collect()),
            "if" if !beside.contains_key("else") => {
                Keyword::IfThen(Box::new([self.schema(asked), self.schema(beside.get("then")?)]))
            }
            "minLength" => Keyword::MinLength(count(asked)?),
            // Patterns with a backslash are not read the same everywhere.
            "pattern" if !asked.as_str()?.contains('\\') => Keyword::Pattern(self.pattern(asked.as_str()?)),
            "minimum" => Keyword::Minimum(asked.as_i64()?),
            "maximum" => Keyword::Maximum(asked.as_i64()?),
            "items" => Keyword::Items(Box::new(self.schema(asked))),
            "minItems" => Keyword::MinItems(count(asked)?),
            "maxItems" => Keyword::MaxItems(count(asked)?),
            "uniqueItems" => Keyword::UniqueItems,
            "properties" | "additionalProperties" => self.properties(beside)?,
            "propertyNames" => Keyword::PropertyNames(Box::new(self.schema(asked))),
            "required" => Keyword::Required(names(asked)?),
            "minProperties" => Keyword::MinProperties(count(asked)?),
            "maxProperties" => Keyword::MaxProperties(count(asked)?),
            "dependencies" => {
                let each = asked.as_object()?.iter().map(|(name, needed)| Some((name.as_str().into(), names(needed)?)));
                Keyword::Dependencies(each.collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    /// What is asked of the values of a mapping.
    fn properties(&mut self, keywords: &Map<String, Value>) -> Option<Keyword> {
        let others = keywords.get("additionalProperties").map_or(Schema::Is(true), |schema| self.schema(schema));
        let mut known = Vec::new();
        if let Some(properties) = keywords.get("properties") {
            known.extend(
                properties.as_object()?.iter().map(|(name, schema)| (name.as_str().into(), self.schema(schema))),
            );
        }
        known.sort_by(|(a, _): &(Box<str>, _), (b, _)| a.cmp(b));
        Some(Keyword::Properties(known.into(), Box::new(others)))
    }

    fn pattern(&mut self, pattern: &str) -> Pattern {
        let known = self.patterns.entry(pattern.to_owned());
        Arc::clone(known.or_insert_with(|| Arc::new((pattern.to_owned(), OnceLock::new()))))
    }
}

fn names(asked: &Value) -> Option<Texts> {
    asked.as_array()?.iter().map(|name| Some(name.as_str()?.into())).collect()
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

/// A type of JSON Schema as a bit.
fn bit(name: &str) -> Option<u8> {
    const NAMES: [(&str, u8); 7] = [
        ("null", NULL),
        ("boolean", BOOLEAN),
        ("string", STRING),
        ("array", ARRAY),
        ("object", OBJECT),
        ("number", NUMBER),
        ("integer", INTEGER),
    ];
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit)
}

fn types(asked: &Value) -> Option<u8> {
    match asked {
        Value::Array(names) => names.iter().try_fold(0, |types, name| Some(types | bit(name.as_str()?)?)),
        name => bit(name.as_str()?),
    }
}

fn is_of_type(types: u8, kind: &Kind) -> Option<bool> {
    let has = |bit| types & bit != 0;
    Some(match kind {
        Kind::Null => has(NULL),
        Kind::Bool(_) => has(BOOLEAN),
        Kind::Text(_) => has(STRING),
        Kind::List(_) => has(ARRAY),
        Kind::Map(_) => has(OBJECT),
        // Whether 1.0 is a whole number is not decided here.
        Kind::Number(number) => has(NUMBER) || (has(INTEGER) && is_whole(number).then_some(true)?),
    })
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
        let told = RULES.quick.holds(root);
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
