//! Durable deliveries: an event that was accepted is on the disk, and stays until it is settled.
//!
//! The embedded engine, SQLite. One thread owns the connection that writes; whatever waits for it is committed together, and
//! each caller is answered after the commit. Nothing here decides, sends, repeats by itself or reads the clock: a moment comes
//! in as `now`, and the one who claims a delivery says when it is due again or what became of it.
//!
//! A call gets one card. Its events are handed out one at a time, in the order of their arrival: the next one when the one
//! before it is decided. A delivery in somebody's hands may have been sent, whatever its row says: what a crash leaves so is
//! asked about first.

mod accept;
mod again;
mod checkpoint;
mod disk;
mod due;
mod failure;
mod forget;
mod health;
mod job;
mod keep;
mod later;
mod listing;
mod masked;
mod owed;
mod settlement;
mod spent;
mod store;
#[cfg(test)]
mod tests;
mod under_way;
mod work;
mod writer;

pub use accept::{Accept, Acceptance, Taking};
pub use again::Again;
pub use due::{ASKED_FOR, EXPIRED_ROWS_MAX, Expired, Share, Shares};
pub use failure::OutboxError;
pub use forget::Erased;
pub use health::{Size, Trouble};
pub use keep::Keep;
pub use listing::{Detail, Filter, LIST_ROWS_MAX, Row, Unreadable};
pub use settlement::{Settlement, State, UnknownState};
pub use spent::Spent;
pub use store::Durability;
pub use under_way::Standing;
pub use work::UNREADABLE_ROWS_MAX;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{Notify, futures::Notified, mpsc, oneshot};

use checkpoint::Checkpoints;
use health::{Health, Place};
use job::{Kept, Wake, nobody, waiters};
use later::Later;
use owed::{HangUp, Owed};
use store::Store;
use under_way::{Held, UnderWay};
use writer::Command;

/// How many commands may wait for the writer before callers wait too: two full transactions, so that the next one fills up
/// while the last one is on its way to the disk, and a burst cannot take memory without bound.
const COMMANDS_WAITING_MAX: usize = 2 * writer::COMMANDS_PER_COMMIT_MAX;

/// Identifies one delivery; never used twice, not even after the delivery was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct DeliveryId(i64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for DeliveryId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A delivery in the hands of a worker, until its lease runs out.
#[derive(Debug)]
pub struct Claimed {
    /// The delivery.
    pub id: DeliveryId,
    /// The phone-system account.
    pub account: String,
    /// The call.
    pub call_id: String,
    /// The name of the event.
    pub event: String,
    /// The webhook's bytes.
    pub body: Vec<u8>,
    /// The start of the call.
    pub started_at: Timestamp,
    /// When the webhook came in.
    pub received_at: Timestamp,
    /// Since when it could be decided: when the webhook came in or, if later, when the earlier event of its call was settled.
    pub turn_at: Timestamp,
    /// From when on a card is worth nothing.
    pub expires_at: Timestamp,
    /// Earlier attempts, 0 the first time. They count when claimed, so an attempt that died with its process is among them.
    pub attempts: u32,
    /// Whether the card of an earlier attempt may have been sent.
    pub is_unknown: bool,
    /// Whether the decision on another event of the call is a card, whatever became of it.
    pub is_superseded: bool,
    /// The card that an earlier attempt decided on, as JSON text.
    pub card: Option<String>,
    /// The rule that an earlier attempt decided by.
    pub rule: Option<String>,
    /// The rule set that an earlier attempt decided with.
    pub revision: Option<String>,
    /// How an earlier attempt came to its decision, as JSON text.
    pub trace: Option<String>,
    /// The span of its webhook as a `traceparent`.
    pub traceparent: Option<String>,
    /// Its call.
    held: Held,
}

impl Claimed {
    /// The last look before its card is sent. Where it may be, no other event of the call may have one from now on.
    pub fn standing(&self) -> Standing {
        self.held.standing(self.id)
    }
}

/// What was decided for a delivery; kept so that a retry sends the same bytes and an operator can see why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The rule, if one decided.
    pub rule: Option<String>,
    /// The hash of the rule set.
    pub revision: String,
    /// The card as JSON text, if there is one.
    pub card: Option<String>,
    /// How it came to that, as JSON text.
    pub trace: String,
}

/// A handle on the outbox; clones share it. When the last one is dropped the writer finishes what it took, and ends.
///
/// Once open, everything fails in two ways only, [`OutboxError::Storage`] and [`OutboxError::Closed`], but for [`Self::erase`]
/// and for what is promised to be kept, which knows [`OutboxError::Moved`] as well.
///
/// The writer is a thread outside the runtime: a test that pauses tokio's clock must expect the clock to run ahead, to the next
/// timer, while it waits for an answer of the outbox.
#[derive(Debug, Clone)]
pub struct Outbox {
    commands: mpsc::Sender<Command>,
    changed: Arc<Notify>,
    reader: Arc<Mutex<Option<Connection>>>,
    keep: Keep,
    place: Arc<Place>,
    health: Arc<Health>,
    owed: Arc<Owed>,
    later: Arc<Later>,
    under_way: UnderWay,
}

