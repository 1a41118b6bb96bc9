//! What is counted about sources, read from the rules in force when somebody looks.
//!
//! A source that a reload took away is gone from here as well. Those whose records are at hand count nothing.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::rules::{Live, Origin};
use crate::source::{Figures, Phase};

/// The sources of the rules in force.
#[derive(Debug)]
pub(super) struct Sources(pub(super) Arc<Live>);

/// Adds the samples of one source to a metric.
type Add<'a> = dyn Fn(&mut Family<'_>, &Figures) -> fmt::Result + 'a;

/// One metric of all sources, and the source whose samples come next.
struct Family<'e> {
    encoder: prometheus_client::encoding::MetricEncoder<'e>,
    source: String,
}

impl Family<'_> {
    /// A sample with a label beside the source's name.
    fn sample(&mut self, label: &str, value: &str, sample: &impl EncodeMetric) -> fmt::Result {
        sample.encode(self.encoder.encode_family(&[("source", self.source.as_str()), (label, value)])?)
    }

    fn plain(&mut self, sample: &impl EncodeMetric) -> fmt::Result {
        sample.encode(self.encoder.encode_family(&[("source", self.source.as_str())])?)
    }
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let rules = self.0.rules();
        let figures: Vec<(String, Figures)> = rules
            .sources
            .iter()
            .filter_map(|source| match &source.origin {
                Origin::Asked(asked) => Some((source.name.to_string(), asked.asker.figures()?)),
                Origin::First(_) => None,
            })
            .collect();
        let mut metric = |name, help, kind, add: &Add<'_>| {
            let encoder = encoder.encode_descriptor(name, help, None, kind)?;
            let mut family = Family { encoder, source: String::new() };
            figures.iter().try_for_each(|(source, figures)| {
                family.source.clone_from(source);
                add(&mut family, figures)
            })
        };
        let help = "Questions of calls by where their answer came from";
        metric("callcard_source_questions", help, MetricType::Counter, &|family, figures| {
            let questions = figures.questions.iter();
            questions
                .copied()
                .try_for_each(|(how, count)| family.sample("how", how.as_str(), &ConstCounter::new(count)))
        })?;
        let help = "Tries to get an answer from the source itself";
        metric("callcard_source_tries", help, MetricType::Counter, &|family, figures| {
            family.sample("outcome", "answered", &ConstCounter::new(figures.answered))?;
            family.sample("outcome", "failed", &ConstCounter::new(figures.failed))
        })?;
        let help = "Requests beyond the first for one question: a retry after a failure, a hedge beside a slow one";
        metric("callcard_source_second_requests", help, MetricType::Counter, &|family, figures| {
            family.sample("why", "retry", &ConstCounter::new(figures.retried))?;
            family.sample("why", "hedge", &ConstCounter::new(figures.hedged))
        })?;
        let help = "Whether the source is asked: 1 at the state in which it is";
        metric("callcard_source_breaker", help, MetricType::Gauge, &|family, figures| {
            Phase::ALL.into_iter().try_for_each(|phase| {
                family.sample("state", phase.as_str(), &ConstGauge::new(i64::from(phase == figures.phase)))
            })
        })?;
        let help = "Answers that are kept";
        metric("callcard_source_kept", help, MetricType::Gauge, &|family, figures| {
            family.plain(&ConstGauge::new(i64::try_from(figures.kept).unwrap_or(i64::MAX)))
        })?;
        let help = "Memory of the answers that are kept";
        metric("callcard_source_kept_bytes", help, MetricType::Gauge, &|family, figures| {
            family.plain(&ConstGauge::new(i64::try_from(figures.kept_bytes).unwrap_or(i64::MAX)))
        })?;
        let help = "Seconds from a try to its answer or failure";
        metric("callcard_source_seconds", help, MetricType::Histogram, &|family, figures| {
            family.plain(&figures.seconds)
        })
    }
}
