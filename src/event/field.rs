//! Lenient reading of one JSON value of the payload.
//!
//! It knows no key's name and reports no mistake: what cannot be read is absent.

use serde_json::Value;

/// A text with something in it, without the blanks around it.
pub(super) fn text(value: Option<&Value>) -> Option<&str> {
    value?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// An integer, also where it came as a digit string (`"328"`).
pub(super) fn integer(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_integer_is_a_number_or_a_digit_string() {
        let cases = [
            (json!(328), Some(328)),
            (json!("328"), Some(328)),
            (json!(" 328 "), Some(328)),
            (json!(-1), Some(-1)),
            (json!(328.5), None),
            (json!(u64::MAX), None),
            (json!("99999999999999999999"), None),
            (json!("a"), None),
            (json!(""), None),
            (json!(null), None),
            (json!([328]), None),
        ];
        for (value, want) in cases {
            assert_eq!(integer(Some(&value)), want, "{value}");
        }
        assert_eq!(integer(None), None);
    }

    #[test]
    fn a_blank_text_is_absent() {
        for (value, want) in [(json!(" a "), Some("a")), (json!("  "), None), (json!(1), None), (json!(null), None)] {
            assert_eq!(text(Some(&value)), want, "{value}");
        }
    }
}