impl Outbox {
    /// Opens the outbox in `directory`, and creates both where missing, readable by their owner only.
    ///
    /// Leases of an earlier process are given back: the lock file proves that it is gone. Blocks while it opens.
    ///
    /// # Errors
    ///
    /// [`OutboxError::InUse`], [`OutboxError::Open`], [`OutboxError::Damaged`] or [`OutboxError::NewerSchema`].
    pub fn open(directory: &Path, durability: Durability, keep: Keep) -> Result<Self, OutboxError> {
        Self::start(directory, store::open(directory, durability)?, keep)
    }

    fn start(directory: &Path, store: Store, keep: Keep) -> Result<Self, OutboxError> {
        let cannot_open =
            |source: std::io::Error| OutboxError::Open { path: directory.to_owned(), source: source.into() };
        let reader = store::open_reader(directory)?;
        let (commands, waiting) = mpsc::channel(COMMANDS_WAITING_MAX);
        let outbox = Self {
            commands,
            reader: Arc::new(Mutex::new(Some(reader))),
            keep,
            place: Arc::new(Place::of(directory).map_err(cannot_open)?),
            changed: Arc::default(),
            health: Arc::default(),
            owed: Arc::default(),
            later: Arc::default(),
            under_way: UnderWay::default(),
        };
        let shared = writer::Shared {
            changed: Arc::clone(&outbox.changed),
            health: Arc::clone(&outbox.health),
            owed: Arc::clone(&outbox.owed),
            place: Arc::clone(&outbox.place),
            later: Arc::clone(&outbox.later),
        };
        let checkpointer = store::open_checkpointer(directory)?;
        let checkpoints = Checkpoints::start(checkpointer, outbox.commands.downgrade()).map_err(cannot_open)?;
        writer::start(store, waiting, checkpoints, outbox.commands.downgrade(), shared).map_err(cannot_open)?;
        Ok(outbox)
    }

    /// An outbox that can be listed and shown only, also while another process works on it; everything else is
    /// [`OutboxError::Closed`].
    ///
    /// # Errors
    ///
    /// [`OutboxError::Open`], [`OutboxError::Damaged`] or [`OutboxError::NewerSchema`].
    pub fn open_to_read(directory: &Path) -> Result<Self, OutboxError> {
        let reader = Arc::new(Mutex::new(Some(store::open_reader(directory)?)));
        let (commands, _) = mpsc::channel(1);
        let (changed, keep, place) = (Arc::default(), Keep::default(), Arc::default());
        let (health, owed, later, under_way) = Default::default();
        Ok(Self { commands, changed, reader, keep, place, health, owed, later, under_way })
    }

    /// Keeps what was decided for a delivery while its card is under way, so that whoever comes after a crash sends the same
    /// bytes. The next event of its call need not wait any more.
    pub async fn keep(&self, id: DeliveryId, decided: Arc<Decided>) -> Result<(), OutboxError> {
        let written = |wake: &mut Wake| *wake;
        self.write_later(written, move |connection| work::keep(connection, id, Some(&decided))).await.map(drop)
    }

    /// Ends the lease of a delivery whose card was not sent, and makes it due again at `at`; keeps what was `decided`, unless
    /// that was done. `false`: nothing was changed, because its call ended meanwhile and it is settled, or to be settled, as
    /// that.
    pub async fn retry_at(
        &self,
        id: DeliveryId,
        decided: Option<Arc<Decided>>,
        at: Timestamp,
        why: String,
    ) -> Result<bool, OutboxError> {
        self.write(waiters, move |connection| work::retry_at(connection, id, decided.as_deref(), at, &why)).await
    }

    /// Ends the lease of a delivery whose card may have been sent; it is due at `at`, to be asked about. Keeps what was
    /// `decided`, unless that was done. A hang-up does not settle it, and a settled one stays settled.
    pub async fn ask_at(
        &self,
        id: DeliveryId,
        decided: Option<Arc<Decided>>,
        at: Timestamp,
        why: String,
    ) -> Result<(), OutboxError> {
        self.write(waiters, move |connection| work::ask_at(connection, id, decided.as_deref(), at, &why)).await
    }

    /// Writes down what became of a delivery, and what was `decided` for it, unless that was done. The next event of its
    /// call need not wait any more. `false`: it was settled before (or is unknown), and nothing was changed.
    pub async fn settle(
        &self,
        id: DeliveryId,
        settlement: Settlement,
        decided: Option<Arc<Decided>>,
        now: Timestamp,
    ) -> Result<bool, OutboxError> {
        let written = |(_, wake): &mut (bool, Wake)| *wake;
        let settle = move |connection: &Connection| work::settle(connection, id, &settlement, decided.as_deref(), now);
        self.write_later(written, settle).await.map(|(is_settled, _)| is_settled)
    }

