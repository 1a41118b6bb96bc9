//! Spans of OpenTelemetry: one a stage of a call, all in one trace, also where a restart lies between the stages.
//!
//! The trace begins with the webhook, whose span is kept with the delivery. Where no traces are wanted nothing is made. No
//! attribute holds a number, a name, a token, an address with a secret or a body: of what came from outside there is the
//! call's id, which the log has as well, and how things ended in our own words. Names are those of the semantic conventions
//! for HTTP; what they have no word for begins with `callcard`.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;
use tokio::time::Instant;

use super::Shared;
use crate::engine::{Decision, Outcome, SourceStep};
use crate::outbox::{Claimed, Settlement};
use crate::phone::{Arrival, Attempt};
use crate::rules::Account;

/// Where spans go; nowhere unless somebody wants them.
#[derive(Clone, Debug, Default)]
pub struct Spans(Option<SdkTracer>);

/// A span under way. It ends when it is dropped.
#[derive(Debug, Default)]
pub struct Span(Option<opentelemetry_sdk::trace::Span>);

impl Spans {
    /// To whoever exports what this tracer makes.
    pub fn new(tracer: SdkTracer) -> Spans {
        Spans(Some(tracer))
    }

    /// The span of an authentic webhook. Its parent is what `header` says of `traceparent` and `tracestate`.
    pub fn webhook<'a>(&self, account: &str, header: impl Fn(&str) -> Option<&'a str>) -> Span {
        let Some(tracer) = &self.0 else { return Span(None) };
        let names = ["traceparent", "tracestate"].into_iter();
        let parent = names.filter_map(|name| Some((name.to_owned(), header(name)?.to_owned()))).collect();
        let attributes = vec![
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("http.route", "/webhooks/{account}/{secret}"),
            KeyValue::new("callcard.account", account.to_owned()),
        ];
        let builder = SpanBuilder::from_name("POST /webhooks/{account}/{secret}").with_kind(SpanKind::Server);
        Span(Some(tracer.build_with_context(builder.with_attributes(attributes), &context(&parent))))
    }

    /// The span of a stage of a delivery, where its webhook has one.
    fn stage(&self, claimed: &Claimed, name: &'static str, kind: SpanKind) -> Span {
        let (Some(tracer), Some(webhook)) = (&self.0, &claimed.traceparent) else { return Span(None) };
        let parent = HashMap::from([("traceparent".to_owned(), webhook.clone())]);
        let attributes = vec![
            KeyValue::new("callcard.account", claimed.account.clone()),
            KeyValue::new("callcard.call.id", claimed.call_id.clone()),
            KeyValue::new("callcard.call.event", claimed.event.clone()),
        ];
        let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        Span(Some(tracer.build_with_context(builder, &context(&parent))))
    }

    /// The span of a request to the card API.
    pub(super) fn request(&self, claimed: &Claimed, account: &Account, method: &'static str) -> Span {
        let name = if method == "POST" { "POST /calls/{call_id}/cards" } else { "GET /calls/{call_id}/cards" };
        let mut span = self.stage(claimed, name, SpanKind::Client);
        if span.0.is_none() {
            return span;
        }
        span.set("http.request.method", method);
        span.set("url.template", "/calls/{call_id}/cards");
        if claimed.attempts > 0 {
            span.set("http.request.resend_count", i64::from(claimed.attempts));
        }
        let api = &account.api;
        span.set("server.address", api.host_str().unwrap_or_default().to_owned());
        span.set("server.port", i64::from(api.port_or_known_default().unwrap_or_default()));
        span
    }

    /// The span of a settlement, which ends with its row on the disk.
    pub(super) fn settle(&self, claimed: &Claimed, settlement: &Settlement) -> Span {
        let mut span = self.stage(claimed, "settle", SpanKind::Internal);
        span.set("callcard.outcome", settlement.as_str());
        span
    }

    /// The spans of a decision's questions, made afterwards: the engine that asks knows no traces. `then` and `at` are one moment
    /// by both clocks.
    fn sources(&self, decision: &Span, steps: &[SourceStep], then: Timestamp, at: Instant) {
        let (Some(tracer), Some(parent)) = (&self.0, &decision.0) else { return };
        let parent = Context::new().with_remote_span_context(parent.span_context().clone());
        for step in steps {
            let (Some(begun), Some(milliseconds)) = (step.begun, step.milliseconds) else { continue };
            let Ok(after) = SignedDuration::try_from(begun.saturating_duration_since(at)) else { continue };
            let begun = then.saturating_add(after).unwrap_or(then);
            let took = SignedDuration::try_from_secs_f64(milliseconds / 1e3).unwrap_or_default();
            let name = format!("source {}", step.source);
            let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_start_time(begun);
            let mut span = Span(Some(tracer.build_with_context(builder, &parent)));
            span.set("callcard.source.name", step.source.to_string());
            span.set("callcard.source.kind", step.kind.to_string());
            span.set("callcard.source.found", step.found.to_string());
            span.set("callcard.source.how", step.how.as_deref().unwrap_or("asked").to_owned());
            if step.found == "failed" {
                span.fail("failed");
            }
            if let Some(mut span) = span.0.take() {
                span.end_with_timestamp(begun.saturating_add(took).unwrap_or(begun).into());
            }
        }
    }
}

