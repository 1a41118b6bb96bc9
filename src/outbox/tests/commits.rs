//! What comes in is written at once and committed together: who has it before the commit, and what ends a transaction.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

/// Longer than any commit takes.
const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_event_is_taken_before_its_commit_and_called_accepted_behind_it() {
    let (_directory, outbox) = new();
    let release = hold_writer(&outbox).await;
    let (take, taken) = taking(at(30));
    let accepting = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.accept_and_take(event("a", 0), take).await }
    });
    until_waiting(&outbox, 1).await;
    // Within the same transaction, and behind it.
    let holding = tokio::spawn({
        let outbox = outbox.clone();
        async move { hold_writer(&outbox).await }
    });
    until_waiting(&outbox, 2).await;
    drop(release);
    let release = holding.await.unwrap();
    let claimed = taken.recv().unwrap();
    assert!(outbox.list(everything()).await.unwrap().is_empty(), "nobody else can see it");
    assert!(!accepting.is_finished());
    drop(release);
    assert_eq!(accepting.await.unwrap().unwrap(), Acceptance::Accepted(claimed.id));
    assert_eq!(outbox.list(everything()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_comes_behind_a_transaction_that_failed_is_answered() {
    let (_directory, outbox) = new();
    for number in 0..50 {
        let fails = outbox.promise(nobody, |one| one.execute("nonsense", []));
        let ends = outbox.hang_up("hipcall", "a", at(number));
        let (failed, ended) = timeout(LONG, async { tokio::join!(fails, ends) }).await.unwrap();
        assert!(failed.is_err());
        // In one transaction they fail together.
        let Err(_) = ended else { continue };
        timeout(LONG, outbox.hang_up("hipcall", "a", at(number))).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_hang_up_that_waits_to_be_written_reaches_who_takes_an_event_before_it() {
    let (_directory, outbox) = new();
    let (taken, standing) = channel();
    let take = Box::new(move |claimed: Claimed| taken.send((claimed.standing(), claimed)).unwrap());
    let release = hold_writer(&outbox).await;
    let (accepts, ends) = (outbox.clone(), outbox.clone());
    let taking = Some(Taking { lease_until: at(30), take });
    let accepts = tokio::spawn(async move { accepts.accept_and_take(event("a", 0), taking).await });
    until_waiting(&outbox, 1).await;
    let ends = tokio::spawn(async move { ends.hang_up("hipcall", "a", at(1)).await });
    until_waiting(&outbox, 2).await;
    drop(release);
    assert!(matches!(accepts.await.unwrap(), Ok(Acceptance::Accepted(_))));
    ends.await.unwrap().unwrap();
    let (at_once, claimed) = standing.recv().unwrap();
    assert_eq!((at_once, claimed.standing()), (Standing::Over, Standing::Over));
    drop(claimed);
    let (take, taken) = super::taking(at(30));
    assert!(matches!(outbox.accept_and_take(event("b", 0), take).await, Ok(Acceptance::Accepted(_))));
    assert_eq!(taken.recv().unwrap().standing(), Standing::Open, "another call goes on");
}

#[tokio::test]
async fn a_transaction_that_nothing_else_would_end_is_committed_all_the_same() {
    let (_directory, outbox) = new();
    for round in 0..300 {
        let [first, second] = ["first", "second"].map(|name| outbox.accept(event(&format!("{name} {round}"), 0)));
        // What is looked at ends the transaction of the first one, so that the disk is busy with it when the second one comes.
        let (first, pending, second) =
            timeout(LONG, async { tokio::join!(first, outbox.pending(), second) }).await.unwrap();
        assert!(matches!((first, second), (Ok(Acceptance::Accepted(_)), Ok(Acceptance::Accepted(_)))));
        pending.unwrap();
    }
    assert_eq!(outbox.pending().await.unwrap(), 600);
}
