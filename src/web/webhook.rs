//! The webhook: authenticate, read, store, answer.
//!
//! The sender never repeats a webhook and switches it off after a few answers that are not 200, so an authentic request
//! always gets 200, as soon as its row is on disk. No source is asked and no card is made here.

mod door;
mod peer;
mod signature;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout};

use self::door::Door;
use super::Metrics;
use crate::delivery::{self, Hush, Intake, Span, Spans};
use crate::event::{CallId, Event, EventKind};
use crate::outbox::{Accept, Acceptance, Outbox, OutboxError, Settlement};
use crate::rules::{Access, Live, RuleSet};

/// A webhook's body is about 1 KiB.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// The whole body must be here in this time; the sender itself gives up after 5 to 15 s.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// The answer must not wait longer for the disk than the sender waits for the answer.
const STORE_WITHIN: Duration = Duration::from_secs(3);

/// The same once the disk was too slow for one: it hangs, and the sender switches a webhook off after a few slow answers. More
/// than a working disk ever takes, so that it ends by itself.
const STORE_WITHIN_WHILE_SLOW: Duration = Duration::from_secs(1);

/// At most one line in this time about webhooks that could not be stored.
const NOT_STORED_TOLD_EVERY: Duration = Duration::from_secs(10);

/// The webhook endpoint of all accounts.
pub struct Webhooks {
    live: Arc<Live>,
    outbox: Outbox,
    intake: Option<Intake>,
    metrics: Metrics,
    deliveries: delivery::Metrics,
    now: fn() -> Timestamp,
    trusted_proxies: Vec<IpNet>,
    door: Door,
    not_stored: Hush,
    /// Whether the last event that was to be stored took too long.
    is_slow: AtomicBool,
    spans: Spans,
}

impl Webhooks {
    /// An endpoint that stores into this outbox.
    pub fn new(
        live: Arc<Live>,
        outbox: Outbox,
        metrics: Metrics,
        deliveries: delivery::Metrics,
        now: fn() -> Timestamp,
    ) -> Webhooks {
        let (trusted_proxies, door, not_stored) = (Vec::new(), Door::default(), Hush::new(NOT_STORED_TOLD_EVERY));
        let is_slow = AtomicBool::new(false);
        let spans = Spans::default();
        Webhooks {
            live,
            outbox,
            intake: None,
            metrics,
            deliveries,
            now,
            trusted_proxies,
            door,
            not_stored,
            is_slow,
            spans,
        }
    }

    /// The same behind proxies at these addresses; what they say about where a request came from is believed.
    pub fn behind(mut self, trusted_proxies: Vec<IpNet>) -> Webhooks {
        self.trusted_proxies = trusted_proxies;
        self
    }

    /// The same, which asks there whether a delivery can be worked on at once.
    pub fn handing_to(mut self, intake: Intake) -> Webhooks {
        self.intake = Some(intake);
        self
    }

    /// The same, whose webhooks have spans.
    pub fn traced(mut self, spans: Spans) -> Webhooks {
        self.spans = spans;
        self
    }
}

/// The body of a `200`.
#[derive(serde::Serialize)]
struct Answer {
    status: &'static str,
}

/// `POST /webhooks/{account}/{secret}`.
pub(super) async fn receive(
    State(webhooks): State<Arc<Webhooks>>,
    Path((account, secret)): Path<(String, String)>,
    request: Request,
) -> Response {
    let rules = webhooks.live.rules();
    let (head, body) = request.into_parts();
    let address = peer::address(&head, &webhooks.trusted_proxies);
    let Some(access) = webhooks.admit(&rules, &account, &secret, address) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let mut span = webhooks.spans.webhook(&account, header);
    let response = webhooks.answer(&rules, &account, access, &head.headers, body, &mut span).await;
    span.answered(response.status().as_u16());
    response
}

