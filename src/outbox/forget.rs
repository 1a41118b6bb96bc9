//! A person is to be forgotten: what is kept of their calls is overwritten, and the bytes are gone from the files.
//!
//! The row of a delivery stays with its call, its state and its times, so that a webhook that comes again is still known.
//! What a card in the agent's hands or a log shows is not here, and neither is what sources keep.
//!
//! Overwritten is not gone. SQLite zeroes what it frees (`secure_delete`), but when it moves a row to another page, the bytes
//! stay in the gap of the old one: about one row in a hundred was still found in the file. So the database is rewritten in
//! the end, and the write-ahead log is emptied.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::job::waiters;
use super::store::Rewritten;
use super::work::{end_waiting, row_limit, timestamp};
use super::writer::Command;
use super::{DeliveryId, Outbox, OutboxError, State};
use crate::event::{Call, CustomerNumber, Event, Region};

type Sql<T> = Result<T, rusqlite::Error>;

/// How many rows are read at once: some 10 ms of a reader that nobody but listings waits for.
const ROWS_READ_AT_ONCE: usize = 500;

/// How many rows are erased in one commit, so that an event does not wait long behind it.
const ROWS_ERASED_AT_ONCE: usize = 100;

/// What an operator sees instead of the reason.
const REASON: &str = "forgotten on request";

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Deliveries whose event, card and trace were erased.
    pub deliveries: usize,
    /// Unreadable webhooks that were deleted.
    pub unreadable: usize,
    /// Whether the bytes are gone from the files, too. The database may be too large to be rewritten beside its work.
    pub is_gone: bool,
}

/// Whom it is about.
#[derive(Clone)]
struct Person {
    e164: String,
    /// The number without country code and zero, as it is part of all of its forms.
    significant: String,
    region: Region,
}

/// The two tables that hold what a sender sent.
#[derive(Clone, Copy)]
enum Table {
    Delivery,
    Unreadable,
}

/// Some rows of a table that were looked at.
struct Found {
    /// Those about the person.
    ids: Vec<i64>,
    /// The last one that was looked at; `None` at the end of the table.
    last: Option<i64>,
}

impl Outbox {
    /// Erases what is kept about a customer's number, settled or not, and rewrites the files so that its bytes are gone.
    /// A delivery that is not settled is settled as [`State::NoCard`]; who works on it neither sends its card any more nor
    /// writes it back.
    ///
    /// Numbers without country code are read as in `region`. Nothing is erased for what is no full number. The files are
    /// rewritten also where no row is found any more: an earlier call may have been kept from it.
    ///
    /// # Errors
    ///
    /// [`OutboxError::LogInUse`] where another process reads the database and so keeps the old bytes in its log; everything
    /// else is done then. Calling it again is fine.
    pub async fn erase(
        &self,
        customer: &CustomerNumber,
        region: Region,
        now: Timestamp,
    ) -> Result<Erased, OutboxError> {
        let Some(person) = Person::of(customer, region) else {
            return Ok(Erased { is_gone: true, ..Erased::default() });
        };
        let deliveries = self.erase_from(Table::Delivery, &person, now).await?;
        let unreadable = self.erase_from(Table::Unreadable, &person, now).await?;
        let is_gone = self.rewrite().await?;
        Ok(Erased { deliveries, unreadable, is_gone })
    }

    /// Goes through a whole table beside the writer, which gets only what is to be erased.
    async fn erase_from(&self, table: Table, person: &Person, now: Timestamp) -> Result<usize, OutboxError> {
        let (mut erased, mut after) = (0, Some(0));
        while let Some(last) = after {
            let about = person.clone();
            let found = self.read(move |connection| find(connection, table, &about, last)).await?;
            for ids in found.ids.chunks(ROWS_ERASED_AT_ONCE) {
                let ids = ids.to_vec();
                let erase = move |connection: &Connection| {
                    ids.iter().filter_map(|id| erase(connection, table, *id, now).transpose()).collect::<Sql<Vec<_>>>()
                };
                let calls = self.promise(waiters, erase).await?;
                calls.iter().for_each(|(account, call_id)| self.under_way.end(account, call_id));
                erased += calls.len();
            }
            after = found.last;
        }
        Ok(erased)
    }

