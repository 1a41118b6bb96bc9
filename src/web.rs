//! Every route, in one list for each of the two addresses.
//!
//! The public address serves webhooks and nothing else; the admin address serves what operators need. Neither decides or
//! sends anything: webhooks go to the outbox, and the courier takes them from there.

mod acme;
mod admin;
mod listener;
mod metrics;
mod tls;
mod webhook;

pub use acme::{Acme, AcmeError, AcmeSettings, ExternalAccount, Proof};
pub use admin::{Admin, Reload};
pub use listener::{Limits, Listener};
pub use metrics::Metrics;
pub use tls::{Certificate, CertificateFiles, Certificates, Looked, Unusable, Validity, server_config};
pub use webhook::Webhooks;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

/// The public address.
pub fn public(webhooks: Arc<Webhooks>) -> Router {
    Router::new().route("/webhooks/{account}/{secret}", post(webhook::receive)).with_state(webhooks)
}

/// The admin address.
pub fn admin(admin: Arc<Admin>) -> Router {
    let guard = Arc::new(admin::Guard::new(Arc::clone(&admin)));
    Router::new()
        .route("/metrics", get(admin::metrics))
        .route("/-/reload", post(admin::reload))
        .route("/-/forget", post(admin::forget))
        .route("/api/deliveries", get(admin::deliveries))
        .route("/api/deliveries/{id}", get(admin::delivery))
        .route("/api/deliveries/{id}/retry", post(admin::again))
        .route("/api/unreadable", get(admin::unreadable))
        .route_layer(axum::middleware::from_fn_with_state(Arc::clone(&guard), admin::authorize))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(admin::ready).with_state(guard))
        .layer(axum::middleware::from_fn(admin::harmless))
        .with_state(admin)
}