impl Webhooks {
    /// Reads the body, checks its signature, stores it, and answers.
    async fn answer(
        &self,
        rules: &RuleSet,
        account: &str,
        access: &Access,
        headers: &HeaderMap,
        body: Body,
        span: &mut Span,
    ) -> Response {
        let body = match timeout(BODY_WITHIN, to_bytes(body, BODY_BYTES_MAX)).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => {
                self.metrics.turned_away(Some(account), "body_refused");
                let too_large = std::error::Error::source(&error)
                    .is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
                let status = if too_large { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
                self.tell_body_refused(account, "was too large or broke off");
                return status.into_response();
            }
            Err(_) => {
                self.metrics.turned_away(Some(account), "body_refused");
                self.tell_body_refused(account, "did not arrive in time");
                return StatusCode::REQUEST_TIMEOUT.into_response();
            }
        };
        if !self.is_signed(account, access, headers, &body) {
            return StatusCode::NOT_FOUND.into_response();
        }
        let begun = Instant::now();
        let within = if self.is_slow.load(Ordering::Relaxed) { STORE_WITHIN_WHILE_SLOW } else { STORE_WITHIN };
        let taken = timeout(within, self.take(rules, account, &body, span)).await;
        self.is_slow.store(taken.is_err(), Ordering::Relaxed);
        let status = match taken {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => {
                self.tell_not_stored(account, &error);
                "not_stored"
            }
            Err(_) => {
                self.tell_not_stored(account, &format_args!("no answer within {} ms", within.as_millis()));
                "not_stored"
            }
        };
        self.metrics.webhook(account, status, begun.elapsed());
        span.webhook_is(status);
        Json(Answer { status }).into_response()
    }

    /// Stores what has to be stored and says what became of it.
    async fn take(
        &self,
        rules: &RuleSet,
        account: &str,
        body: &[u8],
        span: &mut Span,
    ) -> Result<&'static str, OutboxError> {
        let received_at = (self.now)();
        let event = match Event::parse(body) {
            Ok(event) => event,
            Err(why) => {
                tracing::warn!(account, %why, "a webhook of account `{account}` can't be read: {why}");
                self.outbox.keep_unreadable(account, &why.to_string(), body, received_at).await?;
                return Ok("unreadable");
            }
        };
        let Some(call_id) = &event.call_id else { return Ok("ignored") };
        span.webhook_of(call_id.as_str(), event.kind.as_str());
        match event.kind {
            EventKind::CallInit | EventKind::CallBridged => {
                let traceparent = span.traceparent();
                self.accept(rules, account, event, (body, traceparent), received_at).await
            }
            EventKind::CallHangup => {
                let over = self.outbox.hang_up(account, call_id.as_str(), received_at).await?;
                self.tell_over(account, call_id, over);
                Ok("accepted")
            }
            EventKind::Other(_) => Ok("ignored"),
        }
    }

    async fn accept(
        &self,
        rules: &RuleSet,
        account: &str,
        event: Event,
        (body, traceparent): (&[u8], Option<String>),
        received_at: Timestamp,
    ) -> Result<&'static str, OutboxError> {
        let Some(call_id) = event.call_id.clone().filter(|_| rules.can_want(&event.kind, event.direction())) else {
            return Ok("ignored");
        };
        // A call can't have begun after its event arrived; clocks differ.
        let started_at = event.started_at().unwrap_or(received_at).min(received_at);
        let send_within = SignedDuration::try_from(rules.defaults.send_within).unwrap_or(SignedDuration::MAX);
        let accept = Accept {
            account: account.to_owned(),
            call_id: call_id.as_str().to_owned(),
            event: event.kind.as_str().to_owned(),
            body: body.to_vec(),
            started_at,
            received_at,
            expires_at: started_at.saturating_add(send_within).unwrap_or(Timestamp::MAX),
            traceparent,
        };
        let taking = self.intake.as_ref().and_then(|intake| intake.room(rules, account, event));
        Ok(match self.outbox.accept_and_take(accept, taking).await? {
            Acceptance::Accepted(_) => "accepted",
            Acceptance::Over(_) => {
                self.tell_over(account, &call_id, 1);
                "accepted"
            }
            Acceptance::Duplicate => "duplicate",
        })
    }

    /// Loud, but not once a call while a disk is full.
    fn tell_not_stored(&self, account: &str, why: &dyn std::fmt::Display) {
        if let Some(silenced) = self.not_stored.say(account, Instant::now()) {
            tracing::error!(account, silenced, "a webhook can't be stored, its call may get no card: {why}");
        }
    }

    /// The line about a call whose hang-up settled so many of its deliveries.
    fn tell_over(&self, account: &str, call_id: &CallId, deliveries: usize) {
        if deliveries == 0 {
            return;
        }
        self.deliveries.over(account, deliveries);
        tracing::info!(
            call.id = call_id.as_str(),
            account,
            outcome = Settlement::Over.as_str(),
            "call {call_id}: over before its card was sent"
        );
    }
}
