//! What an API allows in a minute, and what is left of it: one budget for everything that is asked with the same token.
//!
//! Cards, questions whether a card arrived, and lookups take from it, and what the API says about its own rate counts for
//! all of them. Nothing here waits, sends or logs; where nothing may be sent it says until when.

mod answer;
mod state;
#[cfg(test)]
mod tests;
mod window;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

pub(crate) use answer::retry_after;
pub use answer::{Answer, Heard};
use state::State;

/// The budget of one token at one API.
#[derive(Debug, Default)]
pub struct Budget {
    state: Mutex<State>,
}

/// Why nothing may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hindrance {
    /// What hinders.
    pub cause: Cause,
    /// Until when; `None` where that is as soon as something under way has ended.
    pub until: Option<Instant>,
}

/// What keeps a card from being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The account's rate: `requests_per_minute`, or what the API says.
    Rate,
    /// The API fails: now and then one request finds out whether it works again.
    Api,
    /// So many are under way that no more fit.
    Busy,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A card, or the question whether one arrived.
    Card,
    /// The same, while the API fails: what comes of it decides.
    Probe,
    /// A lookup of a source.
    Lookup,
}

/// The right to one request. Whoever drops it unused gives it back.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    budget: Arc<Budget>,
    purpose: Purpose,
    /// When it was taken or, later, when its request began.
    at: Instant,
    is_begun: bool,
    is_over: bool,
}

impl Budget {
    /// How many cards may be sent now, with at most `at_most` of them under way, and what keeps it from being more. `limit`:
    /// what the account may send in a minute. `time` is what the resets of later lookups are measured by.
    pub fn room(&self, limit: u32, at_most: usize, now: Instant, time: Timestamp) -> (usize, Hindrance) {
        let mut state = self.state();
        state.set_time(now, time);
        state.room(limit, at_most, now)
    }

    /// Takes one request for a card.
    ///
    /// # Errors
    /// What hinders, and until when.
    pub fn take(self: &Arc<Self>, limit: u32, now: Instant) -> Result<Permit, Hindrance> {
        let mut state = self.state();
        match state.room(limit, usize::MAX, now) {
            (0, hindrance) => Err(hindrance),
            _ => Ok(self.permit(state.take_card(now), now)),
        }
    }

    /// Takes one request for a lookup, where that leaves the cards their share.
    pub fn take_for_lookup(self: &Arc<Self>, limit: u32, now: Instant) -> Option<Permit> {
        let mut state = self.state();
        state.take_lookup(limit, now).then(|| self.permit(Purpose::Lookup, now))
    }

    fn permit(self: &Arc<Self>, purpose: Purpose, at: Instant) -> Permit {
        Permit { budget: Arc::clone(self), purpose, at, is_begun: false, is_over: false }
    }

    /// How many requests may still be sent now.
    pub fn left(&self, limit: u32, now: Instant) -> usize {
        self.state().left(limit, now)
    }

    /// For how long the API wants no more requests; `None` where it does not say so.
    pub fn stopped_for(&self, now: Instant) -> Option<Duration> {
        self.state().stopped_until(now).map(|until| until - now)
    }

    /// The time of day, as it goes by the last [`Budget::room`].
    pub fn time(&self, now: Instant) -> Option<Timestamp> {
        self.state().time(now)
    }

    /// Counts requests that were sent before this process began: how long ago each.
    pub fn remember(&self, ages: &[Duration], now: Instant) {
        self.state().remember(ages, now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain values; whoever panicked with the lock left them whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The last look before the request is sent.
    ///
    /// # Errors
    /// What has come up since it was taken, and until when.
    pub fn begin(&mut self, now: Instant) -> Result<(), Hindrance> {
        let at = self.at;
        self.budget.state().begin(self.purpose, at, now)?;
        (self.at, self.is_begun) = (now, true);
        Ok(())
    }

    /// What came of the request.
    pub fn heard(mut self, heard: &Heard, now: Instant) {
        self.is_over = true;
        let (purpose, at) = (self.purpose, self.at);
        self.budget.state().heard(purpose, heard, at, now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut state = self.budget.state();
        match self.is_begun {
            // It was given up on its way.
            true => state.heard(self.purpose, &Heard::Nothing, self.at, Instant::now()),
            false => state.give_back(self.purpose, self.at, Instant::now()),
        }
    }
}
