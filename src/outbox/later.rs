//! What has time: it is written together, where much has come together or a moment has passed.
//!
//! Each transaction costs locks and a wake-up, and each page of the log that it touches is written once more; rows that are
//! settled together lie beside each other.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::job::{self, Job, Kept, Wake};
use super::writer::Command;
use super::{Outbox, OutboxError};

/// How long something waits for company. That long a restart has to ask about a card that was sent.
const WAITS_AT_MOST: Duration = Duration::from_millis(20);

/// How many are written at once, however short the first one has waited: of many more, events that come in would have to wait
/// for milliseconds, and few pages would be saved.
const ENOUGH: usize = 16;

/// What waits.
#[derive(Default)]
pub(super) struct Later(Mutex<Vec<Box<dyn Job>>>);

impl Later {
    fn put(&self, job: Box<dyn Job>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(job);
    }

    /// All of it in its order, where it `is_due` or there is enough of it.
    pub(super) fn take(&self, is_due: bool) -> Vec<Box<dyn Job>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_due || waiting.len() >= ENOUGH { std::mem::take(&mut waiting) } else { Vec::new() }
    }
}

impl std::fmt::Debug for Later {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Later")
    }
}

impl Outbox {
    /// Runs `work` within some transaction soon and returns its value after the commit.
    pub(super) async fn write_later<T, C, W>(&self, written: C, work: W) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        C: FnOnce(&mut T) -> Wake + Send + 'static,
        W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let (job, mut answered) = job::job(Kept::BySystem, written, work);
        self.later.put(job);
        if let Ok(answer) = tokio::time::timeout(WAITS_AT_MOST, &mut answered).await {
            return Ok(answer.map_err(|_| OutboxError::Closed)??);
        }
        self.commands.send(Command::Now).await.map_err(|_| OutboxError::Closed)?;
        Ok(answered.await.map_err(|_| OutboxError::Closed)??)
    }
}
