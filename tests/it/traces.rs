//! Traces by OTLP: a collector over real HTTP, which reads what a real one reads, hangs, refuses or is not there.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use super::crm::{Crm, found};
use super::event::inbound;
use super::host::{Host, Reply, Request};
use super::phone::Phone;
use super::server::{EVERYBODY, Place, Server, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A collector that keeps what it is sent.
struct Collector {
    host: Host,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Collector {
    fn start(reply: Reply) -> Collector {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let host = Host::start(move |request| {
            kept.lock().unwrap().push(request);
            reply.clone()
        });
        Collector { host, requests }
    }

    fn fine() -> Collector {
        Collector::start(Reply::Answer { status: 200, headers: Vec::new(), body: Vec::new() })
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    fn exports(&self) -> Vec<ExportTraceServiceRequest> {
        let decode = |request: Request| ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
        self.requests().into_iter().map(decode).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.exports().into_iter().flat_map(|export| export.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }

    /// Waits until so many spans arrived.
    async fn so_many(&self, count: usize) -> Vec<Span> {
        until(&format!("{count} spans arrive"), async || Some(self.spans()).filter(|spans| spans.len() >= count)).await
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value?;
    Some(match value {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    })
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no span {name} in {spans:#?}"));
    assert!(found.next().is_none(), "two spans {name}");
    span
}

fn place(rules: &str, phone: &Phone, collector: &Collector) -> Place {
    let mut place = Place::new(rules, phone);
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", collector.host.address));
    place
}

/// A webhook with headers of a trace.
async fn ring(server: &Server, call_id: &str, traceparent: Option<&str>) {
    let event = inbound(call_id, "+905321234567");
    super::canary::numbers_of(&event);
    let mut request = server.client.post(server.webhook_url()).body(event.to_string());
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_call_is_one_trace_with_a_span_a_stage_that_takes_over_its_parent() {
    super::canary::text("Jane Canary");
    super::canary::text("CollectorCanary-1");
    let phone = Phone::start();
    let crm = Crm::start(found(&json!([{"phone": "+905321234567", "name": "Jane Canary"}])));
    let collector = Collector::fine();
    let rules = format!(
        "version: 1\nsources:\n  crm:\n{}rules:\n  - {{name: one, needs: {{crm: one}}, card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]}}\n",
        crm.source("")
    );
    let mut place = place(&rules, &phone, &collector);
    place.set("OTEL_EXPORTER_OTLP_HEADERS", "authorization=CollectorCanary-1");
    place.set("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    let server = Server::start(place).await;
    ring(&server, "one", Some(&format!("00-{TRACE}-{CALLER}-01"))).await;
    server.settled("one").await;
    let spans = collector.so_many(5).await;
    assert_eq!(spans.len(), 5, "{spans:#?}");
    for span in &spans {
        assert_eq!(hex(&span.trace_id), TRACE, "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
    }
    let webhook = named(&spans, "POST /webhooks/{account}/{secret}");
    assert_eq!((hex(&webhook.parent_span_id).as_str(), webhook.kind), (CALLER, 2));
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/webhooks/{account}/{secret}"),
        ("http.response.status_code", "200"),
        ("callcard.webhook.outcome", "accepted"),
        ("callcard.call.id", "one"),
    ] {
        assert_eq!(text(&webhook.attributes, key).as_deref(), Some(value), "{key}");
    }
    let (decide, source) = (named(&spans, "decide"), named(&spans, "source crm"));
    let (send, settle) = (named(&spans, "POST /calls/{call_id}/cards"), named(&spans, "settle"));
    for stage in [decide, send, settle] {
        assert_eq!(stage.parent_span_id, webhook.span_id, "{}", stage.name);
    }
    assert_eq!((source.parent_span_id.clone(), source.kind), (decide.span_id.clone(), 3));
    assert!(source.start_time_unix_nano >= decide.start_time_unix_nano, "{source:?} {decide:?}");
    assert!(decide.start_time_unix_nano <= send.start_time_unix_nano);
    assert_eq!(text(&decide.attributes, "callcard.rule.name").as_deref(), Some("one"));
    assert_eq!(text(&source.attributes, "callcard.source.found").as_deref(), Some("one"));
    assert_eq!(text(&send.attributes, "http.response.status_code").as_deref(), Some("201"));
    assert_eq!(text(&send.attributes, "server.address").as_deref(), Some("127.0.0.1"));
    assert_eq!(text(&settle.attributes, "callcard.outcome").as_deref(), Some("sent"));
    assert_eq!(server.line_of("one").await["trace_id"], TRACE);

    let resource = collector.exports()[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(text(&resource.attributes, "service.name").as_deref(), Some("callcard"));
    assert_eq!(text(&resource.attributes, "deployment.environment.name").as_deref(), Some("test"));
    let request = collector.requests()[0].clone();
    assert_eq!(
        (request.target.as_str(), request.header("content-type")),
        ("/v1/traces", Some("application/x-protobuf"))
    );
    assert_eq!(request.header("authorization"), Some("CollectorCanary-1"));
    // Debug output has every attribute as a text; its own token went to the collector in a header.
    let sent: Vec<String> = spans.iter().map(|span| format!("{:?} {}", span.attributes, span.name)).collect();
    assert_eq!(super::canary::found_in(&sent), None);
    assert_eq!(server.metric("callcard_trace_spans_total{outcome=\"exported\"}").await, 5.0);
}

#[tokio::test]
async fn the_trace_goes_on_behind_a_crash_and_a_failed_attempt_is_a_span_of_it() {
    let mut phone = Phone::start();
    let collector = Collector::fine();
    phone.stop();
    let server = Server::start(place(EVERYBODY, &phone, &collector)).await;
    ring(&server, "one", None).await;
    let before = collector.so_many(3).await;
    let webhook = named(&before, "POST /webhooks/{account}/{secret}").clone();
    assert!(webhook.parent_span_id.is_empty());
    let failed = before.iter().find(|span| span.name.starts_with("POST /calls")).unwrap();
    assert_eq!(text(&failed.attributes, "error.type").as_deref(), Some("no_connection"));
    assert_eq!(failed.status.as_ref().unwrap().code, 2);
    let server = {
        let place = server.killed();
        phone.restart();
        Server::start(place).await
    };
    server.settled("one").await;
    let spans = until("it is settled in the trace", async || {
        Some(collector.spans()).filter(|spans| spans.iter().any(|span| span.name == "settle"))
    })
    .await;
    assert!(spans.iter().all(|span| span.trace_id == webhook.trace_id), "{spans:#?}");
    assert_eq!(named(&spans, "settle").parent_span_id, webhook.span_id);
    let again = spans.iter().rfind(|span| span.name.starts_with("POST /calls")).unwrap();
    assert!(text(&again.attributes, "http.request.resend_count").is_some(), "{again:?}");
}

#[tokio::test]
async fn what_the_caller_does_not_sample_and_what_no_stranger_may_send_makes_no_span() {
    let phone = Phone::start();
    let collector = Collector::fine();
    let server = Server::start(place(EVERYBODY, &phone, &collector)).await;
    let stranger = server.client.post(format!("{}/webhooks/hipcall/wrong", server.public));
    stranger.header("traceparent", format!("00-{TRACE}-{CALLER}-01")).send().await.unwrap();
    ring(&server, "unsampled", Some(&format!("00-{TRACE}-{CALLER}-00"))).await;
    server.settled("unsampled").await;
    // A header that is none begins a trace of its own.
    ring(&server, "broken", Some("00-zz-zz-01")).await;
    server.settled("broken").await;
    let spans = collector.so_many(4).await;
    assert_eq!(spans.len(), 4, "{spans:#?}");
    assert!(spans.iter().all(|span| hex(&span.trace_id) != TRACE && span.trace_id == spans[0].trace_id));
}

#[tokio::test]
async fn a_collector_that_hangs_refuses_or_is_not_there_costs_no_card_and_no_stop() {
    let gone = Collector::fine();
    let refuses = Reply::Answer { status: 403, headers: Vec::new(), body: b"Bearer CollectorCanary-2".to_vec() };
    super::canary::text("CollectorCanary-2");
    for (name, mut collector) in
        [("gone", gone), ("refuses", Collector::start(refuses)), ("hangs", Collector::start(Reply::Hang))]
    {
        if name == "gone" {
            collector.host.stop();
        }
        let phone = Phone::start();
        let mut server = Server::start(place(EVERYBODY, &phone, &collector)).await;
        for number in 0..20 {
            let begun = Instant::now();
            server.ring_and_settle(&inbound(&format!("{name}-{number}"), "+905321234567")).await;
            assert!(begun.elapsed() < Duration::from_secs(2), "{name}: {:?}", begun.elapsed());
        }
        if name != "hangs" {
            until("lost spans are counted", async || {
                (server.metric("callcard_trace_spans_total{outcome=\"failed\"}").await > 0.0).then_some(())
            })
            .await;
        }
        let begun = Instant::now();
        server.signal("TERM");
        assert!(server.ended().await.success(), "{name}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{name}: {:?}", begun.elapsed());
        let told = server.log().into_iter().filter(|line| line["spans"].is_number()).count();
        assert!(told <= 1, "{name}: {told} lines");
        assert_eq!(phone.received().len(), 20, "{name}");
    }
}

#[tokio::test]
async fn without_a_collector_nothing_is_traced_and_a_wrong_address_is_told() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    ring(&server, "one", Some(&format!("00-{TRACE}-{CALLER}-01"))).await;
    server.settled("one").await;
    assert!(server.line_of("one").await["trace_id"].is_null());
    for outcome in ["exported", "dropped", "failed"] {
        assert_eq!(server.metric(&format!("callcard_trace_spans_total{{outcome=\"{outcome}\"}}")).await, 0.0);
    }
    let mut place = Place::new(EVERYBODY, &phone);
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url");
    let (code, said) = place.refused().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("OTEL_EXPORTER_OTLP"), "{said}");
}
