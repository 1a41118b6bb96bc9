//! Each type of PostgreSQL, in both directions and exactly.

use serde_json::{Value, json};

use super::server::postgres;
use super::source::{value, why};

async fn reads(expression: &str, expected: Value) {
    let url = postgres().url("reader");
    assert_eq!(value(&url, &format!("select {expression} as v"), &[]).await, expected, "{expression}");
}

#[tokio::test]
async fn numbers_are_read_exactly() {
    for (expression, expected) in [
        ("null::int", Value::Null),
        ("true", json!(true)),
        ("(-32768)::int2", json!(-32768)),
        ("2147483647", json!(2_147_483_647)),
        ("9223372036854775807", json!(i64::MAX)),
        ("1.5::float4", json!(1.5)),
        ("0.1::float4", json!(0.1)),
        ("0.1::float8", json!(0.1)),
        ("1e300::float8", json!(1e300)),
        ("'NaN'::float8", Value::Null),
        ("'infinity'::float8", Value::Null),
        ("4294967295::oid", json!(4_294_967_295_u32)),
    ] {
        reads(expression, expected).await;
    }
}

#[tokio::test]
async fn decimals_are_never_rounded() {
    for (text, expected) in [
        ("0", json!(0)),
        ("0.00", json!(0)),
        ("1200.00", json!(1200)),
        ("1234.50", json!(1234.5)),
        ("-1234.56", json!(-1234.56)),
        ("0.1", json!(0.1)),
        ("0.01", json!(0.01)),
        ("0.00001", json!(0.00001)),
        ("0.00000001234", json!(0.00000001234)),
        ("10000", json!(10000)),
        ("100000000", json!(100_000_000)),
        ("100010001.25", json!(100_010_001.25)),
        ("123456789012.345", json!(123_456_789_012.345)),
        ("12345678901234567890.123456789", json!("12345678901234567890.123456789")),
        ("1234567890123456789012345678901234567890", json!("1234567890123456789012345678901234567890")),
        ("-0.12345678901234567890", json!("-0.12345678901234567890")),
        ("NaN", Value::Null),
        ("infinity", Value::Null),
    ] {
        reads(&format!("'{text}'::numeric"), expected).await;
    }
}

#[tokio::test]
async fn dates_and_times_are_read_as_iso() {
    for (expression, expected) in [
        ("'2026-03-02'::date", "2026-03-02"),
        ("'1969-12-31'::date", "1969-12-31"),
        ("'infinity'::date", "infinity"),
        ("'2026-03-02 11:15:00'::timestamp", "2026-03-02T11:15:00"),
        ("'1999-12-31 23:59:59.999999'::timestamp", "1999-12-31T23:59:59.999999"),
        ("'-infinity'::timestamp", "-infinity"),
        ("'2026-03-02 11:15:00+03'::timestamptz", "2026-03-02T08:15:00Z"),
        ("'infinity'::timestamptz", "infinity"),
        ("'11:15:00'::time", "11:15:00"),
        ("'24:00:00'::time", "24:00:00"),
        ("'11:15:00.25'::time", "11:15:00.25"),
    ] {
        reads(expression, json!(expected)).await;
    }
}

#[tokio::test]
async fn texts_trees_and_lists_are_read_as_they_are() {
    postgres().run(
        "create type mood as enum ('calm', 'angry'); create domain short as text check (length(value) < 9);
                    create extension citext;",
    );
    for (expression, expected) in [
        ("'Ayşe \"O''Brien\" \\ 🦀'::text", json!("Ayşe \"O'Brien\" \\ 🦀")),
        ("'ab'::char(4)", json!("ab  ")),
        ("'x'::\"char\"", json!("x")),
        ("'name'::name", json!("name")),
        ("'Mixed'::citext", json!("Mixed")),
        ("'angry'::mood", json!("angry")),
        ("'tiny'::short", json!("tiny")),
        ("'<a/>'::xml", json!("<a/>")),
        ("'8F2E0A66-33e6-4a36-9a51-6ac5b3b1a0b1'::uuid", json!("8f2e0a66-33e6-4a36-9a51-6ac5b3b1a0b1")),
        ("'{\"a\": [1, null, {\"b\": \"c\"}]}'::json", json!({"a": [1, null, {"b": "c"}]})),
        ("'{\"a\": [1, null, {\"b\": \"c\"}]}'::jsonb", json!({"a": [1, null, {"b": "c"}]})),
        ("'\\x00ff10'::bytea", json!("00ff10")),
        ("array[1, null, 3]", json!([1, null, 3])),
        ("array['a', 'b,c', '\"']", json!(["a", "b,c", "\""])),
        ("array[[1.5, 2], [3, 4]]::numeric[]", json!([[1.5, 2], [3, 4]])),
        ("'{}'::text[]", json!([])),
        ("'{{a,b},{c,d}}'::text[]", json!([["a", "b"], ["c", "d"]])),
        ("array['calm'::mood]", json!(["calm"])),
        ("array['2026-03-02'::date]", json!(["2026-03-02"])),
        ("'untyped'", json!("untyped")),
    ] {
        reads(expression, expected).await;
    }
}

