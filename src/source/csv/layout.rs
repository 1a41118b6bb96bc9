//! How a table is written: what stands between its columns, in which encoding, and what names the columns.
//!
//! It opens no file.

use encoding_rs::{Encoding, UTF_8, UTF_16LE};
use serde_json::Value;

use crate::problem::{Code, Fault};

/// How a table is written.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(super) delimiter: u8,
    pub(super) encoding: &'static Encoding,
    /// The names of the columns, where the file does not have them.
    pub(super) header: Option<Vec<String>>,
}

impl Layout {
    /// Reads the keys `delimiter`, `encoding` and `header` of a definition whose shape has been checked.
    ///
    /// # Errors
    /// Every mistake in them, each with its pointer.
    pub fn of(definition: &Value) -> Result<Layout, Vec<Fault>> {
        let text = |key: &str| definition.get(key).and_then(Value::as_str);
        let mut faults = Vec::new();
        let delimiter = text("delimiter").map_or(Some(b','), delimiter).unwrap_or_else(|| {
            let message =
                "the columns can't be told apart by this: one character that is no letter, digit or quote can";
            let help = "write \";\", \"|\" or another one in quotes, or `tab`";
            faults.push(Fault::new(Code::WrongValue, "/delimiter", message).help(help));
            b','
        });
        let header: Option<Vec<String>> = definition
            .get("header")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        let layout = Layout { delimiter, encoding: encoding(text("encoding").unwrap_or_default()), header };
        if faults.is_empty() { Ok(layout) } else { Err(faults) }
    }
}

/// The byte between two columns.
fn delimiter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        // In YAML a tab is `"\t"`; without the double quotes these are two characters.
        b"tab" | b"\\t" | b"\t" => Some(b'\t'),
        [one] if one.is_ascii_punctuation() && !matches!(one, b'"' | b'\'') => Some(*one),
        _ => None,
    }
}

/// The schema knows the names; UTF-8 is that of a file whose definition names none.
fn encoding(name: &str) -> &'static Encoding {
    match name {
        // A mark at the beginning of the file says which of the two it is; without one it is the one that Windows writes.
        "utf-16" => UTF_16LE,
        name => Encoding::for_label(name.as_bytes()).unwrap_or(UTF_8),
    }
}

/// How a delimiter is written in the rules.
pub(super) fn written(delimiter: char) -> String {
    if delimiter == '\t' { "delimiter: tab".to_owned() } else { format!("delimiter: \"{delimiter}\"") }
}
