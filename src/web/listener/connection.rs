//! One connection, from its first byte: handshake, requests, end.
//!
//! Each wait has its time. What a request may take once its head is there is the handler's business, which knows how large a
//! body may be and how long the disk may take.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::places::{Closed, Place};
use super::requests::{Answered, Arriving, Requests};

/// A handshake takes two round trips.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// How long a request that is still arriving may go on to do so after a stop was asked for. A whole one is always answered.
const LAST_BYTES_WITHIN: Duration = Duration::from_secs(1);

/// The head of a request over HTTP/1.1. A webhook's is about 1 KiB.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Headers of a request over HTTP/1.1.
const HEADERS_MAX: usize = 64;

/// The head of a request over HTTP/2, when it is unpacked.
const HEAD_LIST_BYTES_MAX: u32 = 16 * 1024;

/// Requests under way at once over one connection of HTTP/2.
const STREAMS_MAX: u32 = 64;

/// Streams that a client opens and resets before they were looked at (CVE-2023-44487, rapid reset).
const STREAMS_RESET_MAX: usize = 20;

/// Streams that had to be reset because of what the client sent on them.
const STREAMS_WRONG_MAX: usize = 64;

/// A body of the largest size goes through without waiting for us.
const STREAM_WINDOW: u32 = 256 * 1024;

/// What one connection may make us keep in memory: some bodies of the largest size.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Answers are one line.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Between two questions whether the other side of a connection of HTTP/2 is still there.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long it has for an answer.
const PING_WITHIN: Duration = Duration::from_secs(10);

/// Between two looks whether anything is left to wait for, after a stop was asked for.
const STOP_LOOK_EVERY: Duration = Duration::from_millis(50);

/// What was agreed on in the handshake, where it is HTTP. Anything else is no request.
const HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A connection that has a place.
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) place: Place,
    pub(super) router: Router,
    pub(super) stop: watch::Receiver<bool>,
}

impl Connection {
    /// Until it ends, from whichever side.
    pub(super) async fn serve(self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        let Some(acceptor) = acceptor else { return self.converse(stream).await };
        let mut stop = self.stop.clone();
        let secured = tokio::select! {
            secured = timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)) => secured,
            () = self.place.left() => return,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok(Ok(stream)) = secured else { return self.place.closed(Closed::Handshake) };
        match stream.get_ref().1.alpn_protocol() {
            Some(other) if !HTTP.contains(&other) => {}
            _ => self.converse(stream).await,
        }
    }

    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let Connection { peer, place, router, mut stop } = self;
        let requests = Arc::new(Requests::new(place));
        let (service, served) = (TowerToHyperService::new(router), Arc::clone(&requests));
        let service = service_fn(move |request: Request<Incoming>| {
            let open = served.open();
            let arriving = Arc::clone(&open);
            let mut request = request.map(|body| Body::new(Arriving::new(body, arriving)));
            request.extensions_mut().insert(ConnectInfo(peer));
            let (answer, answered) = (service.call(request), Answered(open));
            async move {
                let answer = answer.await;
                drop(answered);
                answer
            }
        });
        let builder = protocols();
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        loop {
            let deadline = requests.deadline();
            tokio::select! {
                _ = connection.as_mut() => return,
                () = requests.place().left() => return,
                _ = stop.wait_for(|stop| *stop) => break,
                () = sleep_until(deadline) => {}
            }
            if let Some(late) = requests.late() {
                return requests.place().closed(late);
            }
        }
        connection.as_mut().graceful_shutdown();
        let stopped_at = Instant::now();
        let mut looks = interval(STOP_LOOK_EVERY);
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = looks.tick() => {}
            }
            if requests.silent_since().is_some_and(|since| since.max(stopped_at).elapsed() >= LAST_BYTES_WITHIN) {
                return;
            }
        }
    }
}

fn protocols() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Heads have deadlines of ours, which know a first request from a further one.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX);
    builder.http1().max_headers(HEADERS_MAX);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_WITHIN);
    http2.max_concurrent_streams(STREAMS_MAX).max_header_list_size(HEAD_LIST_BYTES_MAX);
    http2.max_pending_accept_reset_streams(STREAMS_RESET_MAX).max_local_error_reset_streams(STREAMS_WRONG_MAX);
    http2.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    http2.max_send_buf_size(SEND_BUFFER_BYTES_MAX);
    builder
}
