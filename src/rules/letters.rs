//! Characters that can't be seen, or look like others, in what has to be typed exactly: keys, names, addresses, patterns.
//!
//! The tree goes on with what was most likely meant, so that one such character is one problem. Texts that are only shown
//! may hold whatever people write.

use super::yaml::{Document, Kind, Mark, Node};
use crate::problem::{Code, Place, Problem};

/// Keys of texts that are only shown.
const SHOWN: [&str; 5] = ["text", "label", "description", "owner", "texts"];

/// Keys under which names of data stand, which are as they are.
const DATA: [&str; 3] = ["csv", "event", "static"];

/// Letters that look like a Latin one in nearly every typeface (Unicode TR 39, the ones on keyboards), by that letter.
const LOOK_ALIKES: [(char, &str); 28] = [
    ('a', "аα"),
    ('c', "с"),
    ('d', "ԁ"),
    ('e', "е"),
    ('h', "һ"),
    ('i', "іι"),
    ('j', "ј"),
    ('k', "κ"),
    ('o', "оο"),
    ('p', "рρ"),
    ('q', "ԛ"),
    ('s', "ѕ"),
    ('u', "υ"),
    ('v', "ν"),
    ('w', "ԝ"),
    ('x', "х"),
    ('y', "у"),
    ('A', "АΑ"),
    ('B', "ВΒ"),
    ('C', "С"),
    ('E', "ЕΕ"),
    ('H', "НΗ"),
    ('K', "КΚ"),
    ('M', "МΜ"),
    ('O', "ОΟ"),
    ('P', "РΡ"),
    ('T', "ТΤ"),
    ('X', "ХΧ"),
];

/// Whether a character takes no room, or turns the direction of what stands around it, or is a blank that is not a blank.
pub(super) fn is_invisible(character: char) -> bool {
    is_unseen(character) || is_blank(character)
}

/// A blank other than the one on the keyboard.
pub(super) fn is_blank(character: char) -> bool {
    character.is_whitespace() && !character.is_ascii()
}

fn is_unseen(character: char) -> bool {
    matches!(character, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// `U+200B, an invisible character`.
pub(super) fn described(character: char) -> String {
    let what = match character {
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            "an invisible character that turns the direction of a text"
        }
        '\u{A0}' | '\u{202F}' => "a no-break space",
        '\u{FEFF}' => "a byte order mark",
        _ if is_blank(character) => "a blank of another width",
        _ => "an invisible character",
    };
    format!("U+{:04X}, {what},", u32::from(character))
}

/// Tells such characters and takes them out of the tree. Of tests only the keys are looked at.
pub(super) fn mend(document: &mut Document, is_test: bool) -> Vec<Problem> {
    let mut found = Vec::new();
    walk(&mut document.root, !is_test, &mut found);
    let mut problems: Vec<Problem> = found.into_iter().map(|strange: Strange| strange.problem(document)).collect();
    problems.dedup_by(|later, earlier| later.place == earlier.place);
    problems
}

/// A text that is not what it looks like.
struct Strange {
    mark: Mark,
    character: char,
    meant: String,
}

fn walk(node: &mut Node, is_typed: bool, found: &mut Vec<Strange>) {
    match &mut node.kind {
        Kind::Text(text) if is_typed => mend_text(text, &node.mark, false, found),
        Kind::List(items) => items.iter_mut().for_each(|item| walk(item, is_typed, found)),
        Kind::Map(entries) => {
            for (key, value) in entries {
                mend_text(&mut key.name, &key.mark, true, found);
                let is_shown = SHOWN.contains(&key.name.as_ref()) || DATA.contains(&key.name.as_ref());
                walk(value, is_typed && !is_shown, found);
            }
        }
        _ => {}
    }
}

/// In a value, blanks of any width may stand between words and digits.
fn mend_text<T: From<String> + AsRef<str>>(value: &mut T, mark: &Mark, is_key: bool, found: &mut Vec<Strange>) {
    let text = value.as_ref();
    if text.is_ascii() {
        return;
    }
    let is_name = is_key
        || text
            .chars()
            .all(|character| character.is_alphanumeric() || "_-.".contains(character) || is_unseen(character));
    let mixes = is_name
        && text.chars().any(|character| character.is_ascii_alphabetic())
        && text
            .chars()
            .all(|character| character.is_ascii() || is_invisible(character) || looks_like(character).is_some());
    let mut first = None;
    let mut meant = String::with_capacity(text.len());
    for character in text.chars() {
        let alike = looks_like(character).filter(|_| mixes);
        let strange = is_unseen(character) || (is_key && is_blank(character)) || alike.is_some();
        first = first.or(strange.then_some(character));
        match (strange, alike) {
            (false, _) => meant.push(character),
            (true, Some(latin)) => meant.push(latin),
            (true, None) if is_blank(character) => meant.push(' '),
            (true, None) => {}
        }
    }
    if let Some(character) = first {
        let meant = meant.trim().to_owned();
        found.push(Strange { mark: mark.clone(), character, meant: meant.clone() });
        *value = meant.into();
    }
}

fn looks_like(character: char) -> Option<char> {
    LOOK_ALIKES.iter().find(|(_, others)| others.contains(character)).map(|(latin, _)| *latin)
}

impl Strange {
    fn problem(self, document: &Document) -> Problem {
        let Strange { mark, character, meant } = self;
        let whole = document.place(&mark);
        let typed = document.file.text.get(whole.span.clone()).unwrap_or_default();
        let message = match looks_like(character) {
            Some(latin) => {
                format!("`{meant}` is written with U+{:04X}, which only looks like `{latin}`", u32::from(character))
            }
            None => format!("{} stands in `{meant}`", described(character)),
        };
        let place = match typed.find(character) {
            Some(at) => {
                let span = whole.span.start + at..whole.span.start + at + character.len_utf8();
                let (line, column) = document.file.position(span.start);
                Place { line, column, span, ..whole.clone() }
            }
            // Written as an escape.
            None => whole.clone(),
        };
        let mut problem = Problem::new(Code::Letters, place, message).help(format!("type it anew: {meant}"));
        problem.fix = document.fix(&mark, &meant);
        problem
    }
}
