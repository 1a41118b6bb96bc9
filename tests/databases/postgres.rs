//! PostgreSQL: that a source only asks, ends in time, and comes back.

use std::time::{Duration, Instant};

use serde_json::json;

use super::server::{Kind, Server, free_port, postgres};
use super::source::{
    ask, comes_back, compiled, given_up_while_active, hostile, one, question, quick, source, value, why,
};

#[tokio::test]
async fn a_hostile_value_stays_a_value() {
    let server = postgres();
    server.run("create table people (name text); insert into people values ('Jane')");
    for text in hostile() {
        assert_eq!(value(&server.url("reader"), "select $1::text as v", &[json!(text)]).await, json!(text));
        let found =
            ask(&source(&server.url("reader"), "select * from people where name = $1", 1), &[json!(text)]).await;
        assert_eq!(found.unwrap().records.len(), 0, "{text}");
    }
    assert_eq!(server.run("select count(*) from people"), "1");
}

#[tokio::test]
async fn a_number_is_found_however_it_is_written() {
    let server = postgres();
    server
        .run("create table phones (id int, phone text); insert into phones values (1, '0532 123 45 67'), (2, '0212')");
    let variants = json!(["+905321234567", "0532 123 45 67"]);
    let record = one(&server.url("reader"), "select id from phones where phone = any($1)", &[variants]).await;
    assert_eq!(record["id"], json!(1));
}

