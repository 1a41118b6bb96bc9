//! YAML text → a tree in which every value and key knows its place.
//!
//! One parser serves rules and tests. It does not know what the keys mean, expands no variable and opens no file.

pub(crate) mod edit;
mod raw;
pub(crate) mod write;

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;
use serde_yaml::{Location, Options, Spanned};

use crate::problem::{Code, Place, Problem, SourceFile};
use raw::Raw;

/// A rule file larger than this is a mistake: 100,000 rules fit into a tenth of it.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How deep values may be nested. Rules need about ten.
const DEPTH_MAX: usize = 64;

/// Values that aliases may repeat in one file; an alias bomb is refused after milliseconds.
const ALIAS_EVENTS_MAX: usize = 100_000;

/// Values in one file.
const NODES_MAX: usize = 4_000_000;

/// A stretch of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    line: usize,
    column: usize,
    span: Range<usize>,
}

/// One value of the tree.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub mark: Mark,
}

/// What a value is. Whole numbers beyond 64 bits and non-finite numbers are refused by the parser.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub name: String,
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
}

impl Document {
    /// Parses a file. An empty file is `null`.
    ///
    /// # Errors
    /// One problem with the place where the parser stopped.
    pub fn parse(file: &Arc<SourceFile>) -> Result<Document, Problem> {
        if file.text.trim().is_empty() {
            return Ok(Document { file: Arc::clone(file), root: Node { kind: Kind::Null, mark: Mark::default() } });
        }
        match serde_yaml::from_str_with_options::<Spanned<Raw>>(&file.text, options()) {
            Ok(raw) => Ok(Document { file: Arc::clone(file), root: Node::from_raw(raw, &Text::new(&file.text)) }),
            Err(error) => Err(syntax_problem(file, &error)),
        }
    }

    /// The place of a mark of this document.
    pub fn place(&self, mark: &Mark) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: mark.line.max(1),
            column: mark.column.max(1),
            span: mark.span.clone(),
        }
    }

    /// The text of the file at a mark: a number as it was typed, quotes included.
    pub fn typed(&self, mark: &Mark) -> &str {
        self.file.text.get(mark.span.clone()).unwrap_or_default()
    }
}

fn options() -> Options {
    serde_yaml::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: false,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: ALIAS_EVENTS_MAX },
        budget: serde_yaml::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
        },
    }
}

fn syntax_problem(file: &Arc<SourceFile>, error: &serde_yaml::Error) -> Problem {
    let error = error.without_snippet();
    let mut place = Place::whole(file);
    if let Some(location) = error.location() {
        let mark = Mark::from_location(location, &Text::new(&file.text));
        place.line = mark.line.max(1);
        place.column = mark.column.max(1);
        place.span = mark.span;
    }
    let text = error.to_string();
    // The place is told beside the message.
    let message = text.lines().next().unwrap_or_default().split(" at line ").next().unwrap_or_default().trim();
    let (message, help) = match error {
        _ if is_too_large(error) => (
            format!(
                "the file has more than {DEPTH_MAX} levels, {NODES_MAX} values or {ALIAS_EVENTS_MAX} values from aliases"
            ),
            "a rule file needs about ten levels; write out what aliases repeat".to_owned(),
        ),
        serde_yaml::Error::MultipleDocuments { .. } => {
            ("a second document begins here".to_owned(), "make a file of each; without `---` between them".to_owned())
        }
        serde_yaml::Error::UnknownAnchor { .. } => {
            let help = "a text that begins with `*` needs quotes around it; an alias needs its `&name` before it";
            ("no anchor in this file has this name".to_owned(), help.to_owned())
        }
        _ => (format!("this is not YAML: {message}"), syntax_help(&file.text)),
    };
    match error {
        serde_yaml::Error::DuplicateMappingKey { key, .. } => {
            let message = match key {
                Some(key) => format!("the key `{key}` stands twice in one mapping"),
                None => "a key stands twice in one mapping".to_owned(),
            };
            Problem::new(Code::DuplicateKey, place, message)
                .help("keep one of the two; otherwise nobody can tell which one counts")
        }
        _ => Problem::new(Code::Syntax, place, message).help(help),
    }
}

