//! What the web counts, what sources count, and what is in force. `docs/operations.md` lists all of it.

mod admin;
mod certificate;
mod in_force;
mod outbox;
mod rules;
mod sources;

use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::acme::AcmeMetrics;
use super::listener::Connections;
use crate::rules::Live;
pub(super) use admin::{Forgetting, Refusal};
use certificate::Certificate;
use in_force::InForce;
pub(super) use outbox::OutboxFigures;
use outbox::OutboxGauges;
use rules::Rules;
use sources::Sources;

/// From 0.1 ms: a webhook is answered after one write to disk.
const SECONDS: [f64; 10] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1, 1.0, 5.0];

/// How a webhook of a known account may be answered. They are counted from 0, since Prometheus sees no increase in what
/// was not there before.
const OUTCOMES: [&str; 8] = [
    "accepted",
    "duplicate",
    "ignored",
    "unreadable",
    "not_stored",
    "body_refused",
    "address_not_allowed",
    "signature_refused",
];

/// Where the account is not known: a stranger's word for it is no label.
const NO_ACCOUNT: &str = "none";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Webhook {
    account: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAccount {
    account: String,
}

/// Counters of webhooks, reloads and tables.
#[derive(Clone, Debug)]
pub struct Metrics {
    webhooks: Family<Webhook, Counter>,
    webhook_seconds: Histogram,
    old_secrets: Family<OfAccount, Counter>,
    reloads: Family<Outcome, Counter>,
    table_changes: Family<Outcome, Counter>,
    /// How the outbox is doing.
    pub(super) outbox: OutboxGauges,
    /// Of all listeners.
    pub(super) connections: Connections,
    /// What the public address is secured with.
    pub certificate: Certificate,
    /// How its certificates by ACME are had.
    pub(super) acme: AcmeMetrics,
    in_force: Arc<InForce>,
    admin: admin::Admin,
}

impl Metrics {
    /// Makes them and adds them to a registry, with those of the sources in force.
    pub fn register(registry: &mut Registry, live: Arc<Live>, now: fn() -> Timestamp) -> Metrics {
        let metrics = Metrics {
            webhooks: Family::default(),
            webhook_seconds: Histogram::new(SECONDS),
            old_secrets: Family::default(),
            reloads: Family::default(),
            table_changes: Family::default(),
            outbox: OutboxGauges::register(registry),
            connections: Connections::register(registry),
            certificate: Certificate::register(registry),
            acme: AcmeMetrics::register(registry),
            in_force: Arc::new(InForce::new(Arc::clone(&live), now)),
            admin: admin::Admin::register(registry),
        };
        metrics.begin();
        registry.register("callcard_webhooks", "Webhooks by how they were answered", metrics.webhooks.clone());
        let help = "Seconds from a webhook's body to its answer";
        registry.register("callcard_webhook_seconds", help, metrics.webhook_seconds.clone());
        let help = "Webhooks whose address has the old secret of their account";
        registry.register("callcard_webhooks_with_old_secret", help, metrics.old_secrets.clone());
        registry.register("callcard_reloads", "Reloads of the rules by outcome", metrics.reloads.clone());
        let help = "Changed files of tables by outcome";
        registry.register("callcard_table_changes", help, metrics.table_changes.clone());
        registry.register_collector(Box::new(Arc::clone(&metrics.in_force)));
        registry.register_collector(Box::new(Rules(Arc::clone(&live))));
        registry.register_collector(Box::new(Sources(live)));
        metrics
    }

    /// Begins counting at 0.
    fn begin(&self) {
        let _ = self.webhooks.get_or_create(&Webhook { account: NO_ACCOUNT.to_owned(), outcome: "not_authentic" });
        for account in &self.in_force.live.rules().accounts {
            for outcome in OUTCOMES {
                let _ = self.webhooks.get_or_create(&Webhook { account: account.name.clone(), outcome });
            }
            let _ = self.old_secrets.get_or_create(&OfAccount { account: account.name.clone() });
        }
        for outcome in ["swapped", "rejected"] {
            let _ = self.reloads.get_or_create(&Outcome { outcome });
        }
        for outcome in ["swapped", "kept"] {
            let _ = self.table_changes.get_or_create(&Outcome { outcome });
        }
    }

    /// Counts a webhook that was stored or could not be, and how long that took.
    pub(super) fn webhook(&self, account: &str, outcome: &'static str, took: std::time::Duration) {
        self.turned_away(Some(account), outcome);
        self.webhook_seconds.observe(took.as_secs_f64());
    }

    /// Counts a webhook that nothing was done with; of an account only where it is authentic.
    pub(super) fn turned_away(&self, account: Option<&str>, outcome: &'static str) {
        if let Some(account) = account {
            self.in_force.webhook(account);
        }
        let account = account.unwrap_or(NO_ACCOUNT).to_owned();
        self.webhooks.get_or_create(&Webhook { account, outcome }).inc();
    }

    /// Counts a webhook that knew an account's secret and was refused all the same; it ends no silence.
    pub(super) fn refused(&self, account: &str, outcome: &'static str) {
        self.webhooks.get_or_create(&Webhook { account: account.to_owned(), outcome }).inc();
    }

    /// Counts a webhook whose address has the old secret.
    pub(super) fn old_secret(&self, account: &str) {
        self.old_secrets.get_or_create(&OfAccount { account: account.to_owned() }).inc();
    }

    /// Counts a request to the admin address that was refused.
    pub(super) fn admin_refused(&self, why: Refusal) {
        self.admin.refused(why);
    }

    /// Counts a request to forget somebody.
    pub(super) fn forgetting(&self, outcome: Forgetting) {
        self.admin.forgetting(outcome);
    }

    /// Counts a reload: `swapped` or `rejected`.
    pub fn reload(&self, outcome: &'static str) {
        self.reloads.get_or_create(&Outcome { outcome }).inc();
        self.begin();
    }

    /// Counts a table whose file has changed: `swapped`, or `kept` where the file is none to be used.
    pub fn table_change(&self, outcome: &'static str) {
        self.table_changes.get_or_create(&Outcome { outcome }).inc();
    }
}
