//! What runs: the program and its accounts, with when each account was last heard of.
//!
//! Read when somebody looks, so that an account which a reload brought is there before its first webhook, and one that a
//! reload took away is gone.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::time::Instant;

use crate::rules::{Account, Live};

/// What is known beside the counters.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) live: Arc<Live>,
    now: fn() -> Timestamp,
    started_at: Timestamp,
    /// When the last webhook of each account came.
    webhooks: Mutex<HashMap<String, Timestamp>>,
}

impl InForce {
    pub(super) fn new(live: Arc<Live>, now: fn() -> Timestamp) -> InForce {
        let started_at = now();
        InForce { live, now, started_at, webhooks: Mutex::default() }
    }

    pub(super) fn webhook(&self, account: &str) {
        let mut webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        webhooks.insert(account.to_owned(), (self.now)());
    }
}

impl Collector for InForce {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let rules = self.live.rules();
        let mut metric = |name, help, label, samples: &[(&str, f64)]| {
            let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            samples.iter().try_for_each(|(value, figure)| {
                ConstGauge::new(*figure).encode(encoder.encode_family(&[(label, *value)])?)
            })
        };
        let help = "The program that runs: always 1";
        metric("callcard_build_info", help, "version", &[(env!("CARGO_PKG_VERSION"), 1.0)])?;
        let webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        let last = |name: &str| seconds(*webhooks.get(name).unwrap_or(&self.started_at));
        let accounts = &rules.accounts;
        let lasts: Vec<_> = accounts.iter().map(|account| (account.name.as_str(), last(&account.name))).collect();
        let help = "When the last authentic webhook came; the start of the program where none has";
        metric("callcard_webhook_last_timestamp_seconds", help, "account", &lasts)?;
        let expire = accounts.iter().filter_map(|account| {
            let at = account.token_expires?.to_zoned(TimeZone::UTC).ok()?.timestamp();
            Some((account.name.as_str(), seconds(at)))
        });
        let help = "When the API token of the account expires, as its settings say";
        metric("callcard_account_token_expires_timestamp_seconds", help, "account", &expire.collect::<Vec<_>>())?;
        let limits: Vec<_> =
            accounts.iter().map(|account| (account.name.as_str(), f64::from(account.requests_per_minute))).collect();
        let help = "Requests to the card API that the account may make in a minute";
        metric("callcard_account_requests_per_minute", help, "account", &limits)?;
        let (now, time) = (Instant::now(), (self.now)());
        let left = |account: &Account| account.budget.left(account.requests_per_minute, now);
        let left: Vec<_> = accounts
            .iter()
            .map(|account| (account.name.as_str(), u32::try_from(left(account)).map_or(f64::MAX, f64::from)))
            .collect();
        let help = "Requests that the account may still make now, by its own count and what the API says";
        metric("callcard_account_requests_left", help, "account", &left)?;
        let stopped = |account: &Account| account.budget.stopped_for(now).map(|wait| time.saturating_add(wait).ok());
        let stopped: Vec<_> = accounts
            .iter()
            .map(|account| (account.name.as_str(), stopped(account).flatten().map_or(0.0, seconds)))
            .collect();
        let help = "Until when the API wants no more requests of the account, in seconds since 1970; 0 where it does not say so";
        metric("callcard_account_stopped_until_timestamp_seconds", help, "account", &stopped)
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
