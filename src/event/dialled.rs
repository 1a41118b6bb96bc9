//! The text of a number → the digits that were dialled, or that there are none.
//!
//! It takes decoration, schemes and extensions off. It knows no numbering plan: [`super::CustomerNumber`] asks those.

use rlibphonenumber::PHONE_NUMBER_UTIL;

/// Longest text that is read: E.164 has 15 digits, and the rest is room for a scheme, a host and decoration.
const TEXT_CHARACTERS_MAX: usize = 64;

/// Longest extension or short code. From seven digits on, local numbers begin in most countries.
pub const EXTENSION_DIGITS_MAX: usize = 6;

/// Digits that an international number has at least where only their count speaks for it: fewer may be national.
pub(super) const INTERNATIONAL_DIGITS_MIN: usize = 11;

/// What phone systems write for "the caller does not want to be known".
const WITHHELD_WORDS: [&str; 7] =
    ["anonymous", "unknown", "restricted", "unavailable", "private", "withheld", "blocked"];

/// What stands before an extension (`dahili` is Turkish for it).
const EXTENSION_WORDS: [&str; 5] = ["extension", "dahili", "extn", "ext", "x"];

/// What a text says was dialled.
pub(super) enum Dialled {
    Digits(Digits),
    /// Empty, punctuation, zeros or a word for it: the caller is hidden.
    Nothing,
    /// Something that is no number.
    Unreadable,
}

/// Digits free of decoration.
pub(super) struct Digits {
    /// Whether a plus stood before them.
    pub(super) plus: bool,
    /// ASCII digits, at least one of them not a zero.
    pub(super) all: String,
    /// The same without a `(0)`, where the text had one: in `+90 (0) 543` it is dialled only from inside the country.
    pub(super) without_bracketed_zero: Option<String>,
}

impl Dialled {
    pub(super) fn read(received: &str) -> Dialled {
        let text = bare(received);
        if text.chars().nth(TEXT_CHARACTERS_MAX).is_some() {
            return Dialled::Unreadable;
        }
        let text = bare(without_scheme(text));
        if WITHHELD_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            return Dialled::Nothing;
        }
        let text = without_fraction(without_extension(text));
        // The library would read letters as a vanity number: a name must never become somebody's number.
        if text.contains(char::is_alphabetic) {
            return Dialled::Unreadable;
        }
        let all = digits(text);
        if all.bytes().all(|digit| digit == b'0') {
            return Dialled::Nothing;
        }
        let (before_digits, from_digits) = text.split_at(text.find(char::is_numeric).unwrap_or(text.len()));
        // Feature codes (`*78`), masked numbers (`+90543*****01`) and two numbers at once are not their digits.
        if text.contains(['*', '#']) || from_digits.contains(is_plus) {
            return Dialled::Unreadable;
        }
        Dialled::Digits(Digits {
            plus: before_digits.contains(is_plus),
            all,
            without_bracketed_zero: text.contains("(0)").then(|| digits(&text.replace("(0)", ""))),
        })
    }
}

/// The library's digits, so that Arabic and full-width ones count.
fn digits(text: &str) -> String {
    PHONE_NUMBER_UTIL.normalize_digits_only(text)
}

/// A plus, also the full-width one.
fn is_plus(character: char) -> bool {
    matches!(character, '+' | '\u{ff0b}')
}

/// Without what is put around a number: blanks, control characters, quotes and angle brackets.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || "<>\"'`“”‘’".contains(c))
}