    /// Rewrites the files while no listing reads; `false` where the database is too large for that.
    async fn rewrite(&self) -> Result<bool, OutboxError> {
        let (commands, reader) = (self.commands.clone(), Arc::clone(&self.reader));
        let rewritten = tokio::task::spawn_blocking(move || {
            let _reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let (command, answered) = Command::rewrite();
            commands.blocking_send(command).map_err(|_| OutboxError::Closed)?;
            Ok::<_, OutboxError>(answered.blocking_recv().map_err(|_| OutboxError::Closed)??)
        });
        match rewritten.await.map_err(|_| OutboxError::Closed)?? {
            Rewritten::Whole => Ok(true),
            Rewritten::LogOnly => Ok(false),
            Rewritten::LogInUse => Err(OutboxError::LogInUse),
        }
    }
}

impl Person {
    fn of(customer: &CustomerNumber, region: Region) -> Option<Person> {
        Some(Person { e164: customer.e164()?.to_owned(), significant: customer.significant()?, region })
    }

    /// Whether a delivery's event is about this person, as the caller or as the callee.
    fn has(&self, account: &str, body: &[u8], received_at: Timestamp) -> bool {
        match Event::parse(body).ok().and_then(|event| Call::new(&event, account, self.region, received_at)) {
            Some(call) => call.numbers(self.region).iter().any(|number| number.e164() == Some(&self.e164)),
            None => self.is_mentioned(body),
        }
    }

    /// Whether the digits of the number are there, with whatever separates them.
    fn is_mentioned(&self, body: &[u8]) -> bool {
        let text = String::from_utf8_lossy(body);
        let separates = |character: char| character.is_whitespace() || "-()./+".contains(character);
        let plain: String = text.chars().filter(|character| !separates(*character)).collect();
        plain.contains(&self.significant)
    }
}

fn find(connection: &Connection, table: Table, person: &Person, after: i64) -> Sql<Found> {
    let sql = match table {
        // What was erased before has no body.
        Table::Delivery => "SELECT id, account, received_at, body FROM delivery WHERE id > ?1 ORDER BY id LIMIT ?2",
        Table::Unreadable => "SELECT id, account, received_at, body FROM unreadable WHERE id > ?1 ORDER BY id LIMIT ?2",
    };
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(params![after, row_limit(ROWS_READ_AT_ONCE)])?;
    let mut found = Found { ids: Vec::new(), last: None };
    while let Some(row) = rows.next()? {
        let id = row.get("id")?;
        let body = row.get_ref("body")?.as_blob()?;
        let is_about = match table {
            Table::Delivery => {
                let account = row.get_ref("account")?.as_str()?;
                !body.is_empty() && person.has(account, body, timestamp(row, "received_at")?)
            }
            Table::Unreadable => person.is_mentioned(body),
        };
        if is_about {
            found.ids.push(id);
        }
        found.last = Some(id);
    }
    Ok(found)
}

/// The account and the call of what was erased; a call that is not known has an empty name.
fn erase(connection: &Connection, table: Table, id: i64, now: Timestamp) -> Sql<Option<(String, String)>> {
    match table {
        Table::Delivery => erase_delivery(connection, id, now),
        Table::Unreadable => connection
            .query_row("DELETE FROM unreadable WHERE id = ?1 RETURNING account", params![id], |row| {
                Ok((row.get("account")?, String::new()))
            })
            .optional(),
    }
}

/// An empty text stands for the card that was: a call that has one gets no other.
fn erase_delivery(connection: &Connection, id: i64, now: Timestamp) -> Sql<Option<(String, String)>> {
    let erased = connection.query_row(
        "UPDATE delivery SET body = x'', card = iif(card IS NULL, NULL, ''), trace = iif(trace IS NULL, NULL, ''),
                reason = ?2, state = iif(settled_at IS NULL, ?3, state), claimable_at = NULL, leased_until = NULL,
                settled_at = coalesce(settled_at, ?4)
         WHERE id = ?1 RETURNING account, call_id",
        params![id, REASON, State::NoCard, now.as_millisecond()],
        |row| Ok((row.get("account")?, row.get("call_id")?)),
    );
    let erased = erased.optional()?;
    end_waiting(connection, DeliveryId(id))?;
    Ok(erased)
}
