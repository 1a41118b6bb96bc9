//! Counters and histograms of deliveries. Labels are bounded: accounts and rules come from the rule files.

use std::time::Duration;

use jiff::SignedDuration;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::late::Why;
use crate::outbox::Settlement;
use crate::phone::{Arrival, Attempt};
use crate::rules::Account;

/// From 5 ms to 60 s: a card is worth something while the phone rings.
const SECONDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// How an attempt may end.
const ATTEMPT_OUTCOMES: [&str; 5] = ["sent", "later", "unknown", "unauthorized", "refused"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Settled {
    account: String,
    outcome: &'static str,
    rule: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TooLate {
    account: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempted {
    account: String,
    outcome: &'static str,
}

/// What deliveries count.
#[derive(Clone, Debug)]
pub struct Metrics {
    settled: Family<Settled, Counter>,
    too_late: Family<TooLate, Counter>,
    attempts: Family<Attempted, Counter>,
    arrivals: Family<Attempted, Counter>,
    outbox_failures: Counter,
    decision_seconds: Histogram,
    card_seconds: Histogram,
    attempt_seconds: Histogram,
}

impl Metrics {
    /// Makes them and adds them to a registry. Attempts of these accounts are counted from 0, since Prometheus sees no
    /// increase in what was not there before.
    pub fn register(registry: &mut Registry, accounts: &[Account]) -> Metrics {
        let metrics = Metrics {
            settled: Family::default(),
            too_late: Family::default(),
            attempts: Family::default(),
            arrivals: Family::default(),
            outbox_failures: Counter::default(),
            decision_seconds: Histogram::new(SECONDS),
            card_seconds: Histogram::new(SECONDS),
            attempt_seconds: Histogram::new(SECONDS),
        };
        for account in accounts {
            for outcome in ATTEMPT_OUTCOMES {
                let _ = metrics.attempts.get_or_create(&Attempted { account: account.name.clone(), outcome });
            }
            for reason in Why::ALL.map(Why::as_str) {
                let _ = metrics.too_late.get_or_create(&TooLate { account: account.name.clone(), reason });
            }
            for outcome in ["arrived", "missing", "not_told", "later"] {
                let _ = metrics.arrivals.get_or_create(&Attempted { account: account.name.clone(), outcome });
            }
        }
        registry.register("callcard_deliveries", "Settled deliveries by outcome and rule", metrics.settled.clone());
        let help = "Deliveries that were too late, by what made them late";
        registry.register("callcard_too_late", help, metrics.too_late.clone());
        registry.register("callcard_attempts", "Requests to the card API by outcome", metrics.attempts.clone());
        let help = "Questions whether a card of unknown outcome arrived, by answer";
        registry.register("callcard_arrivals", help, metrics.arrivals.clone());
        let help = "Times a delivery could not read or write the outbox, and rested before it tried again";
        registry.register("callcard_outbox_failures", help, metrics.outbox_failures.clone());
        let help = "Seconds of a decision, with the questions to sources";
        registry.register("callcard_decision_seconds", help, metrics.decision_seconds.clone());
        let help = "Seconds from the webhook to the card's arrival";
        registry.register("callcard_card_seconds", help, metrics.card_seconds.clone());
        registry.register(
            "callcard_attempt_seconds",
            "Seconds of a request to the card API",
            metrics.attempt_seconds.clone(),
        );
        metrics
    }

    pub(super) fn attempt(&self, account: &str, attempt: &Attempt, took: Duration) {
        let labels = Attempted { account: account.to_owned(), outcome: outcome(attempt) };
        self.attempts.get_or_create(&labels).inc();
        self.attempt_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn arrival(&self, account: &str, told: &Arrival) {
        self.arrivals.get_or_create(&Attempted { account: account.to_owned(), outcome: arrival(told) }).inc();
    }

    pub(super) fn too_late(&self, account: &str, why: Why) {
        self.too_late.get_or_create(&TooLate { account: account.to_owned(), reason: why.as_str() }).inc();
    }

    pub(super) fn outbox_failed(&self) {
        self.outbox_failures.inc();
    }

    pub(super) fn decision(&self, took: Duration) {
        self.decision_seconds.observe(took.as_secs_f64());
    }

    /// Counts deliveries that their call's hang-up settled.
    pub fn over(&self, account: &str, deliveries: usize) {
        let outcome = Settlement::Over.as_str();
        let labels = Settled { account: account.to_owned(), outcome, rule: "none".to_owned() };
        self.settled.get_or_create(&labels).inc_by(u64::try_from(deliveries).unwrap_or(u64::MAX));
    }

    pub(super) fn settled(&self, account: &str, settlement: &Settlement, rule: Option<&str>, took: SignedDuration) {
        let labels = Settled {
            account: account.to_owned(),
            outcome: settlement.as_str(),
            rule: rule.unwrap_or("none").to_owned(),
        };
        self.settled.get_or_create(&labels).inc();
        if matches!(settlement, Settlement::Sent { .. }) {
            self.card_seconds.observe(took.as_secs_f64());
        }
    }
}

/// How an attempt ended, in metrics and traces.
pub(super) fn outcome(attempt: &Attempt) -> &'static str {
    match attempt {
        Attempt::Sent { .. } => "sent",
        Attempt::Later { .. } => "later",
        Attempt::Unknown { .. } => "unknown",
        Attempt::Refused { unauthorized: true, .. } => "unauthorized",
        Attempt::Refused { .. } => "refused",
    }
}

/// What was told about an earlier attempt, in metrics and traces.
pub(super) fn arrival(arrival: &Arrival) -> &'static str {
    match arrival {
        Arrival::Arrived { .. } => "arrived",
        Arrival::Missing => "missing",
        Arrival::NotTold { .. } => "not_told",
        Arrival::Later { .. } => "later",
    }
}
