//! An event comes in: it is kept, and handed over at once to whoever has room for it.
//!
//! Does not look at what the event says; two of them are the same by their names.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::job::Wake;
use super::work::{Sql, execute};
use super::{Claimed, DeliveryId, Outbox, OutboxError, State, UnderWay};

/// An authentic event to be kept.
#[derive(Debug, Clone)]
pub struct Accept {
    /// The phone-system account.
    pub account: String,
    /// The call, as the phone system names it.
    pub call_id: String,
    /// The name of the event, such as `call_init`.
    pub event: String,
    /// The webhook's bytes, exactly as they came.
    pub body: Vec<u8>,
    /// The start of the call.
    pub started_at: Timestamp,
    /// When the webhook came in; the delivery is due at once.
    pub received_at: Timestamp,
    /// From when on a card is worth nothing. Whoever claims the delivery looks at it; one that waits for an earlier event of
    /// its call is due then at the latest.
    pub expires_at: Timestamp,
    /// The span of its webhook as a `traceparent` (W3C Trace Context), where traces are wanted; what is done about the delivery,
    /// perhaps after a restart, belongs to the same trace.
    pub traceparent: Option<String>,
}

/// What became of an event at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It is on the disk.
    Accepted(DeliveryId),
    /// It is on the disk, and settled as over: the hang-up of its call came first.
    Over(DeliveryId),
    /// The same event of the same call of the same account was accepted before.
    Duplicate,
}

/// Somebody who has room for one more delivery.
pub struct Taking {
    /// Until when it is theirs.
    pub lease_until: Timestamp,
    /// Called with it on the thread that writes, so that it must not wait.
    pub take: Box<dyn FnOnce(Claimed) + Send>,
}

impl Outbox {
    /// Keeps an event; it survives what [`Durability`](super::Durability) says once this returns. Whoever waits for
    /// [`Self::changed`] is woken before that, when it is written: the card waits neither for the commit nor for the disk.
    /// Where this fails, the card may have been sent nevertheless.
    /// After [`OutboxError::Moved`] it is worked off all the same, and lost with this process.
    pub async fn accept(&self, event: Accept) -> Result<Acceptance, OutboxError> {
        self.accept_and_take(event, None).await
    }

    /// The same; and where the event is the first of its call, whoever is `taking` it has it as if it were claimed, as soon as
    /// it is written. Then nobody is woken: there is nothing left to claim.
    pub async fn accept_and_take(&self, event: Accept, taking: Option<Taking>) -> Result<Acceptance, OutboxError> {
        let lease = taking.as_ref().map(|taking| (taking.lease_until, self.under_way.clone()));
        let written = move |(acceptance, claimed): &mut (Acceptance, Option<Claimed>)| {
            let had_room = taking.is_some();
            let Some((taking, claimed)) = taking.zip(claimed.take()) else {
                // It may be to be claimed; and room that is given back may be what another one waits for.
                let is_new = matches!(acceptance, Acceptance::Accepted(_));
                return if is_new || had_room { Wake::Waiters } else { Wake::Nobody };
            };
            (taking.take)(claimed);
            Wake::Nobody
        };
        self.promise(written, move |connection| accept(connection, event, lease))
            .await
            .map(|(acceptance, _)| acceptance)
    }
}

/// With a lease the event is leased at once, unless something hinders it.
pub(super) fn accept(
    connection: &Connection,
    event: Accept,
    lease: Option<(Timestamp, UnderWay)>,
) -> Sql<(Acceptance, Option<Claimed>)> {
    let is_over = connection
        .prepare_cached("SELECT 1 FROM ended_call WHERE account = ?1 AND call_id = ?2")?
        .exists(params![event.account, event.call_id])?;
    let undecided = connection
        .prepare_cached("SELECT settled_at IS NULL AND card IS NULL FROM delivery WHERE account = ?1 AND call_id = ?2")?
        .query_map(params![event.account, event.call_id], |row| row.get(0))?
        .collect::<Sql<Vec<bool>>>()?;
    let lease = lease.filter(|_| undecided.is_empty() && !is_over);
    let (state, claimable_at, settled_at) = match &lease {
        _ if is_over => (State::Over, None, Some(event.received_at)),
        Some(_) => (State::Leased, None, None),
        // Its turn comes when the earlier event is decided; a card is worth nothing later than this anyway.
        None if undecided.contains(&true) => (State::Pending, Some(event.expires_at), None),
        None => (State::Pending, Some(event.received_at), None),
    };
    let added = execute(
        connection,
        // By number, since names are searched for.
        "INSERT INTO delivery (account, call_id, event, body, started_at, received_at, expires_at, state, claimable_at,
                               leased_until, attempts, settled_at, traceparent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (account, call_id, event) DO NOTHING",
        params![
            event.account,
            event.call_id,
            event.event,
            event.body,
            event.started_at.as_millisecond(),
            event.received_at.as_millisecond(),
            event.expires_at.as_millisecond(),
            state,
            claimable_at.map(Timestamp::as_millisecond),
            lease.as_ref().map(|(until, _)| until.as_millisecond()),
            u32::from(lease.is_some()),
            settled_at.map(Timestamp::as_millisecond),
            event.traceparent,
        ],
    )?;
    let id = DeliveryId(connection.last_insert_rowid());
    Ok(match added {
        0 => (Acceptance::Duplicate, None),
        _ if is_over => (Acceptance::Over(id), None),
        _ => (Acceptance::Accepted(id), lease.map(|(_, under_way)| leased(id, event, &under_way))),
    })
}

/// The row that was just made, as a claim would read it.
fn leased(id: DeliveryId, event: Accept, under_way: &UnderWay) -> Claimed {
    Claimed {
        id,
        held: under_way.hold(&event.account, &event.call_id),
        account: event.account,
        call_id: event.call_id,
        event: event.event,
        body: event.body,
        started_at: event.started_at,
        received_at: event.received_at,
        turn_at: event.received_at,
        expires_at: event.expires_at,
        attempts: 0,
        is_unknown: false,
        is_superseded: false,
        card: None,
        rule: None,
        revision: None,
        trace: None,
        traceparent: event.traceparent,
    }
}
