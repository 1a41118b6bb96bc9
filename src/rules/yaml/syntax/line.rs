//! The line where a parser stopped and the one above it: slips of the hand that can be seen in them.
//!
//! Only asked about a text that is not YAML, so what looks like a slip is most likely the cause.

use std::ops::Range;

use super::Cause;
use crate::rules::letters;

/// A text and the line of it where the parser stopped.
pub(super) struct Lines<'a> {
    text: &'a str,
    here: Range<usize>,
    above: Range<usize>,
    below: Range<usize>,
}

impl<'a> Lines<'a> {
    /// The lines around a byte.
    pub(super) fn new(text: &'a str, byte: usize) -> Lines<'a> {
        let byte = text.floor_char_boundary(byte);
        let here = line_at(text, byte);
        let mut above = here.clone();
        while above.start > 0 {
            above = line_at(text, above.start - 1);
            if !is_nothing(text.get(above.clone()).unwrap_or_default()) {
                break;
            }
        }
        let below = if here.end < text.len() { line_at(text, here.end + 1) } else { here.clone() };
        Lines { text, here, above, below }
    }

    /// Whether the byte is in the line where the parser stopped.
    pub(super) fn holds(&self, byte: usize) -> bool {
        self.here.contains(&byte)
    }

    /// The nearest line that is such a one, from the one where the parser stopped upwards.
    pub(super) fn line_before(&self, test: impl Fn(&str) -> bool) -> Option<Range<usize>> {
        let mut line = self.here.clone();
        loop {
            if test(self.text.get(line.clone())?) {
                return Some(line);
            }
            line = line_at(self.text, line.start.checked_sub(1)?);
        }
    }

    /// What is seen in the line or in the one above it.
    pub(super) fn cause(&self) -> Option<Cause> {
        let tab = [&self.here, &self.above, &self.below].into_iter().find_map(|line| self.tab(line));
        let of_both = |look: fn(&Self, &Range<usize>) -> Option<Cause>| {
            look(self, &self.here).or_else(|| look(self, &self.above))
        };
        of_both(Self::invisible)
            .or(tab)
            .or_else(|| of_both(Self::template))
            .or_else(|| of_both(Self::dash))
            .or_else(|| of_both(Self::colon))
            .or_else(|| self.second_colon())
            .or_else(|| of_both(Self::word))
    }

    /// An invisible character in front of any quote, where it belongs to keys and indentation.
    fn invisible(&self, line: &Range<usize>) -> Option<Cause> {
        let text = self.text.get(line.clone())?;
        let structure = text.split(['"', '\'', '#']).next()?;
        let (at, character) = structure.char_indices().find(|(_, character)| letters::is_invisible(*character))?;
        let span = line.start + at..line.start + at + character.len_utf8();
        let replacement = if letters::is_blank(character) { " " } else { "" };
        let message = format!("{} stands here", letters::described(character));
        let help = "take it out; only plain blanks stand between the words of YAML";
        Some(Cause::new(message, help).at(span.clone()).fix(span, replacement))
    }

    fn tab(&self, line: &Range<usize>) -> Option<Cause> {
        let text = self.text.get(line.clone())?;
        let body = text.trim_start_matches([' ', '-']);
        let at = line.start + (text.len() - body.len());
        body.starts_with('\t').then(|| {
            Cause::new(
                "a tab stands here, and YAML takes blanks only",
                "indent with blanks; most editors can turn all tabs into them",
            )
            .at(at..at + 1)
        })
    }

    /// A value that begins with `{{`.
    fn template(&self, line: &Range<usize>) -> Option<Cause> {
        let text = self.text.get(line.clone())?;
        let (before, at) = [": {{", "- {{", "[{{", ", {{"].iter().find_map(|begin| {
            let at = text.find(begin)? + begin.len() - 2;
            Some((text.get(..at)?, at))
        })?;
        let message = "a text that begins with `{{` needs quotes around it";
        let start = line.start + at;
        let value = text.get(at..)?.split(" #").next()?.trim_end();
        let end = value.find("}}").map_or(value.len(), |end| end + 2);
        let cause =
            Cause::new(message, format!("write it \"{}\"", value.get(..end)?.replace('"', "'"))).at(start..start + end);
        // Inside brackets nobody can tell where the text was meant to end.
        let is_alone = !before.contains(['{', '[']) && !value.contains('"');
        Some(if is_alone { cause.fix(start..start + value.len(), format!("\"{value}\"")) } else { cause })
    }

    /// `-name: x`, or another dash than the one on the keyboard.
    fn dash(&self, line: &Range<usize>) -> Option<Cause> {
        let text = self.text.get(line.clone())?;
        let body = text.trim_start();
        let start = line.start + (text.len() - body.len());
        let dash = body.chars().next()?;
        let rest = body.get(dash.len_utf8()..)?;
        let span = start..start + dash.len_utf8();
        match dash {
            '-' if rest.starts_with(|next: char| next.is_alphabetic()) => Some(
                Cause::new("a blank is missing behind the dash", format!("write `- {rest}`"))
                    .at(span.clone())
                    .fix(span, "- "),
            ),
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2022}' if rest.starts_with(' ') => Some(
                Cause::new(format!("an item of a list begins with `-`, not with `{dash}`"), format!("write `-{rest}`"))
                    .at(span.clone())
                    .fix(span, "-"),
            ),
            _ => None,
        }
    }

    /// `name:x`.
    fn colon(&self, line: &Range<usize>) -> Option<Cause> {
        let (start, body) = self.body(line)?;
        let (key, value) = body.split_once(':')?;
        if !is_word(key) || value.is_empty() || value.starts_with([' ', '/', ':']) {
            return None;
        }
        let at = start + key.len();
        Some(
            Cause::new("a blank is missing behind the colon", format!("write `{key}: {}`", value.trim_end()))
                .at(at..at + 1)
                .fix(at + 1..at + 1, " "),
        )
    }

    /// `description: Note: this`.
    fn second_colon(&self) -> Option<Cause> {
        let (start, body) = self.body(&self.here)?;
        let (key, value) = body.split_once(": ")?;
        let value = value.split(" #").next()?.trim_end();
        let is_plain = is_word(key) && !value.starts_with(['"', '\'', '[', '{', '|', '>', '&', '*', '!']);
        if !is_plain || !(value.contains(": ") || value.ends_with(':')) || value.contains('"') {
            return None;
        }
        let at = start + key.len() + 2;
        Some(
            Cause::new("a text with `: ` in it needs quotes around it", format!("write \"{value}\""))
                .at(at..at + value.len())
                .fix(at..at + value.len(), format!("\"{value}\"")),
        )
    }

    /// A key without its colon.
    fn word(&self, line: &Range<usize>) -> Option<Cause> {
        let (start, body) = self.body(line)?;
        let word = body.trim_end();
        let end = start + word.len();
        is_word(word).then(|| {
            Cause::new(format!("a colon is missing behind `{word}`"), format!("write `{word}:`"))
                .at(start..end)
                .fix(end..end, ":")
        })
    }

    /// A line that begins in no column in which one above it does.
    pub(super) fn indentation(&self) -> Cause {
        let mut columns = Vec::new();
        let mut line = self.here.clone();
        while let Some(before) = line.start.checked_sub(1) {
            line = line_at(self.text, before);
            let text = self.text.get(line.clone()).unwrap_or_default();
            if is_nothing(text) {
                continue;
            }
            let own = text.len() - text.trim_start_matches([' ', '-']).len() + 1;
            let dash = text.len() - text.trim_start().len() + 1;
            for column in [own, dash] {
                if columns.last().is_none_or(|last| column < *last) {
                    columns.push(column);
                }
            }
            if columns.last() == Some(&1) {
                break;
            }
        }
        let text = self.text.get(self.here.clone()).unwrap_or_default();
        let own = text.len() - text.trim_start().len();
        let columns: Vec<String> = columns.iter().rev().map(usize::to_string).collect();
        let message = format!("this line begins in column {}, and no line that it could belong to does", own + 1);
        let at = self.here.start + own;
        Cause::new(message, format!("the lines above it begin in columns {}", columns.join(", "))).at(at..self.here.end)
    }

    /// The line without indentation and dashes, and where that begins.
    fn body(&self, line: &Range<usize>) -> Option<(usize, &'a str)> {
        let text = self.text.get(line.clone())?;
        let mut body = text.trim_start();
        while let Some(rest) = body.strip_prefix("- ") {
            body = rest.trim_start();
        }
        Some((line.start + text.len() - body.len(), body))
    }
}

/// The line that a byte is in, without its end.
fn line_at(text: &str, byte: usize) -> Range<usize> {
    let start = text.get(..byte).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let end = text.get(byte..).and_then(|behind| behind.find('\n')).map_or(text.len(), |at| at + byte);
    start..end
}

/// Whether a line is empty or only a comment.
fn is_nothing(line: &str) -> bool {
    let body = line.trim_start();
    body.is_empty() || body.starts_with('#')
}

/// Whether it looks like a key.
fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'))
}
