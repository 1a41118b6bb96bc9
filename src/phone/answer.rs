//! When the API wants to be asked again, from the headers of its answer.
//!
//! Does not wait, and does not invent a time where the API names none.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest wait that is believed. Any card is worthless long before.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// Unix seconds at which the rate limit is whole again; on each answer, so it says "wait" only on a 429.
const RATE_LIMIT_RESET: &str = "x-ratelimit-reset";

/// The wait that the answer asks for: `Retry-After` in seconds or as an HTTP date (RFC 9110, section 10.2.3); on 429 without
/// that, until the rate limit is reset.
pub(super) fn wait_asked_for(status: u16, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    retry_after(headers, now)
        .or_else(|| if status == 429 { until_reset(text(headers, RATE_LIMIT_RESET)?, now) } else { None })
        .map(|wait| wait.min(WAIT_MAX))
}

/// What `Retry-After` says, however long that is.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER.as_str())?;
    seconds(value).or_else(|| until_date(value, now))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// Digits and nothing else: `u64` would take a sign as well.
fn seconds(value: &str) -> Option<Duration> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    value.parse().ok().map(Duration::from_secs)
}

/// A date that has passed means "now".
fn until_date(value: &str, now: Timestamp) -> Option<Duration> {
    let at = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(until(at, now).unwrap_or(Duration::ZERO))
}

/// A reset that has passed means nothing: the clocks differ, or it is no Unix time, and "at once" would be the worst guess.
fn until_reset(value: &str, now: Timestamp) -> Option<Duration> {
    let at = i64::try_from(seconds(value)?.as_secs()).ok()?;
    until(Timestamp::from_second(at).ok()?, now)
}

fn until(at: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(at.duration_since(now)).ok()
}
