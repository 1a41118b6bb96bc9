//! Whether a call has a card: the question after an attempt of unknown outcome.
//!
//! Asks once. What to do where the API does not tell is not decided here.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::reason::Confidential;
use super::{Attempt, Phone, Target, answered, cards_url, read_start};
use crate::rate::{Answer, Heard};

/// How much of the answer is read: cards are a few kilobytes each, and a call has one.
const ARRIVAL_BYTES_MAX: usize = 256 * 1024;

/// What the API says about the card of a call; the variants are the choices of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// The call has a card.
    Arrived {
        /// The HTTP status.
        status: u16,
    },
    /// The call has none.
    Missing,
    /// The API does not answer this question: a 404, a 405 or whatever else it would say again.
    NotTold {
        /// The HTTP status.
        status: u16,
    },
    /// There was no answer, a broken one, or one that asks to come again.
    Later {
        /// What happened, for the operator.
        why: String,
        /// How long the API asks to wait, at most an hour.
        after: Option<Duration>,
    },
}

impl Phone {
    /// Asks which cards a call has, once, and tells what was heard about the API's rate. `card_json` is the card it is
    /// about: its texts never stand in a reason.
    pub async fn arrival(
        &self,
        target: &Target<'_>,
        call_id: &str,
        card_json: &str,
        now: Timestamp,
    ) -> (Arrival, Heard) {
        let Some(url) = cards_url(target.api, call_id) else {
            // Nothing was sent there either.
            return (Arrival::Missing, Heard::Unsent);
        };
        let confidential = Confidential { token: target.token.expose_secret(), url: &url, call_id, card_json };
        let request = self.client.get(url.clone()).bearer_auth(target.token.expose_secret());
        let (attempt, heard) = match request.send().await {
            Ok(mut response) if response.status().is_success() => {
                let status = response.status().as_u16();
                let heard = Heard::Answer(Answer::read(status, response.headers(), Some(now)));
                match has_card(&read_start(&mut response, ARRIVAL_BYTES_MAX).await) {
                    Some(true) => return (Arrival::Arrived { status }, heard),
                    Some(false) => return (Arrival::Missing, heard),
                    None => {
                        let why = format!("the card API answered {status} without a list of cards");
                        (Attempt::Unknown { why }, heard)
                    }
                }
            }
            Ok(response) => answered(response, &confidential, now).await,
            Err(error) => self.unanswered(&error, &confidential),
        };
        let arrival = match attempt {
            Attempt::Sent { status } => Arrival::Arrived { status },
            Attempt::Refused { status, .. } => Arrival::NotTold { status },
            Attempt::Later { why, after, .. } => Arrival::Later { why, after },
            Attempt::Unknown { why } => Arrival::Later { why, after: None },
        };
        (arrival, heard)
    }
}

/// `{"data": …}`: a list of cards, or one card as the answer to sending it has it, `{"call_id":"…","card":[…]}`.
fn has_card(body: &[u8]) -> Option<bool> {
    let body: Value = serde_json::from_slice(body).ok()?;
    match body.get("data")? {
        Value::Null => Some(false),
        Value::Array(cards) => Some(!cards.is_empty()),
        Value::Object(card) => card.get("card")?.as_array().map(|rows| !rows.is_empty()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_a_card_where_the_list_has_one() {
        for (body, expected) in [
            (r#"{"data":[]}"#, Some(false)),
            (r#"{"data":null}"#, Some(false)),
            (r#"{"data":[{"type":"title"}]}"#, Some(true)),
            (r#"{"data":{"call_id":"a","card":[{"type":"title"}]}}"#, Some(true)),
            (r#"{"data":{"call_id":"a","card":[]}}"#, Some(false)),
            (r#"{"data":{}}"#, None),
            (r#"{"data":"none"}"#, None),
            (r#"{"data":[{"ty"#, None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(has_card(body.as_bytes()), expected, "{body}");
        }
    }
}
