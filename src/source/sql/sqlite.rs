//! SQLite files.
//!
//! A file is opened for each question, for reading only: it may have been replaced, and opening takes less than a
//! millisecond. A question that is given up or takes too long is stopped from within.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rusqlite::types::{ToSqlOutput, Value as Bound, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Access;
use super::answer::{Answer, hex, told_apart, unreadable};
use super::pool::{self, Limits};
use super::statement::Statement;
use crate::source::{Failure, Record};

/// Steps of SQLite's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 1000;

/// An SQLite file.
pub(super) struct File {
    path: PathBuf,
    limits: Limits,
    permits: Arc<Semaphore>,
}

/// Set when nobody waits for the answer any longer.
struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl File {
    pub(super) fn new(path: PathBuf, limits: Limits) -> File {
        File { path, limits, permits: Arc::new(Semaphore::new(limits.connections)) }
    }

    pub(super) async fn ask(&self, statement: &Statement, parameters: &[Value]) -> Result<Vec<Record>, Failure> {
        let (text, parameters) = (numbered(statement), parameters.to_vec());
        self.run(move |connection| records(connection, &text, &parameters)).await
    }

    pub(super) async fn access(&self, statement: &Statement) -> Result<Access, Failure> {
        let (text, path) = (numbered(statement), self.path.clone());
        self.run(move |connection| {
            let prepared = connection.prepare(&text).map_err(|error| while_reading(&error))?;
            told_apart(prepared.column_names())?;
            let can_write = std::fs::OpenOptions::new().write(true).open(&path).is_ok();
            Ok(Access { server: format!("sqlite {}", rusqlite::version()), user: None, can_write })
        })
        .await
    }

    /// Runs something with the file on a thread that may block. It ends soon after nobody waits for it any longer.
    async fn run<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let Ok(Ok(permit)) = timeout(self.limits.answer_within / 2, Arc::clone(&self.permits).acquire_owned()).await
        else {
            return Err(pool::all_in_use());
        };
        let given_up = Arc::new(AtomicBool::new(false));
        let (path, limits, seen) = (self.path.clone(), self.limits, Arc::clone(&given_up));
        let _guard = GiveUp(given_up);
        let asked = tokio::task::spawn_blocking(move || {
            // Held until the thread is done, not until somebody stops waiting.
            let _permit = permit;
            ask(&open(&path, limits, seen)?)
        });
        asked.await.map_err(|_| Failure::lasting("reading the file broke off"))?
    }
}

fn open(path: &PathBuf, limits: Limits, given_up: Arc<AtomicBool>) -> Result<Connection, Failure> {
    let until = Instant::now() + limits.answer_within;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let prepared = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(limits.answer_within)?;
        let stop = move || given_up.load(Ordering::Relaxed) || Instant::now() >= until;
        connection.progress_handler(STEPS, Some(stop))?;
        Ok(connection)
    };
    prepared().map_err(|error| failure(&error))
}

/// `?1` is SQLite's own way to write `$1`.
fn numbered(statement: &Statement) -> String {
    statement.with_placeholders(|number| format!("?{number}"))
}

fn records(connection: &Connection, text: &str, parameters: &[Value]) -> Result<Vec<Record>, Failure> {
    let failed = |error| failure(&error);
    let mut prepared = connection.prepare(text).map_err(failed)?;
    let columns: Vec<String> = prepared.column_names().into_iter().map(str::to_owned).collect();
    told_apart(columns.iter().map(String::as_str))?;
    let mut rows = prepared.query(params_from_iter(parameters.iter().map(Parameter))).map_err(failed)?;
    let mut answer = Answer::default();
    while !answer.is_full() {
        let Some(row) = rows.next().map_err(failed)? else { break };
        let (mut record, mut bytes) = (Record::new(), 0);
        for (at, column) in columns.iter().enumerate() {
            let value = row.get_ref(at).map_err(failed)?;
            if let ValueRef::Text(value) | ValueRef::Blob(value) = value {
                bytes += value.len();
            }
            record.insert(column.clone(), json(value).ok_or_else(|| unreadable(column, "text"))?);
        }
        answer.add(record, bytes)?;
    }
    Ok(answer.into_records())
}

/// A parameter as SQLite takes it: a list or an object as JSON text, for `json_each`.
struct Parameter<'v>(&'v Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Owned(Bound::Null),
            Value::Bool(is) => ToSqlOutput::Owned(Bound::Integer((*is).into())),
            Value::Number(number) => ToSqlOutput::Owned(match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Bound::Integer(whole),
                (None, Some(real)) => Bound::Real(real),
                (None, None) => Bound::Text(number.to_string()),
            }),
            Value::String(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            list => ToSqlOutput::Owned(Bound::Text(list.to_string())),
        })
    }
}

fn json(value: ValueRef<'_>) -> Option<Value> {
    Some(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(whole) => Value::from(whole),
        ValueRef::Real(real) => Value::from(real),
        ValueRef::Text(text) => Value::from(std::str::from_utf8(text).ok()?),
        ValueRef::Blob(bytes) => Value::from(hex(bytes)),
    })
}

fn failure(error: &rusqlite::Error) -> Failure {
    if matches!(error, rusqlite::Error::SqlInputError { .. }) {
        return Failure::lasting("it can't read the statement");
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => Failure::passing("the question took too long and was stopped"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Failure::passing("somebody else has locked the file")
        }
        Some(ErrorCode::CannotOpen) => Failure::lasting("the file can't be opened"),
        Some(ErrorCode::NotADatabase) => Failure::lasting("the file is no SQLite database"),
        Some(ErrorCode::DatabaseCorrupt) => Failure::lasting("the file is damaged"),
        Some(ErrorCode::ReadOnly) => Failure::lasting("the statement writes, and a source only asks"),
        Some(_) => Failure::lasting("it can't read the statement"),
        None => Failure::lasting("the statement and its parameters don't fit"),
    }
}

/// The same with SQLite's own text: it names what the statement names, and no value is bound yet.
fn while_reading(error: &rusqlite::Error) -> Failure {
    let failure = failure(error);
    match error {
        rusqlite::Error::SqlInputError { msg, .. } | rusqlite::Error::SqliteFailure(_, Some(msg)) => {
            Failure { why: format!("{}: {msg}", failure.why), ..failure }
        }
        _ => failure,
    }
}
