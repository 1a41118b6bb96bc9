//! How often something may be done: so many times a minute, or one time in so many. The time comes in.

use std::time::Duration;

use tokio::time::Instant;

/// Questions that may follow each other at once before the pace is kept: calls come in bursts.
const BURST: u32 = 5;

/// One question in so many may be asked a second time.
const QUESTIONS_A_HEDGE: u32 = 10;

/// Second requests that may be saved up.
const HEDGES_SAVED_MAX: u32 = 3;

/// Keeps to so many questions a minute, evenly spread (the generic cell rate algorithm).
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    ahead: Duration,
    /// When the next question would be asked if all were evenly spread.
    next: Option<Instant>,
}

impl Pace {
    pub(super) fn new(per_minute: u32) -> Pace {
        let between = Duration::from_secs(60) / per_minute.max(1);
        Pace { between, ahead: between * (BURST.min(per_minute).max(1) - 1), next: None }
    }

    /// Takes a place: when the question may be asked.
    ///
    /// # Errors
    /// How long it would have to wait, where that is beyond its time; then no place is taken.
    pub(super) fn reserve(&mut self, now: Instant, until: Instant) -> Result<Instant, Duration> {
        let next = self.next.map_or(now, |next| next.max(now));
        let at = next.checked_sub(self.ahead).map_or(now, |at| at.max(now));
        if at > until {
            return Err(at - now);
        }
        self.next = Some(next + self.between);
        Ok(at)
    }
}

/// How many second requests there may be, beside the first ones: a slow service must not get twice the load.
#[derive(Debug)]
pub(super) struct Hedges {
    /// In questions.
    saved: u32,
}

impl Hedges {
    pub(super) fn new() -> Hedges {
        Hedges { saved: QUESTIONS_A_HEDGE * HEDGES_SAVED_MAX }
    }

    /// Counts a question.
    pub(super) fn question(&mut self) {
        self.saved = (self.saved + 1).min(QUESTIONS_A_HEDGE * HEDGES_SAVED_MAX);
    }

    /// Takes a second request; `false` where none is left.
    pub(super) fn take(&mut self) -> bool {
        let left = self.saved.checked_sub(QUESTIONS_A_HEDGE);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }
}
