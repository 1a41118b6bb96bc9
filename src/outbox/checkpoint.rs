//! The thread that moves what was committed from the write-ahead log into the database, while the writer goes on.
//!
//! What is committed meanwhile stays in the log, and as long as something is there it grows; so the writer moves that little
//! rest itself. Where this thread fails, SQLite lets the writer do all of it, at a larger log.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::mpsc::WeakSender;

use super::store;
use super::writer::Command;

/// After how many commands: some 400 pages of the log. That takes a millisecond of a processor, for which a call may have to
/// wait; of 2,000 pages, fewer would have to be moved than of five times 400, but one call in fifty waited for it.
const COMMANDS_BETWEEN: usize = 150;

/// The thread; dropped, it ends.
pub(super) struct Checkpoints {
    wanted: Option<mpsc::SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    commands: usize,
}

impl Checkpoints {
    /// Starts it with a connection of its own.
    pub(super) fn start(connection: Connection, writer: WeakSender<Command>) -> io::Result<Checkpoints> {
        let (wanted, waiting) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("outbox-checkpoint".to_owned())
            .spawn(move || serve(&connection, &waiting, &writer))?;
        Ok(Checkpoints { wanted: Some(wanted), thread: Some(thread), commands: 0 })
    }

    /// So many more commands are in the log soon.
    pub(super) fn written(&mut self, commands: usize) {
        self.commands += commands;
        if self.commands >= COMMANDS_BETWEEN && self.wanted.as_ref().is_some_and(|wanted| wanted.try_send(()).is_ok()) {
            self.commands = 0;
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.wanted.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(connection: &Connection, wanted: &mpsc::Receiver<()>, writer: &WeakSender<Command>) {
    while wanted.recv().is_ok() {
        store::checkpoint(connection);
        // Where so much waits for the writer, the next time is soon.
        if let Some(writer) = writer.upgrade() {
            let _ = writer.try_send(Command::Checkpoint);
        }
    }
}
