//! A database: PostgreSQL, MySQL, MariaDB or an SQLite file, asked one statement.
//!
//! Values are bound, never part of the text, and a connection can't write. Nothing is connected to before the first
//! question. What it tells of a failure is never the database's own text: that may hold values.

mod answer;
mod decimal;
mod failure;
mod mysql;
mod pool;
mod postgres;
mod sqlite;
mod statement;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::{Failure, Form, Kind, Made, Parameter, Question, RECORDS_MAX, Reach, Record, Records, inside, owner};
use crate::problem::{Code, Fault, SECRET_HELP, did_you_mean, nearest};
use pool::{Limits, Pool};
use statement::Statement;

/// Connections of one source, unless it names another number: a call takes one for some milliseconds.
const CONNECTIONS: usize = 4;

/// What stands for a URL that is not looked up.
const UNSET: &str = "unset";

/// A database with its statement; copies share the connections.
#[derive(Clone)]
pub struct Sql {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    statement: Statement,
    /// The columns that hold a record's numbers.
    numbers: Vec<String>,
    connections: usize,
}

/// A kind of database, with what connects to it.
enum Database {
    /// The URL was not looked up.
    Unset,
    Postgres(Pool<sqlx::PgConnection>),
    MySql(Pool<sqlx::MySqlConnection>),
    Sqlite(sqlite::File),
}

/// How a database writes a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Postgres,
    /// MariaDB, too.
    MySql,
    Sqlite,
}

/// Who a database takes us for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The database and its version, for example `postgresql 15`.
    pub server: String,
    /// The user; a file has none.
    pub user: Option<String>,
    /// Whether that user could write, did a source not only ask.
    pub can_write: bool,
}

pub(super) fn compile(definition: &Value, reach: &Reach<'_>) -> Result<Made, Vec<Fault>> {
    let mut faults = Vec::new();
    let texts = |key: &str| -> Vec<String> {
        let items = definition.get(key).and_then(Value::as_array).into_iter().flatten();
        items.map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
    };
    let parameters: Vec<Parameter> = texts("parameters")
        .into_iter()
        .enumerate()
        .map(|(at, text)| Parameter {
            pointer: format!("/parameters/{at}"),
            text,
            form: Form::Expression,
            required: true,
        })
        .collect();
    let limits = Limits {
        connections: definition.get("connections").and_then(Value::as_u64).map_or(CONNECTIONS, |count| count as usize),
        answer_within: reach.answer_within,
    };
    let written = definition.get("database").and_then(Value::as_str).unwrap_or_default();
    let database = database(written, reach, limits).map_err(|fault| faults.push(fault.under("/database"))).ok();
    let query = definition.get("query").and_then(Value::as_str).unwrap_or_default();
    let dialect = database.as_ref().and_then(Database::dialect);
    let statement = statement(query, dialect, parameters.len()).map_err(|found| faults.extend(found)).ok();
    match (database, statement) {
        (Some(database), Some(statement)) if faults.is_empty() => {
            let shared =
                Arc::new(Shared { database, statement, numbers: texts("numbers"), connections: limits.connections });
            Ok(Made { kind: Kind::Sql(Sql { shared }), parameters, faults })
        }
        _ => Err(faults),
    }
}

/// The statement, as this database reads it. Where it is not known which one it is, as any of them does.
fn statement(text: &str, dialect: Option<Dialect>, parameters: usize) -> Result<Statement, Vec<Fault>> {
    let all = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite];
    let dialects = dialect.as_ref().map_or(all.as_slice(), std::slice::from_ref);
    let mut first = None;
    for dialect in dialects {
        match Statement::read(text, *dialect, parameters) {
            Ok(statement) => {
                let unused = (1..=parameters).filter(|number| !statement.uses(*number));
                let faults: Vec<Fault> = unused.map(unused_parameter).collect();
                return if faults.is_empty() { Ok(statement) } else { Err(faults) };
            }
            Err(wrong) => first = first.or(Some(wrong)),
        }
    }
    let faults =
        first.map(|wrong| Fault::new(Code::Statement, "/query", wrong.message).help(wrong.help).at(wrong.character));
    Err(faults.into_iter().collect())
}

fn unused_parameter(number: usize) -> Fault {
    let message = format!("the statement has no `${number}`, which this would be bound to");
    Fault::new(Code::Statement, format!("/parameters/{}", number - 1), message)
        .help("use it in `query`, or leave it out")
}

