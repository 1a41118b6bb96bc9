//! What the outbox promises, each promise with the fault that could break it.

use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;

mod calls;
mod commits;
mod crash;
mod due;
mod files;
mod forget;
mod health;
mod keep;
mod owed;
mod unknown;

const LEASE: Duration = Duration::from_secs(30);

/// A moment so many seconds after an arbitrary one.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_772_000_000 + second).unwrap()
}

fn event(call_id: &str, second: i64) -> Accept {
    Accept {
        account: "hipcall".to_owned(),
        call_id: call_id.to_owned(),
        event: "call_init".to_owned(),
        body: format!("{{\"uuid\":\"{call_id}\"}}").into_bytes(),
        started_at: at(second),
        received_at: at(second),
        expires_at: at(second + 60),
        traceparent: None,
    }
}

fn decided() -> Decided {
    Decided {
        rule: Some("known-customer".to_owned()),
        revision: "abc".to_owned(),
        card: Some("{\"card\":[]}".to_owned()),
        trace: "{\"steps\":1}".to_owned(),
    }
}

fn open(directory: &Path) -> Result<Outbox, OutboxError> {
    Outbox::open(directory, Durability::Disk, Keep::default())
}

fn new() -> (TempDir, Outbox) {
    let directory = TempDir::new().unwrap();
    let outbox = open(directory.path()).unwrap();
    (directory, outbox)
}

async fn accepted(outbox: &Outbox, event: Accept) -> DeliveryId {
    match outbox.accept(event).await.unwrap() {
        Acceptance::Accepted(id) | Acceptance::Over(id) => id,
        Acceptance::Duplicate => panic!("taken for a duplicate"),
    }
}

async fn claim_one(outbox: &Outbox, now: Timestamp) -> Claimed {
    let mut claimed = outbox.claim(now, LEASE, 10).await.unwrap();
    assert_eq!(claimed.len(), 1, "one delivery is due");
    claimed.remove(0)
}

/// When the first delivery is due, or was.
async fn next_due(outbox: &Outbox) -> Option<Timestamp> {
    outbox.next_times(Timestamp::MIN, Timestamp::MAX).await.unwrap().0
}

async fn state(outbox: &Outbox, id: DeliveryId) -> State {
    outbox.show(id).await.unwrap().unwrap().row.state
}

fn everything() -> Filter {
    Filter { limit: 100, ..Filter::default() }
}

/// Another process on what a killed one leaves on the disk, which is a copy of the files while it lives.
fn killed(directory: &TempDir) -> (TempDir, Outbox) {
    let copy = TempDir::new().unwrap();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let path = file.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let outbox = open(copy.path()).unwrap();
    (copy, outbox)
}

/// Somebody with room, and where what they take comes out.
fn taking(until: Timestamp) -> (Option<Taking>, std::sync::mpsc::Receiver<Claimed>) {
    let (taken, takes) = channel();
    (Some(Taking { lease_until: until, take: Box::new(move |claimed| taken.send(claimed).unwrap()) }), takes)
}

/// Keeps the writer inside a transaction until the answer is sent or dropped, so that what follows is committed together.
async fn hold_writer(outbox: &Outbox) -> Sender<()> {
    let (release, released) = channel::<()>();
    let (held, holding) = oneshot::channel();
    let outbox = outbox.clone();
    tokio::spawn(async move {
        let hold = move |_: &Connection| {
            let _ = held.send(());
            let _ = released.recv();
            Ok(())
        };
        outbox.write(nobody, hold).await
    });
    holding.await.unwrap();
    release
}

/// Until so many commands wait for the writer.
async fn until_waiting(outbox: &Outbox, commands: usize) {
    while outbox.commands.max_capacity() - outbox.commands.capacity() < commands {
        tokio::task::yield_now().await;
    }
}

/// A command that fails, behind so many others that wait for the writer: in one transaction with them.
async fn fail_behind(outbox: &Outbox, commands: usize) -> JoinHandle<Result<usize, OutboxError>> {
    until_waiting(outbox, commands).await;
    let fails = outbox.clone();
    let fails = tokio::spawn(async move { fails.write(nobody, |one| one.execute("nonsense", [])).await });
    until_waiting(outbox, commands + 1).await;
    fails
}

