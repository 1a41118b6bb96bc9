//! What has to be written although its transaction failed: a hang-up, for no card may follow it; and an event that somebody took
//! before its commit, for its card may be on the screen.
//!
//! In memory, and written before the next transaction. Does not know why one failed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};

use super::accept::{Leased, insert_leased};
use super::work::{Sql, execute, hang_up, roll_back};

/// How much is remembered before hang-ups are not: those of a busy hour, in a few hundred KiB. Events are no more than are
/// worked on at once.
const OWED_MAX: usize = 10_000;

/// A call that ended.
#[derive(Debug, Clone)]
pub(super) struct HangUp {
    pub(super) account: String,
    pub(super) call_id: String,
    pub(super) at: Timestamp,
}

/// What the writer owes to the rows.
#[derive(Debug, Default)]
pub(super) struct Owed(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    /// In the order in which they are written.
    owed: VecDeque<Row>,
    /// Owed from when the transaction that is open fails.
    taken: Vec<Leased>,
}

#[derive(Debug, Clone)]
enum Row {
    Event(Leased),
    HangUp(HangUp),
}

impl Row {
    fn write(&self, connection: &Connection) -> Sql<()> {
        match self {
            Row::Event(leased) => insert_leased(connection, leased),
            Row::HangUp(HangUp { account, call_id, at }) => hang_up(connection, account, call_id, *at).map(drop),
        }
    }
}

impl Owed {
    /// Owed from when the answer is dropped, unless [`Debt::paid`] comes first: a caller may stop waiting for its commit.
    pub(super) fn unless_paid(&self, hang_up: HangUp) -> Debt<'_> {
        Debt { owed: self, hang_up: Some(hang_up) }
    }

    /// Somebody has an event of the transaction that is open.
    pub(super) fn taken(&self, event: Leased) {
        self.rows().taken.push(event);
    }

    /// The transaction that was open is committed.
    pub(super) fn committed(&self) {
        self.rows().taken.clear();
    }

    /// The transaction that was open is undone.
    pub(super) fn undone(&self) {
        let mut rows = self.rows();
        let taken = std::mem::take(&mut rows.taken);
        rows.owed.extend(taken.into_iter().map(Row::Event));
    }

    /// Writes all of it while no transaction is open. Each has one of its own: a page that is damaged stays so, and neither
    /// what lies elsewhere nor anything new shall wait for what lies on it.
    pub(super) fn pay(&self, connection: &Connection) -> Sql<()> {
        while let Some(row) = self.first() {
            execute(connection, "BEGIN IMMEDIATE", [])?;
            if let Err(error) = row.write(connection).and_then(|()| execute(connection, "COMMIT", []).map(drop)) {
                roll_back(connection);
                if error.sqlite_error_code() != Some(ErrorCode::DatabaseCorrupt) {
                    return Err(error);
                }
            }
            self.rows().owed.pop_front();
        }
        Ok(())
    }

    fn first(&self) -> Option<Row> {
        self.rows().owed.front().cloned()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hang-up on its way to the disk.
pub(super) struct Debt<'a> {
    owed: &'a Owed,
    hang_up: Option<HangUp>,
}

impl Debt<'_> {
    pub(super) fn paid(mut self) {
        self.hang_up = None;
    }
}

impl Drop for Debt<'_> {
    fn drop(&mut self) {
        let mut rows = self.owed.rows();
        // Beyond that the calls of the first ones are long over, but the writer counts on those it has seen.
        if rows.owed.len() < OWED_MAX {
            rows.owed.extend(self.hang_up.take().map(Row::HangUp));
        }
    }
}
