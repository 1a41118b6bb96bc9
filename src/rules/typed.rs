//! What was typed without quotes and means something else than it looks like.
//!
//! YAML turns some numbers into others (R016), and readers of YAML 1.1, which many tools around the rules are, turn some
//! texts into booleans, numbers and dates (R017).

use super::yaml::{Document, Kind, Mark, Node};
use crate::problem::{Code, Problem};

/// A problem with the pointer of the value it is about.
pub(super) type Found = (String, Problem);

/// Everything of that kind in the document. Dates and times are looked at only where `times` are not what is meant.
pub(super) fn check(document: &Document, times: bool) -> Vec<Found> {
    let mut check = Check { document, times, path: Vec::new(), found: Vec::new() };
    check.node(&document.root);
    check.found
}

/// Whether a reader of YAML 1.1 takes the text for a boolean.
pub(super) fn is_misread(text: &str) -> bool {
    text.len() <= 3
        && matches!(text.to_ascii_lowercase().as_str(), "y" | "yes" | "n" | "no" | "on" | "off")
        && (text.chars().skip(1).all(|character| character.is_ascii_lowercase())
            || text.chars().all(|character| character.is_ascii_uppercase()))
}

struct Check<'a> {
    document: &'a Document,
    times: bool,
    /// The way to the value that is looked at.
    path: Vec<Step<'a>>,
    found: Vec<Found>,
}

enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

impl<'a> Check<'a> {
    fn node(&mut self, node: &'a Node) {
        match &node.kind {
            Kind::Number(number) => self.number(node, number),
            Kind::Text(text) => self.text(text, &node.mark),
            Kind::List(items) => {
                for (position, item) in items.iter().enumerate() {
                    self.path.push(Step::Item(position));
                    self.node(item);
                    self.path.pop();
                }
            }
            Kind::Map(entries) => {
                for (key, node) in entries {
                    self.path.push(Step::Key(&key.name));
                    self.text(&key.name, &key.mark);
                    self.node(node);
                    self.path.pop();
                }
            }
            Kind::Null | Kind::Bool(_) => {}
        }
    }

    /// A number that lost its plus, its zeros or its form.
    fn number(&mut self, node: &Node, number: &serde_json::Number) {
        let typed = self.document.typed(&node.mark).trim();
        let zero = typed.len() > 1 && typed.starts_with('0') && !typed.starts_with("0.");
        let read = number.to_string();
        let rounded =
            number.as_f64().is_some_and(|value| value.fract() == 0.0) && number.is_f64() && !typed.contains('.');
        if typed.starts_with('+') || zero || rounded {
            let message = format!("YAML reads `{typed}` as the number {}", read.trim_end_matches(".0"));
            self.tell(Code::QuoteIt, &node.mark, message, typed);
        }
    }

    fn text(&mut self, text: &str, mark: &Mark) {
        let begins = text.as_bytes().first().is_some_and(u8::is_ascii_digit);
        let taken = if is_misread(text) {
            "a boolean"
        } else if self.times && begins && is_sexagesimal(text) {
            "a number, in sixtieths"
        } else if self.times && begins && is_date(text) {
            "a date"
        } else {
            return;
        };
        // Only what has no quotes is typed as it is read.
        if self.document.typed(mark) == text {
            let message = format!("many YAML readers take `{text}` without quotes for {taken}");
            self.tell(Code::Misread, mark, message, text);
        }
    }

    fn tell(&mut self, code: Code, mark: &Mark, message: String, typed: &str) {
        let mut problem =
            Problem::new(code, self.document.place(mark), message).help(format!("write it in quotes: \"{typed}\""));
        // Quotes around `0x10` make a text that is no better.
        let is_decimal = typed.trim_start_matches('+').chars().all(|character| character.is_ascii_digit());
        problem.fix = (code == Code::Misread || is_decimal).then(|| self.document.quoted(mark));
        let pointer = self.path.iter().map(|step| match step {
            Step::Key(name) => format!("/{name}"),
            Step::Item(position) => format!("/{position}"),
        });
        self.found.push((pointer.collect(), problem));
    }
}

/// `9:30`, `12:30:45`: numbers to the base of 60 in YAML 1.1.
fn is_sexagesimal(text: &str) -> bool {
    let mut parts = text.split(':');
    let digits = |part: &str| !part.is_empty() && part.chars().all(|character| character.is_ascii_digit());
    let sixtieth = |part: &str| digits(part) && part.len() <= 2 && part < "6";
    parts.next().is_some_and(digits) && text.contains(':') && parts.all(sixtieth)
}

/// `2026-03-02`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &str| part.chars().all(|character| character.is_ascii_digit());
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    parts.iter().all(|part| digits(part)) && matches!(lengths.as_slice(), [4, 1..=2, 1..=2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_1_1_takes_for_something_else_is_known() {
        for text in ["y", "Y", "yes", "Yes", "YES", "n", "no", "NO", "on", "On", "off", "OFF"] {
            assert!(is_misread(text), "{text}");
        }
        for text in ["", "yEs", "nO", "none", "TR", "true", "oN"] {
            assert!(!is_misread(text), "{text}");
        }
        for text in ["9:30", "12:30:45", "190:20:30", "1:5"] {
            assert!(is_sexagesimal(text), "{text}");
        }
        for text in ["", "9", ":30", "9:60", "9:305", "9:30 Uhr", "+90:30"] {
            assert!(!is_sexagesimal(text), "{text}");
        }
        assert!(is_date("2026-03-02") && is_date("2026-3-2"));
        assert!(!is_date("2026-03") && !is_date("26-03-02") && !is_date("2026-03-02x") && !is_date("--"));
    }
}
