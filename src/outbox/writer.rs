//! The thread that owns the writing connection: whatever waits is committed together, each caller is answered afterwards. What
//! is promised to survive a power cut is handed on to the thread that waits for the disk.
//!
//! Knows nothing of what the commands do, and neither retries nor logs: a failure goes to every caller of its transaction.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{Notify, mpsc, oneshot};

use super::OutboxError;
use super::checkpoint::Checkpoints;
use super::disk::{Disk, Promised};
use super::health::{Health, Owed, Place};
use super::later::Later;
use super::store::{self, Rewritten, Store};
use super::work;

/// How many commands share a transaction at most, so that the first of them does not wait long for the last.
pub(super) const COMMANDS_PER_COMMIT_MAX: usize = 512;

/// Why a command came to nothing; shared by all of its transaction.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// It was undone.
    Storage(Arc<rusqlite::Error>),
    /// It was done, and goes with this process: the files are not in this directory any more.
    Moved(PathBuf),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Storage(Arc::new(error))
    }
}

impl From<Failure> for OutboxError {
    fn from(failure: Failure) -> OutboxError {
        match failure {
            Failure::Storage(error) => OutboxError::Storage(error),
            Failure::Moved(path) => OutboxError::Moved { path },
        }
    }
}

/// Whom a commit concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// It took work away, or only looked.
    Nobody,
    /// It brought work, or made work due earlier.
    Waiters,
}

/// Whatever came of it, the commit concerns those who wait for work.
pub(super) fn waiters<T>(_: &mut T) -> Wake {
    Wake::Waiters
}

/// Whatever came of it, the commit concerns nobody.
pub(super) fn nobody<T>(_: &mut T) -> Wake {
    Wake::Nobody
}

/// What the answer to a caller says about its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It survives a power cut, where that is wanted at all.
    ByDisk,
    /// It survives the end of the process. The disk has it with the next command that it must have: the log is in order.
    BySystem,
}

/// What the handle asks of the thread.
pub(super) enum Command {
    /// Do this in the next transaction.
    Run(Box<dyn Job>),
    /// Do what has time.
    Now,
    /// Empty the log, most of which was emptied already.
    Checkpoint,
    /// Write the files anew.
    Rewrite(oneshot::Sender<Result<Rewritten, Failure>>),
    /// Take no more, finish, close the database; then say so.
    Close(oneshot::Sender<()>),
}

impl Command {
    /// The command to write the files anew, outside of any transaction, and where its outcome comes out.
    pub(super) fn rewrite() -> (Self, oneshot::Receiver<Result<Rewritten, Failure>>) {
        let (answer, answered) = oneshot::channel();
        (Self::Rewrite(answer), answered)
    }
}

/// A command, and where its value comes out once that is `kept`. After the commit, before anybody is answered or woken,
/// `committed` says whom it concerns.
pub(super) fn job<T, C, W>(kept: Kept, committed: C, work: W) -> (Box<dyn Job>, oneshot::Receiver<Result<T, Failure>>)
where
    T: Send + 'static,
    C: FnOnce(&mut T) -> Wake + Send + 'static,
    W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    (Box::new(Work { kept, work: Some(work), value: None, committed: Some(committed), answer }), answered)
}

/// A command without its types, so that different ones fit into one queue.
pub(super) trait Job: Send {
    fn kept(&self) -> Kept;
    fn run(&mut self, connection: &Connection) -> Result<(), rusqlite::Error>;
    fn committed(&mut self) -> Wake;
    fn answer(self: Box<Self>, committed: Result<(), Failure>);
}

struct Work<T, C, W> {
    kept: Kept,
    work: Option<W>,
    value: Option<T>,
    committed: Option<C>,
    answer: oneshot::Sender<Result<T, Failure>>,
}

impl<T, C, W> Job for Work<T, C, W>
where
    T: Send,
    C: FnOnce(&mut T) -> Wake + Send,
    W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send,
{
    fn kept(&self) -> Kept {
        self.kept
    }

    fn run(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(connection)?);
        }
        Ok(())
    }

    fn committed(&mut self) -> Wake {
        match (self.committed.take(), &mut self.value) {
            (Some(committed), Some(value)) => committed(value),
            _ => Wake::Nobody,
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), Failure>) {
        let answer = match (committed, self.value) {
            (Ok(()), Some(value)) => Ok(value),
            (Err(failure), _) => Err(failure),
            // A commit in which this did not run: cannot be, and dropping the sender tells the caller that it is gone.
            (Ok(()), None) => return,
        };
        // A caller that went away does not care.
        let _ = self.answer.send(answer);
    }
}

