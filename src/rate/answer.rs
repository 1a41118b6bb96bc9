//! What an answer's headers say about the API's rate.
//!
//! Believes nothing that can't be: what is no number, has passed, or lies further off than any limit counted by the minute
//! is as if it were not there.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest wait and the farthest reset that are believed.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

const LIMIT: &str = "x-ratelimit-limit";
const REMAINING: &str = "x-ratelimit-remaining";
/// In Unix seconds, on each answer.
const RESET: &str = "x-ratelimit-reset";

/// What was heard of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was not sent: there was no connection.
    Unsent,
    /// There was no answer; the API may have counted it.
    Nothing,
    /// An answer.
    Answer(Answer),
}

/// An answer, as far as it is about the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `x-ratelimit-limit`: requests in each of the API's own spans of time, not less than 1.
    pub limit: Option<u32>,
    /// `x-ratelimit-remaining`: what is left of them.
    pub remaining: Option<u32>,
    /// `x-ratelimit-reset`: how long until they are whole again.
    pub reset: Option<Duration>,
    /// `Retry-After`: how long to wait, at most an hour.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// Reads the headers. `now` is what dates and resets are measured by; where it is not known they say nothing.
    pub fn read(status: u16, headers: &HeaderMap, now: Option<Timestamp>) -> Answer {
        let text = |name| text(headers, name);
        let after = now.and_then(|now| retry_after(headers, now)).or_else(|| seconds(text(RETRY_AFTER.as_str())?));
        Answer {
            status,
            limit: text(LIMIT).and_then(number).filter(|limit| *limit > 0),
            remaining: text(REMAINING).and_then(number),
            reset: text(RESET).and_then(|value| reset(value, now?)),
            retry_after: after.map(|wait| wait.min(WAIT_MAX)),
        }
    }

    /// The wait that the answer asks for: `Retry-After`; on 429 without that, until the rate is whole again.
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after.or(if self.status == 429 { self.reset } else { None })
    }
}

/// What `Retry-After` says, however long that is.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER.as_str())?;
    seconds(value).or_else(|| date(value, now))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// Fewer than none is none.
fn number(value: &str) -> Option<u32> {
    let number: i128 = value.parse().ok()?;
    Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}

/// Digits and nothing else: `u64` would take a sign as well.
fn seconds(value: &str) -> Option<Duration> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    value.parse().ok().map(Duration::from_secs)
}

/// A date (RFC 9110, section 10.2.3) that has passed means "now".
fn date(value: &str, now: Timestamp) -> Option<Duration> {
    let at = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(until(at, now).unwrap_or_default())
}

/// A reset that has passed means nothing: the clocks differ, or it is no Unix time, and "at once" would be the worst guess.
fn reset(value: &str, now: Timestamp) -> Option<Duration> {
    let at = i64::try_from(seconds(value)?.as_secs()).ok()?;
    until(Timestamp::from_second(at).ok()?, now).filter(|wait| !wait.is_zero() && *wait <= WAIT_MAX)
}

fn until(at: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(at.duration_since(now)).ok()
}
