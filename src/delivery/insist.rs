//! What the outbox can't take now is tried again in a while, for a card must not be sent twice because a disk was full.
//!
//! Says so once a minute, and counts each time.

use tokio::time::Instant;

use super::{FAILURE_PAUSE, Shared};
use crate::outbox::OutboxError;

impl Shared {
    /// Rests after a failure of the outbox; `false` where that is closed, so that there is nothing to wait for.
    pub(super) async fn waited(&self, error: &OutboxError) -> bool {
        if matches!(error, OutboxError::Closed) {
            return false;
        }
        self.tell_failing(error);
        tokio::time::sleep(FAILURE_PAUSE).await;
        true
    }

    /// One key for whatever fails: it is one disk.
    pub(super) fn tell_failing(&self, error: &OutboxError) {
        self.metrics.outbox_failed();
        if let Some(silenced) = self.failing.say("", Instant::now()) {
            tracing::error!(silenced, "{error}; what could not be written is tried again every second");
        }
    }
}