fn is_too_large(error: &serde_yaml::Error) -> bool {
    use serde_yaml::Error;
    match error {
        Error::AliasError { error, .. } => is_too_large(error),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => true,
        _ => false,
    }
}

/// The likely cause of a syntax error, where it can be told from the text.
fn syntax_help(text: &str) -> String {
    let tab = text.lines().position(|line| line.trim_start_matches(' ').starts_with('\t'));
    tab.map_or_else(
        || {
            "look at quotes, brackets and indentation here and in the line above; a text that begins with `{`, `[`, \
             `*`, `&`, `@`, `%` or holds `: ` needs quotes around it"
                .to_owned()
        },
        |line| format!("line {} is indented with a tab; YAML takes blanks only", line + 1),
    )
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
            Kind::Map(entries) => entries.iter().find(|(key, _)| key.name == segment).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The key itself, for problems that are about the key.
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.entries().map(|(key, _)| key).find(|key| key.name == name)
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> impl Iterator<Item = (&Key, &Node)> {
        let entries = match &self.kind {
            Kind::Map(entries) => entries.as_slice(),
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
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect())
            }
        }
    }

    fn from_raw(raw: Spanned<Raw>, text: &Text<'_>) -> Node {
        let mark = Mark::from_location(raw.referenced, text);
        let kind = match raw.value {
            Raw::Null => Kind::Null,
            Raw::Bool(value) => Kind::Bool(value),
            Raw::Number(number) => Kind::Number(number),
            Raw::Text(value) => Kind::Text(value),
            Raw::List(items) => Kind::List(items.into_iter().map(|item| Node::from_raw(item, text)).collect()),
            Raw::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let mark = Mark::from_location(key.referenced, text);
                        (Key { name: key.value, mark }, Node::from_raw(value, text))
                    })
                    .collect(),
            ),
        };
        Node { kind, mark }
    }
}

impl Mark {
    /// The parser counts in characters where it has no byte offsets; the spans here are always bytes.
    fn from_location(location: Location, text: &Text<'_>) -> Mark {
        let line = usize::try_from(location.line()).unwrap_or_default();
        let column = usize::try_from(location.column()).unwrap_or_default();
        let span = location.span();
        let range = match (span.byte_offset(), span.byte_len()) {
            (Some(start), Some(length)) => {
                let start = usize::try_from(start).unwrap_or_default();
                start..start + usize::try_from(length).unwrap_or_default()
            }
            _ => text.byte_at(line, column)..text.byte_at(line, column),
        };
        Mark { line, column, span: range }
    }
}

/// The file's text, for turning a line and a column into bytes.
struct Text<'a> {
    text: &'a str,
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Self {
        Text { text }
    }

    fn byte_at(&self, line: usize, column: usize) -> usize {
        let before: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = self.text.get(before..).unwrap_or_default();
        before + rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>()
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
        let node = document.root.at(pointer).unwrap();
        format!("{}:{} {}", node.mark.line, node.mark.column, document.typed(&node.mark))
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
        let problem = parse("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert_eq!((problem.code, problem.place.line), (Code::DuplicateKey, 3));
    }

    #[test]
    fn a_syntax_error_has_its_place_and_a_likely_cause() {
        let problem = parse("rules:\n\t- name: x\n").unwrap_err();
        assert_eq!(problem.code, Code::Syntax);
        assert_eq!(problem.place.line, 2);
        assert!(problem.help.unwrap().contains("tab"));
    }

    #[test]
    fn an_alias_bomb_is_refused_without_being_expanded() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..10 {
            let before = format!("*a{},", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(',')));
        }
        assert_eq!(parse(&bomb).unwrap_err().code, Code::Syntax);
        assert_eq!(parse(&"[".repeat(100_000)).unwrap_err().code, Code::Syntax);
    }

    #[test]
    fn a_card_pasted_with_its_closing_bracket_at_the_margin_is_read() {
        let document = parse("cards:\n  c: [\n  {\n    \"type\": \"title\",\n    \"text\": \"A\"\n  }\n]\n").unwrap();
        assert_eq!(document.root.to_json(), serde_json::json!({"cards": {"c": [{"type": "title", "text": "A"}]}}));
    }
}
