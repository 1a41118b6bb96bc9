//! The arithmetic of a budget, over moments that come in.
//!
//! Three bounds, of which the lowest counts: what was sent in the last minute, what the API said, and, while the API fails or
//! has just been too busy, how much it is trusted with.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::window::Window;
use super::{Answer, Cause, Heard, Hindrance, Purpose};

const MINUTE: Duration = Duration::from_secs(60);

/// However long the API wants no requests: after this one of them asks again, since a mistake in a header must not keep
/// cards away for an hour. As long as for sources.
const STOP_MAX: Duration = Duration::from_secs(300);

/// How long to stop where the API says "no more" and names no time; it doubles while that goes on.
const GUESS: Duration = Duration::from_secs(1);
const GUESS_MAX: Duration = Duration::from_secs(8);

/// Of what is left, lookups leave the last fifth to cards: a card without a name is worth more than a name without a card.
const SHARE_OF_CARDS: usize = 5;

/// So many failures in a row are no accident any more.
const FAILURES_MAX: u32 = 3;

/// Between two requests to an API that fails; it doubles. Each costs a part of the budget that calls will want when it works
/// again, and each is also the earliest moment at which that can be seen.
const PROBE_PAUSE: Duration = Duration::from_millis(250);
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Requests a second to an API that has just been too busy: the first one tells how much it takes. Each success doubles it,
/// until it counts no more. By the second and not by how many are under way, since one may hang.
const TRUST: usize = 1;
const TRUST_MAX: usize = 128;
const TRUST_TIME: Duration = Duration::from_secs(1);

/// What is known of one budget.
#[derive(Debug, Default)]
pub(super) struct State {
    /// When the requests of the last minute began, in order; those that are reserved among them.
    taken: Window,
    /// Requests reserved or under way.
    open: usize,
    /// Those of them that are for cards.
    cards: usize,
    told: Option<Told>,
    stopped_until: Option<Instant>,
    /// Stops in a row without a named time.
    guesses: u32,
    /// Failures in a row.
    failures: u32,
    probe: Option<Probe>,
    /// Requests a second, and why no more.
    trust: Option<(usize, Cause)>,
    time: Option<(Instant, Timestamp)>,
}

/// What the API said last.
#[derive(Clone, Copy, Debug)]
struct Told {
    limit: Option<u32>,
    remaining: u32,
    until: Instant,
}

/// The API fails: one request at a time finds out whether it still does.
#[derive(Clone, Copy, Debug)]
struct Probe {
    at: Instant,
    pause: Duration,
}

impl State {
    /// How many cards may be sent now, and what keeps it from being more.
    pub(super) fn room(&mut self, limit: u32, at_most: usize, now: Instant) -> (usize, Hindrance) {
        let rate = |until| Hindrance { cause: Cause::Rate, until };
        if let Some(until) = self.stopped_until(now) {
            return (0, rate(Some(until)));
        }
        self.forget(now);
        let busy = Hindrance { cause: Cause::Busy, until: None };
        let mut bounds = vec![(at_most.saturating_sub(self.cards), busy), (self.own(limit), rate(self.own_until()))];
        bounds.extend(self.told.map(|told| (told.left(self.open, now), rate(told.until_at(now)))));
        bounds.extend(self.trust.map(|(trust, cause)| self.trusted(trust, cause, now)));
        bounds.extend(self.probe.map(|probe| {
            let is_due = now >= probe.at;
            (usize::from(is_due), Hindrance { cause: Cause::Api, until: (!is_due).then_some(probe.at) })
        }));
        let least = bounds.into_iter().min_by_key(|(room, _)| *room);
        least.unwrap_or((0, rate(None)))
    }

    /// What is left of so many requests a second.
    fn trusted(&self, trust: usize, cause: Cause, now: Instant) -> (usize, Hindrance) {
        let (taken, first) = match now.checked_sub(TRUST_TIME) {
            Some(before) => self.taken.after(before),
            None => (self.taken.len(), self.taken.first()),
        };
        (trust.saturating_sub(taken), Hindrance { cause, until: first.map(|first| first + TRUST_TIME) })
    }

    /// How many requests are left, whatever for.
    pub(super) fn left(&mut self, limit: u32, now: Instant) -> usize {
        if self.stopped_until(now).is_some() {
            return 0;
        }
        self.forget(now);
        self.own(limit).min(self.told.map_or(usize::MAX, |told| told.left(self.open, now)))
    }

    pub(super) fn stopped_until(&self, now: Instant) -> Option<Instant> {
        self.stopped_until.filter(|until| now < *until)
    }

    /// What `limit` leaves of this minute.
    fn own(&self, limit: u32) -> usize {
        usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(self.taken.len())
    }

    fn own_until(&self) -> Option<Instant> {
        self.taken.first().map(|first| first + MINUTE)
    }

    fn forget(&mut self, now: Instant) {
        if let Some(before) = now.checked_sub(MINUTE) {
            self.taken.forget(before);
        }
    }

    pub(super) fn take_card(&mut self, now: Instant) -> Purpose {
        self.take(now);
        self.cards += 1;
        let Some(probe) = &mut self.probe else { return Purpose::Card };
        *probe = Probe { at: now + probe.pause, pause: (probe.pause * 2).min(PROBE_PAUSE_MAX) };
        Purpose::Probe
    }