    /// The call ended: what is unsettled of it becomes [`Settlement::Over`], and so does what is accepted of it from now on.
    /// What is leased is left to its worker, for whom [`Claimed::standing`] says so at once, and what may have been sent to
    /// whoever asks about it. Returns how many deliveries that settled.
    ///
    /// Where this fails, or is no longer waited for, it is remembered and written with whatever can be written next.
    pub async fn hang_up(&self, account: &str, call_id: &str, now: Timestamp) -> Result<usize, OutboxError> {
        // Held until its row says it, so that whoever takes an event of it meanwhile learns of it as well.
        let held = self.under_way.hold(account, call_id);
        held.end();
        let ended = HangUp { account: account.to_owned(), call_id: call_id.to_owned(), at: now };
        let (debt, held_meanwhile) = (self.owed.unless_paid(ended.clone()), self.under_way.hold(account, call_id));
        let write = move |connection: &Connection| {
            Ok((work::hang_up(connection, &ended.account, &ended.call_id, now)?, held_meanwhile))
        };
        let over = self.promise(nobody, write).await.map(|(over, _)| over);
        if let Ok(_) | Err(OutboxError::Moved { .. }) = &over {
            debt.paid();
        }
        over
    }

    /// Keeps what an authentic sender sent and nobody could read, for the operator: the latest [`UNREADABLE_ROWS_MAX`].
    pub async fn keep_unreadable(
        &self,
        account: &str,
        reason: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let (account, reason, body) = (account.to_owned(), reason.to_owned(), body.to_owned());
        self.promise(nobody, move |connection| work::keep_unreadable(connection, &account, &reason, &body, now)).await
    }

    /// How many deliveries are not settled. Asks the writer, so an answer also says that the writer is alive.
    pub async fn pending(&self) -> Result<u64, OutboxError> {
        self.write(nobody, work::pending).await
    }

    /// When the oldest call began whose delivery is not settled.
    pub async fn oldest_pending(&self) -> Result<Option<Timestamp>, OutboxError> {
        self.write(nobody, due::oldest_pending).await
    }

    /// Resolves when work was brought or made due earlier, as soon as a claim would find it, and when the outbox is closed.
    ///
    /// It counts from when it is made, not from when it is first polled: make it, then look for work, then await it, and no
    /// wake-up is lost.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Deliveries, the newest first; at most [`LIST_ROWS_MAX`].
    pub async fn list(&self, filter: Filter) -> Result<Vec<Row>, OutboxError> {
        self.read(move |connection| listing::list(connection, &filter)).await
    }

    /// One delivery with its card and its trace.
    pub async fn show(&self, id: DeliveryId) -> Result<Option<Detail>, OutboxError> {
        self.read(move |connection| listing::show(connection, id)).await
    }

    /// What could not be read, the newest first; at most [`LIST_ROWS_MAX`].
    pub async fn unreadable(&self, limit: usize) -> Result<Vec<Unreadable>, OutboxError> {
        self.read(move |connection| listing::unreadable(connection, limit)).await
    }

    /// Finishes what the writer took, closes the database and gives the lock file back; all of it is done when this returns.
    /// Other handles get [`OutboxError::Closed`] from then on. Closing twice is fine.
    pub async fn close(&self) {
        // Taken out behind `spawn_blocking`, because a listing that is still running holds it.
        let reader = Arc::clone(&self.reader);
        let taken =
            tokio::task::spawn_blocking(move || drop(reader.lock().unwrap_or_else(PoisonError::into_inner).take()));
        // Neither can fail but by being gone already, which is what was wanted.
        let _ = taken.await;
        let (answer, closed) = oneshot::channel();
        let _ = self.commands.send(Command::Close(answer)).await;
        let _ = closed.await;
    }

    /// Runs `work` within the writer's next transaction and returns its value after the commit.
    async fn write<T, C, W>(&self, written: C, work: W) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        C: FnOnce(&mut T) -> Wake + Send + 'static,
        W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.write_kept(Kept::BySystem, written, work).await
    }

    /// The same for what is promised to somebody: it survives what [`Durability`] says once this returns.
    async fn promise<T, C, W>(&self, written: C, work: W) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        C: FnOnce(&mut T) -> Wake + Send + 'static,
        W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.write_kept(Kept::ByDisk, written, work).await
    }

    async fn write_kept<T, C, W>(&self, kept: Kept, written: C, work: W) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        C: FnOnce(&mut T) -> Wake + Send + 'static,
        W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let (job, answered) = job::job(kept, written, work);
        self.commands.send(Command::Run(job)).await.map_err(|_| OutboxError::Closed)?;
        Ok(answered.await.map_err(|_| OutboxError::Closed)??)
    }

    /// Runs `work` on the connection that can only read, beside the writer.
    async fn read<T, W>(&self, work: W) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let reader = Arc::clone(&self.reader);
        let task = tokio::task::spawn_blocking(move || {
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = reader.as_ref().ok_or(OutboxError::Closed)?;
            work(connection).map_err(|error| OutboxError::Storage(Arc::new(error)))
        });
        // A task that is gone means that the runtime is shutting down.
        task.await.map_err(|_| OutboxError::Closed)?
    }
}
