//! What can go wrong with the outbox.
//!
//! Only what a caller or an operator may want to tell apart has a variant of its own.

use std::path::PathBuf;
use std::sync::Arc;

use super::store;

/// What went wrong with the outbox; the variants are what a caller may want to tell apart.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Another process works on this directory.
    #[error("the outbox in {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory or the database in it cannot be used: missing rights, a damaged file, no room.
    #[error("the outbox cannot be opened: {}", path.display())]
    Open {
        /// The directory or file.
        path: PathBuf,
        /// What the system or SQLite said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is in the database's file is no database, or no whole one.
    #[error("the outbox {} is damaged ({source}): {}", path.display(), store::DAMAGED_HELP)]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A later version of this program wrote the database.
    #[error("the outbox {} has schema version {found}, this program knows {known}: a newer version wrote it", path.display())]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// The version in the file.
        found: i64,
        /// The latest version this program understands.
        known: i64,
    },
    /// A read or a commit failed. Everything in that transaction is undone, and all its callers get the same error.
    #[error("the outbox could not be read or written: {0}")]
    Storage(Arc<rusqlite::Error>),
    /// The files are not where they were when they were opened, so what is written goes with this process.
    #[error("the files of the outbox in {} were deleted, moved or replaced while it was open", path.display())]
    Moved {
        /// The directory.
        path: PathBuf,
    },
    /// Another process reads the database, and so keeps what was erased in its write-ahead log.
    #[error("another process reads the outbox: what was erased stays in its log until that has ended")]
    LogInUse,
    /// The outbox was closed.
    #[error("the outbox is closed")]
    Closed,
}