#[tokio::test]
async fn a_second_webhook_for_one_event_is_a_duplicate() {
    let (_directory, outbox) = new();
    let first = accepted(&outbox, event("a", 0)).await;
    assert_eq!(outbox.accept(event("a", 1)).await.unwrap(), Acceptance::Duplicate);
    let other_event = Accept { event: "call_bridged".to_owned(), ..event("a", 0) };
    let other_account = Accept { account: "second".to_owned(), ..event("a", 0) };
    assert!(accepted(&outbox, other_event).await > first);
    assert!(accepted(&outbox, other_account).await > first);
    assert_eq!(outbox.pending().await.unwrap(), 3);
    outbox.settle(first, Settlement::Sent { status: 200 }, None, at(2)).await.unwrap();
    assert_eq!(outbox.accept(event("a", 3)).await.unwrap(), Acceptance::Duplicate, "a settled one too");
}

#[tokio::test]
async fn a_group_commit_answers_everyone() {
    let (_directory, outbox) = new();
    let release = hold_writer(&outbox).await;
    let callers: Vec<_> = (0..600)
        .map(|number| {
            let outbox = outbox.clone();
            tokio::spawn(async move { accepted(&outbox, event(&format!("call {number}"), number)).await })
        })
        .collect();
    until_waiting(&outbox, 600).await;
    drop(release);
    let mut ids = Vec::new();
    for caller in callers {
        ids.push(caller.await.unwrap());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 600);
    assert_eq!(outbox.pending().await.unwrap(), 600);
}

#[tokio::test]
async fn a_failed_commit_fails_everyone_in_it_and_nobody_after() {
    let (_directory, outbox) = new();
    let release = hold_writer(&outbox).await;
    let good = outbox.clone();
    let good = tokio::spawn(async move { good.accept(event("a", 0)).await });
    let bad = fail_behind(&outbox, 1).await;
    let mut changed = pin!(outbox.changed());
    drop(release);
    assert!(matches!(good.await.unwrap(), Err(OutboxError::Storage(_))));
    assert!(matches!(bad.await.unwrap(), Err(OutboxError::Storage(_))));
    assert!(!changed.as_mut().enable(), "nobody is woken for what did not happen");
    assert_eq!(outbox.pending().await.unwrap(), 0);
    accepted(&outbox, event("a", 0)).await;
}

#[tokio::test]
async fn the_newest_call_is_claimed_first() {
    let (_directory, outbox) = new();
    for (call_id, second) in [("old", 1), ("newest", 9), ("newer", 5), ("later", 20)] {
        accepted(&outbox, event(call_id, second)).await;
    }
    let names = async |at_most| -> Vec<_> {
        outbox.claim(at(10), LEASE, at_most).await.unwrap().into_iter().map(|one| one.call_id).collect()
    };
    assert!(names(0).await.is_empty());
    assert_eq!(names(2).await, ["newest", "newer"]);
    assert_eq!(names(9).await, ["old"], "the others are leased, or not due yet");
    assert_eq!(next_due(&outbox).await, Some(at(20)));
}

#[tokio::test]
async fn what_was_accepted_is_what_is_claimed() {
    let (_directory, outbox) = new();
    let id = accepted(&outbox, Accept { body: vec![0, 255, b'"'], ..event("a\0ü", 3) }).await;
    let claimed = claim_one(&outbox, at(4)).await;
    assert_eq!((claimed.id, claimed.account.as_str(), claimed.call_id.as_str()), (id, "hipcall", "a\0ü"));
    assert_eq!((claimed.event.as_str(), claimed.body.as_slice()), ("call_init", [0, 255, b'"'].as_slice()));
    assert_eq!((claimed.started_at, claimed.received_at, claimed.expires_at), (at(3), at(3), at(63)));
    assert_eq!((claimed.attempts, claimed.card, claimed.rule, claimed.revision), (0, None, None, None));
}

#[tokio::test]
async fn a_lease_that_runs_out_gives_the_delivery_back() {
    let (_directory, outbox) = new();
    let id = accepted(&outbox, event("a", 0)).await;
    claim_one(&outbox, at(0)).await;
    assert_eq!(state(&outbox, id).await, State::Leased);
    assert_eq!(next_due(&outbox).await, Some(at(30)));
    assert!(outbox.claim(at(29), LEASE, 10).await.unwrap().is_empty());
    let again = claim_one(&outbox, at(30)).await;
    assert_eq!((again.id, again.attempts), (id, 1), "the attempt that died is counted");
    let endless = outbox.claim(at(99), Duration::MAX, 1).await.unwrap();
    assert_eq!(endless.len(), 1);
    assert!(next_due(&outbox).await.is_some(), "an endless lease is still a time");
}

