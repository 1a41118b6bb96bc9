//! MariaDB: its types, that a source only asks, ends in time, and comes back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Kind, Server, free_port, mariadb};
use super::source::{
    ask, comes_back, compiled, given_up_while_active, hostile, one, question, quick, source, value, why,
};

#[tokio::test]
async fn each_type_is_read_exactly() {
    let server = mariadb();
    server.run(
        "create table kinds (
            nothing int, flag boolean, small tinyint, s smallint, m mediumint, i int, b bigint, bu bigint unsigned, f float,
            d double, price decimal(10,2), huge decimal(40,10), day date, moment datetime, fine datetime(6), clock time,
            far time, y year, bits bit(12), c char(4), t text collate utf8mb4_bin, raw varbinary(4), blobs blob,
            mood enum('calm','angry'), moods set('calm','angry'), tree json, zero date);
         set sql_mode = '';
         insert into kinds values (
            null, true, -128, -32768, -8388608, -2147483648, -9223372036854775808, 18446744073709551615, 0.1,
            0.1, 1234.50, 123456789012345678901234567890.1234567891, '2026-03-02', '2026-03-02 11:15:00',
            '1999-12-31 23:59:59.999990', '11:15:00', '-100:00:01', 2026, b'101000000001', 'ab', 'Ayşe \"O''Brien\" 🦀',
            x'00ff10', x'616263', 'angry', 'calm,angry', '{\"a\": [1]}', '0000-00-00');
         create table moments (at timestamp);
         set time_zone = '+03:00'; insert into moments values ('2026-03-02 11:15:00')",
    );
    let record = one(&server.url("reader"), "select * from kinds", &[]).await;
    let expected = json!({
        "nothing": null, "flag": true, "small": -128, "s": -32768, "m": -8_388_608, "i": -2_147_483_648_i64, "b": i64::MIN,
        "bu": u64::MAX, "f": 0.1, "d": 0.1, "price": 1234.5, "huge": "123456789012345678901234567890.1234567891",
        "day": "2026-03-02", "moment": "2026-03-02T11:15:00", "fine": "1999-12-31T23:59:59.99999", "clock": "11:15:00",
        "far": "-100:00:01", "y": 2026, "bits": 2561, "c": "ab", "t": "Ayşe \"O'Brien\" 🦀", "raw": "00ff10",
        "blobs": "616263", "mood": "angry", "moods": "calm,angry", "tree": "{\"a\": [1]}", "zero": null,
    });
    for (column, value) in &record {
        assert_eq!(value, &expected[column], "{column}");
    }
    assert_eq!(record.len(), expected.as_object().unwrap().len());
    let at = value(&server.url("reader"), "select at as v from moments", &[]).await;
    assert_eq!(at, json!("2026-03-02T08:15:00Z"), "a point in time has an offset");
}

#[tokio::test]
async fn a_hostile_value_stays_a_value() {
    let server = mariadb();
    server.run("create table people (name text) charset utf8mb4; insert into people values ('Jane')");
    let mut texts = hostile();
    texts.push("a\u{0}b".to_owned());
    for text in texts {
        let query = "select $1 as v, $2 as w, $1 as x";
        let record = one(&server.url("reader"), query, &[json!(text), json!(7)]).await;
        assert_eq!(record, *json!({"v": text, "w": 7, "x": text}).as_object().unwrap());
        let found =
            ask(&source(&server.url("reader"), "select * from people where name = $1", 1), &[json!(text)]).await;
        assert_eq!(found.unwrap().records.len(), 0, "{text}");
    }
    assert_eq!(server.run("select count(*) from people"), "1");
}

#[tokio::test]
async fn a_parameter_is_what_it_is_and_a_list_is_json() {
    let server = mariadb();
    let url = server.url("reader");
    server
        .run("create table phones (id int, phone text); insert into phones values (1, '0532 123 45 67'), (2, '0212')");
    for given in [json!(1), json!("1"), json!(true), json!(1.0)] {
        assert_eq!(value(&url, "select phone as v from phones where id = $1", &[given]).await, json!("0532 123 45 67"));
    }
    for query in [
        "select id as v from phones where json_contains($1, json_quote(phone))",
        "select id as v from phones where phone in (select n from json_table($1, '$[*]' columns (n text path '$')) as l)",
    ] {
        assert_eq!(value(&url, query, &[json!(["+905321234567", "0532 123 45 67"])]).await, json!(1), "{query}");
    }
    assert_eq!(value(&url, "select $1 as v", &[Value::Null]).await, Value::Null);
}

