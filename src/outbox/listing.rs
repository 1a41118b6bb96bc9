//! What an operator may see of the deliveries.
//!
//! Reads only. A row carries no number, no body and no card; the card and the trace of one delivery have to be asked for.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::work::{row_limit, timestamp};
use super::{DeliveryId, State};

type Sql<T> = Result<T, rusqlite::Error>;

/// How many rows a listing has at most, whatever is asked for: a page that a person can still read, and a short read.
pub const LIST_ROWS_MAX: usize = 1000;

const ROW_COLUMNS: &str =
    "id, account, call_id, event, state, received_at, started_at, settled_at, attempts, rule, revision, status, reason";

/// Which deliveries to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those of this account.
    pub account: Option<String>,
    /// Only those of this call.
    pub call_id: Option<String>,
    /// Only those that came in then or later.
    pub since: Option<Timestamp>,
    /// How many; more than [`LIST_ROWS_MAX`] counts as that.
    pub limit: usize,
}

/// One delivery in a listing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Row {
    /// The delivery.
    pub id: DeliveryId,
    /// The phone-system account.
    pub account: String,
    /// The call.
    pub call_id: String,
    /// The name of the event.
    pub event: String,
    /// Where it stands.
    pub state: State,
    /// When the webhook came in.
    pub received_at: Timestamp,
    /// The start of the call.
    pub started_at: Timestamp,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
    /// How often it was claimed.
    pub attempts: u32,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The rule set that decided.
    pub revision: Option<String>,
    /// The HTTP status of the answer that settled it.
    pub status: Option<u16>,
    /// Why it was settled so or, while it is not, why the last attempt came to nothing.
    pub reason: Option<String>,
}

/// One delivery with all that was decided for it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Detail {
    /// What the listing shows.
    #[serde(flatten)]
    pub row: Row,
    /// The card as JSON text.
    pub card: Option<String>,
    /// The trace of the decision as JSON text.
    pub trace: Option<String>,
}

/// Something that an authentic sender sent and nobody could read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Unreadable {
    /// Its number; grows with time.
    pub id: i64,
    /// When it came in.
    pub received_at: Timestamp,
    /// The account it came for.
    pub account: String,
    /// What was wrong with it.
    pub reason: String,
    /// How long its body is.
    pub bytes: usize,
}

pub(super) fn list(connection: &Connection, filter: &Filter) -> Sql<Vec<Row>> {
    connection
        .prepare(&format!(
            "SELECT {ROW_COLUMNS} FROM delivery
             WHERE (:state IS NULL OR state = :state) AND (:account IS NULL OR account = :account)
             AND (:call_id IS NULL OR call_id = :call_id) AND (:since IS NULL OR received_at >= :since)
             ORDER BY id DESC LIMIT :limit"
        ))?
        .query_map(
            named_params! {
                ":state": filter.state,
                ":account": filter.account,
                ":call_id": filter.call_id,
                ":since": filter.since.map(Timestamp::as_millisecond),
                ":limit": row_limit(filter.limit.min(LIST_ROWS_MAX)),
            },
            listed,
        )?
        .collect()
}

pub(super) fn show(connection: &Connection, id: DeliveryId) -> Sql<Option<Detail>> {
    connection
        .query_row(
            &format!(
                "SELECT {ROW_COLUMNS}, nullif(card, '') AS card, nullif(trace, '') AS trace FROM delivery WHERE id = ?1"
            ),
            params![id.0],
            |row| Ok(Detail { row: listed(row)?, card: row.get("card")?, trace: row.get("trace")? }),
        )
        .optional()
}

pub(super) fn unreadable(connection: &Connection, limit: usize) -> Sql<Vec<Unreadable>> {
    connection
        .prepare(
            "SELECT id, received_at, account, reason, length(body) AS bytes FROM unreadable ORDER BY id DESC LIMIT ?1",
        )?
        .query_map(params![row_limit(limit.min(LIST_ROWS_MAX))], |row| {
            let bytes: i64 = row.get("bytes")?;
            Ok(Unreadable {
                id: row.get("id")?,
                received_at: timestamp(row, "received_at")?,
                account: row.get("account")?,
                reason: row.get("reason")?,
                bytes: usize::try_from(bytes).unwrap_or(0),
            })
        })?
        .collect()
}

fn listed(row: &rusqlite::Row<'_>) -> Sql<Row> {
    let settled: Option<i64> = row.get("settled_at")?;
    Ok(Row {
        id: DeliveryId(row.get("id")?),
        account: row.get("account")?,
        call_id: row.get("call_id")?,
        event: row.get("event")?,
        state: row.get("state")?,
        received_at: timestamp(row, "received_at")?,
        started_at: timestamp(row, "started_at")?,
        settled_at: settled.map(|_| timestamp(row, "settled_at")).transpose()?,
        attempts: row.get("attempts")?,
        rule: row.get("rule")?,
        revision: row.get("revision")?,
        status: row.get("status")?,
        reason: row.get("reason")?,
    })
}
