//! MySQL and MariaDB.
//!
//! Their servers say little about the types of parameters, so a value is bound as what it is: a number, a text, and a list as
//! JSON text, for `json_table` and `json_contains`. A `timestamp` is told in UTC.

use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::mysql::{MySql, MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlTypeInfo, MySqlValueRef};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Decode, Executor, Row, SqlSafeStr, Statement as _, Type,
    TypeInfo, ValueRef,
};

use super::Access;
use super::answer::{Answer, hex, told_apart, unfit, unreadable};
use super::decimal;
use super::failure::Wrong;
use super::pool::{Limits, Server};
use super::statement::Statement;
use crate::source::{Failure, Record};

/// Words that a privilege to change something begins with.
const WRITING: [&str; 14] = [
    "ALL PRIVILEGES",
    "ALTER",
    "CREATE",
    "DELETE",
    "DROP",
    "EVENT",
    "FILE",
    "GRANT",
    "INDEX",
    "INSERT",
    "REFERENCES",
    "SUPER",
    "TRIGGER",
    "UPDATE",
];

pub(super) fn options(url: &reqwest::Url) -> Result<MySqlConnectOptions, sqlx::Error> {
    MySqlConnectOptions::from_url(url)
}

impl Server for MySqlConnection {
    async fn restrict(&mut self, limits: Limits) -> Result<(), sqlx::Error> {
        let seconds = limits.answer_within.as_secs_f64();
        let restrict = if is_mariadb(&version(self).await?) {
            format!("set session tx_read_only = 1, max_statement_time = {seconds:.3}")
        } else {
            let milliseconds = limits.answer_within.as_millis().max(1);
            format!("set session transaction_read_only = 1, max_execution_time = {milliseconds}")
        };
        sqlx::raw_sql(AssertSqlSafe(restrict)).execute(self).await.map(|_| ())
    }

    async fn question(&mut self, statement: &Statement, parameters: &[Value]) -> Result<Answer, Wrong> {
        let arguments = arguments(statement, parameters)?;
        let query = sqlx::query_with(AssertSqlSafe(marked(statement)), arguments);
        let mut answer = Answer::default();
        let mut rows = query.fetch(self);
        while let Some(row) = rows.try_next().await? {
            if answer.is_full() {
                answer.is_cut = true;
                break;
            }
            told_apart(row.columns().iter().map(Column::name))?;
            let (mut record, mut bytes) = (Record::new(), 0);
            for (at, column) in row.columns().iter().enumerate() {
                let raw = row.try_get_raw(at)?;
                let (value, length) = json(raw).ok_or_else(|| unreadable(column.name(), column.type_info().name()))?;
                bytes += length;
                record.insert(column.name().to_owned(), value);
            }
            answer.add(record, bytes)?;
        }
        Ok(answer)
    }

    async fn read(&mut self, statement: &Statement) -> Result<Vec<String>, sqlx::Error> {
        let prepared = self.prepare(AssertSqlSafe(marked(statement)).into_sql_str()).await?;
        Ok(prepared.columns().iter().map(|column| column.name().to_owned()).collect())
    }

    async fn access(&mut self) -> Result<Access, Wrong> {
        let version = version(self).await?;
        let name = if is_mariadb(&version) { "mariadb" } else { "mysql" };
        let number = version.split('-').next().unwrap_or_default();
        let user = sqlx::query("select current_user()").fetch_one(&mut *self).await?.try_get_unchecked(0)?;
        let grants = sqlx::raw_sql("show grants").fetch_all(self).await?;
        let grants =
            grants.iter().map(|grant| grant.try_get_unchecked::<String, _>(0)).collect::<Result<Vec<_>, _>>()?;
        let can_write = grants.iter().any(|grant| writes(grant));
        Ok(Access { server: format!("{name} {number}"), user: Some(user), can_write })
    }
}

async fn version(connection: &mut MySqlConnection) -> Result<String, sqlx::Error> {
    sqlx::query("select version()").fetch_one(connection).await?.try_get_unchecked(0)
}

fn is_mariadb(version: &str) -> bool {
    version.to_ascii_lowercase().contains("mariadb")
}

/// Whether a line such as ``GRANT SELECT, INSERT (name) ON `erp`.* TO `callcard`@`%` `` gives more than reading.
fn writes(grant: &str) -> bool {
    let Some((privileges, rest)) = grant.strip_prefix("GRANT ").and_then(|grant| grant.split_once(" ON ")) else {
        // The grant of a role; what the role may do stands in a line of its own.
        return false;
    };
    let mut privileges = privileges.split(',').map(str::trim);
    privileges.any(|one| WRITING.iter().any(|writing| one.starts_with(writing))) || rest.ends_with("WITH GRANT OPTION")
}

/// `?` is how these databases write `$1`.
fn marked(statement: &Statement) -> String {
    statement.with_placeholders(|_| "?".to_owned())
}

