//! The thread that owns the writing connection: what comes in is written at once, committed together, and each caller is
//! answered afterwards. What is promised to survive a power cut is handed on to the thread that waits for the disk; as long as
//! nobody waits for anything else in it, a transaction stays open while that thread is busy.
//!
//! Knows nothing of what the commands do, and neither retries nor logs: a failure goes to every caller of its transaction.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use super::checkpoint::Checkpoints;
use super::disk::{Disk, Promised};
use super::health::{Health, Place};
use super::job::{Failure, Job, Kept, Wake};
use super::later::Later;
use super::owed::Owed;
use super::store::{self, Rewritten, Store};
use super::work;

/// How many commands share a transaction at most, so that the first of them does not wait long for the last.
pub(super) const COMMANDS_PER_COMMIT_MAX: usize = 512;

/// What the handle asks of the thread.
pub(super) enum Command {
    /// Do this in the next transaction.
    Run(Box<dyn Job>),
    /// Commit what is written: the disk's thread is no longer busy.
    Commit,
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
    own_commands: mpsc::WeakSender<Command>,
    shared: Shared,
) -> Result<(), std::io::Error> {
    let (health, place) = (Arc::clone(&shared.health), Arc::clone(&shared.place));
    let disk = store.log.take().map(|log| Disk::start(log, own_commands, health, place)).transpose()?;
    std::thread::Builder::new()
        .name("outbox-writer".to_owned())
        .spawn(move || serve(commands, Writer { disk, checkpoints, store, shared, open: Transaction::default() }))
        .map(drop)
}

fn serve(mut commands: mpsc::Receiver<Command>, mut writer: Writer) {
    let (mut closing, mut rewriting, mut is_checkpoint_due) = (Vec::new(), Vec::new(), false);
    let mut taken = Vec::with_capacity(COMMANDS_PER_COMMIT_MAX);
    while commands.blocking_recv_many(&mut taken, COMMANDS_PER_COMMIT_MAX) > 0 {
        let mut jobs = Vec::with_capacity(taken.len());
        // Who looks at the rows shall find in them what waits to be written; a sender, who is promised something, shall not wait
        // for it.
        let (mut is_due, mut is_free) = (false, false);
        for command in taken.drain(..) {
            is_due |= match &command {
                Command::Run(job) => job.kept() == Kept::BySystem,
                Command::Commit => false,
                _ => true,
            };
            match command {
                Command::Run(job) => jobs.push(job),
                Command::Commit => is_free = true,
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
        jobs.extend(writer.shared.later.take(is_due));
        writer.write(jobs);
        if is_due || is_free {
            writer.commit();
        } else {
            writer.commit_soon();
        }
        let connection = &writer.store.connection;
        if std::mem::take(&mut is_checkpoint_due) {
            store::checkpoint(connection);
        }
        for answer in rewriting.drain(..) {
            let _ = answer.send(store::rewrite(connection, store::REWRITTEN_BYTES_MAX).map_err(Failure::from));
        }
    }
    writer.commit();
    let changed = Arc::clone(&writer.shared.changed);
    drop(writer);
    changed.notify_waiters();
    for closed in closing {
        let _ = closed.send(());
    }
}

/// What the thread works with. Dropped in this order: what was committed is on the disk before the database is closed.
struct Writer {
    /// Where commits have to be on the disk.
    disk: Option<Disk>,
    checkpoints: Checkpoints,
    store: Store,
    shared: Shared,
    open: Transaction,
}

/// What is written and not committed; without a job, none is open.
#[derive(Default)]
struct Transaction {
    jobs: Vec<Box<dyn Job>>,
    /// How many rows had ever changed before it.
    changes_before: u64,
    /// Something is wrong with the disk, so nobody learns of it before its commit.
    is_doubtful: bool,
}

impl Writer {
    /// Writes them in the transaction that is open, or a new one.
    fn write(&mut self, jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        let earlier = self.open.jobs.len();
        self.checkpoints.written(jobs.len());
        self.open.jobs.extend(jobs);
        let begun = if earlier == 0 { self.begin() } else { Ok(()) };
        match begun.and_then(|()| self.run_behind(earlier)) {
            Ok(wake) => self.wake(wake),
            Err(error) => self.undo(error),
        }
    }

    fn begin(&mut self) -> Result<(), rusqlite::Error> {
        let connection = &self.store.connection;
        self.open.changes_before = connection.total_changes();
        self.shared.owed.pay(connection)?;
        // Immediate, so that a foreign writer is met here and waited for, not half way through. Prepared once, unlike what the
        // library's own transactions do: there are thousands a second.
        work::execute(connection, "BEGIN IMMEDIATE", [])?;
        self.open.is_doubtful = self.shared.health.trouble().is_some();
        Ok(())
    }

    fn run_behind(&mut self, earlier: usize) -> Result<Wake, rusqlite::Error> {
        let mut wake = Wake::Nobody;
        for job in self.open.jobs.iter_mut().skip(earlier) {
            job.run(&self.store.connection)?;
            if !self.open.is_doubtful {
                wake = wake.max(job.written());
            }
        }
        Ok(wake)
    }

    /// Commits, unless that would only have to wait: then [`Command::Commit`] comes.
    fn commit_soon(&mut self) {
        let can_wait = !self.open.is_doubtful && self.open.jobs.len() < COMMANDS_PER_COMMIT_MAX;
        if !(can_wait && self.disk.as_ref().is_some_and(Disk::tells_when_free)) {
            self.commit();
        }
    }

    fn commit(&mut self) {
        if self.open.jobs.is_empty() {
            return;
        }
        if let Err(error) = work::execute(&self.store.connection, "COMMIT", []) {
            return self.undo(error);
        }
        let Transaction { mut jobs, changes_before, .. } = std::mem::take(&mut self.open);
        // Before the answers, so that who has its answer can rely on the wake-up having happened.
        self.wake(jobs.iter_mut().map(|job| job.written()).max().unwrap_or(Wake::Nobody));
        self.shared.owed.committed();
        let (promised, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.kept() == Kept::ByDisk);
        let has_changed = self.store.connection.total_changes() != changes_before;
        match &self.disk {
            _ if promised.is_empty() => {}
            Some(disk) => disk.write(Promised { jobs: promised, has_changed }),
            None => {
                if has_changed {
                    self.shared.health.recovered();
                }
                let kept = self.shared.place.check();
                promised.into_iter().for_each(|job| job.answer(kept.clone()));
            }
        }
        others.into_iter().for_each(|job| job.answer(Ok(())));
    }

    /// All or nothing.
    fn undo(&mut self, error: rusqlite::Error) {
        let connection = &self.store.connection;
        self.shared.health.failed(&error);
        work::roll_back(connection);
        store::make_room(connection, &error);
        self.shared.owed.undone();
        let Transaction { jobs, .. } = std::mem::take(&mut self.open);
        let failure = Failure::from(error);
        jobs.into_iter().for_each(|job| job.answer(Err(failure.clone())));
    }

    fn wake(&self, wake: Wake) {
        if wake == Wake::Waiters {
            self.shared.changed.notify_waiters();
        }
    }
}
