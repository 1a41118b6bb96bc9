//! Cards: rows with templates in them → rows that the phone system takes.
//!
//! A card is a tree whose text leaves are filled one by one, never a text that is parsed afterwards, so no value can
//! change its shape. It does not know where the values come from and sends nothing.

mod advice;
mod each;
mod helpers;
mod link;
mod literal;
mod locale;
mod moment;
mod names;
mod number;
mod row;
mod schema;
mod template;
#[cfg(test)]
mod tests;
mod time;

pub use helpers::{Renderer, is_helper};
pub use locale::Locale;
pub use names::Names;
pub use row::{RowOutcome, RowStep};
pub use schema::{CARD_SCHEMA, Card};
pub use template::{Flavour, Template};

use std::sync::Arc;

pub use handlebars::Context;
use serde_json::Value;

use crate::problem::{Code, Fault};
use row::Row;

/// Rows of one card. The web phone shows about six well; this is where a mistake is certain.
pub const ROWS_MAX: usize = 30;

/// A card as rules define it.
#[derive(Clone, Debug)]
pub struct CardTemplate {
    /// Equal rows of all cards are one.
    rows: Box<[Arc<Row>]>,
    /// Where the rows are, seen from what was compiled.
    pointer: &'static str,
}

/// What a card's template came to.
#[derive(Clone, Debug)]
pub struct Filled {
    /// The rows that are shown, as the card API takes them; not yet checked.
    pub rows: Vec<Value>,
    /// What happened to each row of the template.
    pub steps: Vec<RowStep>,
}

impl CardTemplate {
    /// Reads the rows of a card: a list, or the whole body `{"card": […]}` as the API's documentation shows it.
    /// `names` are those that its templates may use.
    ///
    /// # Errors
    /// Every mistake, each with its pointer.
    pub fn compile(card: &Value, names: &Names) -> Result<CardTemplate, Vec<Fault>> {
        let (pointer, rows) = match card.get("card") {
            Some(rows) => ("/card", rows),
            None => ("", card),
        };
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut compiled = Vec::with_capacity(rows.len());
        let mut faults = Vec::new();
        if rows.is_empty() {
            let fault = Fault::new(Code::CardRow, pointer, "a card needs at least one row");
            faults.push(fault.help("to show nothing for these calls, write `card: none`"));
        }
        if rows.len() > ROWS_MAX {
            faults.push(
                Fault::new(
                    Code::CardRow,
                    pointer,
                    format!("a card has at most {ROWS_MAX} rows; this one has {}", rows.len()),
                )
                .help("the web phone shows about six rows well"),
            );
        }
        for (position, row) in rows.iter().enumerate() {
            match names.rows.get_or_make(&row.to_string(), || Row::compile(row, names)) {
                Ok(row) => compiled.push(row),
                Err(found) => {
                    faults.extend(found.into_iter().map(|fault| fault.under(&format!("{pointer}/{position}"))));
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(CardTemplate { rows: compiled.into(), pointer })
    }

    /// The names that its templates begin with; one may stand there several times.
    pub fn mentions(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().flat_map(|row| row.mentions())
    }

    /// Of each row, whether it depends on the sources if it is shown: it has `show` or `each`, or a text that is nothing
    /// but their values.
    pub fn conditional_rows(&self, is_source: impl Fn(&str) -> bool) -> Vec<bool> {
        self.rows.iter().map(|row| row.is_conditional(&is_source)).collect()
    }

    /// Fills every row. A row whose text comes out empty is left out; a row with `each` comes once a record.
    pub fn fill(&self, renderer: &Renderer, values: Value) -> Filled {
        let mut context = Context::from(values);
        let mut filled =
            Filled { rows: Vec::with_capacity(self.rows.len()), steps: Vec::with_capacity(self.rows.len()) };
        for (position, row) in self.rows.iter().enumerate() {
            for (shown, mut step) in row.fill(renderer, &mut context) {
                step.row = position + 1;
                filled.rows.extend(shown);
                filled.steps.push(step);
            }
        }
        filled.rows.truncate(ROWS_MAX);
        filled
    }
}

/// Whether a value is there and not empty: nothing, an empty text or list, and `false` are not.
fn is_present(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// A text that is safe to show on one line: line breaks and control characters become blanks, and the invisible
/// characters that turn the direction of a text around are taken out (Unicode TR 36).
fn clean(text: String) -> String {
    let turns = |character: char| matches!(character, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let breaks = |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    // As nearly every text is.
    if !text.contains(|character| turns(character) || breaks(character)) {
        return trimmed(text);
    }
    let cleaned: String = text
        .replace("\r\n", "\n")
        .chars()
        .filter(|character| !turns(*character))
        .map(|character| if breaks(character) { ' ' } else { character })
        .collect();
    trimmed(cleaned)
}

/// Without blanks around it; mostly there are none.
fn trimmed(text: String) -> String {
    match text.trim() {
        trimmed if trimmed.len() == text.len() => text,
        trimmed => trimmed.to_owned(),
    }
}

/// The text in at most `at_most` characters; the last one is an ellipsis where something was cut.
fn cut(text: String, at_most: usize) -> String {
    if text.len() <= at_most || text.chars().count() <= at_most {
        return text;
    }
    /// Characters that are nothing without the one before them: a joiner left at the end shows as a box.
    const JOINERS: [char; 2] = ['\u{200D}', '\u{FE0F}'];
    let head: String = text.chars().take(at_most.saturating_sub(1)).collect();
    format!("{}…", head.trim_end().trim_end_matches(JOINERS))
}
