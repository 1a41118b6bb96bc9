//! A delivery for people who need not know who called.
//!
//! Only numbers are masked, whatever they are numbers of; names and amounts on a card are left as they are.

use serde_json::Value;

use super::Detail;
use crate::event::EXTENSION_DIGITS_MAX;

/// How many digits stay, so that a person recognises the number.
const DIGITS_SHOWN: usize = 2;

impl Detail {
    /// The same with all digits of each telephone number in card and trace masked but the last two. What is longer than an
    /// extension counts as one.
    #[must_use]
    pub fn masked(mut self) -> Self {
        self.card = self.card.as_deref().map(masked_json);
        self.trace = self.trace.as_deref().map(masked_json);
        self
    }
}

fn masked_json(json: &str) -> String {
    match serde_json::from_str::<Value>(json) {
        Ok(mut value) => {
            mask(&mut value);
            value.to_string()
        }
        Err(_) => masked_text(json),
    }
}

/// Deep enough for any text: the parser ends at 128 levels.
fn mask(value: &mut Value) {
    match value {
        Value::String(text) => *text = masked_text(text),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(fields) => fields.values_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Digits with nothing but blanks and what people write between them are one number.
fn masked_text(text: &str) -> String {
    let is_part = |one: char| one.is_ascii_digit() || one.is_whitespace() || "-./()".contains(one);
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|one| is_part(one) != is_part(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let digits = run.chars().filter(char::is_ascii_digit).count();
        let mut hidden = if digits > EXTENSION_DIGITS_MAX { digits - DIGITS_SHOWN } else { 0 };
        masked.extend(run.chars().map(|one| {
            if hidden > 0 && one.is_ascii_digit() {
                hidden -= 1;
                return '*';
            }
            one
        }));
        rest = after;
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_last_two_digits_and_everything_else_stays() {
        for (text, expected) in [
            ("+90 532 123 45 67", "+** *** *** ** 67"),
            (
                "https://crm.example.com/?phone=%2B905321234567&a=1",
                "https://crm.example.com/?phone=%2B**********67&a=1",
            ),
            ("Jane (0532) 123-4567, room 123456", "Jane (****) ***-**67, room 123456"),
            ("ödeme 1,234.50 TRY", "ödeme 1,234.50 TRY"),
            ("", ""),
        ] {
            assert_eq!(masked_text(text), expected);
        }
        assert_eq!(masked_json(r#"{"a":["5321234567",12345678]}"#), r#"{"a":["********67",12345678]}"#);
    }
}
