//! When the authority is asked: long before a certificate ends, and ever more rarely where it says no.
//!
//! Pure arithmetic: no clock, no file and no chance of its own.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::failure::Kind;
use crate::web::Validity;

/// A certificate is renewed when this part of its lifetime is left: 30 of 90 days, 2 of 6.
const LEFT_AT_RENEWAL: i32 = 3;

/// Up to this part of the lifetime earlier, by chance, so that not all of the world asks at the same hour.
const EARLIER_AT_MOST: f64 = 0.02;

/// The first wait where no answer came, or none that counts: the way to the authority may be back at any moment.
const FIRST_WAIT_UNANSWERED: Duration = Duration::from_secs(5);

/// The first wait where the authority said no. Doubled each time this makes five attempts in an hour, which is what Let's
/// Encrypt allows for a name that it can't validate.
const FIRST_WAIT_REFUSED: Duration = Duration::from_secs(120);

/// The longest wait while no certificate is in force, or hardly any time of it is left.
const WAIT_MAX_URGENT: Duration = Duration::from_secs(60 * 60);

/// The same where no answer came: who does not hear us is not disturbed, and webhooks are lost meanwhile.
const WAIT_MAX_UNANSWERED: Duration = Duration::from_secs(10 * 60);

/// The longest wait of all that was not asked for.
const WAIT_MAX: Duration = Duration::from_secs(6 * 60 * 60);

/// Of the time that is left until the certificate ends, the part that one wait may take.
const PART_OF_LEFT: u32 = 8;

/// The longest wait that an authority may ask for: the longest window of the limits of Let's Encrypt.
pub(super) const WAIT_ASKED_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// When a certificate is due for renewal; `chance` from 0 to 1.
pub(super) fn renewal(validity: Validity, chance: f64) -> Timestamp {
    let lifetime = validity.not_after.duration_since(validity.not_before);
    let before = lifetime / LEFT_AT_RENEWAL + lifetime.mul_f64(EARLIER_AT_MOST * chance);
    validity.not_after.saturating_sub(before).unwrap_or(validity.not_before)
}

/// How long to wait after that many failures in a row; `left` until the certificate in force ends, `asked` by the authority.
pub(super) fn wait(
    kind: Kind,
    failures: u32,
    left: Option<SignedDuration>,
    asked: Option<Duration>,
    chance: f64,
) -> Duration {
    /// Further doublings change nothing.
    const DOUBLINGS_MAX: u32 = 16;
    let (first, urgent) = match kind.is_answer() {
        true => (FIRST_WAIT_REFUSED, WAIT_MAX_URGENT),
        false => (FIRST_WAIT_UNANSWERED, WAIT_MAX_UNANSWERED),
    };
    let left = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or_default();
    let longest = (left / PART_OF_LEFT).clamp(urgent, WAIT_MAX);
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(DOUBLINGS_MAX)).min(longest);
    // A fifth more or less.
    let wait = doubled.mul_f64(0.8 + 0.4 * chance);
    wait.max(asked.unwrap_or_default().min(WAIT_ASKED_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_life_is_left_or_a_little_earlier() {
        let of = |days: i64, chance: f64| {
            renewal(Validity { not_before: at(0), not_after: at(days * DAY) }, chance).as_second() / 3600
        };
        assert_eq!(of(90, 0.0), 60 * 24);
        assert_eq!(of(90, 1.0), 60 * 24 - 44, "at most 1.8 days earlier");
        assert_eq!(of(6, 0.0), 4 * 24);
        let minute = Validity { not_before: at(0), not_after: at(60) };
        assert_eq!(renewal(minute, 0.0), at(40));
    }

    #[test]
    fn waits_double_and_never_reach_a_part_of_what_is_left() {
        let wait = |kind, failures, left: Option<i64>| {
            wait(kind, failures, left.map(SignedDuration::from_secs), None, 0.5).as_secs()
        };
        assert_eq!([1, 2, 3].map(|failures| wait(Kind::Unreachable, failures, None)), [5, 10, 20]);
        assert_eq!([1, 2, 3].map(|failures| wait(Kind::Refused, failures, None)), [120, 240, 480]);
        assert_eq!([1, 2, 3].map(|failures| wait(Kind::RateLimited, failures, None)), [120, 240, 480]);
        assert_eq!(wait(Kind::Refused, 99, None), 3600, "none is in force");
        assert_eq!(wait(Kind::Unreachable, 99, None), 600, "none is in force");
        assert_eq!(wait(Kind::Unreachable, 99, Some(30 * DAY)), 6 * 3600);
        assert_eq!(wait(Kind::Refused, 99, Some(-DAY)), 3600, "it has ended");
        assert_eq!(wait(Kind::Refused, 99, Some(DAY)), 3 * 3600);
        assert_eq!(wait(Kind::Refused, u32::MAX, Some(30 * DAY)), 6 * 3600);
    }

    #[test]
    fn a_wait_that_was_asked_for_is_kept_unless_it_is_absurd() {
        let wait = |asked| wait(Kind::RateLimited, 1, None, Some(Duration::from_secs(asked)), 0.5).as_secs();
        assert_eq!(wait(1), 120);
        assert_eq!(wait(36 * 3600), 36 * 3600);
        assert_eq!(wait(u64::MAX), 7 * 24 * 3600);
    }

    #[test]
    fn chance_changes_a_wait_by_a_fifth() {
        let wait = |chance| wait(Kind::Refused, 1, None, None, chance).as_secs();
        assert_eq!((wait(0.0), wait(1.0)), (96, 144));
    }
}
