//! What the commands do to the rows, in SQL.
//!
//! Each function runs within a transaction that it neither begins nor ends, and does nothing else that could be seen from
//! outside, because that transaction may yet be undone.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::job::Wake;
use super::{Claimed, Decided, DeliveryId, Settlement, UnderWay};

pub(super) type Sql<T> = Result<T, rusqlite::Error>;

/// How many unreadable bodies are kept: enough to see what a change at the phone system broke, little enough for any disk
/// (the webhook limits one to 256 KiB).
pub const UNREADABLE_ROWS_MAX: usize = 1000;

/// Prepares a statement the first time only.
pub(super) fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Sql<usize> {
    connection.prepare_cached(sql)?.execute(parameters)
}

/// Some failures have ended the transaction already; where it can't be ended, the next one can't begin.
pub(super) fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        let _ = execute(connection, "ROLLBACK", []);
    }
}

/// Does not touch a settled row: its decision is the one it was settled by.
pub(super) fn keep(connection: &Connection, id: DeliveryId, decided: Option<&Decided>) -> Sql<Wake> {
    let Some(decided) = decided else { return Ok(Wake::Nobody) };
    execute(
        connection,
        "UPDATE delivery SET rule = ?2, revision = ?3, card = ?4, trace = ?5 WHERE id = ?1 AND settled_at IS NULL",
        params![id.0, decided.rule, decided.revision, decided.card, decided.trace],
    )?;
    end_waiting(connection, id)
}

pub(super) fn retry_at(
    connection: &Connection,
    id: DeliveryId,
    decided: Option<&Decided>,
    at: Timestamp,
    why: &str,
) -> Sql<bool> {
    if is_over(connection, id)? {
        return Ok(false);
    }
    keep(connection, id, decided)?;
    execute(
        connection,
        "UPDATE delivery SET state = 'pending', is_unknown = 0, claimable_at = ?2, leased_until = NULL, reason = ?3 WHERE id = ?1",
        params![id.0, at.as_millisecond(), why],
    )?;
    Ok(true)
}

pub(super) fn ask_at(
    connection: &Connection,
    id: DeliveryId,
    decided: Option<&Decided>,
    at: Timestamp,
    why: &str,
) -> Sql<()> {
    keep(connection, id, decided)?;
    execute(
        connection,
        "UPDATE delivery SET state = 'unknown', is_unknown = 1, claimable_at = ?2, leased_until = NULL, reason = ?3
         WHERE id = ?1 AND settled_at IS NULL",
        params![id.0, at.as_millisecond(), why],
    )?;
    Ok(())
}

pub(super) fn settle(
    connection: &Connection,
    id: DeliveryId,
    settlement: &Settlement,
    decided: Option<&Decided>,
    now: Timestamp,
) -> Sql<(bool, Wake)> {
    // By number, since names are searched for; without RETURNING, for which SQLite keeps a copy of each page.
    let settled = execute(
        connection,
        "UPDATE delivery SET state = ?2, claimable_at = NULL, leased_until = NULL, status = ?3, reason = ?4, settled_at = ?5,
                rule = iif(?6, ?7, rule), revision = iif(?6, ?8, revision), card = iif(?6, ?9, card),
                trace = iif(?6, ?10, trace)
         WHERE id = ?1 AND settled_at IS NULL",
        params![
            id.0,
            settlement.state(),
            settlement.status(),
            settlement.reason(),
            now.as_millisecond(),
            decided.is_some(),
            decided.and_then(|decided| decided.rule.as_deref()),
            decided.map(|decided| &decided.revision),
            decided.and_then(|decided| decided.card.as_deref()),
            decided.map(|decided| &decided.trace),
        ],
    )?;
    Ok((settled > 0, end_waiting(connection, id)?))
}

/// This delivery is decided: the next event of its call that waits is due. Whoever has a card is not waiting but retrying.
pub(super) fn end_waiting(connection: &Connection, id: DeliveryId) -> Sql<Wake> {
    let next: Option<i64> = connection
        .prepare_cached(
            "SELECT min(later.id) FROM delivery AS this JOIN delivery AS later USING (account, call_id)
             WHERE this.id = ?1 AND later.id > this.id AND later.state = 'pending' AND later.card IS NULL",
        )?
        .query_row([id.0], |row| row.get(0))?;
    let Some(next) = next else { return Ok(Wake::Nobody) };
    execute(connection, "UPDATE delivery SET claimable_at = received_at WHERE id = ?1", [next])?;
    Ok(Wake::Waiters)
}

