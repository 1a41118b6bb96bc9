//! Who is next: each account in its own lane, as many deliveries at a time as its budget allows cards, the newest calls
//! first.
//!
//! What can't be sent now is not claimed: no source is asked for it, nothing is written for it, and a call that comes in
//! meanwhile goes before it. What expires while it waits is settled together.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::late::{reason, why};
use super::rounds::Round;
use super::{Courier, StoredTrace};
use crate::outbox::{EXPIRED_ROWS_MAX, OutboxError, Share, Shares, Spent};
use crate::phone::ATTEMPT_TIMEOUT;
use crate::rate::{Budget, Cause, Hindrance};
use crate::rules::{Account, RuleSet};

/// Deliveries of a lane under way at once; each waits for sources and the card API, hardly for the processor. With sources
/// that take the whole second and a half they may, that is a hundred calls a second.
pub(super) const CONCURRENT_MAX: usize = 256;

/// How much longer than a decision, a question and an attempt a lease lasts. A lease that ran out would be worked on twice.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// Between two looks for what has expired: at most as many rows a second as webhooks can be accepted.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// Accounts that share a budget.
struct Lane {
    accounts: Vec<String>,
    budget: Arc<Budget>,
    /// What they may send in a minute; of several accounts the least.
    limit: u32,
}

/// When to look for expired deliveries.
#[derive(Debug)]
pub(super) struct Sweep {
    /// What expired until then is settled.
    until: Timestamp,
    again_at: Instant,
}

impl Sweep {
    pub(super) fn new() -> Sweep {
        Sweep { until: Timestamp::MIN, again_at: Instant::now() }
    }
}

impl Courier {
    /// Counts what an earlier process sent in the last minute.
    pub(super) async fn remember(&self) {
        let (now, time) = (Instant::now(), (self.shared.outside.now)());
        let since = time.saturating_sub(SignedDuration::from_secs(60)).unwrap_or(Timestamp::MIN);
        let spent = match self.shared.outbox.spent(since, time).await {
            Ok(spent) => spent,
            Err(error) => return tracing::error!(%error, "what was sent before the start is not known: {error}"),
        };
        for lane in lanes(&self.shared.live.rules().accounts) {
            let of_lane = spent.iter().filter(|spent| lane.accounts.contains(&spent.account));
            let ages: Vec<Duration> = of_lane
                .flat_map(|spent| {
                    let age = Duration::try_from(time.duration_since(spent.at)).unwrap_or_default();
                    std::iter::repeat_n(age, requests(spent))
                })
                .collect();
            lane.budget.remember(&ages, now);
        }
    }

    /// Settles what has expired, starts what is due and may be sent, and says when to look again.
    pub(super) async fn work(&self, tasks: &mut JoinSet<()>, sweep: &mut Sweep) -> Result<Round, OutboxError> {
        if Instant::now() >= sweep.again_at {
            self.settle_expired(sweep).await?;
        }
        let (now, time) = (Instant::now(), (self.shared.outside.now)());
        let Round { again_at: free_at, is_full } = self.claim(tasks, now, time).await?;
        let (due, expiry) = self.shared.outbox.next_times(time, sweep.until).await?;
        let at = |time_then: Timestamp| now + Duration::try_from(time_then.duration_since(time)).unwrap_or_default();
        let expiry = expiry.map(|expiry| at(expiry).max(sweep.again_at));
        Ok(Round { again_at: due.map(at).into_iter().chain(expiry).chain(free_at).min(), is_full })
    }

    async fn settle_expired(&self, sweep: &mut Sweep) -> Result<(), OutboxError> {
        let (now, time) = (Instant::now(), (self.shared.outside.now)());
        let hindrances = self.shared.hindrances.all();
        let known = hindrances.clone();
        let say = move |expired: &_| reason(expired, why(expired, &known), time);
        let expired = self.shared.outbox.settle_expired(time, say).await?;
        for one in &expired {
            self.shared.tell_expired(one, why(one, &hindrances), time);
        }
        if expired.len() < EXPIRED_ROWS_MAX {
            (sweep.until, sweep.again_at) = (time, now + SWEEP_EVERY);
        }
        Ok(())
    }

