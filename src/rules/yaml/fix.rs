//! Edits that `check` offers: another text in the place of one, or quotes around it.
//!
//! They say what to type and where; nothing is written.

use super::{Document, Mark};
use crate::problem::Fix;
use crate::rules::typed;

impl Document {
    /// The edit that puts another text in the place of one: quoted as it was, or where it needs quotes.
    pub fn fix(&self, mark: &Mark, text: &str) -> Option<Box<Fix>> {
        let mark = mark.written();
        let typed = self.typed(mark).trim_end();
        let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
        let quoted = || serde_json::to_string(text).ok();
        let replacement = match typed.chars().next()? {
            _ if typed.contains('\n') => None,
            '[' | '{' | '*' | '&' | '|' | '>' => None,
            '\'' => Some(format!("'{}'", text.replace('\'', "''"))),
            '"' => quoted(),
            _ if text.starts_with(|first: char| first.is_ascii_alphabetic())
                && text.chars().all(plain)
                && !typed::is_misread(text) =>
            {
                Some(text.to_owned())
            }
            _ => quoted(),
        };
        let span = mark.span().start..mark.span().start + typed.len();
        Some(Box::new(Fix { span, replacement: replacement? }))
    }

    /// The edit that puts quotes around what was typed.
    pub fn quoted(&self, mark: &Mark) -> Box<Fix> {
        let mark = mark.written();
        let typed = self.typed(mark).trim_end();
        Box::new(Fix { span: mark.span().start..mark.span().start + typed.len(), replacement: format!("\"{typed}\"") })
    }
}
