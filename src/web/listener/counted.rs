//! What is counted about connections, by listener.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::places::Closed;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClosedOf {
    listener: &'static str,
    reason: &'static str,
}

/// Connections of all listeners.
#[derive(Clone, Debug, Default)]
pub struct Connections {
    open: Family<Of, Gauge>,
    closed: Family<ClosedOf, Counter>,
}

/// Connections of one listener.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    listener: &'static str,
    all: Connections,
}

impl Connections {
    /// Makes them and adds them to a registry.
    pub fn register(registry: &mut Registry) -> Connections {
        let connections = Connections::default();
        registry.register("callcard_connections", "Open connections", connections.open.clone());
        let help = "Connections that were refused or closed before the client did so, by reason";
        registry.register("callcard_connections_closed", help, connections.closed.clone());
        connections
    }

    /// Those of one listener, counted from 0.
    pub(super) fn of(&self, listener: &'static str) -> Counted {
        let counted = Counted { listener, all: self.clone() };
        counted.open();
        for reason in Closed::ALL {
            let _ = counted.reason(reason);
        }
        counted
    }
}

impl Counted {
    /// How many are open.
    pub(super) fn open(&self) -> Gauge {
        self.all.open.get_or_create_owned(&Of { listener: self.listener })
    }

    /// One was closed.
    pub(super) fn closed(&self, reason: Closed) {
        self.reason(reason).inc();
    }

    fn reason(&self, reason: Closed) -> Counter {
        self.all.closed.get_or_create_owned(&ClosedOf { listener: self.listener, reason: reason.as_str() })
    }
}
