//! One attempt: the last look, the permit of the account's budget, the card; and the question whether an earlier one arrived.
//!
//! Writes nothing but what was decided, while the card is under way.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::late::Why;
use super::retry::{Next, ask, next, not_known};
use super::{Shared, too_late};
use crate::outbox::{ASKED_FOR, Claimed, Decided, Settlement, Standing};
use crate::phone::{Arrival, Attempt, Target};
use crate::rate::{Hindrance, Permit};
use crate::rules::Account;

/// How long an attempt is under way before its decision is kept: what ends sooner is written once.
const KEPT_AFTER: Duration = Duration::from_millis(5);

impl Shared {
    /// Sends the card, unless the call may have one: then asks first. What was `decided` and is kept by then is taken.
    pub(super) async fn ask_or_send(
        &self,
        claimed: &Claimed,
        account: &Account,
        card: &str,
        decided: &mut Option<Arc<Decided>>,
        held: &mut Option<Permit>,
    ) -> Next {
        if (claimed.is_unknown || self.may_have_been_forgotten(claimed))
            && let Some(next) = self.ask(claimed, account, card, held).await
        {
            return next;
        }
        self.send(claimed, account, card, decided, held).await
    }

    /// Whether its call may have a card of which no row tells: that of an earlier process, whose last rows a power cut took along.
    /// Of a later attempt that was asked before, or nothing had been sent.
    fn may_have_been_forgotten(&self, claimed: &Claimed) -> bool {
        claimed.attempts == 0 && claimed.started_at <= self.began_at
    }

    /// Asks whether the card of an earlier attempt arrived. `None`: it did not, or the API does not tell; it may be sent again,
    /// for the phone system shows the first card of a call, and a second one changes nothing for the agent.
    async fn ask(&self, claimed: &Claimed, account: &Account, card: &str, held: &mut Option<Permit>) -> Option<Next> {
        let now = (self.outside.now)();
        let permit = match begun(account, held.take()) {
            Ok(permit) => permit,
            Err(hindrance) => {
                // It may be asked for a while after the card could be sent no more.
                let end = claimed.expires_at.saturating_add(ASKED_FOR).unwrap_or(Timestamp::MAX);
                return Some(self.hindered(hindrance, end, Next::AskAt, not_known));
            }
        };
        let target = Target { api: &account.api, token: &account.token };
        let span = self.spans.request(claimed, account, "GET");
        let (arrival, heard) = self.phone.arrival(&target, &claimed.call_id, card, now).await;
        permit.heard(&heard, Instant::now());
        span.told(&arrival);
        self.metrics.arrival(&account.name, &arrival);
        match arrival {
            Arrival::Arrived { status } => Some(Next::Settle(Settlement::Sent { status })),
            Arrival::Missing => None,
            Arrival::NotTold { status } => {
                if let Some(silenced) = self.not_told.say(&account.name, Instant::now()) {
                    tracing::warn!(
                        account = account.name,
                        status,
                        silenced,
                        "the card API of account `{}` does not tell whether a card arrived (status {status}): it is sent again",
                        account.name
                    );
                }
                None
            }
            Arrival::Later { why, after } => Some(self.ask_again(claimed, why, after)),
        }
    }

    fn ask_again(&self, claimed: &Claimed, why: String, after: Option<Duration>) -> Next {
        let (now, chance) = ((self.outside.now)(), (self.outside.chance)());
        ask(why, after, claimed.attempts, now, claimed.expires_at, chance)
    }

    /// What to do where the account's budget has come to an end since the delivery was claimed: `again` when there may be
    /// room, unless that is not before `end`.
    fn hindered(
        &self,
        hindrance: Hindrance,
        end: Timestamp,
        again: fn(Timestamp, String) -> Next,
        not_again: fn(&str) -> String,
    ) -> Next {
        let why = Why::from(hindrance.cause);
        let wait = hindrance.until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
        let at = (self.outside.now)().saturating_add(wait).unwrap_or(Timestamp::MAX);
        if at < end { again(at, why.in_words().to_owned()) } else { Next::TooLate(why, not_again(why.in_words())) }
    }

    /// Sends the card.
    async fn send(
        &self,
        claimed: &Claimed,
        account: &Account,
        card: &str,
        decided: &mut Option<Arc<Decided>>,
        held: &mut Option<Permit>,
    ) -> Next {
        let settlement = match claimed.standing() {
            Standing::Open => None,
            // A hang-up came in while sources were asked.
            Standing::Over => Some(Settlement::Over),
            Standing::Superseded => Some(Settlement::Superseded),
        };
        if let Some(settlement) = settlement {
            // It has no card.
            *decided = None;
            return Next::Settle(settlement);
        }
        let now = (self.outside.now)();
        if let Some(too_late) = too_late(claimed, now) {
            return too_late;
        }
        let permit = match begun(account, held.take()) {
            Ok(permit) => permit,
            Err(hindrance) => return self.hindered(hindrance, claimed.expires_at, Next::RetryAt, str::to_owned),
        };
        let target = Target { api: &account.api, token: &account.token };
        let (begun, span) = (Instant::now(), self.spans.request(claimed, account, "POST"));
        let sending = self.phone.send(&target, &claimed.call_id, card, now);
        let (attempt, heard) = self.kept_meanwhile(claimed, decided, sending).await;
        permit.heard(&heard, Instant::now());
        span.attempted(&attempt);
        self.metrics.attempt(&account.name, &attempt, begun.elapsed());
        if let Attempt::Refused { unauthorized: true, status, .. } = &attempt
            && let Some(silenced) = self.token_refused.say(&account.name, Instant::now())
        {
            tracing::error!(
                account = account.name,
                status,
                silenced,
                "the card API refuses the token of account `{}` (status {status}): no card reaches an agent until it is renewed",
                account.name
            );
        }
        next(attempt, claimed.attempts, (self.outside.now)(), claimed.expires_at, (self.outside.chance)())
    }

    /// Waits for an attempt, and keeps what was `decided` where that takes a while; else it is written with what comes of it.
    async fn kept_meanwhile<T>(
        &self,
        claimed: &Claimed,
        decided: &mut Option<Arc<Decided>>,
        attempt: impl Future<Output = T>,
    ) -> T {
        let mut attempt = pin!(attempt);
        if let Ok(ended) = tokio::time::timeout(KEPT_AFTER, &mut attempt).await {
            return ended;
        }
        let Some(to_keep) = decided.clone() else { return attempt.await };
        tokio::select! {
            // It does not wait for the outbox; what is not known to be kept is written once more.
            ended = &mut attempt => return ended,
            kept = self.outbox.keep(claimed.id, to_keep) => match kept {
                Ok(()) => *decided = None,
                Err(error) => self.tell_failing(&error),
            },
        }
        attempt.await
    }
}

/// The permit for a request that begins now: the one that was reserved, or another one.
fn begun(account: &Account, held: Option<Permit>) -> Result<Permit, Hindrance> {
    let now = Instant::now();
    let mut permit = match held {
        Some(permit) => permit,
        None => account.budget.take(account.requests_per_minute, now)?,
    };
    permit.begin(now)?;
    Ok(permit)
}
