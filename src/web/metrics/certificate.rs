//! What is counted about the certificate of the public address.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Outcome;

/// The certificate's end, and changes of its files.
#[derive(Clone, Debug)]
pub struct Certificate {
    changes: Family<Outcome, Counter>,
    expires: Gauge<f64, AtomicU64>,
}

impl Certificate {
    pub(super) fn register(registry: &mut Registry) -> Certificate {
        let certificate = Certificate { changes: Family::default(), expires: Gauge::default() };
        for outcome in ["swapped", "kept"] {
            let _ = certificate.changes.get_or_create(&Outcome { outcome });
        }
        let help = "Changed certificate files by outcome";
        registry.register("callcard_tls_certificate_changes", help, certificate.changes.clone());
        let help = "When the certificate expires, in seconds since 1970; 0 without HTTPS";
        registry.register("callcard_tls_certificate_expires_timestamp_seconds", help, certificate.expires.clone());
        certificate
    }

    /// Counts changed files: `swapped`, or `kept` where the new ones are not to be used.
    pub fn changed(&self, outcome: &'static str) {
        self.changes.get_or_create(&Outcome { outcome }).inc();
    }

    /// Tells when the certificate in force expires.
    pub fn expires(&self, at: Timestamp) {
        self.expires.set(at.as_duration().as_secs_f64());
    }
}
