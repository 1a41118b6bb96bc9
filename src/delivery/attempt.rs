//! One attempt: the last look, the account's budget, the card; and the question whether an earlier one arrived.
//!
//! Writes nothing but the decision that it is about to act on.

use std::time::Duration;

use tokio::time::Instant;

use super::retry::{Next, ask, next};
use super::{Shared, too_late};
use crate::outbox::{Claimed, Decided, OutboxError, Settlement, Standing};
use crate::phone::{Arrival, Attempt, Target};
use crate::rules::Account;

/// Why nothing could be sent or asked.
const NO_BUDGET: &str = "the account's rate allows no more requests this minute";

impl Shared {
    /// Asks whether the card of an earlier attempt arrived. `None`: it did not, or the API does not tell; it may be sent again,
    /// for the phone system shows the first card of a call, and a second one changes nothing for the agent.
    pub(super) async fn ask(&self, claimed: &Claimed, account: &Account, card: &str) -> Option<Next> {
        let now = (self.outside.now)();
        if let Err(free_at) = self.budgets.take(account, now) {
            let wait = free_at.duration_since(now).try_into().ok();
            return Some(self.ask_again(claimed, NO_BUDGET.to_owned(), wait));
        }
        let target = Target { api: &account.api, token: &account.token };
        let span = self.spans.request(claimed, account, "GET");
        let arrival = self.phone.arrival(&target, &claimed.call_id, card, now).await;
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

    /// Keeps what was `decided`, unless an earlier attempt did, and sends the card of it.
    pub(super) async fn send(
        &self,
        claimed: &Claimed,
        account: &Account,
        card: &str,
        decided: Option<Decided>,
    ) -> Result<Next, OutboxError> {
        match self.outbox.keep_card(claimed.id, decided).await? {
            Standing::Open => {}
            // A hang-up came in while sources were asked.
            Standing::Over => return Ok(Next::Settle(Settlement::Over)),
            Standing::Superseded => return Ok(Next::Settle(Settlement::Superseded)),
        }
        let now = (self.outside.now)();
        if let Some(too_late) = too_late(claimed, now) {
            return Ok(Next::Settle(too_late));
        }
        if let Err(free_at) = self.budgets.take(account, now) {
            let why = NO_BUDGET.to_owned();
            return Ok(if free_at < claimed.expires_at {
                Next::RetryAt(free_at, why)
            } else {
                Next::Settle(Settlement::TooLate { reason: why })
            });
        }
        let target = Target { api: &account.api, token: &account.token };
        let (begun, span) = (Instant::now(), self.spans.request(claimed, account, "POST"));
        let attempt = self.phone.send(&target, &claimed.call_id, card, now).await;
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
        Ok(next(attempt, claimed.attempts, (self.outside.now)(), claimed.expires_at, (self.outside.chance)()))
    }
}
