//! The short way in: an event for which there is room now is leased as it is accepted, and worked on while it is committed.
//!
//! No claim has to be written for it, and it is not read again. Where there is no room, or the event is not the first of its
//! call, it is claimed when its turn comes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lanes::{CONCURRENT_MAX, lease};
use super::{Courier, Shared};
use crate::event::Event;
use crate::outbox::{Claimed, Taking};
use crate::rate::Permit;
use crate::rules::RuleSet;

/// Where webhooks ask a [`Courier`] for room.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
    /// Without a bound of its own: who is in it has a permit.
    taken: mpsc::UnboundedSender<Taken>,
}

/// A delivery that was taken as it was accepted, and its event as it was read at the door.
pub(super) struct Taken {
    pub(super) claimed: Claimed,
    pub(super) event: Event,
    pub(super) permit: Permit,
}

impl Courier {
    /// Where webhooks ask it for room. It takes nothing before it runs.
    pub fn intake(&self) -> Intake {
        Intake { shared: Arc::clone(&self.shared), taken: self.taken.clone() }
    }
}

impl Intake {
    /// Room for one more delivery of this account, if there is any now. Whoever drops it gives it back.
    pub fn room(&self, rules: &RuleSet, account: &str, event: Event) -> Option<Taking> {
        if !self.shared.is_open.load(Ordering::Acquire) {
            return None;
        }
        let (now, time) = (Instant::now(), (self.shared.outside.now)());
        let budget = &rules.account(account)?.budget;
        let sharing = rules.accounts.iter().filter(|one| Arc::ptr_eq(&one.budget, budget));
        let limit = sharing.map(|one| one.requests_per_minute).min()?;
        let (room, _) = budget.room(limit, CONCURRENT_MAX, now, time);
        let permit = if room > 0 { budget.take(limit, now).ok()? } else { return None };
        let taken = self.taken.clone();
        Some(Taking {
            lease_until: time.saturating_add(lease(rules)).unwrap_or(Timestamp::MAX),
            // Where the courier has stopped, the next process finds it.
            take: Box::new(move |claimed| drop(taken.send(Taken { claimed, event, permit }))),
        })
    }
}
