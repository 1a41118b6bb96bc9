//! The YAML that rules are mostly written in, read in one pass: block mappings and lists, texts and numbers on one line,
//! and brackets, also over several lines, as JSON has them.
//!
//! It reads only what can't be meant in two ways, and gives up at anything else: an anchor, a tag, an escape, a text over
//! several lines, a key that stands twice, every mistake. Then the YAML parser reads the file, and tells what is wrong with
//! it. What this reads, the parser reads just so, places included: tests compare the two. It is here because the parser
//! takes two thirds of the time in which a hundred thousand rules are loaded.

mod flow;
#[cfg(test)]
pub(super) mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Number;

use super::{Key, Kind, Mark, NODES_MAX, Node};

/// Levels of nesting; fewer than the parser allows.
const DEPTH_MAX: usize = 32;

/// Bytes of a key; fewer than the parser allows.
const KEY_BYTES_MAX: usize = 128;

/// Bytes of a line with letters of several bytes: its characters are counted again for each value in it.
const UNEVEN_BYTES_MAX: usize = 4 * 1024;

/// Keys of a mapping that are compared one by one; of more, a table is kept.
const COMPARED_MAX: usize = 16;

/// Characters of numbers, in all the ways in which YAML writes one. A text with any other is none.
const OF_NUMBERS: &str = "0123456789+-._abcdefABCDEFxXoOinIN";

/// The value of a file; nothing where it is not as plain as all that.
pub(super) fn read(text: &str) -> Option<Node> {
    if !text.bytes().all(|byte| byte == b'\n' || (byte >= b' ' && byte != 0x7F)) {
        return None;
    }
    let is_ascii = text.is_ascii();
    if !is_ascii && (!text.chars().all(is_plain) || text.split('\n').any(|line| line.len() > UNEVEN_BYTES_MAX)) {
        return None;
    }
    let mut reader = Reader { text, is_ascii, line: None, next: (0, 1), nodes: 0, names: HashSet::new() };
    reader.advance();
    let line = reader.line?;
    let root = match reader.rest(&line, line.at) {
        _ if line.indent() > 0 => return None,
        brackets if brackets.starts_with('{') => {
            let root = reader.closed(0, 0)?;
            reader.end_of_line()?;
            root
        }
        _ => reader.mapping(0, 0)?,
    };
    reader.line.is_none().then_some(root)
}

/// Letters and what stands between them. Others may mean something to the parser, or be none of its characters.
fn is_plain(character: char) -> bool {
    character.is_ascii()
        || character.is_alphanumeric()
        || matches!(character, '\u{A1}'..='\u{AC}' | '\u{AE}'..='\u{BF}' | '–' | '—' | '’' | '“' | '”' | '…' | '€')
}

struct Reader<'a> {
    text: &'a str,
    is_ascii: bool,
    /// The line that is read next; nothing at the end.
    line: Option<Line>,
    /// Where the line behind it begins, and its number.
    next: (usize, usize),
    nodes: usize,
    /// The keys that were read: most stand in every rule, and all of them share one.
    names: HashSet<Arc<str>>,
}

/// A line that holds something, by its bytes in the file.
#[derive(Clone, Copy)]
struct Line {
    number: usize,
    begin: usize,
    /// Where the rest of it begins that is not yet read.
    at: usize,
    end: usize,
}

impl Line {
    fn indent(&self) -> usize {
        self.at - self.begin
    }
}

impl<'a> Reader<'a> {
    /// Goes to the next line that holds more than blanks and a comment.
    fn advance(&mut self) {
        self.line = None;
        loop {
            let (begin, number) = self.next;
            let Some(rest) = self.text.get(begin..).filter(|rest| !rest.is_empty()) else { return };
            let length = rest.find('\n').unwrap_or(rest.len());
            self.next = (begin + length + 1, number + 1);
            let line = rest.get(..length).unwrap_or_default();
            let content = line.trim_start_matches(' ');
            if !content.is_empty() && !content.starts_with('#') {
                let end = begin + line.trim_end_matches(' ').len();
                self.line = Some(Line { number, begin, at: begin + length - content.len(), end });
                return;
            }
        }
    }

