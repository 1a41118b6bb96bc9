//! The thread that waits for the disk: one wait for all that was committed before it, while the next transactions are written.
//!
//! The write-ahead log is written in order, so once it is on the disk so is every commit that was made before. Knows nothing of
//! what was committed.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::ffi;

use super::health::{Health, Place};
use super::writer::{Failure, Job};

/// How many transactions may wait for the disk: what comes in while it is busy with a large file of somebody else for half a
/// second, since no card shall wait for that. Where it hangs, the writer waits with them, and takes no more.
const TRANSACTIONS_MAX: usize = 2048;

/// Between two waits: each costs processor time and holds up the writer, and the sender has seconds. No card waits for this.
const WAIT_EVERY: Duration = Duration::from_millis(5);

/// Commands that are committed and not answered.
pub(super) struct Promised {
    pub(super) jobs: Vec<Box<dyn Job>>,
    /// A commit that changed nothing says nothing about the disk.
    pub(super) has_changed: bool,
}

/// The thread; dropped, it answers what it has and ends.
pub(super) struct Disk {
    promised: Option<mpsc::SyncSender<Promised>>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Starts the thread for this log.
    pub(super) fn start(log: File, health: Arc<Health>, place: Arc<Place>) -> Result<Disk, Error> {
        let (promised, waiting) = mpsc::sync_channel(TRANSACTIONS_MAX);
        let thread = std::thread::Builder::new()
            .name("outbox-disk".to_owned())
            .spawn(move || serve(&log, &waiting, &health, &place))?;
        Ok(Disk { promised: Some(promised), thread: Some(thread) })
    }

    /// Answers them once they are on the disk, or can't be.
    pub(super) fn write(&self, promised: Promised) {
        if let Some(sender) = &self.promised {
            // Only a thread that stopped unexpectedly takes none; then whoever waits learns that the outbox is gone.
            let _ = sender.send(promised);
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.promised.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(log: &File, waiting: &mpsc::Receiver<Promised>, health: &Health, place: &Place) {
    let mut begun: Option<Instant> = None;
    while let Ok(first) = waiting.recv() {
        if let Some(begun) = begun {
            std::thread::sleep(WAIT_EVERY.saturating_sub(begun.elapsed()));
        }
        begun = Some(Instant::now());
        let all: Vec<Promised> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let written = log.sync_data().map_err(|error| failure(&error));
        match &written {
            Ok(()) if all.iter().any(|promised| promised.has_changed) => health.recovered(),
            Ok(()) => {}
            Err(error) => health.failed(error),
        }
        let kept = written.map_err(Failure::from).and_then(|()| place.check());
        for job in all.into_iter().flat_map(|promised| promised.jobs) {
            job.answer(kept.clone());
        }
    }
}

/// As SQLite would have said it.
fn failure(error: &Error) -> rusqlite::Error {
    let code = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ffi::SQLITE_FULL,
        _ => ffi::SQLITE_IOERR_FSYNC,
    };
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(error.to_string()))
}
