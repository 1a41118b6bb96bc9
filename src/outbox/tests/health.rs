//! A disk that is full, files that are gone, pages that are damaged: what is said about it, and that nothing goes wrong after it.

use std::fs;

use super::*;

/// Lets the database grow no further, as a full disk would. `None`: there is room again.
async fn room(outbox: &Outbox, pages: Option<i64>) {
    let set = move |connection: &Connection| {
        let pages = pages.unwrap_or(1_000_000_000);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    };
    outbox.write(nobody, set).await.unwrap();
}

fn large(call_id: &str) -> Accept {
    Accept { body: vec![b'x'; 200_000], ..event(call_id, 0) }
}

#[tokio::test]
async fn a_full_disk_is_told_until_something_is_written_and_nothing_is_half_written() {
    let (_directory, outbox) = new();
    accepted(&outbox, event("before", 0)).await;
    assert_eq!(outbox.trouble().await, None);
    room(&outbox, Some(1)).await;
    let error = outbox.accept(large("refused")).await.unwrap_err();
    assert!(matches!(error, OutboxError::Storage(_)), "{error}");
    // A small page can still be written, so asking finds that out; the next large event finds the opposite.
    assert_eq!(outbox.trouble().await, None);
    outbox.accept(large("refused")).await.unwrap_err();
    assert!(outbox.health.trouble().unwrap().reason.starts_with("the disk is full"));
    assert_eq!(outbox.pending().await.unwrap(), 1);
    assert!(outbox.health.trouble().is_some(), "looking writes nothing, so it says nothing about the disk");
    room(&outbox, None).await;
    accepted(&outbox, large("after")).await;
    assert_eq!(outbox.health.trouble(), None);
    accepted(&outbox, large("refused")).await;
    assert_eq!(outbox.claim(at(0), LEASE, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn while_the_disk_is_full_nobody_takes_what_is_not_committed() {
    let (_directory, outbox) = new();
    room(&outbox, Some(1)).await;
    outbox.accept(large("refused")).await.unwrap_err();
    for is_refused in [true, false] {
        let (take, taken) = taking(at(30));
        let (small, other) = (outbox.clone(), outbox.clone());
        let release = hold_writer(&outbox).await;
        let small = tokio::spawn(async move { small.accept_and_take(event("small", 0), take).await });
        until_waiting(&outbox, 1).await;
        let other = tokio::spawn(async move { other.accept(large("refused")).await });
        until_waiting(&outbox, 2).await;
        drop(release);
        assert_eq!((small.await.unwrap().is_err(), other.await.unwrap().is_err()), (is_refused, is_refused));
        assert_eq!(taken.recv().is_err(), is_refused, "the room is given back");
        room(&outbox, None).await;
    }
}

#[tokio::test]
async fn what_is_accepted_after_the_files_are_gone_is_not_called_accepted_and_worked_off_all_the_same() {
    for name in ["outbox.sqlite3", "outbox.sqlite3-wal"] {
        let (directory, outbox) = new();
        accepted(&outbox, event("before", 0)).await;
        fs::remove_file(directory.path().join(name)).unwrap();
        for missing in [true, false] {
            let call_id = format!("after {missing}");
            let error = outbox.accept(event(&call_id, 1)).await.unwrap_err();
            assert!(matches!(error, OutboxError::Moved { .. }), "{error}");
            assert!(outbox.hang_up("hipcall", "gone", at(1)).await.is_err());
            assert!(outbox.keep_unreadable("hipcall", "not JSON", b"?", at(1)).await.is_err());
            let trouble = outbox.trouble().await.unwrap();
            assert!(trouble.reason.contains("deleted, moved or replaced") && trouble.help.contains("restart"));
            fs::write(directory.path().join(name), "another file").unwrap();
        }
        assert_eq!(outbox.claim(at(2), LEASE, 10).await.unwrap().len(), 3, "they still get their cards");
    }
}

#[tokio::test]
async fn a_damaged_page_is_told_for_good() {
    let (directory, outbox) = new();
    for number in 0..50 {
        let event = Accept { body: vec![b'x'; 3000], ..event(&format!("call-{number}"), 0) };
        let id = accepted(&outbox, event).await;
        outbox.settle(id, Settlement::Over, None, at(1)).await.unwrap();
    }
    outbox.close().await;
    let path = directory.path().join("outbox.sqlite3");
    let mut bytes = fs::read(&path).unwrap();
    let some_rows = 20 * 4096..24 * 4096;
    bytes[some_rows].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let outbox = open(directory.path()).unwrap();
    let mut failed = 0;
    for number in 0..50 {
        let again = outbox.accept(Accept { event: "call_bridged".to_owned(), ..event(&format!("call-{number}"), 0) });
        failed += usize::from(matches!(again.await, Err(OutboxError::Storage(_))));
    }
    assert!((1..10).contains(&failed), "{failed} of 50 calls have a damaged row");
    let trouble = outbox.trouble().await.unwrap();
    assert!(trouble.reason.starts_with("the database is damaged"), "{trouble:?}");
    assert!(trouble.help.contains("put a backup in their place"), "{trouble:?}");
    let mut failed = 0;
    for number in 0..50 {
        failed += usize::from(outbox.hang_up("hipcall", &format!("call-{number}"), at(1)).await.is_err());
    }
    assert!((1..10).contains(&failed), "{failed} of 50 hang-ups have a damaged row");
    accepted(&outbox, event("other", 0)).await;
    assert_eq!(outbox.trouble().await, Some(trouble), "other pages can be written, which mends nothing");
}

#[tokio::test]
async fn on_a_full_disk_the_room_of_the_log_is_used_again() {
    let (directory, outbox) = new();
    let bytes = |name: &str| fs::metadata(directory.path().join(name)).unwrap().len();
    for call_id in ["a", "b"] {
        accepted(&outbox, large(call_id)).await;
    }
    let (database, log) = (bytes("outbox.sqlite3"), bytes("outbox.sqlite3-wal"));
    assert!(database <= 4096 && log > 400_000, "all of it is in the log: {database}, {log}");
    room(&outbox, Some(1)).await;
    outbox.accept(large("refused")).await.unwrap_err();
    assert!(bytes("outbox.sqlite3") > 400_000, "its pages are where they belong");
    room(&outbox, None).await;
    accepted(&outbox, large("c")).await;
    assert_eq!(bytes("outbox.sqlite3-wal"), log, "it begins at its start again");
    let (_copy, again) = killed(&directory);
    assert_eq!(again.pending().await.unwrap(), 3);
}
