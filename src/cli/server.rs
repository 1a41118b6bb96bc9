//! The running engine: two listeners, the outbox and the courier, wired together. `serve` and `demo` start the same one.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ipnet::IpNet;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::hint::Hints;
use super::keeping::Keeping;
use super::traces::Traces;
use super::{acme, certificates, settings, tables};
use crate::card::Card;
use crate::delivery::{self, Courier, STOP_WITHIN};
use crate::event::{CustomerNumber, Region};
use crate::outbox::{Detail, Filter, Outbox};
use crate::phone::Phone;
use crate::rules::Live;
use crate::web::{self, Admin, CertificateFiles, Certificates, Limits, Listener, Reload, Webhooks};

/// Connections to the admin address: a few people, a probe and Prometheus.
const ADMIN_CONNECTIONS_MAX: usize = 128;

/// How long its parts have after a stop was asked for. The courier takes the longest; a file system that hangs would take
/// for ever.
const TASKS_END_WITHIN: Duration = STOP_WITHIN.saturating_add(Duration::from_secs(1));

/// How long the disk has for the last write. What was accepted is on disk before.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// How long a stopped server takes at most.
pub(super) const STOPPED_WITHIN: Duration = TASKS_END_WITHIN.saturating_add(CLOSE_WITHIN);

/// The share of the connections that one address may have. Behind one address may be an office, or a proxy that nobody named.
const OF_ADDRESS_SHARE: usize = 2;

type Secured = (Option<rustls::ServerConfig>, Option<Arc<Certificates>>);

/// Where the engine listens and what it keeps.
pub(super) struct Addresses<'a> {
    pub(super) listen: SocketAddr,
    pub(super) admin_listen: SocketAddr,
    pub(super) admin_token: Option<SecretString>,
    pub(super) trusted_proxies: Vec<IpNet>,
    /// To the public address.
    pub(super) connections_max: usize,
    /// HTTPS at the public address.
    pub(super) certificate: Option<CertificateFiles>,
    /// HTTPS with certificates by ACME.
    pub(super) acme: Option<acme::Wanted>,
    pub(super) data: &'a Path,
    pub(super) keeping: &'a Keeping,
    pub(super) traces: Traces,
}

/// A running engine. It goes on until it is stopped.
pub(super) struct Server {
    /// Where webhooks are served; a port of 0 has become a real one.
    pub(super) listen: SocketAddr,
    /// Where the admin pages are served.
    pub(super) admin_listen: SocketAddr,
    outbox: Outbox,
    stopping: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Binds, opens the outbox and starts. What an earlier run left is worked off at once.
    pub(super) async fn start(
        addresses: Addresses<'_>,
        live: Arc<Live>,
        files: impl FnOnce(web::Metrics) -> (Reload, tables::Look),
    ) -> Result<Server> {
        warm_up();
        let mut registry = Registry::default();
        let metrics = web::Metrics::register(&mut registry, Arc::clone(&live), Timestamp::now);
        let acme = addresses.acme.map(|wanted| wanted.open(addresses.data, &metrics)).transpose()?;
        let (tls, certificates) = secured(acme.as_ref(), addresses.certificate.as_ref())?;
        let limits = Limits {
            connections_max: addresses.connections_max,
            of_address_max: (addresses.connections_max / OF_ADDRESS_SHARE).max(1),
            without_limit: addresses.trusted_proxies.clone(),
        };
        let admin_limits = Limits {
            connections_max: ADMIN_CONNECTIONS_MAX,
            of_address_max: ADMIN_CONNECTIONS_MAX,
            without_limit: Vec::new(),
        };
        let public = bind("public", addresses.listen, limits, tls.map(Arc::new))?;
        let private = bind("admin", addresses.admin_listen, admin_limits, None)?;
        let outbox = Outbox::open(addresses.data, addresses.keeping.durability(), addresses.keeping.keep())?;
        let counted = delivery::Metrics::register(&mut registry, &live.rules().accounts);
        let ((stopping, asked), (stop, stopped)) = (watch::channel(false), watch::channel(false));
        addresses.traces.counted.register(&mut registry);
        let spans = addresses.traces.spans.clone();
        let courier = Courier::new(
            outbox.clone(),
            Phone::new()?,
            Arc::clone(&live),
            settings::outside(),
            counted.clone(),
            spans.clone(),
        );
        let (reload, look) = files(metrics.clone());
        let watching = tables::watch(look, Hints::about(live.path()), stopped.clone());
        let webhooks = Webhooks::new(Arc::clone(&live), outbox.clone(), metrics.clone(), counted, Timestamp::now)
            .handing_to(courier.intake())
            .behind(addresses.trusted_proxies)
            .traced(spans);
        let certificate =
            addresses.certificate.map(|files| certificates::watch(files, metrics.clone(), stopped.clone()));
        let admin = Admin {
            live,
            outbox: outbox.clone(),
            registry,
            reload,
            metrics: metrics.clone(),
            now: Timestamp::now,
            stopping: asked,
            certificates,
            token: addresses.admin_token,
        };
        let (listen, admin_listen) = (public.address()?, private.address()?);
        let mut tasks = vec![
            tokio::spawn(public.serve(web::public(Arc::new(webhooks)), metrics.clone(), stopped.clone())),
            tokio::spawn(private.serve(web::admin(Arc::new(admin)), metrics.clone(), stopped.clone())),
            tokio::spawn(courier.run(stopped.clone())),
            tokio::spawn(watching),
        ];
        tasks.extend(certificate.map(tokio::spawn));
        tasks.extend(acme.map(|acme| acme.start(&metrics, &stopped)).into_iter().flatten());
        Ok(Server { listen, admin_listen, outbox, stopping, stop, tasks })
    }

