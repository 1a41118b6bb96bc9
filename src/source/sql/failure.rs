//! What a server's error is told as: a text of ours and its code. The server's own text may hold values.

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;

use crate::source::{Again, Failure};

/// What went wrong with a question.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The connection broke, or is no longer of use.
    Connection(Failure),
    /// The server's answer is that there is none.
    Answer(Failure),
}

impl Wrong {
    pub(super) fn failure(self) -> Failure {
        match self {
            Wrong::Connection(failure) | Wrong::Answer(failure) => failure,
        }
    }
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Wrong {
        Wrong::Answer(failure)
    }
}

impl From<sqlx::Error> for Wrong {
    fn from(error: sqlx::Error) -> Wrong {
        match &error {
            sqlx::Error::Database(error) => of_server(error.as_ref()),
            sqlx::Error::Io(_) => Wrong::Connection(Failure::passing("the connection to it broke")),
            sqlx::Error::Tls(_) => {
                Wrong::Answer(Failure::lasting("its TLS certificate is not trusted, or it has no TLS"))
            }
            sqlx::Error::Configuration(_) => Wrong::Answer(Failure::lasting("its URL names a file that can't be read")),
            _ => Wrong::Connection(Failure::passing("its answer can't be read")),
        }
    }
}

/// The same with the server's own text where that can only be about names: no value is bound yet.
pub(super) fn while_reading(error: sqlx::Error) -> Failure {
    let text = match &error {
        sqlx::Error::Database(error) if names_only(error.as_ref()) => Some(error.message().to_owned()),
        _ => None,
    };
    let failure = Wrong::from(error).failure();
    match text {
        // A syntax error quotes the statement, line breaks and all.
        Some(text) => {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            Failure { why: format!("{}: {text}", failure.why), ..failure }
        }
        None => failure,
    }
}

/// Whether the server's text is about names in the statement: a syntax error, a table or a column that is not there.
fn names_only(error: &dyn DatabaseError) -> bool {
    error.code().is_some_and(|state| state.starts_with("42"))
}

/// Why there is no connection.
pub(super) fn of_connecting(error: sqlx::Error) -> Failure {
    match &error {
        sqlx::Error::Io(_) => Failure::passing("it can't be connected to"),
        _ => Wrong::from(error).failure(),
    }
}

fn of_server(error: &(dyn DatabaseError + 'static)) -> Wrong {
    let state = error.code().unwrap_or_default().into_owned();
    let number = error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number);
    let (why, again) = match number {
        Some(number) => of_mysql(number),
        None => of_postgres(error.try_downcast_ref::<PgDatabaseError>().map_or("", PgDatabaseError::code)),
    };
    let code = number.map_or_else(|| format!("SQLSTATE {state}"), |number| format!("error {number}"));
    let failure = Failure { why: format!("{why} ({code})"), again };
    // 0A000: a table that the statement was prepared for has changed. 26000: the statement is gone.
    let is_stale =
        number.is_none() && matches!(state.as_str(), "0A000" | "26000" | "57P01" | "57P02" | "57P03" | "57P05");
    if is_stale || number.is_some_and(|number| matches!(number, 1053 | 1927 | 4031)) {
        Wrong::Connection(failure)
    } else {
        Wrong::Answer(failure)
    }
}

/// By class: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(state: &str) -> (&'static str, Again) {
    match state {
        "25006" => ("the statement writes, and a source only asks", Again::No),
        "42501" => ("its user may not read that", Again::No),
        "3D000" => ("it has no such database", Again::No),
        "57014" => ("it stopped the question, which took too long", Again::Soon),
        "55P03" => ("what is asked is locked", Again::Soon),
        "57P01" | "57P02" | "57P03" => ("it is starting or stopping", Again::Soon),
        _ => match state.get(..2).unwrap_or_default() {
            "08" => ("the connection to it broke", Again::Soon),
            "22" => ("a value does not fit", Again::No),
            "28" => ("it refuses the user or the password", Again::No),
            "40" => ("another transaction was in its way", Again::Soon),
            "42" => ("it can't read the statement", Again::No),
            "53" => ("it has no room for another question", Again::Soon),
            _ => ("it answered with an error", Again::No),
        },
    }
}

/// By number: <https://mariadb.com/kb/en/mariadb-error-codes/>.
fn of_mysql(number: u16) -> (&'static str, Again) {
    match number {
        1044 | 1045 | 1698 | 1251 => ("it refuses the user or the password", Again::No),
        1049 => ("it has no such database", Again::No),
        1142 | 1143 | 1227 | 1370 => ("its user may not read that", Again::No),
        1054 | 1064 | 1146 | 1305 => ("it can't read the statement", Again::No),
        1792 => ("the statement writes, and a source only asks", Again::No),
        1264 | 1267 | 1292 | 1366 => ("a value does not fit", Again::No),
        1317 | 1969 | 3024 => ("it stopped the question, which took too long", Again::Soon),
        1205 | 1213 => ("another transaction was in its way", Again::Soon),
        1040 | 1203 | 1226 => ("it has no room for another question", Again::Soon),
        1053 | 1927 | 4031 => ("it is starting or stopping", Again::Soon),
        _ => ("it answered with an error", Again::No),
    }
}