pub(super) fn hang_up(connection: &Connection, account: &str, call_id: &str, now: Timestamp) -> Sql<usize> {
    execute(
        connection,
        "INSERT INTO ended_call (account, call_id, ended_at) VALUES (?1, ?2, ?3) ON CONFLICT (account, call_id) DO NOTHING",
        params![account, call_id, now.as_millisecond()],
    )?;
    // A card that may have been sent is not called over: whoever sends it or asks about it learns of the hang-up and settles it.
    execute(
        connection,
        "UPDATE delivery SET state = 'over', claimable_at = NULL, settled_at = ?3
         WHERE account = ?1 AND call_id = ?2 AND settled_at IS NULL AND leased_until IS NULL AND is_unknown = 0",
        params![account, call_id, now.as_millisecond()],
    )
}

pub(super) fn is_superseded(connection: &Connection, id: DeliveryId) -> Sql<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM delivery AS other JOIN delivery AS this USING (account, call_id)
             WHERE this.id = ?1 AND other.id != this.id AND other.card IS NOT NULL",
        )?
        .exists(params![id.0])
}

/// Settled, or its call has ended. A delivery nobody knows counts as settled.
fn is_over(connection: &Connection, id: DeliveryId) -> Sql<bool> {
    let is_over = connection
        .prepare_cached(
            "SELECT settled_at IS NOT NULL OR EXISTS (SELECT 1 FROM ended_call
                 WHERE ended_call.account = delivery.account AND ended_call.call_id = delivery.call_id)
             FROM delivery WHERE id = ?1",
        )?
        .query_row(params![id.0], |row| row.get(0))
        .optional()?;
    Ok(is_over.unwrap_or(true))
}

pub(super) fn keep_unreadable(
    connection: &Connection,
    account: &str,
    reason: &str,
    body: &[u8],
    now: Timestamp,
) -> Sql<()> {
    execute(
        connection,
        "INSERT INTO unreadable (received_at, account, reason, body) VALUES (?1, ?2, ?3, ?4)",
        params![now.as_millisecond(), account, reason, body],
    )?;
    // Ids only ever grow, so the newest rows are those with the highest.
    let oldest_kept = connection.last_insert_rowid().saturating_sub(row_limit(UNREADABLE_ROWS_MAX));
    execute(connection, "DELETE FROM unreadable WHERE id <= ?1", params![oldest_kept])?;
    Ok(())
}

pub(super) fn pending(connection: &Connection) -> Sql<u64> {
    let count: i64 = connection.query_row(
        "SELECT (SELECT count(*) FROM delivery WHERE claimable_at IS NOT NULL)
                  + (SELECT count(*) FROM delivery WHERE leased_until IS NOT NULL)",
        [],
        |row| row.get(0),
    )?;
    Ok(u64::try_from(count).unwrap_or(0))
}

pub(super) fn claimed(row: &rusqlite::Row<'_>, under_way: &UnderWay) -> Sql<Claimed> {
    let (account, call_id): (String, String) = (row.get("account")?, row.get("call_id")?);
    let held = under_way.hold(&account, &call_id);
    if row.get("has_ended")? {
        held.end();
    }
    Ok(Claimed {
        id: DeliveryId(row.get("id")?),
        account,
        call_id,
        held,
        event: row.get("event")?,
        body: row.get("body")?,
        started_at: timestamp(row, "started_at")?,
        received_at: timestamp(row, "received_at")?,
        turn_at: timestamp(row, "turn_at")?,
        expires_at: timestamp(row, "expires_at")?,
        attempts: row.get("earlier_attempts")?,
        is_unknown: row.get("is_unknown")?,
        is_superseded: row.get("is_superseded")?,
        card: row.get("card")?,
        rule: row.get("rule")?,
        revision: row.get("revision")?,
        trace: row.get("trace")?,
        traceparent: row.get("traceparent")?,
    })
}

/// A column of milliseconds since 1970. A row with a time at the end of all times must be readable too, or it would fail every
/// claim: what was a `Timestamp` once and is none any more can only have been next to the last one, or to the first.
pub(super) fn timestamp(row: &rusqlite::Row<'_>, column: &str) -> Sql<Timestamp> {
    let milliseconds: i64 = row.get(column)?;
    let outermost = if milliseconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Ok(Timestamp::from_millisecond(milliseconds).unwrap_or(outermost))
}

/// A number of rows as SQLite takes it.
pub(super) fn row_limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
