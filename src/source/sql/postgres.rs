//! PostgreSQL.
//!
//! The server says which types it wants and gives; the binary forms of both are read and written here, so that nothing
//! passes through a type that rounds.

mod bound;
mod value;

use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgTypeInfo};
use sqlx::{
    Arguments, AssertSqlSafe, Column, ConnectOptions, Either, Executor, Row, SqlSafeStr, Statement as _, TypeInfo,
    ValueRef,
};

use super::Access;
use super::answer::{Answer, told_apart, unfit, unreadable};
use super::failure::Wrong;
use super::pool::{Limits, Server};
use super::statement::Statement;
use crate::source::{Failure, Record};

/// Who we are, and whether that user could write a table or make one.
const ACCESS: &str = "\
    select current_user::text, current_setting('server_version_num')::int / 10000, \
    (select rolsuper from pg_catalog.pg_roles where rolname = current_user) \
    or has_database_privilege(current_database(), 'create') \
    or exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p') and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%' \
    and has_table_privilege(c.oid, 'insert, update, delete, truncate'))";

/// The server ends a question whose connection is gone. Version 14 and later can, on most systems.
const NOTICE_THE_END: &str = "select set_config(name, '100ms', false) from pg_catalog.pg_settings \
    where name = 'client_connection_check_interval'";

pub(super) fn options(url: &reqwest::Url) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_url(url)?.application_name("callcard"))
}

impl Server for PgConnection {
    async fn restrict(&mut self, limits: Limits) -> Result<(), sqlx::Error> {
        let milliseconds = limits.answer_within.as_millis().max(1);
        let restrict = format!("set default_transaction_read_only = on; set statement_timeout = {milliseconds}");
        sqlx::raw_sql(AssertSqlSafe(restrict)).execute(&mut *self).await?;
        match self.execute(sqlx::raw_sql(NOTICE_THE_END)).await {
            // A system without it: the time-out ends the question.
            Ok(_) | Err(sqlx::Error::Database(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn question(&mut self, statement: &Statement, parameters: &[Value]) -> Result<Answer, Wrong> {
        let prepared = self.prepare(AssertSqlSafe(statement.text()).into_sql_str()).await?;
        told_apart(prepared.columns().iter().map(Column::name))?;
        let arguments = match prepared.parameters() {
            Some(Either::Left(types)) => arguments(types, parameters)?,
            _ => PgArguments::default(),
        };
        let mut answer = Answer::default();
        let mut rows = prepared.query_with(arguments).fetch(self);
        while let Some(row) = rows.try_next().await? {
            if answer.is_full() {
                answer.is_cut = true;
                break;
            }
            let (mut record, mut bytes) = (Record::new(), 0);
            for (at, column) in row.columns().iter().enumerate() {
                let raw = row.try_get_raw(at)?;
                let value = if raw.is_null() {
                    Value::Null
                } else {
                    let raw_bytes = raw.as_bytes().map_err(sqlx::Error::Decode)?;
                    bytes += raw_bytes.len();
                    let kind = raw.type_info();
                    value::json(raw_bytes, &kind).ok_or_else(|| unreadable(column.name(), kind.name()))?
                };
                record.insert(column.name().to_owned(), value);
            }
            answer.add(record, bytes)?;
        }
        Ok(answer)
    }

    async fn read(&mut self, statement: &Statement) -> Result<Vec<String>, sqlx::Error> {
        let prepared = self.prepare(AssertSqlSafe(statement.text()).into_sql_str()).await?;
        Ok(prepared.columns().iter().map(|column| column.name().to_owned()).collect())
    }

    async fn access(&mut self) -> Result<Access, Wrong> {
        let row = sqlx::query(ACCESS).fetch_one(self).await?;
        let version: i32 = row.try_get(1)?;
        Ok(Access { server: format!("postgresql {version}"), user: row.try_get(0)?, can_write: row.try_get(2)? })
    }
}

/// The parameters in the forms that the server wants.
fn arguments(types: &[PgTypeInfo], parameters: &[Value]) -> Result<PgArguments, Failure> {
    let mut arguments = PgArguments::default();
    for (at, (kind, value)) in types.iter().zip(parameters).enumerate() {
        let bound = bound::Bound::new(value, kind).ok_or_else(|| unfit(at + 1, kind.name()))?;
        arguments.add(bound).map_err(|_| unfit(at + 1, kind.name()))?;
    }
    Ok(arguments)
}
