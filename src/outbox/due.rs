//! Whose turn it is: what is due is handed out account by account, the newest calls first, and what expired is settled
//! together.
//!
//! Each function runs within a transaction of the writer. How many an account may have, others say.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::job::{Wake, nobody};
use super::work::{Sql, claimed, execute, row_limit, settle, timestamp};
use super::{Claimed, DeliveryId, Outbox, OutboxError, Settlement, UnderWay};

/// How many expired deliveries are settled at once, so that accepting events does not wait long behind it.
pub const EXPIRED_ROWS_MAX: usize = 200;

/// How long it is worth asking whether a card of unknown outcome arrived, after it could be sent no more.
pub const ASKED_FOR: Duration = Duration::from_secs(60);

/// How many deliveries may be claimed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares {
    /// Accounts that share what they may have.
    pub named: Vec<Share>,
    /// All other accounts together.
    pub others: usize,
}

/// Some accounts, and how many deliveries they may have together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The accounts.
    pub accounts: Vec<String>,
    /// Deliveries.
    pub at_most: usize,
}

impl From<usize> for Shares {
    /// So many, whosoever they are.
    fn from(others: usize) -> Self {
        Self { named: Vec::new(), others }
    }
}

/// A delivery that was settled as too late, because nobody had come to it in its time.
#[derive(Debug, Clone)]
pub struct Expired {
    /// The delivery.
    pub id: DeliveryId,
    /// The phone-system account.
    pub account: String,
    /// The call.
    pub call_id: String,
    /// The name of the event.
    pub event: String,
    /// The start of the call.
    pub started_at: Timestamp,
    /// When the webhook came in.
    pub received_at: Timestamp,
    /// From when on a card was worth nothing.
    pub expires_at: Timestamp,
    /// Attempts there were.
    pub attempts: u32,
    /// Whether the card of an attempt may have been sent.
    pub is_unknown: bool,
    /// The rule that decided, if it came to that.
    pub rule: Option<String>,
    /// The rule set that decided.
    pub revision: Option<String>,
}

impl Outbox {
    /// Takes deliveries that are due, or whose lease ran out: the newest calls of each share first.
    ///
    /// Of the events of one call only the first undecided one is among them, and those that are decided already or expired.
    /// They are the caller's until `now + lease`, and an attempt is counted for each. If the caller goes away while it waits
    /// here, they come back when the lease runs out.
    pub async fn claim(
        &self,
        now: Timestamp,
        lease: Duration,
        shares: impl Into<Shares>,
    ) -> Result<Vec<Claimed>, OutboxError> {
        let (shares, under_way) = (shares.into(), self.under_way.clone());
        self.write(nobody, move |connection| claim(connection, now, lease, &shares, &under_way)).await
    }

    /// Settles as too late what expired unclaimed, at most [`EXPIRED_ROWS_MAX`], each with its reason. Call it again until it
    /// returns fewer.
    pub async fn settle_expired<R>(&self, now: Timestamp, reason: R) -> Result<Vec<Expired>, OutboxError>
    where
        R: Fn(&Expired) -> String + Send + 'static,
    {
        let written = |expired: &mut Vec<Expired>| if expired.is_empty() { Wake::Nobody } else { Wake::Waiters };
        self.write(written, move |connection| settle_expired(connection, now, &reason)).await
    }

    /// When, later than `after`, something will be due or its lease run out; and when, later than `expired_after`, something
    /// unsettled expires.
    pub async fn next_times(
        &self,
        after: Timestamp,
        expired_after: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), OutboxError> {
        self.write(nobody, move |connection| {
            Ok((
                next(connection, ("delivery_claimable", "claimable_at"), "claimable_at", after)?
                    .into_iter()
                    .chain(next(connection, ("delivery_leased", "leased_until"), "leased_until", after)?)
                    .min(),
                next(connection, ("delivery_expiring", "claimable_at"), "expires_at", expired_after)?,
            ))
        })
        .await
    }
}

