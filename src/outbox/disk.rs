//! The thread that waits for the disk: one wait for all that was committed before it, while the next transaction is written.
//! It says when that one should be committed: when it could be waited for at once.
//!
//! The write-ahead log is written in order, so once it is on the disk so is every commit that was made before. Knows nothing of
//! what was committed.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::ffi;
use tokio::sync::mpsc::WeakSender;

use super::health::{Health, Place};
use super::job::{Failure, Job};
use super::writer::Command;

/// How many transactions may wait for the disk: what comes in while it is busy with a large file of somebody else for half a
/// second, since no card shall wait for that. Where it hangs, the writer waits with them, and takes no more.
const TRANSACTIONS_MAX: usize = 2048;

/// Between two waits: each costs processor time and holds up the writer, and the sender has seconds. No card waits for this.
const WAIT_EVERY: Duration = Duration::from_millis(3);

/// Commands that are committed and not answered.
pub(super) struct Promised {
    pub(super) jobs: Vec<Box<dyn Job>>,
    /// A commit that changed nothing says nothing about the disk.
    pub(super) has_changed: bool,
}

/// The thread; dropped, it answers what it has and ends.
pub(super) struct Disk {
    promised: Option<mpsc::SyncSender<Promised>>,
    signals: Arc<Signals>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and the writer know of each other.
#[derive(Default)]
struct Signals {
    is_busy: AtomicBool,
    is_awaited: AtomicBool,
}

impl Disk {
    /// Starts the thread for this log.
    pub(super) fn start(
        log: File,
        writer: WeakSender<Command>,
        health: Arc<Health>,
        place: Arc<Place>,
    ) -> Result<Disk, Error> {
        let (promised, waiting) = mpsc::sync_channel(TRANSACTIONS_MAX);
        let signals = Arc::new(Signals::default());
        let known = Arc::clone(&signals);
        let thread = std::thread::Builder::new()
            .name("outbox-disk".to_owned())
            .spawn(move || serve(&log, &waiting, &known, &writer, &health, &place))?;
        Ok(Disk { promised: Some(promised), signals, thread: Some(thread) })
    }

    /// Whether another commit would only have to wait; then [`Command::Commit`] comes when it no longer would.
    pub(super) fn tells_when_free(&self) -> bool {
        // Before the look, so that the thread, which is busy until its look at this, does not miss it.
        self.signals.is_awaited.store(true, Ordering::SeqCst);
        let is_busy = self.signals.is_busy.load(Ordering::SeqCst)
            && self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if !is_busy {
            self.signals.is_awaited.store(false, Ordering::SeqCst);
        }
        is_busy
    }

    /// Answers them once they are on the disk, or can't be.
    pub(super) fn write(&self, promised: Promised) {
        self.signals.is_busy.store(true, Ordering::SeqCst);
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

fn serve(
    log: &File,
    waiting: &mpsc::Receiver<Promised>,
    signals: &Signals,
    writer: &WeakSender<Command>,
    health: &Health,
    place: &Place,
) {
    let mut next = None;
    while let Some(first) = next.take().or_else(|| waiting.recv().ok()) {
        let begun = Instant::now();
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
        // The pace: what is promised meanwhile is waited for together, and nothing that anybody waits for could end it sooner.
        std::thread::sleep(WAIT_EVERY.saturating_sub(begun.elapsed()));
        next = waiting.try_recv().ok();
        if next.is_none() {
            signals.is_busy.store(false, Ordering::SeqCst);
            if signals.is_awaited.swap(false, Ordering::SeqCst) {
                // Where there is no room for it, other commands come and find that nothing has to be waited for.
                let _ = writer.upgrade().map(|writer| writer.try_send(Command::Commit));
            }
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