impl Shared {
    /// The same decision, with its spans.
    pub(super) async fn traced(
        &self,
        claimed: &Claimed,
        deciding: impl Future<Output = Option<Decision>>,
    ) -> Option<Decision> {
        let mut span = self.spans.stage(claimed, "decide", SpanKind::Internal);
        let (then, at) = ((self.outside.now)(), Instant::now());
        let decision = deciding.await?;
        self.spans.sources(&span, &decision.trace.sources, then, at);
        span.decided(&decision);
        Some(decision)
    }
}

impl Span {
    fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(name, value));
        }
    }

    fn fail(&mut self, kind: impl Into<Value>) {
        self.set("error.type", kind);
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(""));
        }
    }

    fn decided(&mut self, decision: &Decision) {
        self.set("callcard.rules.revision", decision.revision.clone());
        self.set("callcard.rule.name", decision.rule.as_deref().unwrap_or("none").to_owned());
        let came_to = match decision.outcome {
            Outcome::Card(_) => "card",
            Outcome::NoCard(_) => "no_card",
            Outcome::Invalid(_) => "invalid_card",
        };
        self.set("callcard.decision", came_to);
        if came_to == "invalid_card" {
            self.fail(came_to);
        }
    }

    /// What later stages take for their parent; nothing where there is no span.
    pub fn traceparent(&self) -> Option<String> {
        let context = self.0.as_ref()?.span_context();
        let flags = context.trace_flags().to_u8();
        Some(format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id()))
    }

    /// Of which call a webhook is.
    pub fn webhook_of(&mut self, call_id: &str, event: &str) {
        self.set("callcard.call.id", call_id.to_owned());
        self.set("callcard.call.event", event.to_owned());
    }

    /// What became of a webhook, in the words of its answer; one that could not be stored is a failure, although it gets its 200.
    pub fn webhook_is(&mut self, outcome: &'static str) {
        self.set("callcard.webhook.outcome", outcome);
        if outcome == "not_stored" {
            self.fail(outcome);
        }
    }

    /// Ends it with an HTTP status.
    pub fn answered(mut self, status: u16) {
        self.set("http.response.status_code", i64::from(status));
    }

    /// Ends it with what became of an attempt.
    pub(super) fn attempted(mut self, attempt: &Attempt) {
        self.set("callcard.attempt.outcome", super::metrics::outcome(attempt));
        let (status, failure) = match attempt {
            Attempt::Sent { status } => (Some(*status), None),
            Attempt::Later { status, .. } => (*status, Some("no_connection")),
            Attempt::Unknown { .. } => (None, Some("no_answer")),
            Attempt::Refused { status, .. } => (Some(*status), Some("refused")),
        };
        if let Some(failure) = failure {
            self.fail(status.map_or(failure.to_owned(), |status| status.to_string()));
        }
        if let Some(status) = status {
            self.answered(status);
        }
    }

    /// Ends it with what is known of an earlier attempt.
    pub(super) fn told(mut self, arrival: &Arrival) {
        self.set("callcard.arrival", super::metrics::arrival(arrival));
        match arrival {
            Arrival::Arrived { status } => self.answered(*status),
            Arrival::NotTold { status } => {
                self.fail(status.to_string());
                self.answered(*status);
            }
            Arrival::Later { .. } => self.fail("later"),
            Arrival::Missing => {}
        }
    }
}

/// The trace that headers belong to; none where they can't be read.
fn context(headers: &HashMap<String, String>) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), headers)
}