    /// `false`: what is left is for cards.
    pub(super) fn take_lookup(&mut self, limit: u32, now: Instant) -> bool {
        let told = self.told.and_then(|told| told.limit).unwrap_or(u32::MAX);
        let share = usize::try_from(limit.min(told)).unwrap_or(usize::MAX).div_ceil(SHARE_OF_CARDS);
        let is_left = self.left(limit, now) > share;
        if is_left {
            self.take(now);
        }
        is_left
    }

    fn take(&mut self, now: Instant) {
        self.open += 1;
        self.taken.put(now);
    }

    /// A permit that was taken at `at` is not used.
    pub(super) fn give_back(&mut self, purpose: Purpose, at: Instant, now: Instant) {
        self.close(purpose);
        self.taken.take_out(at);
        if let (Purpose::Probe, Some(probe)) = (purpose, &mut self.probe) {
            *probe = Probe { at: probe.at.min(now), pause: (probe.pause / 2).max(PROBE_PAUSE) };
        }
    }

    fn close(&mut self, purpose: Purpose) {
        self.open = self.open.saturating_sub(1);
        if purpose != Purpose::Lookup {
            self.cards = self.cards.saturating_sub(1);
        }
    }

    /// The request of a permit that was taken at `at` begins now, unless something has come up meanwhile.
    pub(super) fn begin(&mut self, purpose: Purpose, at: Instant, now: Instant) -> Result<(), Hindrance> {
        if let Some(until) = self.stopped_until(now) {
            return Err(Hindrance { cause: Cause::Rate, until: Some(until) });
        }
        if let (Purpose::Card, Some(probe)) = (purpose, self.probe) {
            return Err(Hindrance { cause: Cause::Api, until: Some(probe.at.max(now)) });
        }
        self.taken.take_out(at);
        self.taken.put(now);
        Ok(())
    }

    /// What came of the request that began at `at`.
    pub(super) fn heard(&mut self, purpose: Purpose, heard: &Heard, at: Instant, now: Instant) {
        self.close(purpose);
        match heard {
            Heard::Unsent => self.taken.take_out(at),
            // It may have been counted.
            Heard::Nothing => {
                if let Some(told) = &mut self.told {
                    told.remaining = told.remaining.saturating_sub(1);
                }
            }
            Heard::Answer(answer) => self.answered(answer, now),
        }
        if purpose != Purpose::Lookup {
            match heard {
                Heard::Answer(answer) if is_too_many(answer) => {
                    (self.failures, self.probe, self.trust) = (0, None, Some((TRUST, Cause::Rate)));
                }
                Heard::Answer(Answer { status: 408 | 500..=599, .. }) | Heard::Unsent | Heard::Nothing => {
                    self.failed(now);
                }
                Heard::Answer(_) => self.succeeded(),
            }
        }
    }

    fn answered(&mut self, answer: &Answer, now: Instant) {
        let wants_no_more = is_too_many(answer);
        if wants_no_more || answer.remaining == Some(0) {
            self.stop(if wants_no_more { answer.wait() } else { answer.reset }, now);
        } else {
            self.guesses = 0;
        }
        if let Some(remaining) = answer.remaining {
            let reset = answer.reset.map(|reset| now + reset);
            let stopped = self.stopped_until.filter(|_| remaining == 0);
            let until = reset.or(stopped).unwrap_or(now + MINUTE).min(now + STOP_MAX);
            self.told = Some(Told { limit: answer.limit, remaining, until });
        }
    }

    /// Stops everything. Requests that were under way then may all be told the same; that is one stop.
    fn stop(&mut self, wait: Option<Duration>, now: Instant) {
        let until = match wait {
            Some(wait) => {
                self.guesses = 0;
                now + wait.min(STOP_MAX)
            }
            None if self.stopped_until(now).is_some() => return,
            None => {
                let guess = (GUESS * 2_u32.saturating_pow(self.guesses.min(8))).min(GUESS_MAX);
                self.guesses += 1;
                now + guess
            }
        };
        self.stopped_until = self.stopped_until.max(Some(until));
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_MAX && self.probe.is_none() {
            self.probe = Some(Probe { at: now + PROBE_PAUSE, pause: PROBE_PAUSE * 2 });
        }
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        if self.probe.take().is_some() {
            // This was the first one.
            self.trust = Some((TRUST * 2, Cause::Api));
        } else {
            self.trust = self.trust.map(|(trust, cause)| (trust * 2, cause)).filter(|(trust, _)| *trust < TRUST_MAX);
        }
    }

    pub(super) fn remember(&mut self, ages: &[Duration], now: Instant) {
        ages.iter().filter_map(|age| now.checked_sub(*age)).for_each(|at| self.taken.put(at));
    }

    pub(super) fn set_time(&mut self, now: Instant, time: Timestamp) {
        self.time = Some((now, time));
    }

    pub(super) fn time(&self, now: Instant) -> Option<Timestamp> {
        let (then, time) = self.time?;
        let passed = SignedDuration::try_from(now.saturating_duration_since(then)).ok()?;
        time.checked_add(passed).ok()
    }
}

impl Told {
    /// What is left while so many requests are open, of which nobody knows whether they were counted. Behind the reset
    /// there is a whole limit again, if one was named.
    fn left(&self, open: usize, now: Instant) -> usize {
        let whole = if now < self.until { Some(self.remaining) } else { self.limit };
        whole.map_or(usize::MAX, |whole| usize::try_from(whole).unwrap_or(usize::MAX).saturating_sub(open))
    }

    fn until_at(&self, now: Instant) -> Option<Instant> {
        (now < self.until).then_some(self.until)
    }
}

fn is_too_many(answer: &Answer) -> bool {
    answer.status == 429 || (answer.status == 503 && answer.retry_after.is_some())
}