#[tokio::test]
async fn a_statement_that_writes_is_refused_also_to_a_user_who_may() {
    let server = postgres();
    server.run(
        "create table kept (n int); create sequence counter; grant all on sequence counter to writer;
                create function add() returns int language sql as 'insert into kept values (1) returning n'",
    );
    for query in [
        "with gone as (delete from kept returning n) select * from gone",
        "with changed as (update kept set n = 1 returning n) select * from changed",
        "select add() as n",
        "select nextval('counter') as n",
        "select n from kept for update",
    ] {
        let why = why(&server.url("writer"), query, &[]).await;
        assert_eq!(why, "the statement writes, and a source only asks (SQLSTATE 25006)", "{query}");
    }
    assert_eq!(server.run("select count(*) from kept"), "0");
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_stopped_in_the_server() {
    let server = postgres();
    let source =
        quick(&server.url("reader"), "select pg_sleep($1)::text as v, 'one' as marked", 1, Duration::from_millis(300));
    let begun = Instant::now();
    let failure = ask(&source, &[json!(60)]).await.unwrap_err();
    assert_eq!(failure.why, "it stopped the question, which took too long (SQLSTATE 57014)");
    assert!(begun.elapsed() < Duration::from_secs(20));
    server
        .until("select count(*) from pg_stat_activity where state = 'active' and query like '%''one'' as marked'", "0");
    assert!(ask(&source, &[json!(0)]).await.is_ok(), "the next question has its answer");
}

#[tokio::test]
async fn a_question_that_is_given_up_leaves_nothing_in_the_server() {
    let server = postgres();
    // The server's own time-out is much later: it notices that nobody is there.
    let source = source(&server.url("reader"), "select pg_sleep($1)::text as v, 'two' as marked", 1);
    let active = "select count(*) from pg_stat_activity where state = 'active' and query like '%''two'' as marked'";
    let asked = question(&[json!(60)]);
    given_up_while_active(server, &source, &asked, active).await;
    let begun = Instant::now();
    server.until(active, "0");
    assert!(begun.elapsed() < Duration::from_secs(10), "long before the server's own time-out");
    assert!(ask(&source, &[json!(0)]).await.is_ok());
}

#[tokio::test]
async fn more_questions_than_connections_wait_for_each_other() {
    let server = postgres();
    let query = "select count(*) as v, pg_sleep(0.05)::text as s from pg_stat_activity where usename = 'crowd' and state = 'active'";
    server.run("create role crowd login password 'crowd'");
    let source =
        compiled(&server.url("crowd"), json!({"query": query, "connections": 3}), Duration::from_secs(30)).unwrap();
    let asked = question(&[]);
    let answers = futures_util::future::join_all((0..20).map(|_| source.ask(&asked))).await;
    for answer in answers {
        assert!(answer.unwrap().records[0]["v"].as_u64().unwrap() <= 3);
    }
    assert_eq!(server.run("select count(*) from pg_stat_activity where usename = 'crowd'"), "3", "and are kept");
}

#[tokio::test]
async fn a_question_does_not_wait_for_a_connection_until_it_is_too_late() {
    let server = postgres();
    let definition = json!({"query": "select pg_sleep(60)::text as v", "connections": 1});
    let source = compiled(&server.url("reader"), definition, Duration::from_millis(400)).unwrap();
    let asked = question(&[]);
    let (first, second) = futures_util::future::join(source.ask(&asked), source.ask(&asked)).await;
    assert!(first.unwrap_err().why.starts_with("it stopped the question"));
    assert_eq!(second.unwrap_err().why, "all of its connections are in use");
}

#[tokio::test]
async fn after_a_restart_of_the_server_the_next_question_has_its_answer() {
    comes_back(&Server::start(Kind::Postgres)).await;
}

#[tokio::test]
async fn a_table_that_changes_its_columns_is_asked_anew() {
    let server = postgres();
    server.run("create table changing (a int); insert into changing values (1)");
    let source = source(&server.url("reader"), "select * from changing", 0);
    assert_eq!(json!(ask(&source, &[]).await.unwrap().records), json!([{"a": 1}]));
    server.run("alter table changing alter a type text; alter table changing add b int default 2");
    assert_eq!(json!(ask(&source, &[]).await.unwrap().records), json!([{"a": "1", "b": 2}]));
}

#[tokio::test]
async fn why_there_is_no_answer_is_told_without_the_url_or_a_value() {
    let server = postgres();
    let (url, port) = (server.url("reader"), server.port);
    server.run("create table secret (n int); revoke all on secret from reader");
    for (url, query, expected) in [
        (
            format!("postgres://reader:wrong-canary@127.0.0.1:{port}/postgres"),
            "select 1 as v",
            "it refuses the user or the password (SQLSTATE 28P01)",
        ),
        (
            format!("postgres://reader:reader@127.0.0.1:{port}/nowhere"),
            "select 1 as v",
            "it has no such database (SQLSTATE 3D000)",
        ),
        (
            format!("postgres://reader:reader@127.0.0.1:{}/postgres", free_port()),
            "select 1 as v",
            "it can't be connected to",
        ),
        ("postgres://reader:reader@nowhere.invalid/postgres".to_owned(), "select 1 as v", "it can't be connected to"),
        (format!("{url}?sslmode=require"), "select 1 as v", "its TLS certificate is not trusted, or it has no TLS"),
        (url.clone(), "select n from secret", "its user may not read that (SQLSTATE 42501)"),
        (url.clone(), "select n from missing", "it can't read the statement (SQLSTATE 42P01)"),
        (url.clone(), "select 'canary'::text::int as v", "a value does not fit (SQLSTATE 22P02)"),
        (url.clone(), "select 1 as v, 2 as v", "its answer has two columns named `v`: rename one with `as`"),
        (url.clone(), "select repeat('x', 1048577) as v", "its answer has more than 1048576 bytes"),
    ] {
        let why = why(&url, query, &[]).await;
        assert_eq!(why, expected);
        assert!(!why.contains("canary"), "{why}");
    }
    let mended = compiled(&url, json!({"query": "select 1 as v"}), Duration::from_secs(20)).unwrap();
    assert!(!format!("{mended:?}").contains("127.0.0.1"));
}

#[tokio::test]
async fn no_more_rows_are_read_than_a_person_can_have() {
    let server = postgres();
    let source = source(&server.url("reader"), "select n from generate_series(1, 50000000) as n", 0);
    let begun = Instant::now();
    assert_eq!(ask(&source, &[]).await.unwrap().records.len(), 100);
    assert!(begun.elapsed() < Duration::from_secs(15), "it does not wait for the rest");
    assert_eq!(ask(&source, &[]).await.unwrap().records[0]["n"], json!(1));
}

#[tokio::test]
async fn a_record_of_somebody_else_is_dropped() {
    let server = postgres();
    let query = "select * from (values ('0532 123 45 67', null, 'mine'), ('0212 555 01 01', 'x', 'not'), \
                 (null, '+90 532 123 45 67', 'mine, too')) as v (phone, mobile, whose)";
    let numbers = |columns: &[&str]| {
        compiled(&server.url("reader"), json!({"query": query, "numbers": columns}), Duration::from_secs(20)).unwrap()
    };
    let said = ask(&numbers(&["phone", "mobile"]), &[]).await.unwrap();
    let whose: Vec<_> = said.records.iter().map(|record| record["whose"].clone()).collect();
    assert_eq!((json!(whose), said.dropped), (json!(["mine", "mine, too"]), 1));
    let failure = ask(&numbers(&["telephone"]), &[]).await.unwrap_err();
    assert_eq!(failure.why, "its records have no column `telephone`, which `numbers` names");
}

#[tokio::test]
async fn it_says_who_we_are_and_whether_we_could_write() {
    let server = postgres();
    server.run("create table of_the_writer (n int)");
    for (user, can_write) in [("reader", false), ("writer", true)] {
        let source = source(
            &server.url(user),
            "select application_name as v from pg_stat_activity where pid = pg_backend_pid()",
            0,
        );
        let named = ask(&source, &[]).await.unwrap().records;
        assert_eq!(json!(named), json!([{"v": "callcard"}]), "an operator sees who is there");
        let access = source.access().await.unwrap().unwrap();
        assert_eq!((access.user.as_deref(), access.can_write), (Some(user), can_write));
        assert!(access.server.starts_with("postgresql 1"), "{}", access.server);
    }
    let failure = source(&server.url("reader"), "select n from missing where n = $1", 1).access().await.unwrap();
    assert_eq!(
        failure.unwrap_err().why,
        "it can't read the statement (SQLSTATE 42P01): relation \"missing\" does not exist"
    );
}
