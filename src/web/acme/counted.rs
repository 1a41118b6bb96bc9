//! What is counted about certificates by ACME; there, at 0, also where none is wanted.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::failure::Kind;

const ISSUED: &str = "issued";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Attempts to get a certificate.
#[derive(Clone, Debug)]
pub struct AcmeMetrics {
    attempts: Family<Outcome, Counter>,
    last_attempt: Gauge<f64, AtomicU64>,
    last_successful: Gauge,
}

impl AcmeMetrics {
    /// Makes them and adds them to a registry.
    pub fn register(registry: &mut Registry) -> AcmeMetrics {
        let metrics = AcmeMetrics {
            attempts: Family::default(),
            last_attempt: Gauge::default(),
            last_successful: Gauge::default(),
        };
        for outcome in Kind::OUTCOMES.into_iter().chain([ISSUED]) {
            let _ = metrics.attempts.get_or_create(&Outcome { outcome });
        }
        // Nothing has failed yet.
        metrics.last_successful.set(1);
        let help = "Attempts to get a certificate by ACME, by outcome";
        registry.register("callcard_acme_attempts", help, metrics.attempts.clone());
        let help = "When a certificate was asked for last, in seconds since 1970; 0 where none was";
        registry.register("callcard_acme_last_attempt_timestamp_seconds", help, metrics.last_attempt.clone());
        let help = "Whether the last attempt to get a certificate succeeded; 1 where there was none";
        registry.register("callcard_acme_last_attempt_successful", help, metrics.last_successful.clone());
        metrics
    }

    pub(super) fn attempt(&self, failed: Option<Kind>, now: Timestamp) {
        let outcome = failed.map_or(ISSUED, Kind::as_str);
        self.attempts.get_or_create(&Outcome { outcome }).inc();
        self.last_attempt.set(now.as_duration().as_secs_f64());
        self.last_successful.set(i64::from(failed.is_none()));
    }
}
