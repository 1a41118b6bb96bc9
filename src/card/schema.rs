//! The finished card, checked against `schemas/card.schema.json`.
//!
//! [`Card::check`] is the only way to make a [`Card`], so nothing that the phone system would refuse can be sent. It does
//! not repair anything.

use std::sync::LazyLock;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// The schema's text, also printed by `callcard schema card`.
pub const CARD_SCHEMA: &str = include_str!("../../schemas/card.schema.json");

static VALIDATOR: LazyLock<Option<Validator>> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(CARD_SCHEMA).ok()?;
    jsonschema::draft7::options().with_pattern_options(PatternOptions::regex()).build(&schema).ok()
});

/// A card that the phone system takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The body of the request: it is what was checked.
    body: Value,
}

impl Card {
    /// Checks rows as they would be sent.
    ///
    /// # Errors
    /// Every place where they break the schema, in words.
    pub fn check(rows: Vec<Value>) -> Result<Card, Vec<String>> {
        let body = Value::Object([("card".to_owned(), Value::Array(rows))].into_iter().collect());
        let Some(validator) = VALIDATOR.as_ref() else { return Err(vec!["the card schema can't be read".to_owned()]) };
        // To see whether there is any mistake takes much less than to look for all of them.
        if validator.is_valid(&body) {
            return Ok(Card { body });
        }
        let mistakes = validator.iter_errors(&body);
        Err(mistakes.map(|error| format!("{}: {}", error.instance_path(), error.masked())).collect())
    }

    /// The rows, a JSON array.
    pub fn rows(&self) -> &Value {
        self.body.get("card").unwrap_or(&Value::Null)
    }

    /// The body of the request: `{"card": [row, …]}`.
    pub fn body(&self) -> String {
        // A map with text keys is always JSON; `Display` would write it piece by piece.
        serde_json::to_string(&self.body).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_vendors_published_rows_pass() {
        let rows = json!([
            {"type": "title", "text": "My CRM", "link": "https://my-crm.com"},
            {"type": "shortText", "label": "Full Name", "text": "Jane", "link": "https://my-crm.com/1", "ios": "crm://1", "android": "crm://1"},
            {"type": "user", "label": "Sales Person", "user_id": 11}
        ]);
        let card = Card::check(rows.as_array().unwrap().clone()).unwrap();
        assert_eq!(card.rows(), &rows);
        assert_eq!(serde_json::from_str::<Value>(&card.body()).unwrap(), json!({"card": rows}));
    }

    #[test]
    fn whatever_would_cost_the_card_is_refused() {
        for row in [
            json!({"type": "title", "text": "a", "label": "a title has none"}),
            json!({"type": "title", "text": "a", "link": null}),
            json!({"type": "title", "text": ""}),
            json!({"type": "title"}),
            json!({"type": "longText", "text": "a"}),
            json!({"type": "shortText", "text": "a", "show": true}),
            json!({"type": "shortText", "text": 7}),
            json!({"type": "shortText", "text": "a", "link": "javascript:alert(1)"}),
            json!({"type": "shortText", "text": "a", "ios": "JavaScript:alert(1)"}),
            json!({"type": "shortText", "text": "a", "link": "https://good@evil"}),
            json!({"type": "user", "label": "a", "user_id": "11"}),
            json!({"type": "user", "label": "a"}),
            json!({"text": "a"}),
            json!("title"),
        ] {
            assert!(Card::check(vec![row.clone()]).is_err(), "{row}");
        }
        assert!(Card::check(Vec::new()).is_err(), "an empty card shows the agent an empty box");
    }
}
