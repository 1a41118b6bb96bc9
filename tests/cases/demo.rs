//! `callcard demo --once`: the newcomer's first command, from the ringing to the card in the terminal.
//!
//! The only cases that open a connection, and only on loopback.

use crate::program::{Ran, callcard, project, run};

/// The demo with the shipped rules and a temporary directory of its own.
fn demo(arguments: &[&str]) -> (Ran, tempfile::TempDir) {
    let temporary = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = ["demo", "--once"].iter().chain(arguments).copied().collect();
    let output = callcard(project(), &arguments).env("TMPDIR", temporary.path()).output().unwrap();
    (Ran::from(output), temporary)
}

#[test]
fn one_call_rings_and_its_card_is_printed() {
    let (ran, temporary) = demo(&[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    for shown in [
        "+905321234567 calls",
        "Ayşe Yılmaz  ↗ https://crm.example.com/contacts/1001",
        "Yılmaz Mobilya",
        "known-customer  rules/main.yaml:",
        "contacts one",
        " ms after the phone began to ring",
    ] {
        assert!(ran.stdout.contains(shown), "`{shown}` is not in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains('\u{1b}'), "colour without a terminal: {:?}", ran.stdout);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "the outbox of the demo stays behind");
}

#[test]
fn a_call_that_gets_no_card_says_why_and_ends_with_1() {
    let (ran, _temporary) = demo(&["--number", "+492215550123"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stdout.contains("no card: the rule says `card: none`"), "{}", ran.stdout);
    assert!(ran.stdout.contains("suppliers-get-no-card"), "{}", ran.stdout);
}

#[test]
fn broken_rules_are_shown_and_nothing_rings() {
    let folder = project().join("tests/cases/check/card-undefined");
    let ran = run(&folder, &["demo", "--once"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:#?}");
    assert!(ran.stderr.contains("no card is named `custmer`"), "{}", ran.stderr);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (ran, _temporary) = demo(&["--listen", &address]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:#?}");
    assert!(ran.stderr.starts_with("callcard: ") && ran.stderr.contains(&address), "{}", ran.stderr);
}
