//! A disk that is full, files that are gone, pages that are damaged: what is said about it, and that nothing goes wrong after it.

use std::fs;

use super::*;
use crate::outbox::writer::COMMANDS_PER_COMMIT_MAX;

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
async fn a_hang_up_that_could_not_be_written_still_ends_its_call() {
    let (_directory, outbox) = new();
    accepted(&outbox, event("a", 0)).await;
    let waits = accepted(&outbox, Accept { event: "call_bridged".to_owned(), ..event("a", 0) }).await;
    let claimed = claim_one(&outbox, at(0)).await;
    let release = hold_writer(&outbox).await;
    let hung_up = outbox.clone();
    let hung_up = tokio::spawn(async move { hung_up.hang_up("hipcall", "a", at(1)).await });
    let fails = fail_behind(&outbox, 1).await;
    drop(release);
    assert!(matches!(hung_up.await.unwrap(), Err(OutboxError::Storage(_))));
    fails.await.unwrap().unwrap_err();
    assert_eq!(claimed.standing(), Standing::Over);
    assert!(!outbox.retry_at(claimed.id, None, at(2), "503".to_owned()).await.unwrap(), "it was written before this");
    assert_eq!(state(&outbox, waits).await, State::Over);
}

#[tokio::test]
async fn a_hang_up_that_could_not_be_written_reaches_who_took_the_event_before_it() {
    let (_directory, outbox) = new();
    let (taken, takes) = channel();
    let release = hold_writer(&outbox).await;
    let run = |number: usize| {
        let (outbox, taken) = (outbox.clone(), taken.clone());
        tokio::spawn(async move {
            let take = Box::new(move |claimed| taken.send(claimed).unwrap());
            match number {
                0 => outbox.accept_and_take(event("a", 0), Some(Taking { lease_until: at(9), take })).await.map(drop),
                COMMANDS_PER_COMMIT_MAX => outbox.hang_up("hipcall", "a", at(1)).await.map(drop),
                1..COMMANDS_PER_COMMIT_MAX => outbox.write(nobody, |_| Ok(())).await,
                _ => outbox.write(nobody, |one| one.execute("nonsense", [])).await.map(drop),
            }
        })
    };
    let mut all = Vec::new();
    for number in 0..=COMMANDS_PER_COMMIT_MAX + 1 {
        all.push(run(number));
        until_waiting(&outbox, number + 1).await;
    }
    drop(release);
    let hung_up = all.swap_remove(COMMANDS_PER_COMMIT_MAX).await.unwrap();
    assert!(matches!(hung_up, Err(OutboxError::Storage(_))), "{hung_up:?}");
    assert_eq!(takes.recv().unwrap().standing(), Standing::Over);
}

#[tokio::test]
async fn an_id_that_was_taken_and_not_committed_is_nobody_elses() {
    let (_directory, outbox) = new();
    let mut lost = Vec::new();
    for number in 0..3 {
        let (take, taken) = taking(at(30));
        let first = outbox.clone();
        let release = hold_writer(&outbox).await;
        let first = tokio::spawn(async move { first.accept_and_take(event("lost", number), take).await });
        let fails = fail_behind(&outbox, 1).await;
        drop(release);
        assert!(matches!(first.await.unwrap(), Err(OutboxError::Storage(_))));
        fails.await.unwrap().unwrap_err();
        lost.push(taken.recv().unwrap());
        if number == 1 {
            accepted(&outbox, event("kept", 0)).await;
        }
    }
    let kept = accepted(&outbox, event("kept too", 0)).await;
    let mut ids: Vec<_> = lost.iter().map(|claimed| claimed.id).collect();
    for id in &ids {
        assert!(!outbox.settle(*id, Settlement::Over, None, at(1)).await.unwrap(), "there is no such row");
    }
    ids.push(kept);
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    assert_eq!(outbox.pending().await.unwrap(), 2, "the rows that are there are as they were");
    assert_eq!(outbox.lost(), 3);
}

#[tokio::test]
async fn a_transaction_that_could_not_begin_lost_nothing() {
    let (directory, outbox) = new();
    outbox.write(nobody, |one| one.busy_timeout(std::time::Duration::ZERO)).await.unwrap();
    let shell = Connection::open(directory.path().join("outbox.sqlite3")).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    outbox.accept(event("refused", 0)).await.unwrap_err();
    assert_eq!(outbox.lost(), 0, "nobody had it");
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
        assert_eq!(outbox.lost(), 1, "what nobody has is not lost");
        room(&outbox, None).await;
    }
}

#[tokio::test]
async fn a_hang_up_that_nobody_waits_for_any_more_ends_its_call_too() {
    let (directory, outbox) = new();
    let id = accepted(&outbox, event("a", 0)).await;
    let claimed = claim_one(&outbox, at(0)).await;
    outbox.retry_at(claimed.id, None, at(9), "503".to_owned()).await.unwrap();
    // Dropped before it is even queued, which is as if its commit had failed later.
    let release = hold_writer(&outbox).await;
    drop(outbox.owed.unless_paid(HangUp { account: "hipcall".to_owned(), call_id: "a".to_owned(), at: at(1) }));
    drop(release);
    outbox.hang_up("hipcall", "b", at(2)).await.unwrap();
    let (_copy, outbox) = killed(&directory);
    assert_eq!(state(&outbox, id).await, State::Over, "it is on the disk");
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
    outbox.hang_up("hipcall", "a", at(1)).await.unwrap();
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