    /// Starts what is due, and says when there may be room for more.
    async fn claim(&self, tasks: &mut JoinSet<()>, now: Instant, time: Timestamp) -> Result<Round, OutboxError> {
        let rules = self.shared.live.rules();
        let lanes = lanes(&rules.accounts);
        let rooms: Vec<_> = lanes.iter().map(|lane| lane.budget.room(lane.limit, CONCURRENT_MAX, now, time)).collect();
        let share = |(lane, (room, _)): (&Lane, &_)| Share { accounts: lane.accounts.clone(), at_most: *room };
        // What is left of accounts that are no longer in the rules is settled without a request.
        let others = CONCURRENT_MAX.saturating_sub(tasks.len());
        let shares = Shares { named: lanes.iter().zip(&rooms).map(share).collect(), others };
        let mut counts = vec![0; lanes.len()];
        for claimed in self.shared.outbox.claim(time, lease(&rules), shares).await? {
            let lane = lanes.iter().zip(&mut counts).find(|(lane, _)| lane.accounts.contains(&claimed.account));
            let permit = lane.and_then(|(lane, count)| {
                *count += 1;
                // Where a lookup was quicker, the delivery takes another one when it comes to it.
                lane.budget.take(lane.limit, Instant::now()).ok()
            });
            let shared = Arc::clone(&self.shared);
            tasks.spawn(async move { shared.deliver(claimed, None, permit).await });
        }
        let mut is_full = others == 0;
        for ((lane, (room, hindrance)), count) in lanes.iter().zip(&rooms).zip(counts) {
            if count == *room {
                is_full = true;
                self.hindered(lane, *hindrance, now, time);
            }
        }
        Ok(Round { again_at: rooms.iter().filter_map(|(_, hindrance)| hindrance.until).min(), is_full })
    }

    /// A lane got all it could have; there may be more that is due.
    fn hindered(&self, lane: &Lane, hindrance: Hindrance, now: Instant, time: Timestamp) {
        self.shared.hindrances.note(&lane.accounts, hindrance.cause, time);
        let Some(stopped) = lane.budget.stopped_for(now).filter(|_| hindrance.cause == Cause::Rate) else { return };
        let seconds = stopped.as_secs_f64().ceil();
        for account in &lane.accounts {
            if let Some(silenced) = self.shared.stopped.say(account, now) {
                tracing::warn!(
                    account,
                    seconds,
                    silenced,
                    "the API of account `{account}` allows no more requests for {seconds} s: its cards wait, then the newest calls go first"
                );
            }
        }
    }
}

/// How long what is taken is its worker's.
pub(super) fn lease(rules: &RuleSet) -> Duration {
    rules.defaults.decide_within + 2 * ATTEMPT_TIMEOUT + LEASE_MARGIN
}

fn lanes(accounts: &[Account]) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    for account in accounts {
        match lanes.iter_mut().find(|lane| Arc::ptr_eq(&lane.budget, &account.budget)) {
            Some(lane) => {
                lane.accounts.push(account.name.clone());
                lane.limit = lane.limit.min(account.requests_per_minute);
            }
            None => lanes.push(Lane {
                accounts: vec![account.name.clone()],
                budget: Arc::clone(&account.budget),
                limit: account.requests_per_minute,
            }),
        }
    }
    lanes
}

/// Requests that a delivery cost: its attempts, and the lookups with the same token.
fn requests(spent: &Spent) -> usize {
    let trace = spent.trace.as_deref().and_then(|trace| serde_json::from_str::<StoredTrace>(trace).ok());
    let sources = trace.map(|trace| trace.sources).unwrap_or_default();
    let asked =
        sources.iter().filter(|step| step.kind == "hipcall" && step.milliseconds.is_some() && step.how.is_none());
    let lookups: usize = asked.map(|step| usize::from(step.tries.unwrap_or(1))).sum();
    lookups + usize::try_from(spent.attempts).unwrap_or(usize::MAX)
}
