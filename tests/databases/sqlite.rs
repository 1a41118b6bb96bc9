//! SQLite: a file that is missing, locked, damaged or replaced, and questions that are stopped.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::source::{ask, compiled, hostile, one, question, quick, source, value, why};

/// A file with a table of people, and its URL.
fn file() -> (TempDir, Connection, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("erp.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("create table people (id integer, name text, phone text); insert into people values (1, 'Jane', '0532 123 45 67')").unwrap();
    let url = format!("sqlite:{}", path.display());
    (directory, connection, url)
}

/// Never ends by itself.
const ENDLESS: &str = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) as v from n";

#[tokio::test]
async fn each_type_is_read_exactly() {
    let (_directory, _, url) = file();
    for (expression, expected) in [
        ("null", Value::Null),
        ("9223372036854775807", json!(i64::MAX)),
        ("0.1", json!(0.1)),
        ("9e999", Value::Null),
        ("'Ayşe \"O''Brien\" 🦀'", json!("Ayşe \"O'Brien\" 🦀")),
        ("x'00ff10'", json!("00ff10")),
        ("date('2026-03-02')", json!("2026-03-02")),
    ] {
        assert_eq!(value(&url, &format!("select {expression} as v"), &[]).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn a_value_stays_a_value_and_a_list_is_json() {
    let (_directory, connection, url) = file();
    let mut texts = hostile();
    texts.push("a\u{0}b".to_owned());
    for text in texts {
        let record = one(&url, "select $2 as w, $1 as v, $1 as x", &[json!(text), json!(7)]).await;
        assert_eq!(record, *json!({"w": 7, "v": text, "x": text}).as_object().unwrap());
    }
    let query = "select name as v from people where phone in (select value from json_each($1))";
    assert_eq!(value(&url, query, &[json!(["+905321234567", "0532 123 45 67"])]).await, json!("Jane"));
    let people: i64 = connection.query_row("select count(*) from people", [], |row| row.get(0)).unwrap();
    assert_eq!(people, 1);
}

#[tokio::test]
async fn nobody_is_said_to_be_unknown_where_the_customer_may_be_among_rows_that_are_not_read() {
    let (_directory, connection, url) = file();
    let definition = json!({"query": "select name, phone from people order by id desc", "numbers": ["phone"]});
    let source = compiled(&url, definition, Duration::from_secs(20)).unwrap();
    let others = "with recursive n(i) as (select 2 union all select i + 1 from n where i < 150)
        insert into people select i, 'Somebody', '0532 000 00 00' from n";
    connection.execute_batch(others).unwrap();
    let why = ask(&source, &[]).await.unwrap_err().why;
    assert_eq!(why, "it found 100 rows or more, nearly all of other numbers: let `query` find less");
    let mine = "insert into people values (200, 'Jane', '0532 123 45 67'), (201, 'John', '+905321234567')";
    connection.execute_batch(mine).unwrap();
    assert_eq!(ask(&source, &[]).await.unwrap().records.len(), 2, "that there are several is certain");
}

#[tokio::test]
async fn a_statement_that_writes_is_refused() {
    let (_directory, _, url) = file();
    assert_eq!(
        why(&url, "with n as (select 1) delete from people", &[]).await,
        "the statement writes, and a source only asks"
    );
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_stopped() {
    let (_directory, _, url) = file();
    let begun = Instant::now();
    let failure = ask(&quick(&url, ENDLESS, 0, Duration::from_millis(200)), &[]).await.unwrap_err();
    assert_eq!(failure.why, "the question took too long and was stopped");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_question_that_is_given_up_frees_its_connection() {
    let (_directory, _, url) = file();
    let query = "with recursive n(i) as (select 1 union all select i + 1 from n limit $1) select count(*) as v from n";
    let definition = json!({"query": query, "parameters": ["customer.e164"], "connections": 1});
    let source = compiled(&url, definition, Duration::from_secs(60)).unwrap();
    let endless = question(&[json!(i64::MAX)]);
    assert!(tokio::time::timeout(Duration::from_millis(100), source.ask(&endless)).await.is_err());
    // It gets the only connection as soon as the first question is stopped, not when its time is over.
    let begun = Instant::now();
    assert_eq!(ask(&source, &[json!(5)]).await.unwrap().records[0]["v"], json!(5));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_file_that_somebody_has_locked_is_waited_for() {
    let (_directory, connection, url) = file();
    connection.execute_batch("begin exclusive").unwrap();
    let failure = ask(&quick(&url, "select * from people", 0, Duration::from_millis(100)), &[]).await.unwrap_err();
    assert_eq!(failure.why, "somebody else has locked the file");
    let source = source(&url, "select * from people", 0);
    let asked = question(&[]);
    let (said, ()) = futures_util::future::join(source.ask(&asked), async {
        tokio::task::yield_now().await;
        connection.execute_batch("commit").unwrap();
    })
    .await;
    assert_eq!(said.unwrap().records.len(), 1);
}

#[tokio::test]
async fn a_file_may_be_missing_or_something_else() {
    let (directory, _, url) = file();
    let text = directory.path().join("text.db");
    std::fs::write(&text, "this is not a database, however long it may be ".repeat(100)).unwrap();
    for (url, query, expected) in [
        (format!("{url}.missing"), "select 1 as v", "the file can't be opened"),
        (format!("sqlite:{}", text.display()), "select * from people", "the file is no SQLite database"),
        (url.clone(), "select * from missing", "it can't read the statement"),
        (url.clone(), "select 1 as v, 2 as v", "its answer has two columns named `v`: rename one with `as`"),
        (url.clone(), "select zeroblob(1048577) as v", "its answer has more than 1048576 bytes"),
    ] {
        assert_eq!(why(&url, query, &[]).await, expected, "{query}");
    }
    assert!(!directory.path().join("erp.db.missing").exists(), "none is made");
}

#[tokio::test]
async fn a_file_that_was_replaced_is_asked_anew() {
    let (directory, connection, url) = file();
    let source = source(&url, "select name from people", 0);
    assert_eq!(json!(ask(&source, &[]).await.unwrap().records), json!([{"name": "Jane"}]));
    drop(connection);
    let other = directory.path().join("new.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("create table people (name text); insert into people values ('Ayşe')")
        .unwrap();
    std::fs::rename(other, directory.path().join("erp.db")).unwrap();
    assert_eq!(json!(ask(&source, &[]).await.unwrap().records), json!([{"name": "Ayşe"}]));
}

#[tokio::test]
async fn it_names_what_the_statement_gets_wrong() {
    let (_directory, _, url) = file();
    let access = source(&url, "select 1 as v", 0).access().await.unwrap().unwrap();
    assert!(access.user.is_none() && access.can_write && access.server.starts_with("sqlite 3."), "{access:?}");
    let failure = source(&url, "select nmae from people where id = $1", 1).access().await.unwrap().unwrap_err();
    assert_eq!(failure.why, "it can't read the statement: no such column: nmae");
}
