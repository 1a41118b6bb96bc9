//! Decimals as JSON: never rounded.
//!
//! A number in JSON is a double here; what a double does not hold is a text with all its digits.

use serde_json::Value;

/// Digits that a double always keeps.
const DIGITS_MAX: usize = 15;

/// A decimal as a database writes it, for example `-1234.50`.
pub(super) fn json(text: &str) -> Value {
    let digits = text.trim_start_matches('-').trim_start_matches(['0', '.']);
    let significant = if text.contains('.') { digits.trim_end_matches('0') } else { digits };
    if significant.bytes().filter(u8::is_ascii_digit).count() > DIGITS_MAX {
        return Value::from(text);
    }
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => Some(whole),
        Some(_) => None,
        None => Some(text),
    };
    let number = match whole.and_then(|whole| whole.parse::<i64>().ok()) {
        Some(whole) => Some(Value::from(whole)),
        None => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
    };
    number.unwrap_or_else(|| Value::from(text))
}

/// A number of single precision: the shortest decimal that stands for it.
pub(super) fn of_f32(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_decimal_is_a_number_where_a_number_keeps_all_its_digits() {
        for (text, value) in [
            ("0", json!(0)),
            ("0.00", json!(0)),
            ("-0.50", json!(-0.5)),
            ("1200.00", json!(1200)),
            ("1234.50", json!(1234.5)),
            ("9999999999999.99", json!(9_999_999_999_999.99)),
            ("99999999999999.99", json!("99999999999999.99")),
            ("0.000000000000000000001", json!(1e-21)),
            ("123456789012345678901234567890.10", json!("123456789012345678901234567890.10")),
            ("123456789012345678", json!("123456789012345678")),
        ] {
            assert_eq!(super::json(text), value, "{text}");
        }
    }
}
