//! Where a value ends in the text, and changes of the text that leave everything else as it is.
//!
//! Knows the brackets, dashes and lines of YAML, not what the keys mean. A value that an alias stands for is not written
//! where it is used, so nothing in it can be changed there.

use std::ops::Range;

use super::{Document, Kind, Node};

/// A stretch of a text and what stands there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The bytes that are replaced; empty where something is only put in.
    pub(crate) span: Range<usize>,
    /// What stands there instead.
    pub(crate) text: String,
}

impl Edit {
    pub(crate) fn new(span: Range<usize>, text: impl Into<String>) -> Edit {
        Edit { span, text: text.into() }
    }
}

impl Document {
    /// From the first to the last byte of a value, with its closing bracket, without a comment behind it.
    pub(crate) fn extent(&self, node: &Node) -> Range<usize> {
        let span = node.mark.span();
        let inside = match &node.kind {
            _ if self.is_alias(node) => return span.clone(),
            Kind::List(items) => items.iter().map(|item| self.extent(item).end).max(),
            Kind::Map(entries) => entries.iter().map(|(key, value)| self.entry_end(&key.mark.span(), value)).max(),
            _ => return span.start..span.start + self.typed(&node.mark).trim_end().len(),
        };
        let end = inside.unwrap_or(span.start + 1).max(span.start);
        match self.file.text.as_bytes().get(span.start) {
            Some(b'[') => span.start..self.behind(end, b']'),
            Some(b'{') => span.start..self.behind(end, b'}'),
            _ => span.start..end,
        }
    }

    /// Whether the value is what an alias or a merge key (`*name`) stands for.
    pub(crate) fn is_alias(&self, node: &Node) -> bool {
        self.typed(&node.mark).starts_with('*')
    }

    /// Whether a list or a mapping is written in brackets.
    pub(crate) fn is_flow(&self, node: &Node) -> bool {
        matches!(self.file.text.as_bytes().get(node.mark.span().start), Some(b'[' | b'{'))
    }

    /// Takes a key and its value out of a mapping; nothing where that can't be done in the text.
    pub(crate) fn without_entry(&self, map: &Node, name: &str) -> Option<Edit> {
        let entries: Vec<_> = map.entries().collect();
        let position = entries.iter().position(|(key, _)| *key.name == *name)?;
        let parts: Vec<_> =
            entries.iter().map(|(key, value)| key.mark.span().start..self.entry_end(&key.mark.span(), value)).collect();
        let part = parts.get(position)?;
        if self.is_alias(map) || self.file.text.get(part.start..)?.starts_with('*') {
            return None;
        }
        match parts.get(position + 1) {
            next if self.is_flow(map) => {
                let before = position.checked_sub(1).and_then(|before| parts.get(before));
                Some(without_part(before.cloned(), part.clone(), next.cloned()))
            }
            _ if self.before(part.start).trim().is_empty() => self.without_lines(part),
            // The first key stands behind the dash of a list: the next one moves up.
            Some(next) => Some(Edit::new(part.start..next.start, "")),
            None => None,
        }
    }

    /// Takes items that follow each other out of a list; nothing where that can't be done in the text.
    pub(crate) fn without_items(&self, list: &Node, positions: Range<usize>) -> Option<Edit> {
        let part = |position: usize| list.items().get(position).map(|item| self.extent(item));
        let (first, last) = (part(positions.start)?, part(positions.end.checked_sub(1)?)?);
        if self.is_alias(list) {
            return None;
        }
        if self.is_flow(list) {
            let before = positions.start.checked_sub(1).and_then(part);
            return Some(without_part(before, first.start..last.end, part(positions.end)));
        }
        (self.before(first.start).trim() == "-").then(|| self.without_lines(&(first.start..last.end)))?
    }

    /// The text in front of a byte, from the beginning of its line.
    pub(crate) fn before(&self, byte: usize) -> &str {
        let text = self.file.text.get(..byte).unwrap_or_default();
        text.get(text.rfind('\n').map_or(0, |at| at + 1)..).unwrap_or_default()
    }

