//! What is in force: the program, the rules and the accounts, with when each was last heard of.
//!
//! Read when somebody looks, so that an account which a reload brought is there before its first webhook, and one that a
//! reload took away is gone.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::rules::Live;

/// What is known beside the counters.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) live: Arc<Live>,
    now: fn() -> Timestamp,
    started_at: Timestamp,
    /// When the last webhook of each account came.
    webhooks: Mutex<HashMap<String, Timestamp>>,
    reload: Mutex<Reload>,
}

/// The rules were loaded at this time, and whether the last try to load others succeeded.
#[derive(Clone, Copy, Debug)]
struct Reload {
    loaded_at: Timestamp,
    succeeded: bool,
}

impl InForce {
    pub(super) fn new(live: Arc<Live>, now: fn() -> Timestamp) -> InForce {
        let started_at = now();
        let reload = Mutex::new(Reload { loaded_at: started_at, succeeded: true });
        InForce { live, now, started_at, webhooks: Mutex::default(), reload }
    }

    pub(super) fn webhook(&self, account: &str) {
        let mut webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        webhooks.insert(account.to_owned(), (self.now)());
    }

    pub(super) fn reload(&self, succeeded: bool) {
        let mut reload = self.reload.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded_at = if succeeded { (self.now)() } else { reload.loaded_at };
        *reload = Reload { loaded_at, succeeded };
    }
}

impl Collector for InForce {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let rules = self.live.rules();
        let mut metric = |name, help, label, samples: &[(&str, f64)]| {
            let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            let Some(label) = label else {
                let figure = samples.first().map_or(0.0, |(_, figure)| *figure);
                return ConstGauge::new(figure).encode(encoder);
            };
            samples.iter().try_for_each(|(value, figure)| {
                ConstGauge::new(*figure).encode(encoder.encode_family(&[(label, *value)])?)
            })
        };
        let help = "The program that runs: always 1";
        metric("callcard_build_info", help, Some("version"), &[(env!("CARGO_PKG_VERSION"), 1.0)])?;
        let help = "The revision of the rules in force: always 1";
        metric("callcard_rules_info", help, Some("revision"), &[(&rules.revision, 1.0)])?;
        let Reload { loaded_at, succeeded } = *self.reload.lock().unwrap_or_else(PoisonError::into_inner);
        let help = "When the rules in force were loaded";
        metric("callcard_rules_loaded_timestamp_seconds", help, None, &[("", seconds(loaded_at))])?;
        let help = "Whether the last reload succeeded: 0 where older rules are in force than the files say";
        metric("callcard_reload_last_successful", help, None, &[("", f64::from(u8::from(succeeded)))])?;
        let webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        let last = |name: &str| seconds(*webhooks.get(name).unwrap_or(&self.started_at));
        let accounts = &rules.accounts;
        let lasts: Vec<_> = accounts.iter().map(|account| (account.name.as_str(), last(&account.name))).collect();
        let help = "When the last authentic webhook came; the start of the program where none has";
        metric("callcard_webhook_last_timestamp_seconds", help, Some("account"), &lasts)?;
        let limits: Vec<_> =
            accounts.iter().map(|account| (account.name.as_str(), f64::from(account.requests_per_minute))).collect();
        let help = "Requests to the card API that the account may make in a minute";
        metric("callcard_account_requests_per_minute", help, Some("account"), &limits)
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
