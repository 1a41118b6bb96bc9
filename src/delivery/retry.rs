//! When to send again: arithmetic only.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::late::Why;
use crate::outbox::Settlement;
use crate::phone::Attempt;

/// The wait before the second attempt; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Longer waits would outlast the ringing.
const WAIT_MAX: Duration = Duration::from_secs(8);

/// What to do after an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// It is over.
    Settle(Settlement),
    /// It is over, because its time is: why, and in words.
    TooLate(Why, String),
    /// Send the same card again at this time, and why.
    RetryAt(Timestamp, String),
    /// Ask at this time whether the card arrived, and why that is unknown.
    AskAt(Timestamp, String),
}

/// `attempts`: those before this one. `chance`: from 0 up to 1.
pub(super) fn next(attempt: Attempt, attempts: u32, now: Timestamp, expires_at: Timestamp, chance: f64) -> Next {
    let (why, after, cause) = match attempt {
        Attempt::Sent { status } => return Next::Settle(Settlement::Sent { status }),
        Attempt::Refused { status, why, .. } => return Next::Settle(Settlement::Refused { status, reason: why }),
        Attempt::Later { why, after, status } => (why, after, if status == Some(429) { Why::Rate } else { Why::Api }),
        Attempt::Unknown { why } => return ask(why, None, attempts, now, expires_at, chance),
    };
    let at = now.saturating_add(wait(attempts, after, chance)).unwrap_or(Timestamp::MAX);
    if at < expires_at { Next::RetryAt(at, why) } else { Next::TooLate(cause, why) }
}

/// Asks in a while and, for the truth of what is told about the call, once more when it is too late to send anything.
pub(super) fn ask(
    why: String,
    after: Option<Duration>,
    attempts: u32,
    now: Timestamp,
    expires_at: Timestamp,
    chance: f64,
) -> Next {
    if now >= expires_at {
        return Next::TooLate(Why::Api, not_known(&why));
    }
    let at = now.saturating_add(wait(attempts, after, chance)).unwrap_or(Timestamp::MAX);
    Next::AskAt(at.min(expires_at), why)
}

/// Why a call is told to have no card, though it may have one.
pub(super) fn not_known(why: &str) -> String {
    format!("whether the card arrived is not known: {why}")
}

/// Half of the wait is fixed and half is chance, so that many calls do not come back at once. What the API asks for
/// (`Retry-After`) is never undercut.
fn wait(attempts: u32, after: Option<Duration>, chance: f64) -> SignedDuration {
    let doubled = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempts.min(16))).min(WAIT_MAX);
    let jittered = doubled.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
    let wait = after.map_or(jittered, |after| after + jittered.min(FIRST_WAIT));
    SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn later(after: Option<u64>) -> Attempt {
        Attempt::Later { why: "busy".into(), after: after.map(Duration::from_secs), status: Some(503) }
    }

    fn seconds(next: Next) -> f64 {
        match next {
            Next::RetryAt(at, _) | Next::AskAt(at, _) => at.duration_since(NOW).as_secs_f64(),
            over => panic!("{over:?}"),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn waits_double_up_to_a_limit_and_half_of_each_is_chance() {
        let waits: Vec<f64> =
            (0..8).map(|attempts| seconds(next(later(None), attempts, NOW, at(1000), 0.999_999))).collect();
        for (wait, expected) in waits.iter().zip([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]) {
            assert!((wait - expected).abs() < 0.001, "{waits:?}");
        }
        assert!((seconds(next(later(None), 3, NOW, at(1000), 0.0)) - 1.0).abs() < 0.001);
    }

    #[test]
    fn what_the_api_asks_for_is_not_undercut() {
        assert!(seconds(next(later(Some(20)), 0, NOW, at(1000), 0.0)) >= 20.0);
    }

    #[test]
    fn what_would_come_too_late_is_settled_by_name() {
        assert_eq!(next(later(Some(20)), 0, NOW, at(10), 0.5), Next::TooLate(Why::Api, "busy".into()));
    }

    #[test]
    fn what_may_have_arrived_is_asked_about_at_the_deadline_at_the_latest_and_then_settled() {
        let next = |now, expires_at| next(Attempt::Unknown { why: "no answer".into() }, 5, now, expires_at, 0.5);
        assert!(matches!(next(NOW, at(1000)), Next::AskAt(..)));
        assert_eq!(next(NOW, at(2)), Next::AskAt(at(2), "no answer".into()));
        let reason = "whether the card arrived is not known: no answer".to_owned();
        assert_eq!(next(at(2), at(2)), Next::TooLate(Why::Api, reason));
    }

    #[test]
    fn a_refusal_is_never_repeated() {
        for status in [401, 404, 422] {
            let refused = Attempt::Refused { status, why: "no".into(), unauthorized: status == 401 };
            assert_eq!(
                next(refused, 0, NOW, at(10), 0.5),
                Next::Settle(Settlement::Refused { status, reason: "no".into() })
            );
        }
    }
}