#[tokio::test]
async fn a_retry_keeps_what_was_decided() {
    let (_directory, outbox) = new();
    let id = accepted(&outbox, event("a", 0)).await;
    claim_one(&outbox, at(0)).await;
    outbox.retry_at(id, Some(decided().into()), at(5), "503".to_owned()).await.unwrap();
    assert_eq!(state(&outbox, id).await, State::Pending);
    assert_eq!(next_due(&outbox).await, Some(at(5)));
    assert!(outbox.claim(at(4), LEASE, 10).await.unwrap().is_empty());
    let second = claim_one(&outbox, at(5)).await;
    assert_eq!((second.attempts, second.card, second.rule), (1, decided().card, decided().rule));
    outbox.retry_at(id, None, at(9), "429".to_owned()).await.unwrap();
    let third = claim_one(&outbox, at(9)).await;
    assert_eq!((third.attempts, third.card, third.revision.as_deref()), (2, decided().card, Some("abc")));
    outbox.settle(id, Settlement::Sent { status: 201 }, None, at(10)).await.unwrap();
    let detail = outbox.show(id).await.unwrap().unwrap();
    assert_eq!((detail.card, detail.trace), (decided().card, Some(decided().trace)));
    assert_eq!((detail.row.reason, detail.row.status, detail.row.attempts), (None, Some(201), 3));
}

#[tokio::test]
async fn a_delivery_is_settled_once_only() {
    let (_directory, outbox) = new();
    let id = accepted(&outbox, event("a", 0)).await;
    claim_one(&outbox, at(0)).await;
    assert!(outbox.settle(id, Settlement::Sent { status: 200 }, Some(decided().into()), at(1)).await.unwrap());
    let settled = outbox.show(id).await.unwrap().unwrap();
    let late = Settlement::TooLate { reason: "slow".to_owned() };
    let other = Decided { rule: None, card: None, ..decided() };
    assert!(!outbox.settle(id, late, Some(other.clone().into()), at(2)).await.unwrap());
    outbox.keep(id, other.clone().into()).await.unwrap();
    assert!(!outbox.retry_at(id, Some(other.clone().into()), at(3), "again".to_owned()).await.unwrap());
    outbox.ask_at(id, Some(other.into()), at(3), "no answer".to_owned()).await.unwrap();
    assert_eq!(outbox.show(id).await.unwrap().unwrap(), settled);
    assert!(outbox.claim(at(99), LEASE, 10).await.unwrap().is_empty());
    assert_eq!(next_due(&outbox).await, None);
    let unknown = "77".parse().unwrap();
    assert!(!outbox.settle(unknown, Settlement::Over, None, at(4)).await.unwrap(), "nobody knows it");
    assert!(!outbox.retry_at(unknown, None, at(4), "again".to_owned()).await.unwrap());
}

#[tokio::test]
async fn a_hang_up_ends_what_is_pending_and_tells_who_has_the_rest() {
    let (_directory, outbox) = new();
    accepted(&outbox, event("a", 0)).await;
    let leased = claim_one(&outbox, at(0)).await;
    let pending = accepted(&outbox, Accept { event: "call_bridged".to_owned(), ..event("a", 1) }).await;
    let other = accepted(&outbox, event("b", 1)).await;
    assert_eq!(outbox.hang_up("hipcall", "a", at(2)).await.unwrap(), 1);
    assert_eq!(outbox.hang_up("hipcall", "a", at(3)).await.unwrap(), 0);
    assert_eq!((state(&outbox, leased.id).await, state(&outbox, pending).await), (State::Leased, State::Over));
    assert_eq!(leased.standing(), Standing::Over, "so its worker can see it before it sends");
    assert!(outbox.settle(leased.id, Settlement::Over, None, at(4)).await.unwrap());
    assert_eq!(claim_one(&outbox, at(99)).await.id, other);
}

#[tokio::test]
async fn a_call_whose_hang_up_came_first_is_over_when_it_is_accepted() {
    let (_directory, outbox) = new();
    assert_eq!(outbox.hang_up("hipcall", "a", at(2)).await.unwrap(), 0);
    let id = accepted(&outbox, event("a", 0)).await;
    let row = outbox.show(id).await.unwrap().unwrap().row;
    assert_eq!((row.state, row.settled_at, row.attempts), (State::Over, Some(at(0)), 0));
    assert!(outbox.claim(at(99), LEASE, 10).await.unwrap().is_empty());
    assert_eq!(outbox.accept(event("a", 0)).await.unwrap(), Acceptance::Duplicate);
    let elsewhere = accepted(&outbox, Accept { account: "second".to_owned(), ..event("a", 0) }).await;
    assert_eq!(claim_one(&outbox, at(99)).await.id, elsewhere, "another account's call of that name goes on");
}

