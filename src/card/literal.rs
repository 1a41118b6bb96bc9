//! Values that are written out in a helper's call and can't be right, whatever the records say.
//!
//! A value that comes from a record is not known before a call; a helper shows such a one as it is.

use serde_json::Value;

use super::number::{DECIMALS_MAX, read_currency, read_decimals};
use super::time::STYLES;
use crate::problem::{Code, Fault, did_you_mean};

/// What is wrong with the value at a position of a helper's call, from 0.
pub(super) fn fault(helper: &str, position: usize, value: &Value) -> Option<Fault> {
    if position != 1 {
        return None;
    }
    let text = value.as_str();
    let (is_right, expected, help) = match helper {
        "date" => (text.is_some_and(|style| STYLES.contains(&style)), "a style of dates", styles(value)),
        "money" => (
            text.is_some_and(|code| read_currency(code).is_some()),
            "a currency",
            "currencies are written as in ISO 4217: 'TRY', 'EUR', 'USD'".to_owned(),
        ),
        "number" => (
            read_decimals(value).is_some(),
            "a number of decimals",
            format!("decimals are a whole number from 0 to {DECIMALS_MAX}"),
        ),
        "truncate" => (
            value.as_u64().is_some_and(|characters| characters > 0),
            "a number of characters",
            "for example: {{truncate crm.note 20}}".to_owned(),
        ),
        _ => return None,
    };
    let shown = text.map_or_else(|| value.to_string(), str::to_owned);
    (!is_right).then(|| Fault::new(Code::HelperValue, "", format!("`{shown}` is not {expected}")).help(help))
}

fn styles(value: &Value) -> String {
    did_you_mean(value.as_str().unwrap_or_default(), STYLES).unwrap_or_default()
}
