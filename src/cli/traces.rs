//! Traces by OTLP over HTTP, where the environment names a collector; else nothing is made and nothing is sent.
//!
//! A collector that is slow or down costs nothing but spans: they wait in a queue that is bounded, and what it has no place for
//! is dropped and counted. The standard variables of OpenTelemetry are read by its own crates.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::settings::variable;
use crate::delivery::{Hush, Spans};

/// Spans that wait for the collector, some 1 KiB each. A call has five or so.
const QUEUED_MAX: usize = 8192;

/// Spans of one request.
const BATCH_MAX: usize = 512;

/// How long a span waits for others to go with it.
const GATHER_FOR: Duration = Duration::from_secs(1);

/// How long one request may take; OpenTelemetry's own default.
const EXPORT_WITHIN: Duration = Duration::from_secs(10);

/// How long the last spans may take when the server stops, where there is time left.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// One line in this time about a collector that takes nothing.
const LOST_EVERY: Duration = Duration::from_secs(60);

/// Where spans go, and what became of them. By default nowhere.
#[derive(Clone, Default)]
pub(super) struct Traces {
    pub(super) spans: Spans,
    pub(super) counted: Counted,
}

/// What became of spans.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted(Family<Outcome, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Counted {
    /// Adds them to a registry, beginning at 0.
    pub(super) fn register(&self, registry: &mut Registry) {
        ["exported", "dropped", "failed"].iter().for_each(|outcome| self.add(outcome, 0));
        let help = "Spans by what became of them";
        registry.register("callcard_trace_spans", help, self.0.clone());
    }

    fn add(&self, outcome: &'static str, spans: usize) {
        self.0.get_or_create(&Outcome { outcome }).inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
    }
}

/// What sends the spans, where somebody wants them.
#[derive(Default)]
pub(super) struct Exporting(Option<(SdkTracerProvider, JoinHandle<()>)>);

impl Traces {
    /// Begins, where `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set.
    pub(super) fn start() -> Result<(Traces, Exporting)> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let is_off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter == "none");
        let endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        if is_off || endpoints.into_iter().all(|name| set(name).is_none()) {
            return Ok((Traces::default(), Exporting::default()));
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(EXPORT_WITHIN)
            .build()
            .context("no HTTP client can be made for traces")?;
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .build()
            .context("traces can't be sent: look at the variables OTEL_EXPORTER_OTLP_…")?;
        let is_named = set("OTEL_SERVICE_NAME").is_some()
            || set("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
        let resource = Resource::builder();
        let resource = if is_named { resource } else { resource.with_service_name("callcard") };
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = resource.with_attribute(version).build();
        exporter.set_resource(&resource);
        let counted = Counted::default();
        let (sender, queue) = mpsc::channel(QUEUED_MAX);
        let waiting = Queue { sender: Mutex::new(Some(sender)), counted: counted.clone() };
        let provider = SdkTracerProvider::builder().with_span_processor(waiting).with_resource(resource).build();
        let spans = Spans::new(provider.tracer("callcard"));
        let task = tokio::spawn(export(exporter, queue, counted.clone()));
        Ok((Traces { spans, counted }, Exporting(Some((provider, task)))))
    }
}

impl Exporting {
    /// Sends what is left, for a moment, and not beyond `stopped_by`.
    pub(super) async fn stop(self, stopped_by: Instant) {
        let Some((provider, task)) = self.0 else { return };
        let _ = provider.shutdown();
        if timeout_at(stopped_by.min(Instant::now() + STOP_WITHIN), task).await.is_err() {
            tracing::warn!("the last spans were not taken by the collector");
        }
    }
}

/// What a span enters when it ends. Never waits.
#[derive(Debug)]
struct Queue {
    /// Taken away at the end, so that the other side finds one.
    sender: Mutex<Option<mpsc::Sender<SpanData>>>,
    counted: Counted,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if span.span_context.is_sampled() && sender.as_ref().is_none_or(|sender| sender.try_send(span).is_err()) {
            self.counted.add("dropped", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}

/// Sends what ends at about the same time in one request, until the queue is closed and empty.
async fn export(exporter: SpanExporter, mut queue: mpsc::Receiver<SpanData>, counted: Counted) {
    let lost = Hush::new(LOST_EVERY);
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let until = Instant::now() + GATHER_FOR;
        while let Some(room) = BATCH_MAX.checked_sub(batch.len()).filter(|room| *room > 0)
            && timeout_at(until, queue.recv_many(&mut batch, room)).await.is_ok_and(|more| more > 0)
        {}
        let spans = batch.len();
        match exporter.export(std::mem::take(&mut batch)).await {
            Ok(()) => counted.add("exported", spans),
            Err(error) => {
                counted.add("failed", spans);
                if let Some(silenced) = lost.say("", Instant::now()) {
                    tracing::warn!(spans, silenced, %error, "the collector of traces did not take {spans} spans: {error}");
                }
            }
        }
    }
}