#[tokio::test]
async fn a_statement_that_writes_is_refused_also_to_a_user_who_may() {
    let server = mariadb();
    server.run(
        "create table kept (n int); create sequence counter; grant insert, execute on tests.* to writer@'%';
                delimiter //
                create function adds() returns int modifies sql data begin insert into kept values (1); return 1; end //",
    );
    for query in ["select adds() as n", "select nextval(counter) as n"] {
        let why = why(&server.url("writer"), query, &[]).await;
        assert_eq!(why, "the statement writes, and a source only asks (error 1792)", "{query}");
    }
    assert_eq!(server.run("select count(*) from kept"), "0");
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_stopped_in_the_server() {
    let server = mariadb();
    let query = "select count(*) as v, $1 as marked from seq_1_to_100000000 a, seq_1_to_100000000 b";
    let source = quick(&server.url("reader"), query, 1, Duration::from_millis(300));
    let begun = Instant::now();
    let failure = ask(&source, &[json!(1)]).await.unwrap_err();
    assert_eq!(failure.why, "it stopped the question, which took too long (error 1969)");
    assert!(begun.elapsed() < Duration::from_secs(20));
    let active = "select count(*) from information_schema.processlist where command <> 'Sleep' and info like '%as marked from seq%' \
                  and info not like '%processlist%'";
    server.until(active, "0");
    // And where nobody waits for it until then.
    let asked = question(&[json!(1)]);
    let source = quick(&server.url("reader"), query, 1, Duration::from_secs(5));
    given_up_while_active(server, &source, &asked, active).await;
    server.until(active, "0");
}

#[tokio::test]
async fn after_a_restart_of_the_server_the_next_question_has_its_answer() {
    comes_back(&Server::start(Kind::MariaDb)).await;
}

#[tokio::test]
async fn why_there_is_no_answer_is_told_without_the_url_or_a_value() {
    let server = mariadb();
    let (url, port) = (server.url("reader"), server.port);
    server.run("create table narrow (name text) charset latin1");
    for (url, query, expected) in [
        (
            format!("mysql://reader:wrong-canary@127.0.0.1:{port}/tests"),
            "select 1 as v",
            "it refuses the user or the password (error 1045)",
        ),
        (
            format!("mysql://reader:reader@127.0.0.1:{port}/nowhere"),
            "select 1 as v",
            "it refuses the user or the password (error 1044)",
        ),
        (format!("mysql://reader:reader@127.0.0.1:{}/tests", free_port()), "select 1 as v", "it can't be connected to"),
        (url.clone(), "select authentication_string from mysql.global_priv", "its user may not read that (error 1142)"),
        (url.clone(), "select n from missing", "it can't read the statement (error 1146)"),
        (url.clone(), "select 1 as v from narrow where name = '🦀'", "a value does not fit (error 1267)"),
        (url.clone(), "select 1 as v, 2 as v", "its answer has two columns named `v`: rename one with `as`"),
        (url.clone(), "select repeat('x', 1048577) as v", "its answer has more than 1048576 bytes"),
        (
            url.clone(),
            "select point(1, 2) as place",
            "the column `place` has a GEOMETRY that can't be read: ask for it as text with `cast`",
        ),
    ] {
        let why = why(&url, query, &[]).await;
        assert_eq!(why, expected, "{query}");
        assert!(!why.contains("canary"), "{why}");
    }
}

#[tokio::test]
async fn no_more_rows_are_read_than_a_person_can_have() {
    let server = mariadb();
    let source = source(&server.url("reader"), "select seq as n from seq_1_to_50000000", 0);
    let begun = Instant::now();
    assert_eq!(ask(&source, &[]).await.unwrap().records.len(), 100);
    assert!(begun.elapsed() < Duration::from_secs(15), "it does not wait for the rest");
    assert_eq!(ask(&source, &[]).await.unwrap().records[0]["n"], json!(1));
}

#[tokio::test]
async fn it_says_who_we_are_and_whether_we_could_write() {
    let server = mariadb();
    for (user, can_write) in [("reader", false), ("writer", true)] {
        let access = source(&server.url(user), "select 1 as v", 0).access().await.unwrap().unwrap();
        assert_eq!((access.user, access.can_write), (Some(format!("{user}@%")), can_write));
        assert!(access.server.starts_with("mariadb 1"), "{}", access.server);
    }
    let missing =
        compiled(&server.url("reader"), json!({"query": "select n from missing"}), Duration::from_secs(20)).unwrap();
    let failure = missing.access().await.unwrap().unwrap_err();
    assert_eq!(failure.why, "it can't read the statement (error 1146): Table 'tests.missing' doesn't exist");
}
