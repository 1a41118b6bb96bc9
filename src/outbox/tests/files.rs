//! The files of the outbox: what a restart, a second process, a stranger and a fault find in them.

use std::fs::{self, File};
use std::path::PathBuf;

use super::*;

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("outbox.sqlite3")
}

#[tokio::test]
async fn a_process_that_dies_loses_nothing() {
    let (directory, outbox) = new();
    let leased = accepted(&outbox, event("leased", 1)).await;
    claim_one(&outbox, at(1)).await;
    let pending = accepted(&outbox, event("pending", 2)).await;
    let (_copy, outbox) = killed(&directory);
    let claimed = outbox.claim(at(3), LEASE, 10).await.unwrap();
    let found: Vec<_> = claimed.iter().map(|one| (one.id, one.attempts)).collect();
    assert_eq!(found, [(pending, 0), (leased, 1)], "the lease is given back, its attempt is not forgotten");
}

#[tokio::test]
async fn rows_survive_the_last_handle() {
    let (directory, outbox) = new();
    let id = accepted(&outbox, event("a", 0)).await;
    drop(outbox);
    // The writer gives the lock back when it has finished, so this waits for it.
    File::open(directory.path().join("outbox.lock")).unwrap().lock().unwrap();
    let outbox = open(directory.path()).unwrap();
    assert_eq!(claim_one(&outbox, at(0)).await.id, id);
    outbox.settle(id, Settlement::NoCard { reason: "no rule".to_owned() }, None, at(1)).await.unwrap();
    outbox.close().await;
    let outbox = open(directory.path()).unwrap();
    assert_eq!(state(&outbox, id).await, State::NoCard);
    assert_eq!(outbox.accept(event("a", 0)).await.unwrap(), Acceptance::Duplicate);
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let (directory, outbox) = new();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(&error, OutboxError::InUse { path } if path == directory.path()), "{error}");
    assert!(error.to_string().contains("in use by another process"));
    accepted(&outbox, event("a", 0)).await;
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let (directory, outbox) = new();
    outbox.close().await;
    Connection::open(database(&directory)).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(database(&directory)).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OutboxError::NewerSchema { found: 99, .. }), "{error}");
    assert_eq!(fs::read(database(&directory)).unwrap(), before);
}

#[test]
fn a_damaged_database_is_a_clear_error() {
    let directory = TempDir::new().unwrap();
    fs::write(database(&directory), "this was never a database ".repeat(100)).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, OutboxError::Damaged { .. }));
    for told in ["outbox.sqlite3", "not a database", "move outbox.sqlite3, outbox.sqlite3-wal"] {
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[tokio::test]
async fn what_is_promised_waits_for_the_disk_and_nothing_else_does() {
    let changes = |connection: &Connection| connection.execute("DELETE FROM unreadable", []);
    for (durability, is_waited_for) in [(Durability::Disk, true), (Durability::Process, false)] {
        let directory = TempDir::new().unwrap();
        let mut store = store::open(directory.path(), durability).unwrap();
        assert_eq!(store.log.is_some(), is_waited_for);
        // Nothing that is written to it is ever on a disk, and it says so.
        store.log = store.log.map(|_| fs::File::open("/dev/null").unwrap());
        let outbox = Outbox::start(directory.path(), store, Keep::default()).unwrap();
        let accepted = outbox.accept(event("a", 0)).await;
        assert_eq!(accepted.is_err(), is_waited_for, "{accepted:?}");
        assert_eq!(outbox.promise(nobody, changes).await.is_err(), is_waited_for);
        assert_eq!(outbox.trouble().await.is_some(), is_waited_for);
        assert_eq!(outbox.write(nobody, changes).await.unwrap(), 0);
        assert_eq!(outbox.claim(at(0), LEASE, 10).await.unwrap().len(), 1, "the card does not wait");
        outbox.close().await;
    }
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("a/b");
    let _outbox = open(&directory).unwrap();
    let mut paths: Vec<_> = fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(paths.len() >= 4, "lock, database, log and shared memory: {paths:?}");
    paths.push(directory);
    for path in paths {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
}

#[tokio::test]
async fn a_closed_outbox_finishes_what_it_took_and_says_that_it_is_closed() {
    let (directory, outbox) = new();
    let release = hold_writer(&outbox).await;
    let taken = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.accept(event("a", 0)).await }
    });
    until_waiting(&outbox, 1).await;
    let closing = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.close().await }
    });
    until_waiting(&outbox, 2).await;
    let waiting = outbox.changed();
    drop(release);
    closing.await.unwrap();
    waiting.await;
    assert!(matches!(taken.await.unwrap(), Ok(Acceptance::Accepted(_))));
    assert!(matches!(outbox.accept(event("b", 0)).await, Err(OutboxError::Closed)));
    assert!(matches!(outbox.list(everything()).await, Err(OutboxError::Closed)));
    outbox.close().await;
    assert_eq!(open(directory.path()).unwrap().pending().await.unwrap(), 1);
}

#[tokio::test]
async fn the_log_is_emptied_beside_the_writer_long_before_a_commit_would_have_to() {
    let (directory, outbox) = new();
    let log = directory.path().join("outbox.sqlite3-wal");
    for batch in 0..20 {
        let accepted = (0..500).map(|number| {
            let event = Accept { body: vec![b'x'; 6000], ..event(&format!("{batch}-{number}"), 0) };
            outbox.accept(event)
        });
        futures_util::future::try_join_all(accepted).await.unwrap();
    }
    let (written, bytes) = (20 * 500 * 6000, fs::metadata(log).unwrap().len());
    assert!(bytes < 16 * 1024 * 1024 && bytes * 4 < written, "{bytes} bytes of log, {written} written");
}
