//! Calls that the demo rings: one for each thing that the shipped rules show.

use serde::{Deserialize, Serialize};

/// One call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    #[serde(default)]
    pub(super) key: String,
    #[serde(default)]
    pub(super) label: String,
    pub(super) number: String,
    pub(super) direction: String,
}

impl Sample {
    /// A call that nobody prepared.
    pub(super) fn call_from(number: String, direction: &str) -> Sample {
        Sample { key: String::new(), label: String::new(), number, direction: direction.to_owned() }
    }
}

/// All samples: key, label, number, direction.
pub(super) fn all() -> Vec<Sample> {
    [
        ("known-customer", "A known customer", "+905321234567", "inbound"),
        ("outbound", "We call a customer", "905438856301", "outbound"),
        ("british", "A customer in Britain", "447700900123", "inbound"),
        ("several", "Several people, one number", "03125558800", "inbound"),
        ("unknown", "Somebody unknown", "+442079460123", "inbound"),
        ("withheld", "A withheld number", "anonymous", "inbound"),
        ("supplier", "A supplier", "+492215550123", "inbound"),
        ("internal", "A colleague", "101", "internal"),
    ]
    .into_iter()
    .map(|(key, label, number, direction)| Sample {
        key: key.to_owned(),
        label: label.to_owned(),
        number: number.to_owned(),
        direction: direction.to_owned(),
    })
    .collect()
}

/// The call that the demo begins with.
pub(super) fn first() -> Sample {
    all().into_iter().next().unwrap_or_else(|| Sample::call_from("+905321234567".to_owned(), "inbound"))
}
