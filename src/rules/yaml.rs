//! YAML text → a tree in which every value and key knows its place.
//!
//! One parser serves rules and tests. It does not know what the keys mean, expands no variable and opens no file.

pub(crate) mod edit;
mod fix;
mod mark;
mod plain;
mod raw;
mod syntax;
pub(crate) mod write;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use serde_yaml::{Options, Spanned};

use crate::problem::{Code, Place, Problem, SourceFile};
pub use mark::Mark;
#[cfg(test)]
pub(in crate::rules) use plain::tests::files;
use raw::Raw;

/// A rule file larger than this is a mistake: 100,000 rules fit into a tenth of it.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How deep values may be nested. Rules need about ten.
const DEPTH_MAX: usize = 64;

/// Values that aliases may repeat in one file; an alias bomb is refused after milliseconds.
const ALIAS_EVENTS_MAX: usize = 100_000;

/// Values in one file.
const NODES_MAX: usize = 4_000_000;

/// One value of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub mark: Mark,
}

/// What a value is. Whole numbers beyond 64 bits and non-finite numbers are refused by the parser.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(Box<str>),
    /// A list.
    List(Box<[Node]>),
    /// A mapping, in the order of the file.
    Map(Box<[(Key, Node)]>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The key.
    pub name: Arc<str>,
    /// Where it stands.
    pub mark: Mark,
}

/// One parsed file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Its value.
    pub root: Node,
    /// Keys that stand twice; the first one counts, so that the rest can be looked at.
    pub problems: Vec<Problem>,
}

impl Document {
    /// Parses a file. An empty file is `null`.
    ///
    /// # Errors
    /// One problem with the place where the parser stopped.
    pub fn parse(file: &Arc<SourceFile>) -> Result<Document, Problem> {
        if file.text.trim().is_empty() {
            let root = Node { kind: Kind::Null, mark: Mark::default() };
            return Ok(Document { file: Arc::clone(file), root, problems: Vec::new() });
        }
        if let Some(root) = plain::read(&file.text) {
            return Ok(Document { file: Arc::clone(file), root, problems: Vec::new() });
        }
        Document::parse_any(file)
    }

    /// The same, whatever is in the file.
    fn parse_any(file: &Arc<SourceFile>) -> Result<Document, Problem> {
        let raw = serde_yaml::from_str_with_options::<Spanned<Raw>>(&file.text, options())
            .map_err(|error| syntax::problem(file, &error))?;
        let mut document = Document {
            file: Arc::clone(file),
            root: Node { kind: Kind::Null, mark: Mark::default() },
            problems: Vec::new(),
        };
        document.root = document.node(raw);
        Ok(document)
    }

    /// The place of a mark of this document. What an alias stands for is where it is written: a mistake in it is one.
    pub fn place(&self, mark: &Mark) -> Place {
        mark.written().place(&self.file)
    }

    /// The place from one character of a text on, counted from 1. That of the whole value where it is typed in another way
    /// than it is read: over several lines, or with escapes.
    pub fn place_in(&self, node: &Node, character: usize) -> Place {
        let mut place = self.place(&node.mark);
        let typed = self.typed(node.mark.written());
        let text = node.text().filter(|text| !text.contains('\n')).unwrap_or_default();
        let skipped = (character.saturating_sub(1)).min(text.chars().count().saturating_sub(1));
        if let (Some(begin), Some((at, _))) = (typed.find(text), text.char_indices().nth(skipped)) {
            place.column += typed.get(..begin).map_or(0, |quote| quote.chars().count()) + skipped;
            place.span = place.span.start + begin + at..place.span.start + begin + text.len();
        }
        place
    }

    /// The text of the file at a mark: a number as it was typed, quotes included.
    pub fn typed(&self, mark: &Mark) -> &str {
        self.file.text.get(mark.span()).unwrap_or_default()
    }
}

impl Document {
    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let mark = Mark::of(&raw, &self.file.text);
        let kind = match raw.value {
            Raw::Null => Kind::Null,
            Raw::Bool(value) => Kind::Bool(value),
            Raw::Number(number) => Kind::Number(number),
            Raw::Text(value) => Kind::Text(value.into()),
            Raw::List(items) => Kind::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(entries) => Kind::Map(self.entries(entries)),
        };
        Node { kind, mark }
    }

    fn entries(&mut self, raw: Vec<(Spanned<String>, Spanned<Raw>)>) -> Box<[(Key, Node)]> {
        let mut first: HashMap<String, Mark> = HashMap::with_capacity(raw.len());
        let mut entries = Vec::with_capacity(raw.len());
        for (key, value) in raw {
            let mark = Mark::of(&key, &self.file.text);
            if let Some(earlier) = first.get(&key.value) {
                let message = format!(
                    "the key `{}` stands twice in one mapping: also in line {}",
                    key.value,
                    self.place(earlier).line
                );
                let help = "keep one of the two; otherwise nobody can tell which one counts";
                let problem = Problem::new(Code::DuplicateKey, self.place(&mark), message).help(help);
                self.problems.push(problem);
                continue;
            }
            first.insert(key.value.clone(), mark.clone());
            entries.push((Key { name: key.value.into(), mark }, self.node(value)));
        }
        entries.into()
    }
}

fn options() -> Options {
    serde_yaml::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: false,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        // Told by `Document`, with both places, so that the rest of the file is looked at as well.
        duplicate_keys: serde_yaml::DuplicateKeyPolicy::PassThrough,
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: ALIAS_EVENTS_MAX },
        budget: serde_yaml::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
        },
    }
}

