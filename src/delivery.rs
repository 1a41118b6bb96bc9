//! Deliveries: claim → decide → send → settle, until nothing is due.
//!
//! Every delivery ends in exactly one settlement, and each is logged in one line. When and how often to send again is
//! arithmetic of its own (`retry`), without clock or chance. Nothing here knows how a webhook arrives.

mod attempt;
mod hush;
mod insist;
mod intake;
mod lanes;
mod late;
mod metrics;
mod retry;
mod rounds;
mod spans;

pub use hush::Hush;
pub use intake::Intake;
pub use metrics::Metrics;
pub use rounds::STOP_WITHIN;
pub use spans::{Span, Spans};

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::engine::{self, Decision, Outcome, SourceStep};
use crate::event::{Call, Event};
use crate::outbox::{Claimed, Decided, Outbox, OutboxError, Settlement};
use crate::phone::Phone;
use crate::rate::Permit;
use crate::rules::{Live, RuleSet};
use intake::Taken;
use late::{Hindrances, Why, ago};
use retry::Next;

/// How long the loop, and a delivery, rests after the outbox failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// At most one loud line a minute about the same: a token that the API refuses, a rate that is used up.
const LOUD_EVERY: Duration = Duration::from_secs(60);

/// Works off the outbox.
pub struct Courier {
    shared: Arc<Shared>,
    taken: mpsc::UnboundedSender<Taken>,
    taking: mpsc::UnboundedReceiver<Taken>,
}

struct Shared {
    outbox: Outbox,
    phone: Phone,
    live: Arc<Live>,
    outside: Outside,
    metrics: Metrics,
    spans: Spans,
    hindrances: Hindrances,
    /// Whether deliveries may be taken as they are accepted.
    is_open: AtomicBool,
    /// When this process began to deliver.
    began_at: Timestamp,
    token_refused: Hush,
    not_told: Hush,
    failing: Hush,
    stopped: Hush,
    late: Hush,
}

/// The clock and the chance, handed in so that a test can choose them.
#[derive(Clone, Copy)]
pub struct Outside {
    /// The time.
    pub now: fn() -> Timestamp,
    /// A number from 0 up to 1, for jitter.
    pub chance: fn() -> f64,
}

impl Courier {
    /// A courier for one outbox.
    pub fn new(
        outbox: Outbox,
        phone: Phone,
        live: Arc<Live>,
        outside: Outside,
        metrics: Metrics,
        spans: Spans,
    ) -> Courier {
        let hush = || Hush::new(LOUD_EVERY);
        let shared = Shared {
            outbox,
            phone,
            live,
            outside,
            metrics,
            spans,
            hindrances: Hindrances::default(),
            is_open: AtomicBool::new(false),
            began_at: (outside.now)(),
            token_refused: hush(),
            not_told: hush(),
            stopped: hush(),
            late: hush(),
            failing: hush(),
        };
        let (taken, taking) = mpsc::unbounded_channel();
        Courier { shared: Arc::new(shared), taken, taking }
    }
}

/// What one turn of a delivery came to.
struct Turn {
    next: Next,
    /// What is not kept yet.
    decided: Option<Arc<Decided>>,
    /// Of a decision that was made in it.
    told: Option<Told>,
}

/// A decision, as it is kept and told.
struct Told {
    decided: Arc<Decided>,
    sources: String,
}

impl Told {
    /// The same, and the card or how the delivery is settled without one.
    fn of(decision: Decision) -> (Result<String, Settlement>, Told) {
        let card = match decision.outcome {
            Outcome::Card(card) => Ok(card.body()),
            Outcome::NoCard(why) => Err(Settlement::NoCard { reason: why.to_string() }),
            Outcome::Invalid(mistakes) => Err(Settlement::InvalidCard { reason: mistakes.join("; ") }),
        };
        let decided = Decided {
            rule: decision.rule.map(|rule| rule.to_string()),
            revision: decision.revision,
            card: card.as_ref().ok().cloned(),
            trace: serde_json::to_string(&decision.trace).unwrap_or_default(),
        };
        (card, Told { decided: Arc::new(decided), sources: told(&decision.trace.sources) })
    }
}

