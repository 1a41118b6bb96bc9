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
use crate::outbox::{Claimed, Decided, Outbox, OutboxError, Settlement, Standing};
use crate::phone::Phone;
use crate::rate::Permit;
use crate::rules::{Live, RuleSet};
use intake::Taken;
use late::{Hindrances, Why, ago};
use retry::Next;

/// How long the loop, and a delivery, rests after the outbox failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// How long a delivery that could not be kept is decided anew: a turn that begins then still ends before its lease does.
const INSIST_WITHIN: Duration = Duration::from_secs(20);

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
    decided: Option<Decided>,
    decision: Option<Decision>,
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
    async fn deliver(&self, claimed: Claimed, mut event: Option<Event>, mut permit: Option<Permit>) {
        let begun = Instant::now();
        let turn = loop {
            match self.turn(&claimed, event.take(), &mut permit).await {
                Ok(turn) => break turn,
                // Nothing was sent: what is sent is kept first.
                Err(error) if begun.elapsed() < INSIST_WITHIN && self.waited(&error).await => {}
                Err(_) => return,
            }
        };
        // As long as it can't be written, nobody else can claim it either.
        while let Err(error) = self.settle(&claimed, &turn).await {
            if !self.waited(&error).await {
                return;
            }
        }
    }

    /// Decides, unless an earlier attempt did, and sends. The permit is given back where that takes no request.
    async fn turn(
        &self,
        claimed: &Claimed,
        event: Option<Event>,
        permit: &mut Option<Permit>,
    ) -> Result<Turn, OutboxError> {
        let settled = |settlement| Turn { next: Next::Settle(settlement), decided: None, decision: None };
        let now = (self.outside.now)();
        // What may have been sent is asked about even then, so that what is told about the call is true.
        if let Some(too_late) = too_late(claimed, now)
            && !claimed.is_unknown
        {
            return Ok(Turn { next: too_late, decided: None, decision: None });
        }
        // No source need be asked for a call that has its card.
        if claimed.card.is_none() && claimed.is_superseded {
            return Ok(settled(Settlement::Superseded));
        }
        let rules = self.live.rules();
        let Some(account) = rules.account(&claimed.account) else {
            let reason = format!("the account `{}` is no longer in the rules", claimed.account);
            return Ok(settled(Settlement::NoCard { reason }));
        };
        if let Some(card) = &claimed.card {
            let (next, decided) = self.ask_or_send(claimed, account, card, None, permit).await?;
            return Ok(Turn { next, decided, decision: None });
        }
        let begun = Instant::now();
        // Boxed, because each future on the way to it would hold it once more: three quarters of what a delivery under way takes.
        let deciding = Box::pin(decide(&rules, claimed, event, now));
        let decision = match or_panic(self.traced(claimed, deciding)).await {
            Ok(Some(decision)) => decision,
            Ok(None) => {
                let reason = "the stored event can't be read".to_owned();
                return Ok(settled(Settlement::NoCard { reason }));
            }
            // The same event would do it again, and another event of the call waits for this one.
            Err(Panicked) => {
                tracing::error!(
                    call.id = claimed.call_id,
                    "call {}: its decision stopped unexpectedly",
                    claimed.call_id
                );
                let reason = "the decision stopped unexpectedly, which is a fault of Callcard".to_owned();
                return Ok(settled(Settlement::NoCard { reason }));
            }
        };
        self.metrics.decision(begun.elapsed());
        let card = match &decision.outcome {
            Outcome::Card(card) => Ok(card.body()),
            Outcome::NoCard(why) => Err(Settlement::NoCard { reason: why.to_string() }),
            Outcome::Invalid(mistakes) => Err(Settlement::InvalidCard { reason: mistakes.join("; ") }),
        };
        let decided = Decided {
            rule: decision.rule.as_ref().map(|rule| rule.to_string()),
            revision: decision.revision.clone(),
            card: card.as_ref().ok().cloned(),
            trace: serde_json::to_string(&decision.trace).unwrap_or_default(),
        };
        let (next, decided) = match card {
            Ok(card) => self.ask_or_send(claimed, account, &card, Some(decided), permit).await?,
            Err(settlement) => (Next::Settle(settlement), Some(decided)),
        };
        Ok(Turn { next, decided, decision: Some(decision) })
    }

    async fn settle(&self, claimed: &Claimed, turn: &Turn) -> Result<(), OutboxError> {
        let now = (self.outside.now)();
        let Turn { next, decided, decision } = turn;
        let (settlement, late) = match next {
            Next::RetryAt(at, why) => {
                tracing::debug!(call.id = claimed.call_id, why, "call {}: again at {at}: {why}", claimed.call_id);
                match self.outbox.retry_at(claimed.id, *at, why.clone()).await? {
                    Standing::Open | Standing::Superseded => return Ok(()),
                    Standing::Over => (Settlement::Over, None),
                }
            }
            Next::AskAt(at, why) => {
                tracing::debug!(call.id = claimed.call_id, why, "call {}: asked about at {at}: {why}", claimed.call_id);
                return self.outbox.ask_at(claimed.id, *at, why.clone()).await;
            }
            Next::TooLate(why, reason) => (Settlement::TooLate { reason: reason.clone() }, Some(*why)),
            Next::Settle(settlement) => (settlement.clone(), None),
        };
        let rule = match decision {
            Some(decision) => decision.rule.as_deref(),
            None => claimed.rule.as_deref(),
        };
        let _span = self.spans.settle(claimed, &settlement);
        // Where the call's hang-up settled it meanwhile, that has been told.
        if self.outbox.settle(claimed.id, settlement.clone(), decided.clone(), now).await? {
            self.tell(claimed, &settlement, rule, decision.as_ref(), now);
            late.into_iter().for_each(|why| self.tell_late(&claimed.account, why));
        }
        Ok(())
    }

    /// The one line about a call, without number, name, token or body.
    fn tell(
        &self,
        claimed: &Claimed,
        settlement: &Settlement,
        rule: Option<&str>,
        decision: Option<&Decision>,
        now: Timestamp,
    ) {
        let took = now.duration_since(claimed.received_at);
        self.metrics.settled(&claimed.account, settlement, rule, took);
        let (revision, sources) = match decision {
            Some(decision) => (Some(decision.revision.as_str()), told(&decision.trace.sources)),
            None => (claimed.revision.as_deref(), claimed.trace.as_deref().map(told_before).unwrap_or_default()),
        };
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
