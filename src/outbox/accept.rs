//! An event comes in: it is kept, and handed over at once to whoever has room for it.
//!
//! Does not look at what the event says; two of them are the same by their names.

use std::sync::Arc;

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
    /// it is written. Then nobody is woken: there is nothing left to claim. Where this fails, and it was taken, it is remembered
    /// and written with whatever can be written next.
    pub async fn accept_and_take(&self, event: Accept, taking: Option<Taking>) -> Result<Acceptance, OutboxError> {
        let lease_until = taking.as_ref().map(|taking| taking.lease_until);
        let (under_way, owed) = (self.under_way.clone(), Arc::clone(&self.owed));
        let written = move |(acceptance, leased): &mut (Acceptance, Option<Leased>)| {
            let had_room = taking.is_some();
            let Some((taking, leased)) = taking.zip(leased.take()) else {
                // It may be to be claimed; and room that is given back may be what another one waits for.
                let is_new = matches!(acceptance, Acceptance::Accepted(_));
                return if is_new || had_room { Wake::Waiters } else { Wake::Nobody };
            };
            (taking.take)(leased.claimed(&under_way));
            owed.taken(leased);
            Wake::Nobody
        };
        self.promise(written, move |connection| accept(connection, event, lease_until))
            .await
            .map(|(acceptance, _)| acceptance)
    }
}

/// An event whose row is somebody's from its first moment on.
#[derive(Debug, Clone)]
pub(super) struct Leased {
    id: DeliveryId,
    until: Timestamp,
    event: Accept,
}

impl Leased {
    /// As a claim would read it.
    fn claimed(&self, under_way: &UnderWay) -> Claimed {
        let event = self.event.clone();
        Claimed {
            id: self.id,
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
}

/// With a lease the event is leased at once, unless something hinders it.
pub(super) fn accept(
    connection: &Connection,
    event: Accept,
    lease_until: Option<Timestamp>,
) -> Sql<(Acceptance, Option<Leased>)> {
    let is_over = connection
        .prepare_cached("SELECT 1 FROM ended_call WHERE account = ?1 AND call_id = ?2")?
        .exists(params![event.account, event.call_id])?;
    let undecided = connection
        .prepare_cached("SELECT settled_at IS NULL AND card IS NULL FROM delivery WHERE account = ?1 AND call_id = ?2")?
        .query_map(params![event.account, event.call_id], |row| row.get(0))?
        .collect::<Sql<Vec<bool>>>()?;
    let begins = match lease_until {
        _ if is_over => Begins::Over,
        Some(until) if undecided.is_empty() => Begins::Leased(until),
        // Its turn comes when the earlier event is decided; a card is worth nothing later than this anyway.
        _ if undecided.contains(&true) => Begins::Due(event.expires_at),
        _ => Begins::Due(event.received_at),
    };
    if insert(connection, None, &event, begins)? == 0 {
        return Ok((Acceptance::Duplicate, None));
    }
    let id = DeliveryId(connection.last_insert_rowid());
    Ok(match begins {
        Begins::Over => (Acceptance::Over(id), None),
        Begins::Due(_) => (Acceptance::Accepted(id), None),
        Begins::Leased(until) => (Acceptance::Accepted(id), Some(Leased { id, until, event })),
    })
}

/// Once more, because it was undone. No other row is written before it, so that its id is nobody else's.
pub(super) fn insert_leased(connection: &Connection, leased: &Leased) -> Sql<()> {
    insert(connection, Some(leased.id), &leased.event, Begins::Leased(leased.until)).map(drop)
}

/// How a row begins.
#[derive(Debug, Clone, Copy)]
enum Begins {
    /// The hang-up of its call came first.
    Over,
    /// It can be claimed from then on.
    Due(Timestamp),
    /// It is somebody's until then.
    Leased(Timestamp),
}

fn insert(connection: &Connection, id: Option<DeliveryId>, event: &Accept, begins: Begins) -> Sql<usize> {
    let (state, claimable_at, leased_until, settled_at) = match begins {
        Begins::Over => (State::Over, None, None, Some(event.received_at)),
        Begins::Due(at) => (State::Pending, Some(at), None, None),
        Begins::Leased(until) => (State::Leased, None, Some(until), None),
    };
    execute(
        connection,
        // By number, since names are searched for.
        "INSERT INTO delivery (id, account, call_id, event, body, started_at, received_at, expires_at, state, claimable_at,
                               leased_until, attempts, settled_at, traceparent)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT (account, call_id, event) DO NOTHING",
        params![
            id.map(|id| id.0),
            event.account,
            event.call_id,
            event.event,
            event.body,
            event.started_at.as_millisecond(),
            event.received_at.as_millisecond(),
            event.expires_at.as_millisecond(),
            state,
            claimable_at.map(Timestamp::as_millisecond),
            leased_until.map(Timestamp::as_millisecond),
            u32::from(leased_until.is_some()),
            settled_at.map(Timestamp::as_millisecond),
            event.traceparent,
        ],
    )
}