impl Shared {
    /// Forgets what need not be kept any longer, in small steps.
    async fn forget(&self) {
        let send_within = self.live.rules().defaults.send_within;
        let send_within = SignedDuration::try_from(send_within).unwrap_or(SignedDuration::MAX);
        loop {
            match self.outbox.forget((self.outside.now)(), send_within).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => return self.tell_failing(&error),
            }
        }
    }

    /// Works one delivery off; `event` is what its body says, where that was read already.
    async fn deliver(&self, mut claimed: Claimed, event: Option<Event>, mut permit: Option<Permit>) {
        let turn = self.turn(&claimed, event, &mut permit).await;
        // Its memory is not needed while others are waited for, to be written with it.
        claimed.body = Vec::new();
        // As long as it can't be written, nobody else can claim it either.
        while let Err(error) = self.settle(&claimed, &turn).await {
            if !self.waited(&error).await {
                return;
            }
        }
    }

    /// Decides, unless an earlier attempt did, and sends. The permit is given back where that takes no request.
    async fn turn(&self, claimed: &Claimed, event: Option<Event>, permit: &mut Option<Permit>) -> Turn {
        let settled = |settlement| Turn { next: Next::Settle(settlement), decided: None, told: None };
        let now = (self.outside.now)();
        // What may have been sent is asked about even then, so that what is told about the call is true.
        if let Some(too_late) = too_late(claimed, now)
            && !claimed.is_unknown
        {
            return Turn { next: too_late, decided: None, told: None };
        }
        // No source need be asked for a call that has its card.
        if claimed.card.is_none() && claimed.is_superseded {
            return settled(Settlement::Superseded);
        }
        let rules = self.live.rules();
        let Some(account) = rules.account(&claimed.account) else {
            let reason = format!("the account `{}` is no longer in the rules", claimed.account);
            return settled(Settlement::NoCard { reason });
        };
        if let Some(card) = &claimed.card {
            let next = self.ask_or_send(claimed, account, card, &mut None, permit).await;
            return Turn { next, decided: None, told: None };
        }
        let begun = Instant::now();
        // Boxed, because each future on the way to it would hold it once more: three quarters of what a delivery under way takes.
        let deciding = Box::pin(decide(&rules, claimed, event, now));
        let decision = match or_panic(self.traced(claimed, deciding)).await {
            Ok(Some(decision)) => decision,
            Ok(None) => {
                let reason = "the stored event can't be read".to_owned();
                return settled(Settlement::NoCard { reason });
            }
            // The same event would do it again, and another event of the call waits for this one.
            Err(Panicked) => {
                tracing::error!(
                    call.id = claimed.call_id,
                    "call {}: its decision stopped unexpectedly",
                    claimed.call_id
                );
                let reason = "the decision stopped unexpectedly, which is a fault of Callcard".to_owned();
                return settled(Settlement::NoCard { reason });
            }
        };
        self.metrics.decision(begun.elapsed());
        let (card, told) = Told::of(decision);
        let mut decided = Some(Arc::clone(&told.decided));
        let next = match card {
            Ok(card) => self.ask_or_send(claimed, account, &card, &mut decided, permit).await,
            Err(settlement) => Next::Settle(settlement),
        };
        Turn { next, decided, told: Some(told) }
    }

    async fn settle(&self, claimed: &Claimed, turn: &Turn) -> Result<(), OutboxError> {
        let now = (self.outside.now)();
        let Turn { next, decided, told } = turn;
        let (settlement, late) = match next {
            Next::RetryAt(at, why) => {
                tracing::debug!(call.id = claimed.call_id, why, "call {}: again at {at}: {why}", claimed.call_id);
                if self.outbox.retry_at(claimed.id, decided.clone(), *at, why.clone()).await? {
                    return Ok(());
                }
                (Settlement::Over, None)
            }
            Next::AskAt(at, why) => {
                tracing::debug!(call.id = claimed.call_id, why, "call {}: asked about at {at}: {why}", claimed.call_id);
                return self.outbox.ask_at(claimed.id, decided.clone(), *at, why.clone()).await;
            }
            Next::TooLate(why, reason) => (Settlement::TooLate { reason: reason.clone() }, Some(*why)),
            Next::Settle(settlement) => (settlement.clone(), None),
        };
        let _span = self.spans.settle(claimed, &settlement);
        // Where the call's hang-up settled it meanwhile, that has been told.
        if self.outbox.settle(claimed.id, settlement.clone(), decided.clone(), now).await? {
            self.tell(claimed, &settlement, told.as_ref(), now);
            late.into_iter().for_each(|why| self.tell_late(&claimed.account, why));
        }
        Ok(())
    }

    /// The one line about a call, without number, name, token or body.
    fn tell(&self, claimed: &Claimed, settlement: &Settlement, told: Option<&Told>, now: Timestamp) {
        let before;
        let (rule, revision, sources) = match told {
            Some(Told { decided, sources }) => {
                (decided.rule.as_deref(), Some(decided.revision.as_str()), sources.as_str())
            }
            None => {
                before = claimed.trace.as_deref().map(told_before).unwrap_or_default();
                (claimed.rule.as_deref(), claimed.revision.as_deref(), before.as_str())
            }
        };
        let took = now.duration_since(claimed.received_at);
        self.metrics.settled(&claimed.account, settlement, rule, took);
        let (outcome, milliseconds, rule) = (settlement.as_str(), took.as_millis(), rule.unwrap_or("none"));
        tracing::info!(
            call.id = claimed.call_id,
            call.event = claimed.event,
            account = claimed.account,
            trace_id = claimed.traceparent.as_deref().and_then(|span| span.get(3..35)),
            rule.name = rule,
            rules.revision = revision,
            sources,
            outcome,
            reason = settlement.reason(),
            attempts = claimed.attempts + 1,
            milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX),
            "call {}: {outcome} by rule {rule} in {milliseconds} ms",
            claimed.call_id
        );
    }
}

