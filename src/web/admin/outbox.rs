//! How the outbox is doing, for `/readyz` and `/metrics`. A disk that hangs makes neither of them hang.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::outbox::{Outbox, OutboxError, Size, Trouble};
use crate::web::metrics::OutboxFigures;

/// Shorter than probes wait (Kubernetes gives them a second unless told otherwise, Prometheus ten).
const LOOK_WITHIN: Duration = Duration::from_millis(800);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What keeps events from being stored.
    pub(super) trouble: Option<Trouble>,
    /// Deliveries that are not settled.
    pub(super) pending: Option<u64>,
    oldest: Option<Timestamp>,
    size: Option<Size>,
}

/// Asks the writer, so that an answer also says that it is alive.
pub(super) async fn look(outbox: &Outbox) -> Look {
    let asked = async {
        let mut look = Look { trouble: outbox.trouble().await, ..Look::default() };
        if let Err(error) = look_at_rows(outbox, &mut look).await {
            look.trouble.get_or_insert(Trouble { reason: error.to_string(), help: "" });
        }
        look
    };
    timeout(LOOK_WITHIN, asked).await.unwrap_or_else(|_| {
        let reason = format!("no answer within {} ms", LOOK_WITHIN.as_millis());
        Look { trouble: Some(Trouble { reason, help: "the disk is too slow, or hangs" }), ..Look::default() }
    })
}

async fn look_at_rows(outbox: &Outbox, look: &mut Look) -> Result<(), OutboxError> {
    look.pending = Some(outbox.pending().await?);
    look.oldest = outbox.oldest_pending().await?;
    look.size = Some(outbox.size().await?);
    Ok(())
}

impl Look {
    pub(super) fn to_json(&self) -> Value {
        let trouble = self.trouble.as_ref();
        json!({
            "writable": trouble.is_none(),
            "reason": trouble.map(|trouble| &trouble.reason),
            "help": trouble.map(|trouble| trouble.help).filter(|help| !help.is_empty()),
            "used_bytes": self.size.map(|size| size.used),
            "file_bytes": self.size.map(|size| size.files),
        })
    }

    /// For `/metrics`. What could not be read keeps its last figure.
    pub(super) fn figures(&self, now: Timestamp) -> OutboxFigures {
        let age = |began: Timestamp| now.duration_since(began).as_secs_f64().max(0.0);
        OutboxFigures {
            is_writable: self.trouble.is_none(),
            pending: self.pending,
            oldest_pending_seconds: self.pending.map(|_| self.oldest.map_or(0.0, age)),
            used_bytes: self.size.map(|size| size.used),
            file_bytes: self.size.map(|size| size.files),
        }
    }
}