/// What the thread and the handles have in common.
pub(super) struct Shared {
    pub(super) changed: Arc<Notify>,
    pub(super) health: Arc<Health>,
    pub(super) owed: Arc<Owed>,
    pub(super) place: Arc<Place>,
    pub(super) later: Arc<Later>,
}

/// Starts the thread. It ends when all handles are dropped or one of them says so, and then drops the store.
pub(super) fn start(
    mut store: Store,
    commands: mpsc::Receiver<Command>,
    checkpoints: Checkpoints,
    shared: Shared,
) -> Result<(), std::io::Error> {
    let (health, place) = (Arc::clone(&shared.health), Arc::clone(&shared.place));
    let disk = store.log.take().map(|log| Disk::start(log, health, place)).transpose()?;
    std::thread::Builder::new()
        .name("outbox-writer".to_owned())
        .spawn(move || serve(store, commands, disk, checkpoints, &shared))
        .map(drop)
}

fn serve(
    store: Store,
    mut commands: mpsc::Receiver<Command>,
    disk: Option<Disk>,
    mut checkpoints: Checkpoints,
    shared: &Shared,
) {
    let (mut closing, mut rewriting, mut is_checkpoint_due) = (Vec::new(), Vec::new(), false);
    let mut taken = Vec::with_capacity(COMMANDS_PER_COMMIT_MAX);
    while commands.blocking_recv_many(&mut taken, COMMANDS_PER_COMMIT_MAX) > 0 {
        let mut jobs = Vec::with_capacity(taken.len());
        // Who looks at the rows shall find in them what waits to be written; a sender, who is promised something, shall not wait
        // for it.
        let mut is_due = false;
        for command in taken.drain(..) {
            is_due |= !matches!(&command, Command::Run(job) if job.kept() == Kept::ByDisk);
            match command {
                Command::Run(job) => jobs.push(job),
                Command::Now => {}
                Command::Checkpoint => is_checkpoint_due = true,
                Command::Rewrite(answer) => rewriting.push(answer),
                Command::Close(closed) => {
                    // What is queued behind it is still served, for its senders were told nothing else.
                    commands.close();
                    closing.push(closed);
                }
            }
        }
        jobs.extend(shared.later.take(is_due));
        checkpoints.committed(jobs.len());
        let before = store.connection.total_changes();
        let committed = commit(&store.connection, &mut jobs, shared).map_err(Failure::from);
        // Before the answers, so that who has its answer can rely on the wake-up having happened.
        if committed.is_ok() && jobs.iter_mut().map(|job| job.committed()).max() == Some(Wake::Waiters) {
            shared.changed.notify_waiters();
        }
        let (promised, others): (Vec<_>, Vec<_>) =
            jobs.into_iter().partition(|job| committed.is_ok() && job.kept() == Kept::ByDisk);
        let has_changed = store.connection.total_changes() != before;
        match &disk {
            Some(disk) if !promised.is_empty() => disk.write(Promised { jobs: promised, has_changed }),
            _ if promised.is_empty() => {}
            _ => {
                let kept = shared.place.check();
                promised.into_iter().for_each(|job| job.answer(kept.clone()));
            }
        }
        for job in others {
            job.answer(committed.clone());
        }
        if std::mem::take(&mut is_checkpoint_due) {
            store::checkpoint(&store.connection);
        }
        for answer in rewriting.drain(..) {
            let _ = answer.send(store::rewrite(&store.connection, store::REWRITTEN_BYTES_MAX).map_err(Failure::from));
        }
    }
    drop(disk);
    drop(checkpoints);
    drop(store);
    shared.changed.notify_waiters();
    for closed in closing {
        let _ = closed.send(());
    }
}

/// All or nothing.
fn commit(connection: &Connection, jobs: &mut [Box<dyn Job>], shared: &Shared) -> Result<(), rusqlite::Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let result = try_to_commit(connection, jobs, &shared.owed);
    if let Err(error) = &result {
        shared.health.failed(error);
        store::make_room(connection, error);
    }
    result
}

fn try_to_commit(connection: &Connection, jobs: &mut [Box<dyn Job>], owed: &Owed) -> Result<(), rusqlite::Error> {
    // Immediate, so that a foreign writer is met here and waited for, not half way through. Prepared once, unlike what the
    // library's own transactions do: there are thousands a second.
    work::execute(connection, "BEGIN IMMEDIATE", [])?;
    let mut run_all = || {
        let paid = owed.pay(connection)?;
        jobs.iter_mut().try_for_each(|job| job.run(connection))?;
        work::execute(connection, "COMMIT", [])?;
        Ok(paid)
    };
    let committed = run_all();
    // Some failures have ended it already.
    if committed.is_err() && !connection.is_autocommit() {
        work::execute(connection, "ROLLBACK", [])?;
    }
    committed.map(|paid| owed.paid(paid))
}