/// Something stopped unexpectedly.
#[derive(Debug, PartialEq, Eq)]
struct Panicked;

/// The outcome, or that there is none because of a fault in this program; the panic itself is on stderr.
async fn or_panic<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    // What it leaves half done are rows and caches behind locks that take a poisoned value as it is.
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked)
}

/// Decides a stored event with the rules in force now.
async fn decide(rules: &RuleSet, claimed: &Claimed, event: Option<Event>, now: Timestamp) -> Option<Decision> {
    let event = event.or_else(|| Event::parse(&claimed.body).ok())?;
    let call = Call::new(&event, &claimed.account, rules.defaults.region, claimed.received_at)?;
    let within = rules.defaults.decide_within;
    let waited = Duration::try_from(now.duration_since(claimed.turn_at)).unwrap_or_default();
    // After a restart the time for the decision is long over; the call may still be ringing, so it gets it anew.
    let left = within.checked_sub(waited).filter(|left| !left.is_zero()).unwrap_or(within);
    Some(engine::decide(rules, &call, Instant::now() + left).await)
}

/// The sources in a log line: `crm one 12.0 ms, orders failed 900.1 ms`.
fn told(sources: &[SourceStep]) -> String {
    sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The same from the trace that an earlier attempt stored.
fn told_before(trace: &str) -> String {
    serde_json::from_str::<StoredTrace>(trace).map(|trace| told(&trace.sources)).unwrap_or_default()
}

/// What a log line takes from a stored trace.
#[derive(serde::Deserialize)]
struct StoredTrace {
    sources: Vec<SourceStep>,
}

/// The end of a call whose card is worth nothing any more.
fn too_late(claimed: &Claimed, now: Timestamp) -> Option<Next> {
    let reason = || format!("the call began {}", ago(now.duration_since(claimed.started_at)));
    (now >= claimed.expires_at).then(|| Next::TooLate(Why::Late, reason()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fault_in_a_decision_ends_that_decision_only() {
        assert_eq!(or_panic(async { 1 }).await, Ok(1));
        assert_eq!(or_panic::<()>(async { panic!("a fault") }).await, Err(Panicked));
    }
}
