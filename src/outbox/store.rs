//! The files of the outbox: the lock, the database, its schema.
//!
//! Knows nothing of what the rows mean, except that a lease ends with the process that took it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use super::OutboxError;

const LOCK_FILE: &str = "outbox.lock";
/// Another text each time the machine starts (random(4)).
pub(super) const BOOT_FILE: &str = "/proc/sys/kernel/random/boot_id";

const DATABASE_FILE: &str = "outbox.sqlite3";
const LOG_FILE: &str = "outbox.sqlite3-wal";

/// The files without which what was committed is lost: the database and its write-ahead log.
pub(super) const FILES: [&str; 2] = [DATABASE_FILE, LOG_FILE];

/// What an operator does about a database that SQLite can't read.
pub(super) const DAMAGED_HELP: &str = "stop the server, move outbox.sqlite3, outbox.sqlite3-wal and outbox.sqlite3-shm away \
                                       and start it: an empty outbox is made, and what is lost is the history and the calls \
                                       that ring just now; or put a backup in their place";

/// What an accepted event survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: the answer waits until the disk has it.
    #[default]
    Disk,
    /// The end of the process, however sudden; a power cut or a crash of the system takes the last seconds along.
    Process,
}

/// How long to wait for an operator's `sqlite3` shell that holds the database. Longer than a person's quick look, short enough
/// to be an error rather than a standstill.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the writer waits for such a shell when it only wants to empty the log: events wait behind it.
const LOG_TIMEOUT: Duration = Duration::from_millis(500);

/// How many statements stay prepared: more than there are.
const STATEMENTS_MAX: usize = 64;

/// Up to what size the database is written anew: events wait behind it, about a second for as much as this, and it takes as
/// much memory. Some 50,000 deliveries.
pub(super) const REWRITTEN_BYTES_MAX: i64 = 128 * 1024 * 1024;

/// With how many pages in the log a commit moves them itself: 16 MiB. Usually another thread has been there before.
const LOG_PAGES_MAX: i64 = 4096;

/// To what size the write-ahead log shrinks after a checkpoint. A burst may need more for a while, but not keep it.
const LOG_BYTES_MAX: i64 = 64 * 1024 * 1024;

/// Step `n` makes schema version `n + 1` from version `n`. Steps that were released are never edited.
///
/// All times are milliseconds since 1970. `claimable_at` is when a claim may take the row: when it is due or, while an earlier
/// event of its call is undecided, when it expires; none while it is leased and once it is settled. `leased_until` is when the
/// lease of a leased one runs out.
/// The indexes on unsettled rows stay as small as the backlog, however many settled ones are kept.
/// `is_unknown` says that the card may have been sent; what an earlier version left unsettled with a card may have been, too.
const STEPS: [&str; 6] = [
    "
    CREATE TABLE delivery (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        call_id TEXT NOT NULL,
        event TEXT NOT NULL,
        body BLOB NOT NULL,
        started_at INTEGER NOT NULL,
        received_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        state TEXT NOT NULL,
        claimable_at INTEGER,
        attempts INTEGER NOT NULL DEFAULT 0,
        rule TEXT,
        revision TEXT,
        card TEXT,
        trace TEXT,
        status INTEGER,
        reason TEXT,
        settled_at INTEGER,
        UNIQUE (account, call_id, event)
    ) STRICT;
    CREATE INDEX delivery_claimable ON delivery (claimable_at) WHERE claimable_at IS NOT NULL;
    CREATE INDEX delivery_newest ON delivery (started_at, id, claimable_at) WHERE claimable_at IS NOT NULL;
    CREATE TABLE ended_call (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account TEXT NOT NULL,
        call_id TEXT NOT NULL,
        ended_at INTEGER NOT NULL,
        UNIQUE (account, call_id)
    ) STRICT;
    CREATE TABLE unreadable (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        received_at INTEGER NOT NULL,
        account TEXT NOT NULL,
        reason TEXT NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
",
    "
    ALTER TABLE delivery ADD COLUMN is_unknown INTEGER NOT NULL DEFAULT 0;
    UPDATE delivery SET is_unknown = 1 WHERE settled_at IS NULL AND card IS NOT NULL;
",
    "ALTER TABLE delivery ADD COLUMN traceparent TEXT;",
    "
    DROP INDEX delivery_newest;
    CREATE INDEX delivery_newest ON delivery (account, started_at, id, claimable_at) WHERE claimable_at IS NOT NULL;
    CREATE INDEX delivery_expiring ON delivery (expires_at) WHERE claimable_at IS NOT NULL;
",
    "CREATE TABLE boot (id TEXT NOT NULL) STRICT;",
    "
    ALTER TABLE delivery ADD COLUMN leased_until INTEGER;
    UPDATE delivery SET leased_until = claimable_at, claimable_at = NULL WHERE state = 'leased' AND claimable_at IS NOT NULL;
    CREATE INDEX delivery_leased ON delivery (leased_until) WHERE leased_until IS NOT NULL;
",
];

/// The connection that writes, and the lock that makes it the only one.
pub(super) struct Store {
    pub(super) connection: Connection,
    /// The write-ahead log, where commits have to be on the disk.
    pub(super) log: Option<File>,
    // After the connection, because fields are dropped in this order: nobody may come in while the database is still open.
    _lock: File,
}

/// What came of writing the files anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rewritten {
    /// They hold what the rows say and nothing else.
    Whole,
    /// The log is empty, but the database is too large for this.
    LogOnly,
    /// Somebody else still reads the log.
    LogInUse,
}

