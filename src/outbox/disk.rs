//! The thread that waits for the disk: one wait for all that was committed before it, while the next transactions are written.
//! It says when a transaction that is open should be committed: when it could wait for it at once.
//!
//! The write-ahead log is written in order, so once it is on the disk so is every commit that was made before. Knows nothing of
//! what was committed.

use std::fs::File;
use std::io::{Error, ErrorKind};
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
const WAIT_EVERY: Duration = Duration::from_millis(5);

/// Commands that are committed and not answered.
pub(super) struct Promised {
    pub(super) jobs: Vec<Box<dyn Job>>,
    /// A commit that changed nothing says nothing about the disk.
    pub(super) has_changed: bool,
}

/// What the writer tells the thread.
enum Message {
    /// There is a transaction to be committed.
    Open,
    /// It is.
    Committed(Promised),
}

/// The thread; dropped, it answers what it has and ends.
pub(super) struct Disk {
    messages: Option<mpsc::SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Starts the thread for this log.
    pub(super) fn start(
        log: File,
        writer: WeakSender<Command>,
        health: Arc<Health>,
        place: Arc<Place>,
    ) -> Result<Disk, Error> {
        let (messages, waiting) = mpsc::sync_channel(TRANSACTIONS_MAX);
        let thread = std::thread::Builder::new()
            .name("outbox-disk".to_owned())
            .spawn(move || serve(&log, &waiting, &writer, &health, &place))?;
        Ok(Disk { messages: Some(messages), thread: Some(thread) })
    }

    /// A transaction is open, and is to be committed when it can be waited for. `false`: the thread stopped unexpectedly.
    pub(super) fn announce(&self) -> bool {
        self.messages.as_ref().is_some_and(|messages| messages.send(Message::Open).is_ok())
    }

    /// Answers them once they are on the disk, or can't be.
    pub(super) fn write(&self, promised: Promised) {
        if let Some(messages) = &self.messages {
            // Only a thread that stopped unexpectedly takes none; then whoever waits learns that the outbox is gone.
            let _ = messages.send(Message::Committed(promised));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.messages.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(log: &File, waiting: &mpsc::Receiver<Message>, writer: &WeakSender<Command>, health: &Health, place: &Place) {
    let (mut begun, mut left): (Option<Instant>, _) = (None, None);
    while let Some(first) = left.take().or_else(|| waiting.recv().ok()) {
        if let Some(begun) = begun {
            std::thread::sleep(WAIT_EVERY.saturating_sub(begun.elapsed()));
        }
        let mut all: Vec<Promised> = Vec::new();
        for message in std::iter::once(first).chain(waiting.try_iter()) {
            left = match message {
                Message::Open => Some(message),
                Message::Committed(promised) => {
                    all.push(promised);
                    None
                }
            };
        }
        if all.is_empty() {
            left = None;
            // Where so much waits for the writer, it commits by itself.
            let _ = writer.upgrade().map(|writer| writer.try_send(Command::Commit));
            continue;
        }
        begun = Some(Instant::now());
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