fn claim(
    connection: &Connection,
    now: Timestamp,
    lease: Duration,
    shares: &Shares,
    under_way: &UnderWay,
) -> Sql<Vec<Claimed>> {
    end_leases(connection, now)?;
    let waiting = waiting_accounts(connection)?;
    let is_named = |account: &String| shares.named.iter().any(|share| share.accounts.contains(account));
    let others = Share {
        accounts: waiting.iter().filter(|account| !is_named(account)).cloned().collect(),
        at_most: shares.others,
    };
    let mut ids = Vec::new();
    for share in shares.named.iter().chain([&others]).filter(|share| share.at_most > 0) {
        ids.extend(newest(connection, share, now)?);
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let lease_until = now.saturating_add(lease).unwrap_or(Timestamp::MAX);
    let mut statement = connection.prepare_cached(
        "UPDATE delivery SET state = 'leased', claimable_at = NULL, leased_until = :lease_until, attempts = attempts + 1
         WHERE id IN (SELECT value FROM json_each(:ids))
         RETURNING id, account, call_id, event, body, started_at, received_at, expires_at, attempts - 1 AS earlier_attempts,
                   max(received_at, coalesce((SELECT max(earlier.settled_at) FROM delivery AS earlier
                       WHERE earlier.account = delivery.account AND earlier.call_id = delivery.call_id
                       AND earlier.id < delivery.id), received_at)) AS turn_at,
                   EXISTS (SELECT 1 FROM delivery AS other
                       WHERE other.account = delivery.account AND other.call_id = delivery.call_id
                       AND other.id != delivery.id AND other.card IS NOT NULL) AS is_superseded,
                   EXISTS (SELECT 1 FROM ended_call
                       WHERE ended_call.account = delivery.account AND ended_call.call_id = delivery.call_id) AS has_ended,
                   is_unknown, card, rule, revision, trace, traceparent",
    )?;
    let parameters = named_params! { ":lease_until": lease_until.as_millisecond(), ":ids": list(&ids) };
    let mut claimed = statement.query_map(parameters, |row| claimed(row, under_way))?.collect::<Sql<Vec<_>>>()?;
    // SQLite returns updated rows in any order (<https://sqlite.org/lang_returning.html>).
    claimed.sort_unstable_by_key(|one| std::cmp::Reverse((one.started_at, one.id)));
    Ok(claimed)
}

/// Whose lease ran out is due: its worker is gone, and whether the card was sent nobody knows.
fn end_leases(connection: &Connection, now: Timestamp) -> Sql<()> {
    execute(
        connection,
        "UPDATE delivery INDEXED BY delivery_leased
         SET state = 'unknown', is_unknown = 1, claimable_at = leased_until, leased_until = NULL WHERE leased_until <= ?1",
        params![now.as_millisecond()],
    )?;
    Ok(())
}

/// The newest calls of these accounts that are due.
fn newest(connection: &Connection, share: &Share, now: Timestamp) -> Sql<Vec<i64>> {
    // The index is named because the planner would rather sort the whole backlog on each claim.
    let mut statement = connection.prepare_cached(
        "SELECT started_at, id FROM delivery INDEXED BY delivery_newest WHERE account = ?1 AND claimable_at <= ?2
         ORDER BY started_at DESC, id DESC LIMIT ?3",
    )?;
    let mut found: Vec<(i64, i64)> = Vec::new();
    for account in &share.accounts {
        let rows = statement.query_map(params![account, now.as_millisecond(), row_limit(share.at_most)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        found.extend(rows.collect::<Sql<Vec<_>>>()?);
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    Ok(found.into_iter().take(share.at_most).map(|(_, id)| id).collect())
}

/// The accounts that have unsettled deliveries, one look into the index each.
fn waiting_accounts(connection: &Connection) -> Sql<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE waiting (account) AS (
             SELECT (SELECT account FROM delivery INDEXED BY delivery_newest
                     WHERE claimable_at IS NOT NULL ORDER BY account LIMIT 1)
             UNION ALL
             SELECT (SELECT account FROM delivery INDEXED BY delivery_newest
                     WHERE claimable_at IS NOT NULL AND account > waiting.account ORDER BY account LIMIT 1)
             FROM waiting WHERE waiting.account IS NOT NULL)
         SELECT account FROM waiting WHERE account IS NOT NULL",
    )?;
    let accounts = statement.query_map([], |row| row.get(0))?;
    accounts.collect()
}

/// Settles what is worth nothing any more and in nobody's hands. What may have been sent is left to be asked about, for a
/// while.
fn settle_expired(connection: &Connection, now: Timestamp, reason: &dyn Fn(&Expired) -> String) -> Sql<Vec<Expired>> {
    end_leases(connection, now)?;
    let asked_from = now.saturating_sub(ASKED_FOR).unwrap_or(Timestamp::MIN);
    let mut statement = connection.prepare_cached(
        "SELECT id, account, call_id, event, started_at, received_at, expires_at, attempts, is_unknown, rule, revision
         FROM delivery INDEXED BY delivery_expiring
         WHERE claimable_at <= :now AND expires_at <= :now AND (is_unknown = 0 OR expires_at <= :asked_from)
         ORDER BY expires_at LIMIT :at_most",
    )?;
    let parameters = named_params! {
        ":now": now.as_millisecond(),
        ":asked_from": asked_from.as_millisecond(),
        ":at_most": row_limit(EXPIRED_ROWS_MAX),
    };
    let expired = statement.query_map(parameters, expired)?.collect::<Sql<Vec<_>>>()?;
    for one in &expired {
        settle(connection, one.id, &Settlement::TooLate { reason: reason(one) }, None, now)?;
    }
    Ok(expired)
}

/// The first of these times behind another, by an index of the rows that have something. Ordered, not `min`: over a partial
/// index SQLite answers this with one look.
fn next(
    connection: &Connection,
    (index, present): (&str, &str),
    column: &str,
    after: Timestamp,
) -> Sql<Option<Timestamp>> {
    let sql = format!(
        "SELECT {column} FROM delivery INDEXED BY {index}
         WHERE {present} IS NOT NULL AND {column} > ?1 ORDER BY {column} LIMIT 1"
    );
    connection.prepare_cached(&sql)?.query_row([after.as_millisecond()], |row| timestamp(row, column)).optional()
}

pub(super) fn oldest_pending(connection: &Connection) -> Sql<Option<Timestamp>> {
    let mut statement = connection.prepare_cached(
        "SELECT started_at FROM delivery INDEXED BY delivery_newest WHERE account = ?1 AND claimable_at IS NOT NULL
         ORDER BY started_at LIMIT 1",
    )?;
    let mut oldest = connection
        .prepare_cached("SELECT min(started_at) AS started_at FROM delivery INDEXED BY delivery_leased WHERE leased_until IS NOT NULL")?
        .query_row([], |row| row.get::<_, Option<i64>>("started_at")?.map(|_| timestamp(row, "started_at")).transpose())?;
    for account in waiting_accounts(connection)? {
        let found = statement.query_row([account], |row| timestamp(row, "started_at")).optional()?;
        oldest = oldest.into_iter().chain(found).min();
    }
    Ok(oldest)
}

/// Numbers, as SQLite takes a list of them.
fn list(ids: &[i64]) -> String {
    serde_json::to_string(ids).unwrap_or_default()
}

fn expired(row: &rusqlite::Row<'_>) -> Sql<Expired> {
    Ok(Expired {
        id: DeliveryId(row.get("id")?),
        account: row.get("account")?,
        call_id: row.get("call_id")?,
        event: row.get("event")?,
        started_at: timestamp(row, "started_at")?,
        received_at: timestamp(row, "received_at")?,
        expires_at: timestamp(row, "expires_at")?,
        attempts: row.get("attempts")?,
        is_unknown: row.get("is_unknown")?,
        rule: row.get("rule")?,
        revision: row.get("revision")?,
    })
}
