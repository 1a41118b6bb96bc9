//! Values → YAML text, on one line.
//!
//! A text is written without quotes only where this parser and older ones read the same text from it.

use std::sync::Arc;

use serde_json::Value;

use super::{Document, Kind};
use crate::problem::SourceFile;

/// How a text is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// In double quotes unless it is plain words.
    AsNeeded,
    /// Not at all, where it can be read back.
    None,
    /// `'…'`, where that can be done.
    Single,
    /// `"…"`.
    Double,
}

impl Quotes {
    /// Those of a text that is written already.
    pub(crate) fn of(typed: &str) -> Quotes {
        match typed.as_bytes().first() {
            Some(b'"') => Quotes::Double,
            Some(b'\'') => Quotes::Single,
            _ => Quotes::None,
        }
    }
}

/// A value in brackets: `{type: title, text: "a: b"}`.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text, Quotes::AsNeeded),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A key with its value: `text: "a: b"`.
pub(crate) fn entry((key, value): (&String, &Value)) -> String {
    format!("{}: {}", quoted(key, Quotes::AsNeeded), flow(value))
}

/// A text, quoted in this way if it can be.
pub(crate) fn quoted(text: &str, quotes: Quotes) -> String {
    match quotes {
        Quotes::AsNeeded if !text.contains(':') && is_plain(text) => text.to_owned(),
        Quotes::None if is_plain(text) => text.to_owned(),
        Quotes::Single if !text.chars().any(is_invisible) => format!("'{}'", text.replace('\'', "''")),
        _ => in_double_quotes(text),
    }
}

/// JSON's escapes are YAML's; what an editor would not show is escaped, too.
fn in_double_quotes(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => written.extend(['\\', character]),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            hidden if is_invisible(hidden) => written.push_str(&format!("\\u{:04x}", u32::from(hidden))),
            shown => written.push(shown),
        }
    }
    written.push('"');
    written
}

/// Characters that nobody sees in a file; all of them have four hexadecimal digits.
fn is_invisible(character: char) -> bool {
    let turns =
        matches!(character, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns || matches!(character, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a text without quotes is read as the same text: by this parser, and by those that know YAML 1.1.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"];
    let number_or_time = |character: char| character.is_ascii_digit() || "+-_.,:/eExXoTZ ".contains(character);
    let begins_as_number = text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'));
    if WORDS.contains(&text.to_ascii_lowercase().as_str())
        || begins_as_number && !text.starts_with('+') && text.chars().all(number_or_time)
        || begins_as_number && !text.contains(' ')
        || text.chars().any(is_invisible)
    {
        return false;
    }
    let file = Arc::new(SourceFile { path: String::new(), text: format!("[{text}]\n") });
    let read = Document::parse(&file).map(|document| document.root);
    let items = read.as_ref().map(|root| root.items()).unwrap_or_default();
    matches!(items, [one] if matches!(&one.kind, Kind::Text(read) if **read == *text) && one.mark.span().len() == text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that YAML would take for something else, or that it would change.
    const TEXTS: &[&str] = &[
        "",
        " ",
        "a",
        "Jane Doe",
        "it's",
        "a: b",
        "a #b",
        "#a",
        "- a",
        "-",
        "[a",
        "a]",
        "a, b",
        "{",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "\"a\"",
        "'a'",
        "a\\b",
        "a\nb",
        "a\tb",
        "yes",
        "No",
        "null",
        "~",
        "1",
        "1.5",
        "0532",
        "1_000",
        "+905321234567",
        "+90 532 123 45 67",
        "12:30",
        "2026-03-02",
        "2026-03-02 10:00",
        "2 kişi",
        "★ VIP",
        "1.250,50 ₺",
        "https://crm.example.com/?a=b",
        "a\u{200f}b",
        "\u{feff}",
        "\u{7f}",
        "😀",
        "|",
        ">",
        "? a",
        ": a",
        "a:",
        "a ",
        "---",
        "...",
        "<<",
        "=",
        "0x1F",
        "1e3",
        ".inf",
        "nan",
        "-1",
        "--- a",
    ];

    #[test]
    fn every_text_is_read_back_however_it_is_quoted() {
        for text in TEXTS.iter().copied() {
            for quotes in [Quotes::AsNeeded, Quotes::None, Quotes::Single, Quotes::Double] {
                let written = quoted(text, quotes);
                for file in [format!("a: {written}\n"), format!("{{a: {written}, b: 1}}\n")] {
                    let document =
                        Document::parse(&Arc::new(SourceFile { path: "a".into(), text: file.clone() })).unwrap();
                    assert_eq!(document.root.child("a").and_then(|node| node.text()), Some(text), "{file}");
                }
            }
        }
    }

    #[test]
    fn words_stay_without_quotes_and_what_looks_like_something_else_gets_them() {
        let flow = |text: &str| flow(&Value::from(text));
        assert_eq!(flow("Yılmaz Mobilya"), "Yılmaz Mobilya");
        assert_eq!(flow("2 kişi"), "2 kişi");
        assert_eq!(flow("+90 532 123 45 67"), "+90 532 123 45 67");
        for text in ["https://example.com", "no", "0532", "2026-03-02", "12:30", "+905321234567"] {
            assert_eq!(flow(text), format!("\"{text}\""));
        }
        assert_eq!(quoted("it's", Quotes::of("'a'")), "'it''s'");
    }
}
