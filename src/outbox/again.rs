//! An operator wants a settled delivery to be tried again.
//!
//! It is decided anew, with the rules in force then. What nobody would see is not sent again: a call that has ended, or whose
//! card another event has.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::job::waiters;
use super::work::{is_superseded, timestamp};
use super::{DeliveryId, Outbox, OutboxError, State};

type Sql<T> = Result<T, rusqlite::Error>;

/// What became of the wish; the variants are what an operator is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It is due now.
    Due,
    /// There is no such delivery.
    NotFound,
    /// It is not settled yet, so it is tried anyway.
    NotSettled,
    /// The call has ended.
    Over,
    /// Another event of the call has the card.
    Superseded,
    /// Its event was erased on request.
    Forgotten,
    /// The phone system has the card and keeps showing that one. Can be forced.
    Sent,
    /// The time in which a card is worth something is over. Can be forced.
    TooLate,
}

impl Outbox {
    /// Makes a settled delivery due now. `until` is its new deadline where it is `forced`; without that it keeps its own.
    pub async fn again(&self, id: DeliveryId, now: Timestamp, forced: Option<Timestamp>) -> Result<Again, OutboxError> {
        self.promise(waiters, move |connection| again(connection, id, now, forced)).await
    }
}

fn again(connection: &Connection, id: DeliveryId, now: Timestamp, forced: Option<Timestamp>) -> Sql<Again> {
    let found = connection
        .query_row(
            "SELECT state, settled_at IS NOT NULL AS is_settled, length(body) = 0 AS is_forgotten, expires_at,
                    EXISTS (SELECT 1 FROM ended_call
                        WHERE ended_call.account = delivery.account AND ended_call.call_id = delivery.call_id) AS is_over
             FROM delivery WHERE id = ?1",
            params![id.0],
            |row| {
                let expires_at = timestamp(row, "expires_at")?;
                let state: State = row.get("state")?;
                Ok(if !row.get("is_settled")? {
                    (Again::NotSettled, expires_at)
                } else if row.get("is_forgotten")? {
                    (Again::Forgotten, expires_at)
                } else if row.get("is_over")? {
                    (Again::Over, expires_at)
                } else if state == State::Sent && forced.is_none() {
                    (Again::Sent, expires_at)
                } else if expires_at <= now && forced.is_none() {
                    (Again::TooLate, expires_at)
                } else {
                    (Again::Due, forced.unwrap_or(expires_at))
                })
            },
        )
        .optional()?;
    let Some((answer, expires_at)) = found else { return Ok(Again::NotFound) };
    if answer != Again::Due {
        return Ok(answer);
    }
    if is_superseded(connection, id)? {
        return Ok(Again::Superseded);
    }
    connection.execute(
        "UPDATE delivery SET state = 'pending', is_unknown = 0, claimable_at = ?2, expires_at = ?3, settled_at = NULL,
                status = NULL, reason = NULL, rule = NULL, revision = NULL, card = NULL, trace = NULL
         WHERE id = ?1",
        params![id.0, now.as_millisecond(), expires_at.as_millisecond()],
    )?;
    Ok(Again::Due)
}
