//! Connections: who may have one, how long it may take over what, and what it is secured with.
//!
//! Both addresses are served by it. What is answered is the router's business, and where certificates come from that of
//! whoever makes the TLS configuration.
//!
//! A stranger can open as many connections as he likes and say nothing. So a limit that is reached turns nobody away: the
//! connection that has been silent for the longest makes room. Only where each of them has a whole request under way is a new
//! one refused.

mod connection;
mod counted;
mod places;
mod requests;

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ipnet::IpNet;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::connection::Connection;
pub use self::counted::Connections;
use self::places::Places;
use super::Metrics;
use crate::delivery::Hush;

/// Connections that the system takes for us before we do. A flood must not make it drop the first packet of a webhook, which
/// would be repeated only after a second. The system cuts it down to its own limit.
const BACKLOG: u32 = 4096;

/// How long accepting rests where the system has no more to give. Those that wait do so in the backlog.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// At most one line in this time about connections that can't be accepted.
const LOUD_EVERY: Duration = Duration::from_secs(10);

/// Requests under way may take this long after a stop was asked for. A whole one is answered sooner, see `STORE_WITHIN`.
const REQUESTS_END_WITHIN: Duration = Duration::from_secs(5);

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct Limits {
    /// In all.
    pub connections_max: usize,
    /// From one IPv4 address, or one IPv6 network of 64 bits, which one customer of a provider has.
    pub of_address_max: usize,
    /// Addresses without a limit of their own: proxies that speak for many.
    pub without_limit: Vec<IpNet>,
}

/// An address that is listened on.
pub struct Listener {
    name: &'static str,
    listener: TcpListener,
    limits: Limits,
    tls: Option<Arc<ServerConfig>>,
}

impl Listener {
    /// Listens; with a port of 0 on any free one. What is counted is counted under this name.
    ///
    /// # Errors
    /// Where the address is in use, or not of this machine.
    pub fn bind(
        name: &'static str,
        address: SocketAddr,
        limits: Limits,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Listener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Else a restart would have to wait for the connections of the process before it.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Listener { name, listener: socket.listen(BACKLOG)?, limits, tls })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` becomes true, then answers the requests under way.
    pub async fn serve(self, router: Router, metrics: Metrics, stop: watch::Receiver<bool>) {
        let acceptor = self.tls.map(TlsAcceptor::from);
        let places = Places::new(self.limits, metrics.connections.of(self.name));
        let (mut tasks, hush) = (JoinSet::new(), Hush::new(LOUD_EVERY));
        let mut stopped = stop.clone();
        loop {
            let accepted = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                accepted = self.listener.accept() => accepted,
            };
            while tasks.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = places.enter(peer.ip()) else { continue };
                    // Small answers must not wait for the peer's acknowledgement (Nagle's algorithm).
                    let _ = stream.set_nodelay(true);
                    let connection = Connection { peer, place, router: router.clone(), stop: stop.clone() };
                    tasks.spawn(connection.serve(stream, acceptor.clone()));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if hush.say(self.name, Instant::now()).is_some() {
                        tracing::error!(listener = self.name, %error, "connections can't be accepted: {error}");
                    }
                    places.make_room();
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout(REQUESTS_END_WITHIN, ended).await.is_err() {
            tracing::warn!(listener = self.name, "{} connections that did not end were closed", tasks.len());
            tasks.shutdown().await;
        }
    }
}

/// Whether the listener itself is all right (`accept(2)`: errors of the network are those of the connection).
fn is_of_one_connection(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::TimedOut
    )
}
