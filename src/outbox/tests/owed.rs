//! A transaction that fails takes nothing along that somebody acts on: hang-ups, and events that were taken before its commit.

use super::*;
use crate::outbox::writer::COMMANDS_PER_COMMIT_MAX;

/// Taken, and in a transaction that fails.
async fn taken_and_undone(outbox: &Outbox, accept: Accept) -> Claimed {
    let (take, taken) = taking(at(30));
    let release = hold_writer(outbox).await;
    let first = outbox.clone();
    let first = tokio::spawn(async move { first.accept_and_take(accept, take).await });
    let fails = fail_behind(outbox, 1).await;
    drop(release);
    assert!(matches!(first.await.unwrap(), Err(OutboxError::Storage(_))));
    fails.await.unwrap().unwrap_err();
    taken.recv().unwrap()
}

#[tokio::test]
async fn an_event_that_was_taken_is_written_with_whatever_can_be_written_next() {
    let (_directory, outbox) = new();
    let [one, other] =
        [taken_and_undone(&outbox, event("one", 0)).await, taken_and_undone(&outbox, event("other", 1)).await];
    assert!(outbox.list(everything()).await.unwrap().len() < 2, "the last one is owed");
    let third = accepted(&outbox, event("third", 2)).await;
    assert!(one.id < other.id && other.id < third, "nobody else has their ids");
    for claimed in [&one, &other] {
        assert_eq!(state(&outbox, claimed.id).await, State::Leased, "it is still theirs");
    }
    assert_eq!(outbox.accept(event("one", 3)).await.unwrap(), Acceptance::Duplicate);
    assert!(outbox.settle(one.id, Settlement::Sent { status: 201 }, Some(decided().into()), at(4)).await.unwrap());
    assert!(outbox.retry_at(other.id, None, at(4), "503".to_owned()).await.unwrap());
    let again = outbox.claim(at(4), LEASE, 10).await.unwrap().remove(1);
    assert_eq!((again.id, again.body, again.attempts), (other.id, other.body.clone(), 1));
    let detail = outbox.show(one.id).await.unwrap().unwrap();
    assert_eq!((detail.row.state, detail.row.call_id.as_str(), detail.card), (State::Sent, "one", decided().card));
}

#[tokio::test]
async fn what_is_owed_is_owed_until_a_commit_has_it() {
    let (_directory, outbox) = new();
    let claimed = taken_and_undone(&outbox, event("a", 0)).await;
    outbox.write(nobody, |one| one.execute("nonsense", [])).await.unwrap_err();
    outbox.hang_up("hipcall", "a", at(1)).await.unwrap();
    assert_eq!(claimed.standing(), Standing::Over);
    assert!(!outbox.retry_at(claimed.id, None, at(2), "503".to_owned()).await.unwrap());
    assert!(outbox.settle(claimed.id, Settlement::Over, None, at(2)).await.unwrap());
    assert_eq!(state(&outbox, claimed.id).await, State::Over);
}

#[tokio::test]
async fn the_next_event_of_its_call_waits_for_one_that_was_taken_and_undone() {
    let (_directory, outbox) = new();
    let claimed = taken_and_undone(&outbox, event("a", 0)).await;
    let (take, taken) = taking(at(30));
    let bridged = Accept { event: "call_bridged".to_owned(), ..event("a", 1) };
    assert!(matches!(outbox.accept_and_take(bridged, take).await, Ok(Acceptance::Accepted(_))));
    assert!(taken.recv().is_err());
    assert!(outbox.claim(at(2), LEASE, 10).await.unwrap().is_empty());
    outbox.settle(claimed.id, Settlement::Sent { status: 201 }, Some(decided().into()), at(2)).await.unwrap();
    assert!(claim_one(&outbox, at(2)).await.is_superseded);
}

#[tokio::test]
async fn what_nobody_took_and_what_could_not_begin_is_not_owed() {
    let (directory, outbox) = new();
    let release = hold_writer(&outbox).await;
    let waits = outbox.clone();
    let waits = tokio::spawn(async move { waits.accept(event("waits", 0)).await });
    let fails = fail_behind(&outbox, 1).await;
    drop(release);
    waits.await.unwrap().unwrap_err();
    fails.await.unwrap().unwrap_err();
    outbox.write(nobody, |one| one.busy_timeout(Duration::ZERO)).await.unwrap();
    let shell = Connection::open(directory.path().join("outbox.sqlite3")).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (take, taken) = taking(at(30));
    outbox.accept_and_take(event("refused", 0), take).await.unwrap_err();
    assert!(taken.recv().is_err());
    drop(shell);
    assert_eq!(outbox.pending().await.unwrap(), 0);
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
