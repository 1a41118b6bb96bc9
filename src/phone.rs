//! The card API client: one attempt to put one card on the screen, what came of it, and whether it is there.
//!
//! Does not retry, does not keep to a rate, follows no redirect, obeys no proxy of the environment and reads no clock. What it
//! says about a failure never holds the token, the URL or what stood on the card.

mod arrival;
mod reason;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use crate::rate::{Answer, Heard};
pub use arrival::Arrival;
use reason::Confidential;
pub(crate) use reason::{plain, root_cause};

/// How long to wait for a connection, TLS included. The API is one hop away; after this the phone has half stopped ringing.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one attempt may take from start to end. Seen were 0.2 to 0.4 s; who answers later than this finds the call answered.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of an answer is read: far more than any error message, and a small share of memory per attempt.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// How long an unused connection is kept. Shorter than a server keeps it (60 s and up are usual), because a card that is written
/// to a connection just being closed is a card of unknown fate.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// Nobody installed a cryptography provider for TLS, which is done once, at start.
    #[error("no cryptography provider is installed")]
    NoCryptography,
    /// The HTTP client could not be made.
    #[error("the HTTP client for the card API could not be made")]
    Client(#[from] reqwest::Error),
}

/// Where a card goes: the API of one account.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The base, which ends in `/api/v3`, without a slash at the end.
    pub api: &'a Url,
    /// The bearer token.
    pub token: &'a SecretString,
}

/// What one attempt came to; the variants are the choices of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The API took it: any 2xx. That a person saw it is not known.
    Sent {
        /// The HTTP status.
        status: u16,
    },
    /// It was not taken, and may be tried again: no connection, 408, 429, 5xx.
    Later {
        /// What happened, for the operator.
        why: String,
        /// How long the API asks to wait, at most an hour.
        after: Option<Duration>,
        /// The HTTP status, if there was an answer.
        status: Option<u16>,
    },
    /// It was written, or part of it, but no answer came: it may have arrived.
    Unknown {
        /// What happened, for the operator.
        why: String,
    },
    /// The API said no and would say it again: any other status.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it said, for the operator.
        why: String,
        /// 401 or 403: it is the token, not the card, and the next card will fare no better.
        unauthorized: bool,
    },
}

/// The client. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Phone {
    client: Client,
    attempt_timeout: Duration,
}

impl Phone {
    /// A client with the limits above. A provider for TLS must be installed before:
    /// `rustls::crypto::ring::default_provider().install_default()`.
    ///
    /// # Errors
    ///
    /// [`PhoneError`], which is a fault of the program or its surroundings, not of the API.
    pub fn new() -> Result<Self, PhoneError> {
        Self::with_attempt_timeout(ATTEMPT_TIMEOUT)
    }

    /// So that a test of a silent server is a short one.
    fn with_attempt_timeout(attempt_timeout: Duration) -> Result<Self, PhoneError> {
        // The client would panic without one.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(PhoneError::NoCryptography);
        }
        let client = Client::builder()
            .user_agent(concat!("callcard/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            // An answer is short; a compressed one could grow a thousandfold.
            .no_gzip()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(attempt_timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()?;
        Ok(Self { client, attempt_timeout })
    }

    /// Sends a card, once, and tells what was heard about the API's rate. `card_json` is the whole body, `{"card":[…]}`;
    /// `now` is what a date in the answer is measured by, so that a wait is rather too long than too short.
    pub async fn send(&self, target: &Target<'_>, call_id: &str, card_json: &str, now: Timestamp) -> (Attempt, Heard) {
        let Some(url) = cards_url(target.api, call_id) else {
            let why = "no URL can be made of the API's address and the call's id".to_owned();
            return (Attempt::Later { why, after: None, status: None }, Heard::Unsent);
        };
        let confidential = Confidential { token: target.token.expose_secret(), url: &url, call_id, card_json };
        let request = self
            .client
            .post(url.clone())
            .bearer_auth(target.token.expose_secret())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(card_json.to_owned());
        match request.send().await {
            Ok(response) => answered(response, &confidential, now).await,
            Err(error) => self.unanswered(&error, &confidential),
        }
    }

    /// Sorts the failures into those before the first byte was written and all others.
    fn unanswered(&self, error: &reqwest::Error, confidential: &Confidential<'_>) -> (Attempt, Heard) {
        let unsent = |why| (Attempt::Later { why, after: None, status: None }, Heard::Unsent);
        if error.is_connect() {
            unsent(confidential.cleaned(&format!("no connection: {}", reason::root_cause(error))))
        } else if error.is_builder() {
            // Its own words could hold what it was built of.
            unsent("the request could not be built".to_owned())
        } else if error.is_timeout() {
            let why = format!("no answer within {} s", self.attempt_timeout.as_secs_f32());
            (Attempt::Unknown { why }, Heard::Nothing)
        } else {
            let why = confidential.cleaned(&format!("no answer: {}", reason::root_cause(error)));
            (Attempt::Unknown { why }, Heard::Nothing)
        }
    }
}

/// `None` where the parts make no URL that leads to this call and nowhere else.
fn cards_url(api: &Url, call_id: &str) -> Option<Url> {
    // As path segments these mean another path, and no percent-encoding changes that.
    if matches!(call_id, "" | "." | "..") {
        return None;
    }
    let mut url = api.clone();
    url.path_segments_mut().ok()?.extend(["calls", call_id, "cards"]);
    Some(url)
}

/// The status decides. The body only adds words, so its loss changes nothing.
async fn answered(mut response: Response, confidential: &Confidential<'_>, now: Timestamp) -> (Attempt, Heard) {
    let status = response.status().as_u16();
    let answer = Answer::read(status, response.headers(), Some(now));
    // Read in any case: a connection is used again only when its answer was taken from it.
    let body = read_start(&mut response, ANSWER_BYTES_MAX).await;
    if response.status().is_success() {
        return (Attempt::Sent { status }, Heard::Answer(answer));
    }
    let why = match reason::api_words(&body) {
        Some(words) => confidential.cleaned(&words),
        None => format!("the card API answered {status} without a reason"),
    };
    let attempt = match status {
        408 | 429 | 500..=599 => Attempt::Later { why, after: answer.wait(), status: Some(status) },
        _ => Attempt::Refused { status, why, unauthorized: matches!(status, 401 | 403) },
    };
    (attempt, Heard::Answer(answer))
}

/// Up to `bytes_max` bytes of the body, or what came before it broke off.
async fn read_start(response: &mut Response, bytes_max: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend(chunk.iter().take(bytes_max - body.len()));
        if body.len() == bytes_max {
            break;
        }
    }
    body
}
