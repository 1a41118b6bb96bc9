//! A person is forgotten: nothing of them is left in the files, and everything else is as it was.

use std::fs;

use serde_json::json;

use super::*;
use crate::event::{CustomerNumber, Region};

fn region() -> Region {
    Region::parse("TR").unwrap()
}

/// A call of this person, with something else in its body.
fn call(call_id: &str, caller: &str, note: &str) -> Accept {
    let body = json!({"event": "call_init", "data": {
        "uuid": call_id, "direction": "inbound", "caller_number": caller, "callee_number": "+902582440032",
        "note": note,
    }});
    Accept { body: body.to_string().into_bytes(), ..event(call_id, 0) }
}

fn decided_for(name: &str, more: usize) -> Decided {
    let card = json!({"card": [{"type": "title", "text": name}]}).to_string();
    Decided { card: Some(card), trace: json!({"said": name, "more": "t".repeat(more)}).to_string(), ..decided() }
}

async fn erase(outbox: &Outbox, number: &str) -> (usize, usize) {
    let customer = CustomerNumber::parse(Some(number), region());
    let erased = outbox.erase(&customer, region(), at(100)).await.unwrap();
    assert!(erased.is_gone);
    (erased.deliveries, erased.unreadable)
}

/// The files of the outbox as one text.
fn files(directory: &TempDir) -> String {
    let files = fs::read_dir(directory.path()).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// Calls whose rows grow when they are decided, so that SQLite moves rows from page to page; every fourth is this person's.
/// Each has a word of its own in its event, its card and its trace.
async fn many_calls(outbox: &Outbox, number: &'static str, calls: usize) {
    let mut random = fastrand::Rng::with_seed(20_260_302);
    let fill = move |connection: &Connection| {
        let mut undecided: Vec<usize> = Vec::new();
        for position in 0..calls {
            let caller = if is_forgotten(position) { number } else { "+905439998877" };
            let note = word(position) + &"n".repeat(random.usize(0..150));
            accept::accept(connection, call(&format!("call-{position}"), caller, &note), None)?;
            undecided.push(position);
            if undecided.len() > random.usize(0..20) {
                let decided = undecided.swap_remove(random.usize(..undecided.len()));
                let id = DeliveryId(i64::try_from(decided + 1).unwrap());
                let sent = Settlement::Sent { status: 201 };
                let decided = decided_for(&word(decided), random.usize(0..300));
                work::settle(connection, id, &sent, Some(&decided), at(1))?;
            }
        }
        Ok(())
    };
    outbox.write(nobody, fill).await.unwrap();
}

fn is_forgotten(position: usize) -> bool {
    position % 4 == 1
}

fn word(position: usize) -> String {
    format!("Word{position:05}")
}

#[tokio::test]
async fn nothing_of_a_person_is_left_in_the_files_and_all_of_everybody_else() {
    const CALLS: usize = 1000;
    let (directory, outbox) = new();
    many_calls(&outbox, "+905321234567", CALLS).await;
    assert_eq!(erase(&outbox, "+905321234567").await, (CALLS / 4, 0));
    let files = files(&directory);
    assert!(!files.contains("5321234567"));
    for position in 0..CALLS {
        assert_eq!(files.contains(&word(position)), !is_forgotten(position), "{}", word(position));
    }
    let rows: Vec<String> = outbox
        .read(|connection| {
            connection.prepare("SELECT call_id FROM delivery ORDER BY id")?.query_map([], |row| row.get(0))?.collect()
        })
        .await
        .unwrap();
    assert_eq!(rows, (0..CALLS).map(|position| format!("call-{position}")).collect::<Vec<_>>(), "each in its place");
    let checked: String =
        outbox.read(|connection| connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))).await.unwrap();
    assert_eq!(checked, "ok");
}

#[tokio::test]
async fn what_is_left_of_a_delivery_is_its_row_and_a_webhook_that_comes_again_is_known() {
    let (_directory, outbox) = new();
    let id = accepted(&outbox, call("a", "0532 123 45 67", "")).await;
    let settlement = Settlement::Refused { status: 422, reason: "text of Jane".to_owned() };
    outbox.settle(id, settlement, Some(decided_for("Jane", 0).into()), at(1)).await.unwrap();
    let before = outbox.show(id).await.unwrap().unwrap();
    assert_eq!(erase(&outbox, "+905321234567").await, (1, 0));
    let after = outbox.show(id).await.unwrap().unwrap();
    let row = Row { reason: Some("forgotten on request".to_owned()), ..before.row };
    assert_eq!(after, Detail { row, card: None, trace: None });
    assert_eq!(outbox.accept(call("a", "0532 123 45 67", "")).await.unwrap(), Acceptance::Duplicate);
    assert_eq!(erase(&outbox, "+905321234567").await, (0, 0), "there is nothing left to erase");
}