    /// What stands at this place of the line.
    fn rest(&self, line: &Line, at: usize) -> &'a str {
        self.text.get(at..line.end).unwrap_or_default()
    }

    fn mark(&self, line: &Line, at: usize, length: usize) -> Mark {
        let before = self.text.get(line.begin..at).unwrap_or_default();
        let characters = if self.is_ascii { before.len() } else { before.chars().count() };
        Mark::new((line.number, characters + 1), at, length)
    }

    fn node(&mut self, kind: Kind, mark: Mark) -> Option<Node> {
        self.nodes += 1;
        (self.nodes <= NODES_MAX).then_some(Node { kind, mark })
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(name) = self.names.get(name) {
            return Arc::clone(name);
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    fn map(&mut self, entries: Vec<(Key, Node)>, mark: Mark) -> Option<Node> {
        self.nodes += entries.len();
        if are_distinct(&entries) { self.node(Kind::Map(entries.into()), mark) } else { None }
    }

    /// The mapping whose keys begin at this indent.
    fn mapping(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let mark = self.line.map(|line| self.mark(&line, line.at, 0))?;
        let mut entries = Vec::new();
        while let Some(line) = self.line.filter(|line| line.indent() == indent) {
            let name = key(self.rest(&line, line.at))?;
            let behind = line.at + name.len() + 1;
            let key = Key { name: self.name(name), mark: self.mark(&line, line.at, name.len()) };
            let at = line.end - self.rest(&line, behind).trim_start_matches(' ').len();
            let value = match self.rest(&line, at) {
                comment if comment.is_empty() || comment.starts_with('#') => {
                    self.advance();
                    self.inner(indent, depth)?
                }
                _ => self.rest_of_line(&line, at, indent, depth)?,
            };
            entries.push((key, value));
        }
        self.is_left(indent)?;
        self.map(entries, mark)
    }

    /// The value of a key that has nothing behind it on its line.
    fn inner(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let line = self.line?;
        let is_list = self.rest(&line, line.at).starts_with("- ");
        match line.indent() {
            _ if depth >= DEPTH_MAX => None,
            inner if is_list && inner >= indent => self.list(inner, inner == indent, depth + 1),
            inner if inner > indent => self.mapping(inner, depth + 1),
            _ => None,
        }
    }

    /// The list whose dashes stand at this indent. One whose dashes stand under its own key is marked behind the first.
    fn list(&mut self, indent: usize, is_under_its_key: bool, depth: usize) -> Option<Node> {
        let mark = self.line.map(|line| self.mark(&line, line.at + if is_under_its_key { 2 } else { 0 }, 0))?;
        let mut items = Vec::new();
        while let Some(line) = self.line.filter(|line| line.indent() == indent) {
            let Some(rest) = self.rest(&line, line.at).strip_prefix("- ") else { break };
            items.push(match key(rest) {
                Some(_) if depth >= DEPTH_MAX => return None,
                Some(_) => {
                    self.line = Some(Line { at: line.at + 2, ..line });
                    self.mapping(indent + 2, depth + 1)?
                }
                None => self.rest_of_line(&line, line.at + 2, indent, depth)?,
            });
        }
        if !is_under_its_key {
            self.is_left(indent)?;
        }
        self.node(Kind::List(items.into()), mark)
    }

    /// Whether the next line stands further out: one further in would go on with the last value.
    fn is_left(&self, indent: usize) -> Option<()> {
        self.line.is_none_or(|line| line.indent() < indent).then_some(())
    }

    /// A value to the end of its line, which does not go on in the next one.
    fn rest_of_line(&mut self, line: &Line, at: usize, indent: usize, depth: usize) -> Option<Node> {
        let rest = self.rest(line, at);
        self.line = Some(Line { at, ..*line });
        let node = match rest.as_bytes().first()? {
            b'{' | b'[' | b'"' | b'\'' => self.closed(indent + 1, depth)?,
            _ => {
                let text =
                    rest.find(" #").and_then(|comment| rest.get(..comment)).unwrap_or(rest).trim_end_matches(' ');
                if text.contains(": ") || text.ends_with(':') {
                    return None;
                }
                self.go_on(text.len())?;
                self.node(unquoted(text)?, self.mark(line, at, text.len()))?
            }
        };
        self.end_of_line()?;
        self.line.is_none_or(|line| line.indent() <= indent).then_some(node)
    }

    /// Goes so many bytes on in the line.
    fn go_on(&mut self, bytes: usize) -> Option<()> {
        self.line.as_mut().map(|line| line.at += bytes)
    }

    /// Goes to the next line; nothing but a comment may be left on this one.
    fn end_of_line(&mut self) -> Option<()> {
        let line = self.line?;
        let behind = self.rest(&line, line.at);
        let is_left = behind.is_empty() || (behind.starts_with(' ') && behind.trim_start_matches(' ').starts_with('#'));
        is_left.then(|| self.advance())
    }
}

/// Whether no key stands twice.
fn are_distinct(entries: &[(Key, Node)]) -> bool {
    let names = || entries.iter().map(|(key, _)| key.name.as_ref());
    if entries.len() <= COMPARED_MAX {
        return names().enumerate().all(|(at, name)| names().take(at).all(|other| other != name));
    }
    let mut seen = HashSet::with_capacity(entries.len());
    names().all(|name| seen.insert(name))
}

/// The key at the beginning of a text, with a colon and a blank or the end behind it.
fn key(text: &str) -> Option<&str> {
    let length = text.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')))?;
    let (name, behind) = text.split_at_checked(length)?;
    let behind = behind.strip_prefix(':')?;
    (is_name(name) && (behind.is_empty() || behind.starts_with(' '))).then_some(name)
}

fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_short = text.len() <= KEY_BYTES_MAX && !is_word(text);
    let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    begins && is_short && text.bytes().all(goes_on)
}

/// What a text without quotes is.
fn unquoted(text: &str) -> Option<Kind> {
    let first = text.chars().next()?;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match first {
        '1'..='9' if is_number && text.len() <= 18 => Some(Kind::Number(Number::from(text.parse::<u64>().ok()?))),
        '0' if text == "0" => Some(Kind::Number(Number::from(0))),
        _ if first.is_alphabetic() && !is_word(text) => Some(Kind::Text(text.into())),
        '0'..='9' | '+' | '.' if text.contains(|one| !OF_NUMBERS.contains(one)) => Some(Kind::Text(text.into())),
        '/' | '$' | '(' | '_' => Some(Kind::Text(text.into())),
        _ => match text {
            "true" => Some(Kind::Bool(true)),
            "false" => Some(Kind::Bool(false)),
            _ => None,
        },
    }
}

/// Whether some reader of YAML takes the word for something else than a text.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    text.len() <= 5 && WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}