#[tokio::test]
async fn a_wake_up_between_looking_and_waiting_is_not_lost() {
    let (_directory, outbox) = new();
    let mut changed = pin!(outbox.changed());
    assert!(outbox.claim(at(0), LEASE, 1).await.unwrap().is_empty());
    let id = accepted(&outbox, event("a", 0)).await;
    assert!(changed.as_mut().enable(), "woken before the answer, without ever having been polled");
    claim_one(&outbox, at(0)).await;
    let mut changed = pin!(outbox.changed());
    outbox.pending().await.unwrap();
    assert!(!changed.as_mut().enable(), "looking wakes nobody");
    outbox.retry_at(id, None, at(1), "503".to_owned()).await.unwrap();
    assert!(changed.as_mut().enable());
}

#[tokio::test]
async fn only_the_latest_unreadable_bodies_are_kept() {
    let (_directory, outbox) = new();
    let most = UNREADABLE_ROWS_MAX;
    let fill = move |connection: &Connection| {
        (0..most).try_for_each(|_| work::keep_unreadable(connection, "hipcall", "not JSON", b"first", at(0)))
    };
    outbox.write(nobody, fill).await.unwrap();
    outbox.keep_unreadable("hipcall", "no uuid", b"{}", at(9)).await.unwrap();
    let kept = outbox.unreadable(usize::MAX).await.unwrap();
    assert_eq!(kept.len(), most);
    assert_eq!((kept[0].reason.as_str(), kept[0].bytes, kept[0].received_at), ("no uuid", 2, at(9)));
    assert_eq!(kept[most - 1].id, 2, "the oldest one went");
}

#[tokio::test]
async fn a_listing_is_newest_first_and_filtered_and_tells_no_secret() {
    let (_directory, outbox) = new();
    let first = accepted(&outbox, event("a", 0)).await;
    let second = accepted(&outbox, Accept { account: "second".to_owned(), ..event("b", 1) }).await;
    let refused = Settlement::Refused { status: 422, reason: "card: is invalid".to_owned() };
    outbox.settle(first, refused, Some(decided().into()), at(2)).await.unwrap();
    let list = async |filter| outbox.list(filter).await.unwrap().iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(list(everything()).await, [second, first]);
    assert_eq!(list(Filter { limit: 1, ..everything() }).await, [second]);
    assert_eq!(list(Filter { state: Some(State::Refused), ..everything() }).await, [first]);
    assert_eq!(list(Filter { account: Some("second".to_owned()), ..everything() }).await, [second]);
    let row = serde_json::to_value(&outbox.list(everything()).await.unwrap()[1]).unwrap();
    let expected = serde_json::json!({
        "id": 1, "account": "hipcall", "call_id": "a", "event": "call_init", "state": "refused",
        "received_at": at(0), "started_at": at(0), "settled_at": at(2), "attempts": 0, "rule": "known-customer",
        "revision": "abc", "status": 422, "reason": "card: is invalid",
    });
    assert_eq!(row, expected);
    assert_eq!(outbox.show("9".parse().unwrap()).await.unwrap(), None);
}

#[test]
fn every_state_has_its_own_name_and_is_read_back_from_it() {
    for state in State::ALL {
        assert_eq!(state.as_str().parse(), Ok(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
    assert!("lost".parse::<State>().is_err());
    assert_eq!(Settlement::InvalidCard { reason: String::new() }.as_str(), "invalid_card");
}

#[tokio::test]
async fn a_call_at_the_end_of_all_times_does_not_stop_the_others() {
    let (_directory, outbox) = new();
    for (call_id, moment) in [("first", Timestamp::MIN), ("last", Timestamp::MAX)] {
        let times = Accept { started_at: moment, expires_at: moment, ..event(call_id, 0) };
        accepted(&outbox, times).await;
    }
    accepted(&outbox, event("now", 0)).await;
    assert_eq!(outbox.claim(at(0), LEASE, 10).await.unwrap().len(), 3);
    assert_eq!(outbox.list(everything()).await.unwrap().len(), 3);
}
