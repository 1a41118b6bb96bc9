//! What is kept, what goes, and that its room is used again.

use std::fs;

use jiff::SignedDuration;

use super::*;

const SEND_WITHIN: SignedDuration = SignedDuration::from_secs(60);
const WEEK: i64 = 7 * 24 * 3600;

fn keeping(keep: Keep) -> (TempDir, Outbox) {
    let directory = TempDir::new().unwrap();
    let outbox = Outbox::open(directory.path(), Durability::Disk, keep).unwrap();
    (directory, outbox)
}

/// Forgets until there is nothing left to forget, and returns how many steps that took.
async fn forget_all(outbox: &Outbox, now: Timestamp) -> usize {
    let mut steps = 0;
    while outbox.forget(now, SEND_WITHIN).await.unwrap() > 0 {
        steps += 1;
    }
    steps
}

async fn left(outbox: &Outbox) -> Vec<String> {
    outbox.list(everything()).await.unwrap().into_iter().map(|row| row.call_id).collect()
}

/// So many settled calls, one a second, each with a body of this size.
async fn settled_calls(outbox: &Outbox, calls: i64, bytes: usize) {
    let fill = move |connection: &Connection| {
        for second in 0..calls {
            let event = Accept { body: vec![b'x'; bytes], ..event(&format!("call-{second}"), second) };
            let (Acceptance::Accepted(id), None) = accept::accept(connection, event, None)? else { panic!("{second}") };
            work::settle(connection, id, &Settlement::Sent { status: 201 }, Some(&decided()), at(second))?;
        }
        Ok(())
    };
    outbox.write(nobody, fill).await.unwrap();
}

#[tokio::test]
async fn what_is_settled_and_old_is_forgotten_and_what_is_not_settled_never() {
    let (_directory, outbox) = new();
    let settled = accepted(&outbox, event("settled", 0)).await;
    outbox.settle(settled, Settlement::Over, None, at(1)).await.unwrap();
    accepted(&outbox, event("pending", 0)).await;
    let recent = accepted(&outbox, event("recent", 50)).await;
    outbox.settle(recent, Settlement::Over, None, at(51)).await.unwrap();
    outbox.hang_up("hipcall", "gone", at(0)).await.unwrap();
    outbox.keep_unreadable("hipcall", "not JSON", b"?", at(0)).await.unwrap();
    assert_eq!(outbox.forget(at(WEEK), SEND_WITHIN).await.unwrap(), 0);
    assert_eq!(outbox.forget(at(WEEK + 1), SEND_WITHIN).await.unwrap(), 3);
    assert_eq!(outbox.forget(at(WEEK + 1), SEND_WITHIN).await.unwrap(), 0);
    assert_eq!(left(&outbox).await, ["recent", "pending"]);
    forget_all(&outbox, at(9 * WEEK)).await;
    assert_eq!(left(&outbox).await, ["pending"]);
}

#[tokio::test]
async fn the_oldest_go_where_there_are_too_many_but_none_that_a_webhook_could_bring_a_second_card_for() {
    let (_directory, outbox) = keeping(Keep { rows: 10, ..Keep::default() });
    settled_calls(&outbox, 50, 10).await;
    for second in 0..50 {
        outbox.hang_up("hipcall", &format!("call-{second}"), at(second)).await.unwrap();
    }
    assert_eq!(forget_all(&outbox, at(59)).await, 0, "the first call may still get a card");
    forget_all(&outbox, at(64)).await;
    assert_eq!(left(&outbox).await.last().unwrap(), "call-5");
    forget_all(&outbox, at(1000)).await;
    let left = left(&outbox).await;
    assert_eq!((left.len(), left[0].as_str(), left[9].as_str()), (10, "call-49", "call-40"));
    let ended = |connection: &Connection| connection.query_row("SELECT count(*) FROM ended_call", [], |row| row.get(0));
    let ended: i64 = outbox.read(ended).await.unwrap();
    assert_eq!(ended, 10);
}

#[tokio::test]
async fn room_is_bounded_and_given_back_in_small_steps() {
    const MIB: u64 = 1024 * 1024;
    let (directory, outbox) = keeping(Keep { bytes: 4 * MIB, ..Keep::default() });
    settled_calls(&outbox, 2000, 30_000).await;
    assert!(outbox.size().await.unwrap().used > 55 * MIB);
    accepted(&outbox, event("pending", 0)).await;
    let steps = forget_all(&outbox, at(10_000)).await;
    assert!(steps > 50, "{steps} steps for 53 MiB");
    let size = outbox.size().await.unwrap();
    assert!(size.used <= 4 * MIB && size.used > 2 * MIB, "{size:?}");
    assert!(left(&outbox).await.contains(&"pending".to_owned()));
    outbox.close().await;
    let file = fs::metadata(directory.path().join("outbox.sqlite3")).unwrap().len();
    assert!(file <= 22 * MIB, "{file}: what is used and 16 MiB to spare");
}

#[tokio::test]
async fn a_file_of_an_earlier_version_learns_to_give_room_back() {
    let (directory, outbox) = new();
    accepted(&outbox, event("a", 0)).await;
    outbox.close().await;
    let mode = |connection: &Connection| connection.pragma_query_value(None, "auto_vacuum", |row| row.get::<_, i64>(0));
    let earlier = Connection::open(directory.path().join("outbox.sqlite3")).unwrap();
    earlier.execute_batch("PRAGMA auto_vacuum = none; VACUUM").unwrap();
    assert_eq!(mode(&earlier).unwrap(), 0);
    drop(earlier);
    let outbox = open(directory.path()).unwrap();
    assert_eq!(outbox.write(nobody, mode).await.unwrap(), 2);
    assert_eq!(left(&outbox).await, ["a"]);
}