#[tokio::test]
async fn a_type_that_has_no_form_names_its_column() {
    let url = postgres().url("reader");
    let why = why(&url, "select 1 as a, '10.0.0.1'::inet as address", &[]).await;
    assert_eq!(why, "the column `address` has a INET that can't be read: ask for it as text with `cast`");
}

/// What a parameter becomes, as the server itself writes it.
async fn binds(kind: &str, parameter: Value, written: &str) {
    let url = postgres().url("reader");
    let query = format!("select ($1::{kind})::text as v");
    assert_eq!(value(&url, &query, std::slice::from_ref(&parameter)).await, json!(written), "{parameter} as {kind}");
}

#[tokio::test]
async fn a_parameter_becomes_what_the_statement_wants() {
    for (kind, parameter, written) in [
        ("int2", json!(12), "12"),
        ("int4", json!("1234"), "1234"),
        ("int8", json!(1234.0), "1234"),
        ("int8", json!(i64::MIN), "-9223372036854775808"),
        ("float4", json!(0.25), "0.25"),
        ("float8", json!("1e-7"), "1e-07"),
        ("numeric", json!("1234567890123456789.123456789"), "1234567890123456789.123456789"),
        ("numeric", json!(-0.05), "-0.05"),
        ("numeric", json!(0), "0"),
        ("numeric", json!(10000), "10000"),
        ("numeric", json!("00012.3400"), "12.3400"),
        ("numeric", json!(1e20), "100000000000000000000"),
        ("text", json!(1234), "1234"),
        ("text", json!(true), "true"),
        ("varchar", json!("x"), "x"),
        ("bool", json!("false"), "false"),
        ("uuid", json!("8F2E0A66-33E6-4A36-9A51-6AC5B3B1A0B1"), "8f2e0a66-33e6-4a36-9a51-6ac5b3b1a0b1"),
        ("date", json!("2026-03-02"), "2026-03-02"),
        ("date", json!("1969-12-31"), "1969-12-31"),
        ("timestamp", json!("2026-03-02T11:15:00.5"), "2026-03-02 11:15:00.5"),
        ("jsonb", json!({"a": [1]}), "{\"a\": [1]}"),
        ("text[]", json!(["a", null, "b,c"]), "{a,NULL,\"b,c\"}"),
        ("int8[]", json!([1, "2"]), "{1,2}"),
        ("text[]", json!([]), "{}"),
    ] {
        binds(kind, parameter, written).await;
    }
    let url = postgres().url("reader");
    let moment = "select $1::timestamptz = '2026-03-02 08:15:00Z' as v";
    assert_eq!(value(&url, moment, &[json!("2026-03-02T11:15:00+03:00")]).await, json!(true));
}

#[tokio::test]
async fn a_parameter_that_does_not_fit_is_named_without_its_value() {
    let url = postgres().url("reader");
    for (kind, parameter) in [
        ("int4", json!("O'Brien")),
        ("int4", json!(3_000_000_000_u64)),
        ("int4", json!(1.5)),
        ("int4", json!([1])),
        ("numeric", json!("12,5")),
        ("numeric", json!("NaN1")),
        ("uuid", json!("8f2e0a66")),
        ("uuid", json!("+f2e0a66-33e6-4a36-9a51-6ac5b3b1a0b1")),
        ("date", json!("2.3.2026")),
        ("bool", json!("perhaps")),
        ("text", json!("a\u{0}b")),
        ("text[]", json!("one")),
        ("inet", json!("10.0.0.1")),
    ] {
        let why =
            why(&url, &format!("select 1 as v where $2::int = 1 and $1::{kind} is not null"), &[parameter, json!(1)])
                .await;
        assert!(
            why.starts_with("parameter $1 is no ") && why.ends_with(", which the statement wants there"),
            "{kind}: {why}"
        );
        assert!(!why.contains("Brien") && !why.contains("12,5"), "{why}");
    }
}