#[tokio::test]
async fn whoever_works_on_a_forgotten_delivery_writes_nothing_back() {
    let (directory, outbox) = new();
    let id = accepted(&outbox, call("a", "+905321234567", "")).await;
    let claimed = claim_one(&outbox, at(0)).await;
    let waiting = accepted(&outbox, call("b", "+905321234567", "")).await;
    assert_eq!(erase(&outbox, "+905321234567").await, (2, 0));
    assert_eq!(claimed.standing(), Standing::Over, "nor is its card sent any more");
    outbox.keep(id, decided_for("Jane Canary", 0).into()).await.unwrap();
    assert!(!outbox.retry_at(id, Some(decided_for("Jane Canary", 0).into()), at(5), "why".to_owned()).await.unwrap());
    let settlement = Settlement::Sent { status: 201 };
    assert!(!outbox.settle(id, settlement, Some(decided_for("Jane Canary", 0).into()), at(6)).await.unwrap());
    for id in [id, waiting] {
        let detail = outbox.show(id).await.unwrap().unwrap();
        assert_eq!((detail.row.state, detail.row.settled_at), (State::NoCard, Some(at(100))));
        assert_eq!((detail.card, detail.trace), (None, None));
    }
    assert_eq!((outbox.pending().await.unwrap(), next_due(&outbox).await), (0, None));
    assert!(!files(&directory).contains("Jane Canary"));
}

#[tokio::test]
async fn a_call_whose_card_was_forgotten_gets_no_second_one() {
    let (_directory, outbox) = new();
    let first = accepted(&outbox, call("a", "+905321234567", "")).await;
    claim_one(&outbox, at(0)).await;
    outbox.keep(first, decided_for("Jane", 0).into()).await.unwrap();
    assert_eq!(erase(&outbox, "+905321234567").await, (1, 0));
    let bridged = Accept { event: "call_bridged".to_owned(), ..call("a", "+905321234567", "") };
    let second = accepted(&outbox, bridged).await;
    let claimed = claim_one(&outbox, at(0)).await;
    assert_eq!((claimed.id, claimed.is_superseded), (second, true));
}

#[tokio::test]
async fn a_number_counts_on_both_sides_of_a_call_and_without_a_direction_and_in_what_nobody_could_read() {
    let (directory, outbox) = new();
    let mut bodies = Vec::new();
    for (direction, caller, callee) in [
        (json!("outbound"), json!("+902582440032"), json!("905321234567")),
        (json!("internal"), json!("101"), json!("0532 123 45 67")),
        (json!(null), json!(905_321_234_567_u64), json!(null)),
        (json!("inbound"), json!("+905321234568"), json!("+902582440032")),
        (json!("inbound"), json!("anonymous"), json!("+902582440032")),
    ] {
        bodies.push(json!({"event": "call_init", "data": {
            "uuid": "x", "direction": direction, "caller_number": caller, "callee_number": callee}}));
    }
    for (position, body) in bodies.iter().enumerate() {
        let call_id = format!("call-{position}");
        accepted(&outbox, Accept { body: body.to_string().into_bytes(), ..event(&call_id, 0) }).await;
    }
    for body in ["{\"caller\": \"(0532) 123-45-67\"", "caller=%2B905321234567", "caller=+905321234568", "\u{0}"] {
        outbox.keep_unreadable("hipcall", "not JSON", body.as_bytes(), at(0)).await.unwrap();
    }
    assert_eq!(erase(&outbox, "+905321234567").await, (3, 2));
    let files = files(&directory);
    assert!(!files.contains("5321234567") && !files.contains("123-45-67") && files.contains("5321234568"));
    assert_eq!(outbox.unreadable(10).await.unwrap().len(), 2);
    assert_eq!(erase(&outbox, "101").await, (0, 0), "an extension is nobody's number");
}

#[tokio::test]
async fn a_process_that_still_reads_the_old_bytes_is_told() {
    let (directory, outbox) = new();
    accepted(&outbox, call("a", "+905321234567", "")).await;
    let shell = Connection::open(directory.path().join("outbox.sqlite3")).unwrap();
    shell.execute_batch("BEGIN; SELECT * FROM delivery;").unwrap();
    let customer = CustomerNumber::parse(Some("+905321234567"), region());
    let error = outbox.erase(&customer, region(), at(100)).await.unwrap_err();
    assert!(matches!(error, OutboxError::LogInUse), "{error}");
    shell.execute_batch("COMMIT").unwrap();
    assert_eq!(erase(&outbox, "+905321234567").await, (0, 0), "the row was erased at once");
    assert!(!files(&directory).contains("5321234567"));
}

#[tokio::test]
async fn a_large_database_is_not_rewritten_but_its_log_is_emptied() {
    let (directory, outbox) = new();
    accepted(&outbox, call("a", "+905321234567", "")).await;
    let log = directory.path().join("outbox.sqlite3-wal");
    let connection = Connection::open(directory.path().join("outbox.sqlite3")).unwrap();
    assert!(fs::metadata(&log).unwrap().len() > 0);
    assert_eq!(store::rewrite(&connection, 0).unwrap(), store::Rewritten::LogOnly);
    assert_eq!(fs::metadata(&log).unwrap().len(), 0);
    assert_eq!(store::rewrite(&connection, i64::MAX).unwrap(), store::Rewritten::Whole);
}

#[tokio::test]
async fn an_erasure_that_fails_ends_no_call() {
    let (_directory, outbox) = new();
    accepted(&outbox, call("a", "+905321234567", "")).await;
    let claimed = claim_one(&outbox, at(0)).await;
    let erases = outbox.clone();
    let release = hold_writer(&outbox).await;
    let customer = CustomerNumber::parse(Some("+905321234567"), region());
    let erases = tokio::spawn(async move { erases.erase(&customer, region(), at(1)).await });
    let fails = fail_behind(&outbox, 1).await;
    drop(release);
    fails.await.unwrap().unwrap_err();
    erases.await.unwrap().unwrap_err();
    assert_eq!(claimed.standing(), Standing::Open);
    assert_eq!(erase(&outbox, "+905321234567").await, (1, 0));
    assert_eq!(claimed.standing(), Standing::Over);
}
