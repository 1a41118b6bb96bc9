//! Gauges of the outbox, set when somebody looks.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is told about the outbox; `None` where it could not be read.
#[derive(Debug)]
pub(in crate::web) struct OutboxFigures {
    pub(in crate::web) is_writable: bool,
    pub(in crate::web) pending: Option<u64>,
    pub(in crate::web) oldest_pending_seconds: Option<f64>,
    pub(in crate::web) used_bytes: Option<u64>,
    pub(in crate::web) file_bytes: Option<u64>,
}

/// The gauges.
#[derive(Clone, Debug, Default)]
pub(in crate::web) struct OutboxGauges {
    writable: Gauge,
    pending: Gauge<u64, AtomicU64>,
    oldest_pending: Gauge<f64, AtomicU64>,
    used_bytes: Gauge<u64, AtomicU64>,
    file_bytes: Gauge<u64, AtomicU64>,
}

impl OutboxGauges {
    pub(super) fn register(registry: &mut Registry) -> OutboxGauges {
        let gauges = OutboxGauges::default();
        let help = "1 where events can be stored, 0 where the disk is full, read-only or hangs";
        registry.register("callcard_outbox_writable", help, gauges.writable.clone());
        registry.register("callcard_pending_deliveries", "Deliveries that are not settled", gauges.pending.clone());
        let help = "Seconds since the oldest call began whose delivery is not settled; 0 where there is none";
        registry.register("callcard_oldest_pending_seconds", help, gauges.oldest_pending.clone());
        let help = "What is kept in the outbox, in bytes";
        registry.register("callcard_outbox_used_bytes", help, gauges.used_bytes.clone());
        let help = "The files of the outbox with their free space and log, in bytes";
        registry.register("callcard_outbox_file_bytes", help, gauges.file_bytes.clone());
        gauges
    }

    pub(in crate::web) fn set(&self, figures: &OutboxFigures) {
        self.writable.set(i64::from(figures.is_writable));
        figures.pending.map(|pending| self.pending.set(pending));
        figures.oldest_pending_seconds.map(|age| self.oldest_pending.set(age));
        figures.used_bytes.map(|bytes| self.used_bytes.set(bytes));
        figures.file_bytes.map(|bytes| self.file_bytes.set(bytes));
    }
}