/// Opens, locks, upgrades, and gives leases back.
pub(super) fn open(directory: &Path, durability: Durability) -> Result<Store, OutboxError> {
    // Where it does not exist, no restart of the machine is told from one of the process.
    open_after(directory, durability, fs::read_to_string(BOOT_FILE).unwrap_or_default().trim())
}

/// The same, since the machine was started so.
pub(super) fn open_after(directory: &Path, durability: Durability, boot: &str) -> Result<Store, OutboxError> {
    make_directory(directory).map_err(|error| cannot_open(directory, error))?;
    let lock = lock(directory)?;
    let path = directory.join(DATABASE_FILE);
    // SQLite would create the file readable by all; the log and the shared memory beside it take the rights of this one.
    private_file(&path).map_err(|error| cannot_open(&path, error))?;
    let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    upgrade(&mut connection, &path)?;
    release_leases(&connection, boot).map_err(|error| cannot_use(&path, error))?;
    let log = match durability {
        // Not to be closed and opened again while the database is open: SQLite's own handle stays at this file.
        Durability::Disk => Some(File::open(directory.join(LOG_FILE)).map_err(|error| cannot_open(&path, error))?),
        Durability::Process => None,
    };
    Ok(Store { connection, log, _lock: lock })
}

/// A connection that moves what is in the log beside the one that writes it.
pub(super) fn open_checkpointer(directory: &Path) -> Result<Connection, OutboxError> {
    connect(&directory.join(DATABASE_FILE), OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// A connection for listings, which cannot write and does not wait for the writer. What listings read is in every version.
pub(super) fn open_reader(directory: &Path) -> Result<Connection, OutboxError> {
    let path = directory.join(DATABASE_FILE);
    let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let (found, known) = versions(&connection, &path)?;
    if found > known { Err(OutboxError::NewerSchema { path, found, known }) } else { Ok(connection) }
}

/// The schema version of the file, and the latest one that is known.
fn versions(connection: &Connection, path: &Path) -> Result<(i64, i64), OutboxError> {
    let found = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| cannot_use(path, error))?;
    Ok((found, i64::try_from(STEPS.len()).unwrap_or(i64::MAX)))
}

fn lock(directory: &Path) -> Result<File, OutboxError> {
    let path = directory.join(LOCK_FILE);
    let file = private_file(&path).map_err(|error| cannot_open(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OutboxError::InUse { path: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(cannot_open(&path, error)),
    }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, OutboxError> {
    let connect = || {
        let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    };
    connect().map_err(|error: rusqlite::Error| cannot_use(path, error))
}

/// Looks at the version first: a database that is not ours to understand is left as it is.
fn upgrade(connection: &mut Connection, path: &Path) -> Result<(), OutboxError> {
    let (found, known) = versions(connection, path)?;
    if found > known {
        return Err(OutboxError::NewerSchema { path: path.to_owned(), found, known });
    }
    make_shrinkable(connection).map_err(|error| cannot_use(path, error))?;
    make_durable(connection, path)?;
    let mut upgrade = || {
        let transaction = connection.transaction()?;
        for (version, step) in (1_i64..).zip(STEPS).filter(|(version, _)| *version > found) {
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", version)?;
        }
        transaction.commit()
    };
    upgrade().map_err(|error: rusqlite::Error| cannot_use(path, error))
}

/// Free space can be given back to the file system only where the file was made for that. One of an earlier version is written
/// anew, once and unless it is large; where there is no room for that, it stays as it is and its free space is used again.
fn make_shrinkable(connection: &Connection) -> Result<(), rusqlite::Error> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (mode, bytes) = (pragma("auto_vacuum")?, pragma("page_count")?.saturating_mul(pragma("page_size")?));
    // Before anything is in the file this is all; later it is what the file becomes when it is written anew.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    if mode == 0 && (1..=REWRITTEN_BYTES_MAX).contains(&bytes) {
        let _ = connection.execute_batch("VACUUM");
    }
    Ok(())
}

/// With a write-ahead log and `NORMAL`, a commit is with the system when it returns
/// (<https://sqlite.org/pragma.html#pragma_synchronous>). It is on the disk once the log is, which others see to; what a
/// checkpoint takes out of the log is on the disk before and behind it.
fn make_durable(connection: &Connection, path: &Path) -> Result<(), OutboxError> {
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(|error| cannot_use(path, error))?;
    // A file system without shared memory leaves the mode as it was, and that is no error to SQLite.
    if mode != "wal" {
        let source = std::io::Error::other("its file system cannot carry SQLite's write-ahead log");
        return Err(cannot_open(path, source));
    }
    connection
        .pragma_update(None, "synchronous", "normal")
        .and_then(|()| connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES_MAX, |_| Ok(())))
        .and_then(|()| connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES_MAX, |_| Ok(())))
        // What is erased must not stay in freed pages, and no row may get into a temporary file.
        .and_then(|()| connection.pragma_update_and_check(None, "secure_delete", true, |_| Ok(())))
        .and_then(|()| connection.pragma_update(None, "temp_store", "memory"))
        .map_err(|error| cannot_use(path, error))
}