impl Node {
    /// The value that a JSON Pointer (RFC 6901) names, seen from here.
    pub fn at(&self, pointer: &str) -> Option<&Node> {
        pointer
            .split('/')
            .skip(1)
            .try_fold(self, |node, segment| node.child(&segment.replace("~1", "/").replace("~0", "~")))
    }

    /// The value of a key, or of a position in a list.
    pub fn child(&self, segment: &str) -> Option<&Node> {
        match &self.kind {
            Kind::List(items) => items.get(segment.parse::<usize>().ok()?),
            Kind::Map(entries) => entries.iter().find(|(key, _)| *key.name == *segment).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The key itself, for problems that are about the key.
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.entries().map(|(key, _)| key).find(|key| *key.name == *name)
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> impl Iterator<Item = (&Key, &Node)> {
        let entries = match &self.kind {
            Kind::Map(entries) => entries.as_ref(),
            _ => &[],
        };
        entries.iter().map(|(key, node)| (key, node))
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same value without places.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::from(text.as_ref()),
            Kind::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.name.to_string(), node.to_json())).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Document, Problem> {
        Document::parse(&Arc::new(SourceFile { path: "a.yaml".into(), text: text.into() }))
    }

    /// `pointer` → `line:column typed text`.
    fn place_of(text: &str, pointer: &str) -> String {
        let document = parse(text).unwrap();
        let place = document.place(&document.root.at(pointer).unwrap().mark);
        format!("{}:{} {}", place.line, place.column, &text[place.span])
    }

    #[test]
    fn every_value_knows_its_place_also_behind_letters_of_several_bytes() {
        let text = "version: 1\nİş: \"ğ\"\nrules:\n  - name: öz\n    list: [a, +90532]\n";
        assert_eq!(place_of(text, "/version"), "1:10 1");
        assert_eq!(place_of(text, "/rules/0/name"), "4:11 öz");
        assert_eq!(place_of(text, "/rules/0/list/1"), "5:15 +90532");
    }

    #[test]
    fn a_key_with_a_slash_is_found() {
        assert_eq!(place_of("a/b: {c: d}\n", "/a~1b/c"), "1:10 d");
    }

    #[test]
    fn merge_keys_and_aliases_are_expanded() {
        let document = parse("a: &a {x: 1}\nb: {<<: *a, y: 2}\n").unwrap();
        assert_eq!(document.root.to_json(), serde_json::json!({"a": {"x": 1}, "b": {"x": 1, "y": 2}}));
    }

    #[test]
    fn words_that_older_yaml_took_for_booleans_are_texts() {
        let document = parse("country: [NO, on, yes, off]\n").unwrap();
        assert_eq!(document.root.to_json(), serde_json::json!({"country": ["NO", "on", "yes", "off"]}));
    }

    #[test]
    fn a_key_that_stands_twice_is_a_problem_at_the_second() {
        let document = parse("a: 1\nb: {c: 2, c: 3}\na: 3\n").unwrap();
        let told: Vec<_> = document.problems.iter().map(|problem| (problem.code, problem.place.line)).collect();
        assert_eq!(told, [(Code::DuplicateKey, 2), (Code::DuplicateKey, 3)]);
        assert_eq!(document.root.to_json(), serde_json::json!({"a": 1, "b": {"c": 2}}));
    }

    #[test]
    fn a_mistake_in_what_an_alias_repeats_is_placed_where_it_is_written() {
        assert_eq!(place_of("a: &a {x: [1]}\nb: *a\n", "/b/x/0"), "1:12 1");
        assert_eq!(place_of("a: &a {x: 1}\nb: {<<: *a, y: 2}\n", "/b/x"), "1:11 1");
    }

    #[test]
    fn a_syntax_error_has_its_place_and_a_likely_cause() {
        let problem = parse("rules:\n\t- name: x\n").unwrap_err();
        assert_eq!(problem.code, Code::Syntax);
        assert_eq!(problem.place.line, 2);
        assert!(problem.help.unwrap().contains("tab"));
    }

    /// How many values aliases had repeated when the parser gave up.
    fn repeated(error: &serde_yaml::Error) -> Option<usize> {
        match error.without_snippet() {
            serde_yaml::Error::AliasError { error, .. } => repeated(error),
            serde_yaml::Error::AliasReplayLimitExceeded { total_replayed_events, .. } => Some(*total_replayed_events),
            _ => None,
        }
    }

    #[test]
    fn an_alias_bomb_is_refused_before_it_is_expanded() {
        let mut nested = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..10 {
            let before = format!("*a{},", level - 1).repeat(10);
            nested.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(',')));
        }
        let wide = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(1_000), "*a,".repeat(10_000));
        for bomb in [nested, wide] {
            let parsed = serde_yaml::from_str_with_options::<Spanned<Raw>>(&bomb, options());
            let count = parsed.err().as_ref().and_then(repeated).unwrap();
            assert_eq!(count, ALIAS_EVENTS_MAX + 1, "of ten million or more");
            assert_eq!(parse(&bomb).unwrap_err().code, Code::Syntax);
        }
    }

    #[test]
    fn a_file_with_too_many_levels_is_refused() {
        assert_eq!(parse(&"[".repeat(100_000)).unwrap_err().code, Code::Syntax);
    }

    #[test]
    fn a_card_pasted_with_its_closing_bracket_at_the_margin_is_read() {
        let document = parse("cards:\n  c: [\n  {\n    \"type\": \"title\",\n    \"text\": \"A\"\n  }\n]\n").unwrap();
        assert_eq!(document.root.to_json(), serde_json::json!({"cards": {"c": [{"type": "title", "text": "A"}]}}));
    }
}
