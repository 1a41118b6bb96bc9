//! The running engine: two listeners, the outbox and the courier, wired together. `serve` and `demo` start the same one.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::serve::ListenerExt;
use ipnet::IpNet;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::hint::Hints;
use super::keeping::Keeping;
use super::{settings, tables};
use crate::card::Card;
use crate::delivery::{self, Courier};
use crate::event::{CustomerNumber, Region};
use crate::outbox::{Detail, Filter, Outbox};
use crate::phone::Phone;
use crate::rules::Live;
use crate::web::{self, Admin, Reload, Webhooks};

/// Requests under way may take this long after a stop was asked for.
const REQUESTS_END_WITHIN: Duration = Duration::from_secs(5);

/// Where the engine listens and what it keeps.
pub(super) struct Addresses<'a> {
    pub(super) listen: SocketAddr,
    pub(super) admin_listen: SocketAddr,
    pub(super) admin_token: Option<SecretString>,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) data: &'a Path,
    pub(super) keeping: &'a Keeping,
}

/// A running engine. It goes on until it is stopped.
pub(super) struct Server {
    /// Where webhooks are served; a port of 0 has become a real one.
    pub(super) listen: SocketAddr,
    /// Where the admin pages are served.
    pub(super) admin_listen: SocketAddr,
    outbox: Outbox,
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
        let public = bind(addresses.listen).await?;
        let private = bind(addresses.admin_listen).await?;
        let outbox = Outbox::open(addresses.data, addresses.keeping.durability(), addresses.keeping.keep())?;
        let mut registry = Registry::default();
        let metrics = web::Metrics::register(&mut registry, Arc::clone(&live), Timestamp::now);
        let counted = delivery::Metrics::register(&mut registry, &live.rules().accounts);
        let (stop, stopped) = watch::channel(false);
        let courier =
            Courier::new(outbox.clone(), Phone::new()?, Arc::clone(&live), settings::outside(), counted.clone());
        let (reload, look) = files(metrics.clone());
        let watching = tables::watch(look, Hints::about(live.path()), stopped.clone());
        let webhooks = Webhooks::new(Arc::clone(&live), outbox.clone(), metrics.clone(), counted, Timestamp::now)
            .behind(addresses.trusted_proxies);
        let admin = Admin {
            live,
            outbox: outbox.clone(),
            registry,
            reload,
            metrics,
            now: Timestamp::now,
            token: addresses.admin_token,
        };
        let (listen, admin_listen) = (public.local_addr()?, private.local_addr()?);
        let tasks = vec![
            tokio::spawn(serve(public, web::public(Arc::new(webhooks)), stopped.clone())),
            tokio::spawn(serve(private, web::admin(Arc::new(admin)), stopped.clone())),
            tokio::spawn(courier.run(stopped)),
            tokio::spawn(watching),
        ];
        Ok(Server { listen, admin_listen, outbox, stop, tasks })
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

    /// Takes no further request, finishes what is under way, and closes the outbox. What is left stays durable.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if task.await.is_err() {
                tracing::error!("a part of the server stopped unexpectedly");
            }
        }
        self.outbox.close().await;
    }
}

/// The first call must not pay for what is loaded once: the number plans and the card schema.
fn warm_up() {
    let _ = CustomerNumber::parse(Some("+905321234567"), Region::default());
    let _ = Card::check(Vec::new());
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address}: is something else using the port?"))
}

async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut stopped = stop.clone();
    // Small answers must not wait for the peer's acknowledgement (Nagle's algorithm).
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    });
    let late = async {
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(REQUESTS_END_WITHIN).await;
    };
    tokio::select! {
        _ = serving => {}
        () = late => tracing::warn!("connections that did not end were closed"),
    }
}
