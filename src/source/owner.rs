//! Whose record it is: its own numbers say so.
//!
//! Nothing is matched by its tail, and a number that can't be read is nobody's.

use std::borrow::Cow;

use serde_json::Value;

use super::Question;
use crate::event::CustomerNumber;

/// Whether one of these numbers is the customer's, however it is written.
pub(super) fn is_of<'a>(numbers: impl IntoIterator<Item = &'a Value>, question: &Question) -> bool {
    let Some(e164) = question.customer.e164() else { return false };
    numbers.into_iter().flat_map(texts).any(|text| {
        // Most services write it in the form that is read as itself, which then need not be read.
        *text == *e164 || CustomerNumber::parse(Some(&text), question.region).e164() == Some(e164)
    })
}

/// The numbers that a field holds: one, or a list of them.
pub(super) fn texts(field: &Value) -> Vec<Cow<'_, str>> {
    match field {
        Value::String(text) => vec![text.into()],
        Value::Number(number) => vec![number.to_string().into()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Region;

    fn is_of(customer: &str, number: &Value) -> bool {
        let region = Region::parse("DE").unwrap();
        let customer = CustomerNumber::parse(Some(customer), region);
        super::is_of([number], &Question { account: String::new(), customer, region, parameters: Vec::new() })
    }

    #[test]
    fn a_field_may_hold_a_list_of_numbers() {
        let numbers = json!(["030 123456", null, 4_930_123_457_u64, ["+49 30 123458"], {"number": "030 123459"}]);
        for customer in ["+4930123456", "+4930123457", "+4930123458"] {
            assert!(is_of(customer, &numbers), "{customer}");
        }
        assert!(!is_of("+4930123459", &numbers), "what is no list of numbers is not looked into");
    }

    #[test]
    fn the_zero_behind_the_point_of_a_fraction_is_no_digit_of_the_number() {
        for number in [json!(4_930_123_456.0), json!("4930123456.0"), json!(" 030123456.0 ")] {
            assert!(is_of("+4930123456", &number), "{number}");
            assert!(!is_of("+49301234560", &number), "{number}");
        }
        assert!(is_of("+49301234560", &json!("030.123456.0")), "points between groups are decoration");
    }
}