/// The parameters in the order of the `?`.
fn arguments(statement: &Statement, parameters: &[Value]) -> Result<MySqlArguments, Failure> {
    let mut arguments = MySqlArguments::default();
    for number in statement.numbers() {
        let added = match parameters.get(number - 1).unwrap_or(&Value::Null) {
            Value::Null => arguments.add(None::<String>),
            Value::Bool(is) => arguments.add(*is),
            Value::Number(value) => match (value.as_i64(), value.as_u64(), value.as_f64()) {
                (Some(whole), ..) => arguments.add(whole),
                (_, Some(whole), _) => arguments.add(whole),
                (.., real) => arguments.add(real),
            },
            Value::String(text) => arguments.add(text.as_str()),
            list => arguments.add(list.to_string()),
        };
        added.map_err(|_| unfit(number, "value"))?;
    }
    Ok(arguments)
}

/// A value and how many bytes it has; `None` where it has no form here.
fn json(raw: MySqlValueRef<'_>) -> Option<(Value, usize)> {
    if raw.is_null() {
        return Some((Value::Null, 0));
    }
    let kind = raw.type_info().into_owned();
    let bytes = <&[u8] as Decode<MySql>>::decode(raw).ok()?;
    value(bytes, &kind).map(|value| (value, bytes.len()))
}

/// The binary form: <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>.
fn value(bytes: &[u8], kind: &MySqlTypeInfo) -> Option<Value> {
    Some(match kind.name() {
        "BOOLEAN" => match bytes.first()? {
            0 => Value::from(false),
            1 => Value::from(true),
            other => Value::from(other.cast_signed()),
        },
        "TINYINT" => Value::from(bytes.first()?.cast_signed()),
        "TINYINT UNSIGNED" => Value::from(*bytes.first()?),
        "SMALLINT" => Value::from(i16::from_le_bytes(bytes.try_into().ok()?)),
        "SMALLINT UNSIGNED" | "YEAR" => Value::from(u16::from_le_bytes(bytes.try_into().ok()?)),
        "INT" | "MEDIUMINT" => Value::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        "INT UNSIGNED" | "MEDIUMINT UNSIGNED" => Value::from(u32::from_le_bytes(bytes.try_into().ok()?)),
        "BIGINT" => Value::from(i64::from_le_bytes(bytes.try_into().ok()?)),
        "BIGINT UNSIGNED" => Value::from(u64::from_le_bytes(bytes.try_into().ok()?)),
        "FLOAT" => decimal::of_f32(f32::from_le_bytes(bytes.try_into().ok()?)),
        "DOUBLE" => Value::from(f64::from_le_bytes(bytes.try_into().ok()?)),
        "DECIMAL" => decimal::json(std::str::from_utf8(bytes).ok()?),
        "DATE" => Value::from(date(bytes.get(1..)?)?),
        "DATETIME" => Value::from(date_and_time(bytes.get(1..)?)?),
        "TIMESTAMP" => Value::from(date_and_time(bytes.get(1..)?)? + "Z"),
        "TIME" => Value::from(duration(bytes.get(1..)?)?),
        "BIT" => {
            Value::from(bytes.iter().try_fold(0u64, |sum, byte| sum.checked_mul(256)?.checked_add((*byte).into()))?)
        }
        "JSON" => serde_json::from_slice(bytes).ok()?,
        "GEOMETRY" => return None,
        _ if <str as Type<MySql>>::compatible(kind) => Value::from(std::str::from_utf8(bytes).ok()?),
        _ => Value::from(hex(bytes)),
    })
}

fn date(bytes: &[u8]) -> Option<String> {
    let [low, high, month, day, ..] = bytes else { return None };
    Some(format!("{:04}-{month:02}-{day:02}", u16::from_le_bytes([*low, *high])))
}

fn date_and_time(bytes: &[u8]) -> Option<String> {
    Some(format!("{}T{}", date(bytes)?, time(0, bytes.get(4..)?)?))
}

/// Days, hours, minutes and seconds; it may have a sign and more than a day.
fn duration(bytes: &[u8]) -> Option<String> {
    let Some((sign, rest)) = bytes.split_first() else { return Some("00:00:00".to_owned()) };
    let (days, clock) = rest.split_at_checked(4)?;
    let days = u32::from_le_bytes(days.try_into().ok()?);
    let text = time(days.checked_mul(24)?, clock)?;
    Some(if *sign == 0 { text } else { format!("-{text}") })
}

/// Hours, minutes, seconds and perhaps microseconds; zeros at the end are not sent.
fn time(hours: u32, bytes: &[u8]) -> Option<String> {
    let part = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let mut text = format!("{:02}:{:02}:{:02}", hours + u32::from(part(0)), part(1), part(2));
    if let Some(rest) = bytes.get(3..7) {
        let microseconds = u32::from_le_bytes(rest.try_into().ok()?);
        text.push_str(format!(".{microseconds:06}").trim_end_matches('0').trim_end_matches('.'));
    }
    Some(text)
}
