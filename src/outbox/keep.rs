//! How long and how much of what is settled is kept, and how the rest goes: the oldest first, in small steps.
//!
//! Nothing unsettled is ever deleted. Neither is what the call's webhook could still bring a second card for, so a bound may be
//! passed for as long as `send_within`.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::job::nobody;
use super::work::row_limit;
use super::{Outbox, OutboxError};

type Sql<T> = Result<T, rusqlite::Error>;

/// How many of the oldest rows of a table one step looks at: a few milliseconds.
const ROWS_LOOKED_AT: usize = 1000;

/// How many rows, and bytes of events, cards and traces, one step deletes: what a commit of events is as large as, so that
/// accepting waits no longer for a step than for its like.
const ROWS_FORGOTTEN_AT_ONCE: usize = 100;
const BYTES_FORGOTTEN_AT_ONCE: i64 = 1024 * 1024;

/// How much free space stays in the file for what comes next; more is given back to the file system.
const SPARE_BYTES: i64 = 16 * 1024 * 1024;

/// How many pages one step gives back: 1 MiB.
const PAGES_GIVEN_BACK_AT_ONCE: usize = 256;

/// What is kept of the settled deliveries, the hang-ups and the unreadable webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// For how long.
    pub time: SignedDuration,
    /// How many rows of each.
    pub rows: u64,
    /// How many bytes of the database all of it takes.
    pub bytes: u64,
}

impl Default for Keep {
    /// A week, so that a Monday can be looked at on the next one; a million rows and a GiB are ten times what a hundred busy
    /// agents make in it, and little enough for any disk.
    fn default() -> Self {
        Self { time: SignedDuration::from_hours(7 * 24), rows: 1_000_000, bytes: 1024 * 1024 * 1024 }
    }
}

impl Outbox {
    /// Deletes some of what need not be kept, and gives free space back: one small step, so that no commit takes long. Call it
    /// again until it returns 0. A forgotten event is not known as a duplicate any more; one whose card could still be sent,
    /// because its call began less than `send_within` ago, is not forgotten for the sake of room.
    pub async fn forget(&self, now: Timestamp, send_within: SignedDuration) -> Result<usize, OutboxError> {
        let keep = self.keep;
        self.write(nobody, move |connection| forget(connection, now, keep, send_within)).await
    }
}

/// A row is done with where it is settled, and may go for the sake of room from `ends_at` on.
const DELIVERIES: &str = "SELECT id, received_at AS at, settled_at IS NOT NULL AS is_done, expires_at AS ends_at,
            octet_length(body) + ifnull(octet_length(card), 0) + ifnull(octet_length(trace), 0) AS bytes
     FROM delivery ORDER BY id LIMIT ?1";
const ENDED_CALLS: &str =
    "SELECT id, ended_at AS at, 1 AS is_done, ended_at AS ends_at, 0 AS bytes FROM ended_call ORDER BY id LIMIT ?1";
const UNREADABLE: &str =
    "SELECT id, received_at AS at, 1 AS is_done, received_at AS ends_at, octet_length(body) AS bytes
     FROM unreadable ORDER BY id LIMIT ?1";

fn forget(connection: &Connection, now: Timestamp, keep: Keep, send_within: SignedDuration) -> Sql<usize> {
    let ago = |time: SignedDuration| now.checked_sub(time).unwrap_or(Timestamp::MIN).as_millisecond();
    let step = Step {
        before: ago(keep.time),
        rows: i64::try_from(keep.rows).unwrap_or(i64::MAX),
        is_too_large: used_bytes(connection)? > keep.bytes,
    };
    let now = now.as_millisecond();
    let rows = step.delete(connection, "delivery", DELIVERIES, now)?
        + step.delete(connection, "ended_call", ENDED_CALLS, ago(send_within))?
        + step.delete(connection, "unreadable", UNREADABLE, now)?;
    Ok(rows + give_back(connection)?)
}

/// What one step goes by.
struct Step {
    /// What came in before this, in milliseconds since 1970, has been kept long enough.
    before: i64,
    rows: i64,
    is_too_large: bool,
}

impl Step {
    /// Deletes some of the oldest rows of a table. None of these is unsettled for long, so they cannot hold the others back, and
    /// no index has to be kept for this.
    fn delete(&self, connection: &Connection, table: &str, oldest: &str, ended_by: i64) -> Sql<usize> {
        let last: Option<i64> = connection.query_row(&format!("SELECT max(id) FROM {table}"), [], |row| row.get(0))?;
        // Ids only ever grow, by one a row and hardly ever by more, so the newest rows are those with the highest.
        let too_many = last.unwrap_or(0).saturating_sub(self.rows);
        let mut looked_at = connection.prepare(oldest)?;
        let mut rows = looked_at.query(params![row_limit(ROWS_LOOKED_AT)])?;
        let (mut ids, mut bytes) = (Vec::new(), 0_i64);
        while let Some(row) = rows.next()? {
            let (id, at, ends_at): (i64, i64, i64) = (row.get("id")?, row.get("at")?, row.get("ends_at")?);
            let for_room = (self.is_too_large || id <= too_many) && ends_at <= ended_by;
            if row.get("is_done")? && (at < self.before || for_room) {
                ids.push(id);
                bytes = bytes.saturating_add(row.get("bytes")?);
            }
            if ids.len() >= ROWS_FORGOTTEN_AT_ONCE || bytes >= BYTES_FORGOTTEN_AT_ONCE {
                break;
            }
        }
        let mut delete = connection.prepare(&format!("DELETE FROM {table} WHERE id = ?1"))?;
        ids.iter().map(|id| delete.execute(params![id])).sum()
    }
}

fn pragma(connection: &Connection, name: &str) -> Sql<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// What the rows take in the file, in whole pages.
pub(super) fn used_bytes(connection: &Connection) -> Sql<u64> {
    let pages = pragma(connection, "page_count")? - pragma(connection, "freelist_count")?;
    Ok(u64::try_from(pages.saturating_mul(pragma(connection, "page_size")?)).unwrap_or(0))
}

/// Returns how many pages went. None where an earlier version made the file and it was too large to be written anew: there free
/// space is used again, and the file stays as large as it was.
fn give_back(connection: &Connection) -> Sql<usize> {
    let free = pragma(connection, "freelist_count")?;
    if free.saturating_mul(pragma(connection, "page_size")?) <= SPARE_BYTES {
        return Ok(0);
    }
    // Each step of this statement gives one page back, so it must be read to its end.
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK_AT_ONCE})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(usize::try_from(free - pragma(connection, "freelist_count")?).unwrap_or(0))
}
