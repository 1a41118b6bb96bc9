//! Whether a source is worth asking: after failures in a row it is left alone, then tried with one question.
//!
//! It knows no clock: the time comes in. What counts as a failure is decided by who asks.

use std::time::Duration;

use tokio::time::Instant;

/// However long a service asks to be left alone; a typing error there must not silence it for a day.
const LEFT_ALONE_MAX: Duration = Duration::from_secs(300);

/// Lets questions through, or not.
#[derive(Debug)]
pub(super) struct Breaker {
    failures_max: u32,
    pause: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        why: Why,
    },
    /// One question is under way to see whether the source answers again.
    HalfOpen,
}

#[derive(Clone, Copy, Debug)]
enum Why {
    Failures,
    Told,
}

/// The named states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Questions go through.
    Closed,
    /// None does.
    Open,
    /// One does, or may.
    HalfOpen,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Phase; 3] = [Phase::Closed, Phase::Open, Phase::HalfOpen];

    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Closed => "closed",
            Phase::Open => "open",
            Phase::HalfOpen => "half_open",
        }
    }
}

/// A question that was let through; what came of it has to be told.
#[derive(Debug)]
#[must_use]
pub(super) struct Pass {
    is_probe: bool,
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Answered,
    Failed,
    /// It failed, and the service said for how long it wants to be left alone.
    LeaveAlone(Duration),
    /// Nothing that says anything about the source.
    Nothing,
}

impl Breaker {
    pub(super) fn new(failures_max: u32, pause: Duration) -> Breaker {
        Breaker { failures_max, pause, state: State::Closed { failures: 0 } }
    }

    /// The state that the last question left it in.
    pub(super) fn state(&self) -> Phase {
        match self.state {
            State::Closed { .. } => Phase::Closed,
            State::Open { .. } => Phase::Open,
            State::HalfOpen => Phase::HalfOpen,
        }
    }

    /// The state in which it is now: after the pause the next question goes through.
    pub(super) fn phase(&self, now: Instant) -> Phase {
        match self.state {
            State::Open { until, .. } if now >= until => Phase::HalfOpen,
            _ => self.state(),
        }
    }

    /// Why no question is let through now, in words.
    pub(super) fn refusal(&self, now: Instant) -> Option<String> {
        match self.state {
            State::Open { until, why } if now < until => {
                let seconds = (until - now).as_millis().div_ceil(1000);
                Some(match why {
                    Why::Failures => {
                        format!("it is not asked for another {seconds} s after {} failures in a row", self.failures_max)
                    }
                    Why::Told => format!("it is not asked for another {seconds} s: it said so itself"),
                })
            }
            State::HalfOpen => Some("another question finds out whether it answers again".to_owned()),
            State::Closed { .. } | State::Open { .. } => None,
        }
    }

    /// Lets a question through; the first one after a pause is the only one until something came of it.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Pass, String> {
        if let Some(refusal) = self.refusal(now) {
            return Err(refusal);
        }
        let is_probe = matches!(self.state, State::Open { .. });
        if is_probe {
            self.state = State::HalfOpen;
        }
        Ok(Pass { is_probe })
    }

    /// What came of a question. One that began before the source was left alone says nothing about it now.
    pub(super) fn record(&mut self, pass: Pass, verdict: Verdict, now: Instant) {
        let failures = match self.state {
            State::Closed { failures } => failures,
            State::HalfOpen if pass.is_probe => self.failures_max - 1,
            State::HalfOpen | State::Open { .. } => return,
        };
        self.state = match verdict {
            Verdict::Answered => State::Closed { failures: 0 },
            Verdict::Failed if failures + 1 < self.failures_max => State::Closed { failures: failures + 1 },
            Verdict::Failed => State::Open { until: now + self.pause, why: Why::Failures },
            Verdict::LeaveAlone(time) => State::Open { until: now + time.min(LEFT_ALONE_MAX), why: Why::Told },
            Verdict::Nothing if pass.is_probe => State::Open { until: now, why: Why::Failures },
            Verdict::Nothing => self.state,
        };
    }
}
