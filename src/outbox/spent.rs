//! What was asked of card APIs lately, read from the rows: a restart must not spend a minute's requests twice.
//!
//! Nothing is written for this. Where the rows don't tell when a request was made, it counts as late as it can have been.

use jiff::Timestamp;
use rusqlite::{Connection, named_params};

use super::work::{Sql, row_limit, timestamp};
use super::{Outbox, OutboxError};

/// How many of the newest deliveries are looked at: more than any account may send in a minute.
const ROWS_MAX: usize = 5_000;

/// A delivery on which requests were spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The phone-system account.
    pub account: String,
    /// When the last one was made, at the latest.
    pub at: Timestamp,
    /// Attempts to send a card or to learn whether it arrived.
    pub attempts: u32,
    /// How it was decided, as JSON text: the sources that were asked stand in it.
    pub trace: Option<String>,
}

impl Outbox {
    /// What was asked of card APIs since then.
    pub async fn spent(&self, since: Timestamp, now: Timestamp) -> Result<Vec<Spent>, OutboxError> {
        self.read(move |connection| spent(connection, since, now)).await
    }
}

fn spent(connection: &Connection, since: Timestamp, now: Timestamp) -> Sql<Vec<Spent>> {
    let mut statement = connection.prepare(
        "SELECT account, iif(card IS NULL AND is_unknown = 0, 0, attempts) AS attempts, trace,
                coalesce(settled_at, min(expires_at, :now)) AS at
         FROM (SELECT * FROM delivery ORDER BY id DESC LIMIT :rows)
         WHERE (trace IS NOT NULL OR is_unknown = 1) AND coalesce(settled_at, min(expires_at, :now)) > :since",
    )?;
    let parameters = named_params! {
        ":now": now.as_millisecond(),
        ":since": since.as_millisecond(),
        ":rows": row_limit(ROWS_MAX),
    };
    let rows = statement.query_map(parameters, |row| {
        Ok(Spent {
            account: row.get("account")?,
            at: timestamp(row, "at")?.min(now),
            attempts: row.get("attempts")?,
            trace: row.get("trace")?,
        })
    })?;
    rows.collect()
}