/// What connects to a database; connects to nothing.
fn database(written: &str, reach: &Reach<'_>, limits: Limits) -> Result<Database, Fault> {
    let url =
        (reach.expand)(written, UNSET).map_err(|message| Fault::new(Code::Secret, "", message).help(SECRET_HELP))?;
    if url == UNSET {
        return Ok(Database::Unset);
    }
    let fault = |message: &str, help: &str| Fault::new(Code::Source, "", message).help(help);
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(fault(
            "this is no URL of a database",
            "postgres://user@host/name, mysql://…, mariadb://…, or sqlite:PATH",
        ));
    };
    if scheme == "sqlite" {
        let is_secret = written.contains("${");
        return sqlite_file(rest, is_secret, reach).map(|path| Database::Sqlite(sqlite::File::new(path, limits)));
    }
    let schemes = ["postgres", "postgresql", "mysql", "mariadb", "sqlite"];
    let Some(dialect) = Dialect::of_scheme(scheme) else {
        let message = "a database is at postgres://, mysql://, mariadb:// or sqlite:";
        let help = did_you_mean(scheme, schemes).filter(|_| nearest(scheme, schemes).is_some());
        return Err(fault(message, &help.unwrap_or_else(|| "other databases can't be asked".to_owned())));
    };
    let malformed = || {
        let message = "the URL of the database can't be read";
        fault(
            message,
            "it is postgres://user:password@host:port/name; in a password, `@` is %40, `/` %2F, `#` %23, `%` %25",
        )
    };
    let url = reqwest::Url::parse(&url).map_err(|_| malformed())?;
    // A parameter that is not known would be passed over, and told with its value in a log.
    if let Some((name, _)) = url.query_pairs().find(|(name, _)| !dialect.parameters().contains(&name.as_ref())) {
        let help = did_you_mean(&name, dialect.parameters().iter().copied()).unwrap_or_default();
        return Err(fault("the URL of the database has a parameter that is not known", &help));
    }
    match dialect {
        Dialect::Postgres => postgres::options(&url).map(|options| Database::Postgres(Pool::new(options, limits))),
        _ => mysql::options(&url).map(|options| Database::MySql(Pool::new(options, limits))),
    }
    .map_err(|_| malformed())
}

/// The path of an SQLite file. One that an operator gives by a secret may be anywhere.
fn sqlite_file(path: &str, is_secret: bool, reach: &Reach<'_>) -> Result<PathBuf, Fault> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if is_secret {
        return Ok(reach.directory.join(path));
    }
    let help = "a file elsewhere is named by an environment variable: `sqlite:${ERP_FILE}`";
    inside(path, reach.directory, reach.root).map_err(|message| Fault::new(Code::SourceFile, "", message).help(help))
}

impl Dialect {
    fn of_scheme(scheme: &str) -> Option<Dialect> {
        match scheme {
            "postgres" | "postgresql" => Some(Dialect::Postgres),
            "mysql" | "mariadb" => Some(Dialect::MySql),
            "sqlite" => Some(Dialect::Sqlite),
            _ => None,
        }
    }

    /// The parameters that a URL may have behind its `?`.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Dialect::Postgres => {
                &["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "dbname", "user", "password"]
            }
            Dialect::MySql => &["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket", "charset", "collation"],
            Dialect::Sqlite => &[],
        }
    }
}

impl Database {
    fn dialect(&self) -> Option<Dialect> {
        match self {
            Database::Unset => None,
            Database::Postgres(_) => Some(Dialect::Postgres),
            Database::MySql(_) => Some(Dialect::MySql),
            Database::Sqlite(_) => Some(Dialect::Sqlite),
        }
    }
}

impl Sql {
    /// Whether the definition says where a record has its numbers.
    /// How many connections there are at most.
    pub(super) fn connections(&self) -> usize {
        self.shared.connections
    }

    pub(super) fn checks_numbers(&self) -> bool {
        !self.shared.numbers.is_empty()
    }

    pub(super) async fn ask(&self, question: &Question) -> Result<Records, Failure> {
        let Shared { database, statement, numbers, .. } = &*self.shared;
        let parameters = &question.parameters;
        let found = match database {
            Database::Unset => return Err(unset()),
            Database::Postgres(pool) => pool.ask(statement, parameters).await?,
            Database::MySql(pool) => pool.ask(statement, parameters).await?,
            Database::Sqlite(file) => file.ask(statement, parameters).await?,
        };
        let mut records = Records::default();
        for record in found {
            if numbers.is_empty() || owner::is_of(numbers_of(&record, numbers)?, question) {
                records.records.push(record);
            } else {
                records.dropped += 1;
            }
        }
        // Rows behind the hundredth are not read: the customer's may be among them.
        if records.dropped + records.records.len() >= RECORDS_MAX && records.records.len() < 2 && records.dropped > 0 {
            let why =
                format!("it found {RECORDS_MAX} rows or more, nearly all of other numbers: let `query` find less");
            return Err(Failure::lasting(why));
        }
        Ok(records)
    }

    /// Connects, has the statement read but not run, and asks who we are.
    pub(super) async fn access(&self) -> Result<Access, Failure> {
        let Shared { database, statement, .. } = &*self.shared;
        match database {
            Database::Unset => Err(unset()),
            Database::Postgres(pool) => pool.access(statement).await,
            Database::MySql(pool) => pool.access(statement).await,
            Database::Sqlite(file) => file.access(statement).await,
        }
    }
}

fn unset() -> Failure {
    Failure::lasting("the URL of its database was not looked up")
}

/// The values of the columns that hold numbers.
fn numbers_of<'r>(
    record: &'r Record,
    columns: &'r [String],
) -> Result<impl Iterator<Item = &'r Value> + use<'r>, Failure> {
    if let Some(missing) = columns.iter().find(|column| !record.contains_key(*column)) {
        return Err(Failure::lasting(format!("its records have no column `{missing}`, which `numbers` names")));
    }
    Ok(columns.iter().filter_map(|column| record.get(column)))
}

impl fmt::Debug for Sql {
    /// Without the URL, which holds a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sql").field("dialect", &self.shared.database.dialect()).finish_non_exhaustive()
    }
}
