//! What is told about the rules in force and the last attempt to replace them, read when somebody looks.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::rules::Live;

/// The rules in force.
#[derive(Debug)]
pub(super) struct Rules(pub(super) Arc<Live>);

impl Collector for Rules {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (rules, status) = (self.0.rules(), self.0.status());
        let help = "Always 1: the revision of the rules in force, and whether they are from the directory or the last good ones";
        let mut info = encoder.encode_descriptor("callcard_rules_info", help, None, MetricType::Gauge)?;
        let labels = [("revision", rules.revision.as_str()), ("serving", status.serving())];
        ConstGauge::new(1_i64).encode(info.encode_family(&labels)?)?;
        let mut gauge = |name, help, value: f64| {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(gauge)
        };
        let seconds = |at: Timestamp| at.as_duration().as_secs_f64();
        let help = "When the rules in force were loaded, in seconds since 1970";
        gauge("callcard_rules_loaded_timestamp_seconds", help, seconds(status.loaded_at))?;
        let help = "When rules were loaded last, with whatever outcome, in seconds since 1970";
        gauge("callcard_rules_last_attempt_timestamp_seconds", help, seconds(status.attempt_at))?;
        let help = "Whether the rules that were loaded last took effect";
        gauge("callcard_rules_last_attempt_successful", help, f64::from(u8::from(status.is_swapped)))?;
        let help = "Problems in the rules that were loaded last, warnings and notes among them";
        let problems = u32::try_from(status.problems.len()).unwrap_or(u32::MAX);
        gauge("callcard_rules_last_attempt_problems", help, f64::from(problems))
    }
}
