//! What the web counts, and what sources count.

mod sources;

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::rules::Live;
use sources::Sources;

/// From 0.1 ms: a webhook is answered after one write to disk.
const SECONDS: [f64; 10] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1, 1.0, 5.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Status {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Counters of webhooks, reloads and tables.
#[derive(Clone, Debug)]
pub struct Metrics {
    webhooks: Family<Status, Counter>,
    webhook_seconds: Histogram,
    reloads: Family<Outcome, Counter>,
    table_changes: Family<Outcome, Counter>,
    /// Deliveries that are not settled.
    pub(super) pending: Gauge,
}

impl Metrics {
    /// Makes them and adds them to a registry, with those of the sources in force.
    pub fn register(registry: &mut Registry, live: Arc<Live>) -> Metrics {
        let metrics = Metrics {
            webhooks: Family::default(),
            webhook_seconds: Histogram::new(SECONDS),
            reloads: Family::default(),
            table_changes: Family::default(),
            pending: Gauge::default(),
        };
        registry.register("callcard_webhooks", "Webhooks by how they were answered", metrics.webhooks.clone());
        let help = "Seconds from a webhook's body to its answer";
        registry.register("callcard_webhook_seconds", help, metrics.webhook_seconds.clone());
        registry.register("callcard_reloads", "Reloads of the rules by outcome", metrics.reloads.clone());
        let help = "Changed files of tables by outcome";
        registry.register("callcard_table_changes", help, metrics.table_changes.clone());
        registry.register("callcard_pending_deliveries", "Deliveries that are not settled", metrics.pending.clone());
        registry.register_collector(Box::new(Sources(live)));
        metrics
    }

    pub(super) fn webhook(&self, status: &'static str, took: std::time::Duration) {
        self.webhooks.get_or_create(&Status { status }).inc();
        self.webhook_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn turned_away(&self, status: &'static str) {
        self.webhooks.get_or_create(&Status { status }).inc();
    }

    /// Counts a reload: `swapped` or `rejected`.
    pub fn reload(&self, outcome: &'static str) {
        self.reloads.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a table whose file has changed: `swapped`, or `kept` where the file is none to be used.
    pub fn table_change(&self, outcome: &'static str) {
        self.table_changes.get_or_create(&Outcome { outcome }).inc();
    }
}
