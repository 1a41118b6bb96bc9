//! Why an attempt failed, in words that an operator may read and a log may hold.
//!
//! Nothing here is looked at again to decide something: what happens next depends on statuses and error kinds alone.

use std::collections::BTreeSet;

use reqwest::Url;
use serde_json::Value;

/// How long a reason is at most: a line on a screen, and a bounded column in the outbox.
const REASON_CHARACTERS_MAX: usize = 200;

/// What stands for something that must not be shown.
const MASK: &str = "…";

/// Texts of the card shorter than this are not masked: they tell nothing, and masking each `a` would leave no word readable.
const MASKED_CHARACTERS_MIN: usize = 3;

/// What must never be in a reason, even where the API quotes it.
pub(super) struct Confidential<'a> {
    pub(super) token: &'a str,
    pub(super) url: &'a Url,
    pub(super) call_id: &'a str,
    pub(super) card_json: &'a str,
}

impl Confidential<'_> {
    /// The words on one line, without control characters, without what is confidential, and not longer than a reason may be.
    /// Masked before it is cut, so that no half of a secret stays at the end.
    pub(super) fn cleaned(&self, words: &str) -> String {
        let mut cleaned = one_line(words);
        for text in self.longest_first() {
            cleaned = cleaned.replace(&text, MASK);
        }
        shortened(cleaned)
    }

    /// Longest first, so that no part of a longer one is left standing.
    fn longest_first(&self) -> Vec<String> {
        let mut texts = BTreeSet::new();
        if let Ok(card) = serde_json::from_str(self.card_json) {
            card_texts(&card, &mut texts);
        }
        texts.extend([self.token, self.call_id, self.url.as_str(), self.url.path()].map(one_line));
        texts.extend(self.url.host_str().map(one_line));
        texts.retain(|text| text.chars().count() >= MASKED_CHARACTERS_MIN);
        let mut texts: Vec<String> = texts.into_iter().collect();
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts
    }
}

/// The API's own words: `{"errors":{"detail":"…"}}`, or a map of fields, `{"errors":{"card":["…"]}}`, however deep.
pub(super) fn api_words(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let errors = body.get("errors")?;
    let words = match errors.get("detail").and_then(Value::as_str) {
        Some(detail) => detail.to_owned(),
        None => {
            let mut said = Vec::new();
            flatten(errors, "", &mut said);
            said.join("; ")
        }
    };
    (!words.trim().is_empty()).then_some(words)
}

/// The innermost error: the outer ones repeat the URL, and say less.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Each text with the field it stands under. Deep enough for any body: the parser ends at 128 levels.
fn flatten(value: &Value, field: &str, said: &mut Vec<String>) {
    match value {
        Value::String(words) if field.is_empty() => said.push(words.clone()),
        Value::String(words) => said.push(format!("{field}: {words}")),
        Value::Array(items) => items.iter().for_each(|item| flatten(item, field, said)),
        Value::Object(fields) => fields.iter().for_each(|(name, item)| {
            let path = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
            flatten(item, &path, said);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// All that was filled in. A row's `type` is one of three words and no secret.
fn card_texts(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            texts.insert(one_line(text));
        }
        Value::Array(items) => items.iter().for_each(|item| card_texts(item, texts)),
        Value::Object(fields) => {
            fields.iter().filter(|(name, _)| *name != "type").for_each(|(_, item)| card_texts(item, texts));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Words of somebody else on one line, without control characters, and not longer than a reason may be.
pub(crate) fn plain(words: &str) -> String {
    shortened(one_line(words))
}

/// Blanks for control characters and line breaks, so that no log line and no terminal takes another shape; applied to what is
/// masked too, or it would not be found.
fn one_line(words: &str) -> String {
    words
        .split(|one: char| one.is_whitespace() || one.is_control() || is_invisible(one))
        .filter(|word| !word.is_empty())
        .fold(String::new(), |line, word| if line.is_empty() { word.to_owned() } else { line + " " + word })
}

/// Characters that reorder what stands around them on a screen, or hide in it.
fn is_invisible(one: char) -> bool {
    matches!(one, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

fn shortened(words: String) -> String {
    if words.chars().count() <= REASON_CHARACTERS_MAX {
        return words;
    }
    let mut short: String = words.chars().take(REASON_CHARACTERS_MAX - 1).collect();
    short.push('…');
    short
}