    /// The line in which a value begins.
    pub(crate) fn line(&self, node: &Node) -> &str {
        let at = node.mark.span().start;
        self.file.text.get(at - self.before(at).len()..self.line_end(at)).unwrap_or_default()
    }

    /// The end of the line in which a byte stands, before its line break.
    pub(crate) fn line_end(&self, byte: usize) -> usize {
        let rest = self.file.text.get(byte..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        byte + line.strip_suffix('\r').unwrap_or(line).len()
    }

    /// How lines of the file end: as the first one does.
    pub(crate) fn newline(&self) -> &'static str {
        let first = self.file.text.split('\n').next().unwrap_or_default();
        if first.ends_with('\r') { "\r\n" } else { "\n" }
    }

    /// The changed lines, `- ` before and `+ ` after.
    pub(crate) fn diff(&self, edit: &Edit) -> Vec<String> {
        let text = self.file.text.as_str();
        let start = edit.span.start - self.before(edit.span.start).len();
        let whole = edit.span.end > start && self.before(edit.span.end).is_empty();
        let end = if whole { edit.span.end } else { self.line_end(edit.span.end) };
        let part = |range: Range<usize>| text.get(range).unwrap_or_default();
        let new = format!("{}{}{}", part(start..edit.span.start), edit.text, part(edit.span.end..end));
        let (mut old, mut new) = (part(start..end).lines().collect::<Vec<_>>(), new.lines().collect::<Vec<_>>());
        while !old.is_empty() && old.last() == new.last() {
            old.pop();
            new.pop();
        }
        let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        let lines = |lines: Vec<&str>, mark: char| {
            lines.into_iter().skip(same).map(move |line| format!("{mark} {line}")).collect::<Vec<_>>()
        };
        [lines(old, '-'), lines(new, '+')].concat()
    }

    fn entry_end(&self, key: &Range<usize>, value: &Node) -> usize {
        // A key without value ends with its colon.
        self.extent(value).end.max(key.end + 1)
    }

    /// Whole lines, where nothing but a comment stands behind the part.
    fn without_lines(&self, part: &Range<usize>) -> Option<Edit> {
        let end = self.line_end(part.end);
        let rest = self.file.text.get(part.end..end)?.trim_start();
        if !rest.is_empty() && !rest.starts_with('#') {
            return None;
        }
        let end = (end + self.newline().len()).min(self.file.text.len());
        Some(Edit::new(part.start - self.before(part.start).len()..end, ""))
    }

    /// The byte behind the closing bracket: between the last value and it are only blanks, commas and comments.
    fn behind(&self, from: usize, bracket: u8) -> usize {
        let mut comment = false;
        for (at, byte) in self.file.text.bytes().enumerate().skip(from) {
            match byte {
                b'\n' => comment = false,
                b'#' => comment = true,
                _ if byte == bracket && !comment => return at + 1,
                _ => {}
            }
        }
        from
    }
}

/// Takes a part out from between its neighbours, with the comma that would be left.
fn without_part(before: Option<Range<usize>>, part: Range<usize>, behind: Option<Range<usize>>) -> Edit {
    match (before, behind) {
        (Some(before), _) => Edit::new(before.end..part.end, ""),
        (None, Some(behind)) => Edit::new(part.start..behind.start, ""),
        (None, None) => Edit::new(part, ""),
    }
}

