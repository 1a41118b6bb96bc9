//! Connections to one database: a few, made when they are needed and kept for the next question.
//!
//! A connection goes back only after a whole answer. One whose question failed or was given up is closed, so that nothing
//! of it reaches the next one. A kept connection that turns out to be broken is made anew inside the question.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::Access;
use super::answer::{Answer, told_apart};
use super::failure::{self, Wrong};
use super::statement::Statement;
use crate::source::{Failure, Record};

/// An unused connection is not kept longer: firewalls forget such ones without a word.
const KEPT_MAX: Duration = Duration::from_secs(60);

/// How a database is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many connections there are at once.
    pub(super) connections: usize,
    /// After this time the database ends a question itself.
    pub(super) answer_within: Duration,
}

/// Why a question does not get a connection.
pub(super) fn all_in_use() -> Failure {
    Failure::unsent("all of its connections are in use")
}

/// A connection to a server.
pub(super) trait Server: Connection {
    /// Makes a new connection one that only asks, and no longer than this.
    fn restrict(&mut self, limits: Limits) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Asks a statement.
    fn question(
        &mut self,
        statement: &Statement,
        parameters: &[Value],
    ) -> impl Future<Output = Result<Answer, Wrong>> + Send;

    /// Has a statement read and not run; the names of its columns.
    fn read(&mut self, statement: &Statement) -> impl Future<Output = Result<Vec<String>, sqlx::Error>> + Send;

    /// Who we are.
    fn access(&mut self) -> impl Future<Output = Result<Access, Wrong>> + Send;
}

/// The connections to a database.
pub(super) struct Pool<C: Connection> {
    options: C::Options,
    limits: Limits,
    permits: Semaphore,
    kept: Mutex<Vec<(C, Instant)>>,
}

impl<C: Server> Pool<C> {
    pub(super) fn new(options: C::Options, limits: Limits) -> Pool<C> {
        // The log of statements would be a second place to look after.
        let options = options.disable_statement_logging();
        Pool { options, limits, permits: Semaphore::new(limits.connections), kept: Mutex::default() }
    }

    pub(super) async fn ask(&self, statement: &Statement, parameters: &[Value]) -> Result<Vec<Record>, Failure> {
        let _permit = self.permit().await?;
        if let Some(mut connection) = self.take() {
            match connection.question(statement, parameters).await {
                Ok(answer) => return Ok(self.keep(connection, answer)),
                Err(Wrong::Answer(failure)) => return Err(failure),
                // The server went away and may be back; the other ones that are kept broke with it.
                Err(Wrong::Connection(_)) => self.forget(),
            }
        }
        let mut connection = self.connect().await?;
        let answer = connection.question(statement, parameters).await.map_err(Wrong::failure)?;
        Ok(self.keep(connection, answer))
    }

    pub(super) async fn access(&self, statement: &Statement) -> Result<Access, Failure> {
        let _permit = self.permit().await?;
        let mut connection = self.connect().await?;
        let columns = connection.read(statement).await.map_err(failure::while_reading)?;
        told_apart(columns.iter().map(String::as_str))?;
        connection.access().await.map_err(Wrong::failure)
    }

    /// The right to use a connection. Waiting takes at most half of the time there is: the question takes time, too.
    async fn permit(&self) -> Result<SemaphorePermit<'_>, Failure> {
        match timeout(self.limits.answer_within / 2, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(all_in_use()),
        }
    }

    async fn connect(&self) -> Result<C, Failure> {
        let mut connection = self.options.connect().await.map_err(failure::of_connecting)?;
        connection.restrict(self.limits).await.map_err(failure::of_connecting)?;
        Ok(connection)
    }

    fn take(&self) -> Option<C> {
        let mut kept = self.kept.lock().ok()?;
        kept.retain(|(_, since)| since.elapsed() < KEPT_MAX);
        kept.pop().map(|(connection, _)| connection)
    }

    /// Keeps a connection for the next question, unless more is under way than was wanted.
    fn keep(&self, connection: C, answer: Answer) -> Vec<Record> {
        if let (false, Ok(mut kept)) = (answer.is_cut, self.kept.lock()) {
            kept.push((connection, Instant::now()));
        }
        answer.into_records()
    }

    fn forget(&self) {
        if let Ok(mut kept) = self.kept.lock() {
            kept.clear();
        }
    }
}
