//! What has time: it is written with whatever is written next, and by itself only where nothing is.
//!
//! Each transaction costs locks, pages and a wake-up, whatever is in it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::writer::{self, Command, Job, Kept, Wake};
use super::{Outbox, OutboxError};

/// How long something waits for company.
const ALONE_AFTER: Duration = Duration::from_millis(5);

/// What waits for the next transaction.
#[derive(Default)]
pub(super) struct Later(Mutex<Vec<Box<dyn Job>>>);

impl Later {
    fn put(&self, job: Box<dyn Job>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(job);
    }

    /// All of it, in its order.
    pub(super) fn take(&self) -> Vec<Box<dyn Job>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Later {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Later")
    }
}

impl Outbox {
    /// Runs `work` within some transaction soon and returns its value after the commit.
    pub(super) async fn write_later<T, C, W>(&self, committed: C, work: W) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        C: FnOnce(&mut T) -> Wake + Send + 'static,
        W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let (job, mut answered) = writer::job(Kept::BySystem, committed, work);
        self.later.put(job);
        if let Ok(answer) = tokio::time::timeout(ALONE_AFTER, &mut answered).await {
            return Ok(answer.map_err(|_| OutboxError::Closed)??);
        }
        self.commands.send(Command::Now).await.map_err(|_| OutboxError::Closed)?;
        Ok(answered.await.map_err(|_| OutboxError::Closed)??)
    }
}
