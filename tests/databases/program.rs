//! The program itself on rules with databases: `check --connect`, and one whole decision.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::server::{mariadb, postgres};

/// Rules whose invoices belong to the customer that a table finds.
const RULES: &str = "
version: 1
sources:
  contacts: {csv: {file: contacts.csv, numbers: [phone]}}
  invoices:
    sql:
      database: ${ERP_DATABASE_URL}
      query: select number, amount, due_on from invoices where customer_id = $1 and paid_on is null order by due_on limit 3
      parameters: [contacts.id]
rules:
  - name: known
    needs: {contacts: one}
    card:
      - {type: title, text: \"{{contacts.name}}\"}
      - each: invoices
        as: invoice
        type: shortText
        label: \"Invoice {{invoice.number}}\"
        text: \"{{money invoice.amount 'TRY'}} · {{date invoice.due_on}}\"
  - {name: rest, card: none}
";

const INVOICES: &str = "
    create table invoices (number varchar(20), amount numeric(12, 2), due_on date, customer_id int, paid_on date);
    insert into invoices values ('A-2', 1234.50, '2026-03-15', 1234, null), ('A-1', 99, '2026-03-02', 1234, null),
        ('A-0', 1, '2026-01-01', 1234, '2026-01-02'), ('B-1', 5, '2026-01-01', 77, null);";

/// Runs the program on these rules; its standard output and its exit code.
fn callcard(rules: &str, url: &str, arguments: &[&str]) -> (String, Option<i32>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("main.yaml"), rules).unwrap();
    std::fs::write(directory.path().join("contacts.csv"), "id,name,phone\n1234,Jane Doe,0532 123 45 67\n").unwrap();
    let event = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases/call.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_callcard"));
    command.arg("--rules").arg(directory.path()).args(arguments).env_clear().env("ERP_DATABASE_URL", url);
    if arguments.contains(&"explain") {
        command.arg("--event").arg(event);
    }
    let output = command.output().unwrap();
    let (said, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    for secret in ["reader:reader", "wrong-canary"] {
        assert!(!said.contains(secret) && !errors.contains(secret), "{said}{errors}");
    }
    (said, output.status.code())
}

#[test]
fn a_card_shows_the_invoices_of_the_customer_whom_a_table_knows() {
    for server in [postgres(), mariadb()] {
        server.run(INVOICES);
        let (said, code) = callcard(RULES, &server.url("reader"), &["explain", "--format", "json"]);
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
        assert_eq!(code, Some(0), "{said}");
        let card = &said["card"];
        assert_eq!(card[0]["text"], "Jane Doe", "{said:#}");
        assert_eq!((&card[1]["label"], &card[1]["text"]), (&json!("Invoice A-1"), &json!("₺99,00 · 2 Mar 2026")));
        assert_eq!((&card[2]["label"], &card[2]["text"]), (&json!("Invoice A-2"), &json!("₺1.234,50 · 15 Mar 2026")));
        assert_eq!(card.as_array().unwrap().len(), 3);
        server.run("drop table invoices");
    }
}

/// One source that is asked without another one's record.
const ALONE: &str = "
version: 1
sources:
  people:
    sql:
      database: ${ERP_DATABASE_URL}
      query: select * from staff where phone = $1
      parameters: [customer.e164]
      numbers: [phone]
rules:
  - {name: known, needs: {people: one}, card: [{type: title, text: \"{{people.name}}\"}]}
";

#[test]
fn check_says_what_answered_as_whom_and_whether_that_user_could_write() {
    let server = postgres();
    server.run("create table staff (name text, phone text)");
    let (said, code) = callcard(ALONE, &server.url("reader"), &["check", "--connect"]);
    assert!(
        said.starts_with("people: postgresql 1") && said.contains(" answered as reader, who can only read, "),
        "{said}"
    );
    assert_eq!(code, Some(0), "{said}");

    let (said, code) = callcard(ALONE, &server.url("writer"), &["check", "--connect", "--deny", "warnings"]);
    assert!(said.contains("answered as writer, who could write"), "{said}");
    assert!(said.contains("[R073]") && said.contains("`people` is asked as `writer`, who could write"), "{said}");
    assert_eq!(code, Some(1), "{said}");

    let (said, _) = callcard(ALONE, &server.url("reader"), &["check", "--connect", "--format", "json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    let source = &said["sources"][0];
    assert_eq!(
        (&source["user"], &source["can_write"], &source["found"]),
        (&json!("reader"), &json!(false), &json!("none"))
    );
}

#[test]
fn check_reads_a_statement_that_waits_for_another_source() {
    let server = mariadb();
    let rules = RULES.replace("from invoices", "from bills");
    let (said, code) = callcard(&rules, &server.url("reader"), &["check", "--connect"]);
    assert!(said.contains("[R038]") && said.contains("Table 'tests.bills' doesn't exist"), "{said}");
    assert_eq!(code, Some(1));
    server.run(&INVOICES.replace("invoices", "bills"));
    let (said, code) = callcard(&rules, &server.url("reader"), &["check", "--connect"]);
    assert!(said.contains("contacts: csv answered, 0 records, "), "{said}");
    assert!(said.contains("invoices: mariadb 1") && said.contains("who can only read"), "{said}");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn check_tells_a_database_that_can_not_be_had_and_connects_to_none_unless_told() {
    let url = postgres().url("reader").replace(":reader@", ":wrong-canary@");
    let (said, code) = callcard(ALONE, &url, &["check", "--connect"]);
    assert!(said.contains("it refuses the user or the password (SQLSTATE 28P01)"), "{said}");
    assert_eq!(code, Some(1));
    let (said, code) = callcard(ALONE, &url, &["check", "--env"]);
    assert_eq!(code, Some(0), "{said}");
}
