//! A command to the writer, without its types: what it does, whom it concerns, and where its value comes out.
//!
//! Does not say when it is done, nor together with what.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::OutboxError;

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

/// Whom a command concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wake {
    /// It took work away, or only looked.
    Nobody,
    /// It brought work, or made work due earlier.
    Waiters,
}

/// Whatever came of it, it concerns those who wait for work.
pub(super) fn waiters<T>(_: &mut T) -> Wake {
    Wake::Waiters
}

/// Whatever came of it, it concerns nobody.
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

/// A command, and where its value comes out once that is `kept`. `written` says whom it concerns as soon as it is written, on the
/// thread of the writer and, as long as that can be expected to succeed, before the commit.
pub(super) fn job<T, C, W>(kept: Kept, written: C, work: W) -> (Box<dyn Job>, oneshot::Receiver<Result<T, Failure>>)
where
    T: Send + 'static,
    C: FnOnce(&mut T) -> Wake + Send + 'static,
    W: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    (Box::new(Work { kept, work: Some(work), value: None, written: Some(written), answer }), answered)
}

/// A command without its types, so that different ones fit into one queue.
pub(super) trait Job: Send {
    fn kept(&self) -> Kept;
    fn run(&mut self, connection: &Connection) -> Result<(), rusqlite::Error>;
    fn written(&mut self) -> Wake;
    fn answer(self: Box<Self>, committed: Result<(), Failure>);
}

struct Work<T, C, W> {
    kept: Kept,
    work: Option<W>,
    value: Option<T>,
    written: Option<C>,
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

    /// Says it once.
    fn written(&mut self) -> Wake {
        match &mut self.value {
            Some(value) => self.written.take().map_or(Wake::Nobody, |written| written(value)),
            None => Wake::Nobody,
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