    /// Waits until the delivery of a call is settled; `None` where the outbox can't be read.
    pub(super) async fn outcome_of(&self, call_id: &str) -> Option<Detail> {
        /// Between two looks. Settling wakes nobody, and a person is watching.
        const LOOK_EVERY: Duration = Duration::from_millis(2);
        loop {
            let rows = self.outbox.list(Filter { limit: 20, ..Filter::default() }).await.ok()?;
            let row = rows.into_iter().find(|row| row.call_id == call_id)?;
            if row.settled_at.is_some() {
                return self.outbox.show(row.id).await.ok()?;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// From now on it is not ready, and goes on all the same.
    pub(super) fn not_ready(&self) {
        self.stopping.send_replace(true);
    }

    /// Takes no further request, finishes what is under way, and closes the outbox. What is left stays durable.
    pub(super) async fn stop(self) {
        self.not_ready();
        self.stop.send_replace(true);
        let ended = async {
            for task in self.tasks {
                if task.await.is_err() {
                    tracing::error!("a part of the server stopped unexpectedly");
                }
            }
        };
        if timeout(TASKS_END_WITHIN, ended).await.is_err() {
            tracing::warn!("a part of the server did not stop in time");
        }
        if timeout(CLOSE_WITHIN, self.outbox.close()).await.is_err() {
            tracing::warn!("the outbox was not closed in time; the next start does so");
        }
    }
}

/// What the public address is secured with, and the certificate in force there.
fn secured(acme: Option<&acme::Opened>, files: Option<&CertificateFiles>) -> Result<Secured> {
    Ok(match (acme, files.map(CertificateFiles::certificates)) {
        (Some(acme), _) => (Some(acme.server_config()?), Some(acme.certificates())),
        (None, Some(certificates)) => (Some(web::server_config(Arc::clone(&certificates) as _)?), Some(certificates)),
        (None, None) => (None, None),
    })
}

/// The first call must not pay for what is loaded once: the number plans and the card schema.
fn warm_up() {
    let _ = CustomerNumber::parse(Some("+905321234567"), Region::default());
    let _ = Card::check(Vec::new());
}

pub(super) fn bind(
    name: &'static str,
    address: SocketAddr,
    limits: Limits,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Result<Listener> {
    Listener::bind(name, address, limits, tls)
        .with_context(|| format!("can't listen on {address}: is something else using the port?"))
}
