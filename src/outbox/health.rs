//! Whether the outbox can be written: what the last commit said, and whether its files are still where they were.
//!
//! Mends nothing and reads no clock.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::ErrorCode;

use super::job::{Failure, nobody};
use super::keep::used_bytes;
use super::{Outbox, OutboxError, store};

/// What keeps the outbox from being written, for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub help: &'static str,
}

/// How much room the outbox takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// What the rows take in the database.
    pub used: u64,
    /// The files, with their free space and the write-ahead log.
    pub files: u64,
}

impl Outbox {
    /// What keeps the outbox from being written, as far as is known. Where something did, it is tried again first, so that
    /// asking is enough to learn that it is over.
    pub async fn trouble(&self) -> Option<Trouble> {
        if !self.place.is_kept() {
            return Some(self.place.trouble());
        }
        self.health.trouble()?;
        match self.promise(nobody, store::touch).await {
            Ok(()) => self.health.recovered(),
            Err(OutboxError::Closed) => return Some(Trouble { reason: "the outbox is closed".to_owned(), help: "" }),
            Err(_) => {}
        }
        self.health.trouble()
    }

    /// How much room it takes.
    pub async fn size(&self) -> Result<Size, OutboxError> {
        let files = self.place.bytes();
        let used = self.read(used_bytes).await?;
        Ok(Size { used, files })
    }
}

/// What the commits say.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Option<(Trouble, Lasts)>>);

/// Whether a commit that succeeds ends a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasts {
    UntilWritten,
    /// A damaged page stays damaged, however many others can be written.
    ForGood,
}

impl Health {
    /// What the last commits say, without asking anew.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        lock(&self.0).as_ref().map(|(trouble, _)| trouble.clone())
    }

    /// Something was written.
    pub(super) fn recovered(&self) {
        let mut known = lock(&self.0);
        if known.as_ref().is_some_and(|(_, lasts)| *lasts == Lasts::UntilWritten) {
            *known = None;
        }
    }

    /// A transaction failed. What is a fault of a command and not of the disk is no trouble of the outbox.
    pub(super) fn failed(&self, error: &rusqlite::Error) {
        let (reason, help, lasts) = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => ("the disk is full", "make room; it goes on by itself", Lasts::UntilWritten),
            Some(ErrorCode::ReadOnly) => {
                ("the database is read-only", "make it writable again; it goes on by itself", Lasts::UntilWritten)
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => (
                "the disk can't be written: it is read-only, over its quota, or broken",
                "look into the system's log (`dmesg`); it goes on by itself when the disk does",
                Lasts::UntilWritten,
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
                "another process holds the database",
                "end the `sqlite3` shell or the backup that has it locked; it goes on by itself",
                Lasts::UntilWritten,
            ),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                ("the database is damaged", store::DAMAGED_HELP, Lasts::ForGood)
            }
            _ => return,
        };
        *lock(&self.0) = Some((Trouble { reason: format!("{reason} ({error})"), help }, lasts));
    }
}

/// The files that are open, as they were found in their directory.
#[derive(Debug, Default)]
pub(super) struct Place {
    directory: PathBuf,
    files: Vec<(PathBuf, (u64, u64))>,
}

impl Place {
    /// The database and its log, which must be there.
    pub(super) fn of(directory: &Path) -> io::Result<Place> {
        let found = store::FILES.map(|name| {
            let path = directory.join(name);
            identity(&path).map(|identity| (path, identity))
        });
        Ok(Place { directory: directory.to_owned(), files: found.into_iter().collect::<io::Result<_>>()? })
    }

    /// Whether the names still lead to these files. Else what is written is gone when the last process has closed them.
    fn is_kept(&self) -> bool {
        self.files.iter().all(|(path, known)| identity(path).is_ok_and(|found| found == *known))
    }

    /// For what was just committed and is promised to outlive this process.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.is_kept() { Ok(()) } else { Err(Failure::Moved(self.directory.clone())) }
    }

    fn trouble(&self) -> Trouble {
        Trouble {
            reason: OutboxError::Moved { path: self.directory.clone() }.to_string(),
            help: "calls still get their cards, but nothing of them outlives this process: restart it",
        }
    }

    fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|(path, _)| Some(fs::metadata(path).ok()?.len())).sum()
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