/// The text after all edits.
///
/// # Errors
/// Where two of them are about the same bytes.
pub(crate) fn apply(text: &str, mut edits: Vec<Edit>) -> Result<String, String> {
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut changed = String::with_capacity(text.len());
    let mut from = 0;
    for edit in &edits {
        let kept = text.get(from..edit.span.start).ok_or("two changes are about the same place")?;
        changed.push_str(kept);
        changed.push_str(&edit.text);
        from = edit.span.end;
    }
    changed.push_str(text.get(from..).unwrap_or_default());
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::problem::SourceFile;

    fn parse(text: &str) -> Document {
        Document::parse(&Arc::new(SourceFile { path: "a.yaml".into(), text: text.into() })).unwrap()
    }

    fn extent(text: &str, pointer: &str) -> String {
        let document = parse(text);
        document.file.text[document.extent(document.root.at(pointer).unwrap())].to_owned()
    }

    fn without(text: &str, map: &str, key: &str) -> String {
        let document = parse(text);
        let edit = document.without_entry(document.root.at(map).unwrap(), key).unwrap();
        apply(text, vec![edit]).unwrap()
    }

    #[test]
    fn a_value_ends_with_its_bracket_and_before_a_comment() {
        assert_eq!(extent("a: [1, {b: 2}, ]  # x]\nc: 3\n", "/a"), "[1, {b: 2}, ]");
        assert_eq!(extent("a: {b: ']'  # }\n  }\nc: 3\n", "/a"), "{b: ']'  # }\n  }");
        assert_eq!(extent("a:\n  - ğ: x  # y\n    b: [1]\n\n  # z\nc: 3\n", "/a"), "- ğ: x  # y\n    b: [1]");
        assert_eq!(extent("a: |\n  x\n  y\n\nc: 3\n", "/a"), "x\n  y");
        assert_eq!(extent("a: &x {b: 1}\nc: {d: *x}\n", "/c"), "{d: *x}");
        assert_eq!(extent("a: {}\n", "/a"), "{}");
    }

    #[test]
    fn an_entry_goes_with_its_comma_or_its_lines() {
        assert_eq!(without("a: {b: 1, c: [2], d: 3}\n", "/a", "b"), "a: {c: [2], d: 3}\n");
        assert_eq!(without("a: {b: 1, c: [2], d: 3}\n", "/a", "c"), "a: {b: 1, d: 3}\n");
        assert_eq!(without("a: {b: 1, c: [2], d: 3}\n", "/a", "d"), "a: {b: 1, c: [2]}\n");
        assert_eq!(without("a:\n  b: 1  # x\n  c: 2\n", "/a", "b"), "a:\n  c: 2\n");
        assert_eq!(without("a:\n  - b: 1\n    c: 2\n", "/a/0", "b"), "a:\n  - c: 2\n");
        assert_eq!(without("a:\r\n  b: 1\r\n  c:\r\n    - 2\r\n", "/a", "c"), "a:\r\n  b: 1\r\n");
    }

    #[test]
    fn what_an_alias_stands_for_is_not_taken_out() {
        let document = parse("a: &x {b: 1, d: 2}\nc: *x\ne: {<<: *x, f: 1}\n");
        let at = |pointer: &str| document.root.at(pointer).unwrap();
        assert_eq!(document.without_entry(at("/c"), "b"), None);
        assert_eq!(document.without_entry(at("/e"), "b"), None);
    }

    #[test]
    fn items_go_with_their_dashes_and_a_diff_shows_the_lines() {
        let document = parse("a:\n  - b: 1\n    c: 2\n  - d: 3  # x\n");
        let edit = document.without_items(document.root.at("/a").unwrap(), 0..1).unwrap();
        assert_eq!(document.diff(&edit), ["-   - b: 1", "-     c: 2"]);
        assert_eq!(apply(&document.file.text, vec![edit]).unwrap(), "a:\n  - d: 3  # x\n");
        let document = parse("a: [x, y]\nb: 1\n");
        let edit = document.without_items(document.root.at("/a").unwrap(), 1..2).unwrap();
        assert_eq!(document.diff(&edit), ["- a: [x, y]", "+ a: [x]"]);
    }

    #[test]
    fn two_changes_of_one_place_are_refused() {
        assert!(apply("abc", vec![Edit::new(0..2, "x"), Edit::new(1..3, "y")]).is_err());
        assert_eq!(apply("abc", vec![Edit::new(2..3, "z"), Edit::new(0..1, ""), Edit::new(1..1, "x")]).unwrap(), "xbz");
    }
}
