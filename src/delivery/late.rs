//! Why a call got no card in its time: few causes, so that they can be counted, and one loud line about each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Shared;
use crate::outbox::Expired;
use crate::rate::Cause;

/// What made it late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Why {
    /// More was due than the account's rate allows, and newer calls went first.
    Rate,
    /// The card API failed, or did not answer.
    Api,
    /// More was due than could be worked on, and newer calls went first.
    Busy,
    /// Its time was over when it came, or ran out while the server was down or its sources were asked.
    Late,
}

impl Why {
    /// Every cause.
    pub(super) const ALL: [Why; 4] = [Why::Rate, Why::Api, Why::Busy, Why::Late];

    /// The word in metrics and logs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Why::Rate => "rate",
            Why::Api => "api",
            Why::Busy => "busy",
            Why::Late => "late",
        }
    }

    /// The same for a person, behind "because".
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Why::Rate => "the account's rate allows no more requests",
            Why::Api => "the card API fails",
            Why::Busy => "there are more than can be worked on at once",
            Why::Late => "their time was over",
        }
    }
}

impl From<Cause> for Why {
    fn from(cause: Cause) -> Why {
        match cause {
            Cause::Rate => Why::Rate,
            Cause::Api => Why::Api,
            Cause::Busy => Why::Busy,
        }
    }
}

/// What last kept deliveries of each account from being claimed.
#[derive(Debug, Default)]
pub(super) struct Hindrances {
    last: Mutex<HashMap<String, (Timestamp, Cause)>>,
}

impl Hindrances {
    /// These accounts could have no more than they got.
    pub(super) fn note(&self, accounts: &[String], cause: Cause, now: Timestamp) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        for account in accounts {
            last.insert(account.clone(), (now, cause));
        }
    }

    /// What is known now.
    pub(super) fn all(&self) -> HashMap<String, (Timestamp, Cause)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why nobody came to a delivery in its time.
pub(super) fn why(expired: &Expired, hindrances: &HashMap<String, (Timestamp, Cause)>) -> Why {
    let was_there = |at: Timestamp| at >= expired.received_at && expired.received_at < expired.expires_at;
    hindrances.get(&expired.account).filter(|(at, _)| was_there(*at)).map_or(Why::Late, |(_, cause)| (*cause).into())
}

/// What is written down about it.
pub(super) fn reason(expired: &Expired, why: Why, now: Timestamp) -> String {
    let began = ago(now.duration_since(expired.started_at));
    match (expired.is_unknown, why) {
        (true, _) => format!("whether the card arrived is not known; the call began {began}"),
        (false, Why::Late) => format!("the call began {began}"),
        (false, why) => format!("the call began {began}, and newer calls went first: {}", why.in_words()),
    }
}

pub(super) fn ago(duration: SignedDuration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} seconds ago"),
        seconds @ 120..7200 => format!("{} minutes ago", seconds / 60),
        seconds => format!("{} hours ago", seconds / 3600),
    }
}

impl Shared {
    /// Counts a call without a card, and says so once a minute.
    pub(super) fn tell_late(&self, account: &str, why: Why) {
        self.metrics.too_late(account, why);
        if why == Why::Late {
            return;
        }
        let key = format!("{account} {}", why.as_str());
        if let Some(silenced) = self.late.say(&key, tokio::time::Instant::now()) {
            tracing::warn!(
                account,
                reason = why.as_str(),
                silenced,
                "calls of account `{account}` get no card in time: {}; {silenced} since the last such line",
                why.in_words()
            );
        }
    }

    /// The one line about a call that nobody came to.
    pub(super) fn tell_expired(&self, expired: &Expired, why: Why, now: Timestamp) {
        let settlement = crate::outbox::Settlement::TooLate { reason: String::new() };
        let took = now.duration_since(expired.received_at);
        self.metrics.settled(&expired.account, &settlement, expired.rule.as_deref(), took);
        self.tell_late(&expired.account, why);
        let (outcome, milliseconds) = (settlement.as_str(), i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
        let rule = expired.rule.as_deref().unwrap_or("none");
        tracing::info!(
            call.id = expired.call_id,
            call.event = expired.event,
            account = expired.account,
            rule.name = rule,
            rules.revision = expired.revision,
            outcome,
            reason = reason(expired, why, now),
            attempts = expired.attempts,
            milliseconds,
            "call {}: {outcome} by rule {rule} in {milliseconds} ms",
            expired.call_id
        );
    }
}
