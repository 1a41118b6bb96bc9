//! Whose record it is: its own numbers say so.
//!
//! Nothing is matched by its tail, and a number that can't be read is nobody's.

use serde_json::Value;

use super::Question;
use crate::event::CustomerNumber;

/// Whether one of these numbers is the customer's, however it is written.
pub(super) fn is_of<'a>(numbers: impl IntoIterator<Item = &'a Value>, question: &Question) -> bool {
    let texts = numbers.into_iter().filter_map(|number| match number {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    texts.into_iter().any(|text| {
        let number = CustomerNumber::parse(Some(&text), question.region);
        number.e164().is_some() && number.e164() == question.customer.e164()
    })
}