/// The user part of a `tel:` or `sip:` address (RFC 3966, RFC 3261); any other text as it is.
fn without_scheme(text: &str) -> &str {
    let rest = ["tel:", "sip:", "sips:"].iter().find_map(|scheme| {
        let (head, rest) = text.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    match rest {
        Some(rest) => rest.split(['@', ';', '?']).next().unwrap_or_default(),
        None => text,
    }
}

/// Without what is dialled after the call is answered: `;ext=12`, `,,12`, `x12`, `ext. 12`.
fn without_extension(text: &str) -> &str {
    let text = text.split([';', ',']).next().unwrap_or_default().trim_end();
    let labelled = text.trim_end_matches(char::is_numeric);
    let extension_digits = text.chars().rev().take_while(|c| c.is_numeric()).count();
    if !(1..=EXTENSION_DIGITS_MAX).contains(&extension_digits) {
        return text;
    }
    let label = labelled.trim_end_matches([' ', '.', ':', '=']);
    let number = EXTENSION_WORDS.iter().find_map(|word| {
        let (number, end) = label.split_at_checked(label.len().checked_sub(word.len())?)?;
        end.eq_ignore_ascii_case(word).then(|| number.trim_end_matches([' ', '.', '-', '(']))
    });
    number.filter(|number| number.ends_with(|c: char| c.is_numeric() || c == ')')).unwrap_or(text)
}

/// Spreadsheets and JSON libraries keep numbers as fractions: the zero behind the point of `4930123456.0` was never dialled,
/// and with it the number would be somebody else's. Where there are more points they stand between groups.
fn without_fraction(text: &str) -> &str {
    let whole = text.strip_suffix(".0").filter(|whole| whole.bytes().all(|byte| byte.is_ascii_digit()));
    whole.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoration_comes_off_and_letters_do_not_become_digits() {
        let cases = [
            ("+90 (258) 244-00.32", "+902582440032"),
            (" \t<\"+902582440032\">\r\n", "+902582440032"),
            ("(+90) 258 244 00 32", "+902582440032"),
            ("++902582440032", "+902582440032"),
            ("\u{ff0b}\u{ff19}\u{ff10}258", "+90258"),
            ("\u{0660}\u{0665}\u{0664}\u{0663}", "0543"),
            ("\u{06f9}\u{06f0}\u{06f5}", "905"),
            ("\u{202a}+90258\u{202c}", "+90258"),
            ("tel:+90-258-244", "+90258244"),
            ("TEL:+90258;phone-context=x", "+90258"),
            ("sip:+90258@pbx.example.com;user=phone", "+90258"),
            ("<sips:101@pbx>", "101"),
            ("+90258;ext=12", "+90258"),
            ("0258 244 00 32 x12", "02582440032"),
            ("0258 244 00 32 Ext. 12", "02582440032"),
            ("0258 244 00 32 (extension 12", "02582440032"),
            ("0258 244 00 32 dahili:123456", "02582440032"),
            ("02582440032,,12", "02582440032"),
            ("0258 x1234567", "unreadable"),
            ("x12", "unreadable"),
            ("1-800-FLOWERS", "unreadable"),
            ("sip:jane@pbx.example.com", "unreadable"),
            ("90258;jane", "90258"),
            ("9.05438E+11", "unreadable"),
            ("905438856301.0", "905438856301"),
            ("0258.244.0", "02582440"),
            ("*78", "unreadable"),
            ("#31#0543", "unreadable"),
            ("+90543*****01", "unreadable"),
            ("0258+0259", "unreadable"),
            ("***", "nothing"),
            ("sip:anonymous@anonymous.invalid", "nothing"),
        ];
        for (text, want) in cases {
            let got = match Dialled::read(text) {
                Dialled::Digits(digits) => format!("{}{}", if digits.plus { "+" } else { "" }, digits.all),
                Dialled::Nothing => "nothing".into(),
                Dialled::Unreadable => "unreadable".into(),
            };
            assert_eq!(got, want, "{text:?}");
        }
    }

    #[test]
    fn a_text_of_more_than_sixty_four_characters_is_not_read() {
        let readable = |text: &str| matches!(Dialled::read(text), Dialled::Digits(_));
        assert!(readable(&"1".repeat(64)));
        assert!(!readable(&"1".repeat(65)));
        assert!(readable(&format!("{}101", " ".repeat(200))), "blanks around it do not count");
    }
}