/// On a full disk the room of the write-ahead log can be used again once its pages are in the database, which may have freed
/// pages for them. Waits for nobody; and that it may fail as well is no news.
pub(super) fn make_room(connection: &Connection, error: &rusqlite::Error) {
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        checkpoint(connection);
    }
}

/// Moves what it can from the log into the database without waiting for anybody. When that was all of it, the next commit begins
/// the log anew. What stays there is as safe as it was, so that a failure is none.
pub(super) fn checkpoint(connection: &Connection) {
    let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
}

/// Writes a page and changes nothing, to learn whether writing is possible.
pub(super) fn touch(connection: &Connection) -> Result<(), rusqlite::Error> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", version)
}

/// Writes the whole database anew unless it is larger than `bytes_max`, moves the write-ahead log into it and cuts that to
/// nothing.
pub(super) fn rewrite(connection: &Connection, bytes_max: i64) -> Result<Rewritten, rusqlite::Error> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let is_whole = pragma("page_count")?.saturating_mul(pragma("page_size")?) <= bytes_max;
    if is_whole {
        connection.execute_batch("VACUUM")?;
    }
    connection.busy_timeout(LOG_TIMEOUT)?;
    let is_busy: Result<bool, _> = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(match (is_busy?, is_whole) {
        (true, _) => Rewritten::LogInUse,
        (false, true) => Rewritten::Whole,
        (false, false) => Rewritten::LogOnly,
    })
}

/// A lease at this moment belongs to a process that is gone, for this one has the lock. Its attempt stays counted, and whether
/// its card was sent nobody knows. Where the machine went down since, the last commits that did not wait for the disk may be
/// lost, and nobody knows it of any delivery.
fn release_leases(connection: &Connection, boot: &str) -> Result<(), rusqlite::Error> {
    connection.execute(
        "UPDATE delivery SET state = 'unknown', is_unknown = 1, claimable_at = received_at, leased_until = NULL
         WHERE leased_until IS NOT NULL",
        [],
    )?;
    let known: Option<String> = connection.query_row("SELECT id FROM boot", [], |row| row.get(0)).optional()?;
    if known.as_ref().is_some_and(|known| known != boot) {
        connection.execute("UPDATE delivery SET is_unknown = 1 WHERE claimable_at IS NOT NULL", [])?;
    }
    if known.is_none_or(|known| known != boot) {
        connection.execute("DELETE FROM boot", [])?;
        connection.execute("INSERT INTO boot (id) VALUES (?1)", [boot])?;
    }
    Ok(())
}

fn cannot_use(path: &Path, source: rusqlite::Error) -> OutboxError {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OutboxError::Damaged { path: path.to_owned(), source }
        }
        _ => cannot_open(path, source),
    }
}

fn cannot_open(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> OutboxError {
    OutboxError::Open { path: path.to_owned(), source: Box::new(source) }
}

fn make_directory(path: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
