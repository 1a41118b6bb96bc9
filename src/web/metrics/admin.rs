//! What is counted about the admin address: who was refused, and people who were forgotten. Never who they were.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Why a request to the admin address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Refusal {
    /// It has no token.
    NoToken,
    /// It has another token.
    WrongToken,
    /// No token is demanded, and it names a host that need not be this machine.
    Host,
    /// A page of another site wants to change something.
    CrossSite,
}

impl Refusal {
    const ALL: [Refusal; 4] = [Refusal::NoToken, Refusal::WrongToken, Refusal::Host, Refusal::CrossSite];

    pub(in crate::web) fn as_str(self) -> &'static str {
        match self {
            Refusal::NoToken => "no_token",
            Refusal::WrongToken => "wrong_token",
            Refusal::Host => "host",
            Refusal::CrossSite => "cross_site",
        }
    }
}

/// What became of a request to forget somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Forgetting {
    /// It is done.
    Done,
    /// It names no full number.
    WrongNumber,
    /// The outbox could not do it, or not wholly.
    Failed,
}

impl Forgetting {
    const ALL: [Forgetting; 3] = [Forgetting::Done, Forgetting::WrongNumber, Forgetting::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Forgetting::Done => "done",
            Forgetting::WrongNumber => "wrong_number",
            Forgetting::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Counters of the admin address.
#[derive(Clone, Debug, Default)]
pub(super) struct Admin {
    refused: Family<Why, Counter>,
    forgetting: Family<Outcome, Counter>,
}

impl Admin {
    /// Makes them, beginning at 0, and adds them to a registry.
    pub(super) fn register(registry: &mut Registry) -> Admin {
        let admin = Admin::default();
        for why in Refusal::ALL {
            let _ = admin.refused.get_or_create(&Why { why: why.as_str() });
        }
        for outcome in Forgetting::ALL {
            let _ = admin.forgetting.get_or_create(&Outcome { outcome: outcome.as_str() });
        }
        let help = "Requests to the admin address that were refused";
        registry.register("callcard_admin_refused", help, admin.refused.clone());
        let help = "Requests to forget a person by outcome";
        registry.register("callcard_forget_requests", help, admin.forgetting.clone());
        admin
    }

    pub(super) fn refused(&self, why: Refusal) {
        self.refused.get_or_create(&Why { why: why.as_str() }).inc();
    }

    pub(super) fn forgetting(&self, outcome: Forgetting) {
        self.forgetting.get_or_create(&Outcome { outcome: outcome.as_str() }).inc();
    }
}
