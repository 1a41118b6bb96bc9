//! A card that may have been sent.

use super::*;

/// A delivery whose card is under way.
async fn sending(outbox: &Outbox, call_id: &str) -> DeliveryId {
    let id = accepted(outbox, event(call_id, 0)).await;
    assert_eq!(claim_one(outbox, at(0)).await.standing(), Standing::Open);
    outbox.keep(id, decided().into()).await.unwrap();
    id
}

#[tokio::test]
async fn who_was_killed_while_sending_leaves_an_unknown_outcome() {
    let (directory, outbox) = new();
    let id = sending(&outbox, "a").await;
    let (_copy, outbox) = killed(&directory);
    assert_eq!(state(&outbox, id).await, State::Unknown);
    let claimed = claim_one(&outbox, at(1)).await;
    assert!(claimed.is_unknown && claimed.card.is_some());
}

#[tokio::test]
async fn what_was_not_sent_is_not_unknown() {
    let (directory, outbox) = new();
    let id = sending(&outbox, "a").await;
    assert!(outbox.retry_at(id, None, at(5), "503".to_owned()).await.unwrap());
    let (_copy, again) = killed(&directory);
    assert_eq!(state(&again, id).await, State::Pending);
    assert!(!claim_one(&outbox, at(5)).await.is_unknown);
}

#[tokio::test]
async fn a_hang_up_leaves_what_may_have_been_sent_to_its_worker() {
    let (_directory, outbox) = new();
    let (sent, lost) = (sending(&outbox, "sent").await, sending(&outbox, "lost").await);
    for call_id in ["sent", "lost"] {
        assert_eq!(outbox.hang_up("hipcall", call_id, at(1)).await.unwrap(), 0);
    }
    assert!(outbox.settle(sent, Settlement::Sent { status: 201 }, None, at(2)).await.unwrap());
    assert_eq!(state(&outbox, sent).await, State::Sent);
    outbox.ask_at(lost, None, at(3), "no answer".to_owned()).await.unwrap();
    assert_eq!(state(&outbox, lost).await, State::Unknown);
    let claimed = claim_one(&outbox, at(3)).await;
    assert_eq!((claimed.is_unknown, claimed.standing()), (true, Standing::Over), "it is not sent again");
    assert!(!outbox.retry_at(lost, None, at(9), "503".to_owned()).await.unwrap());
    assert!(outbox.settle(lost, Settlement::Over, None, at(4)).await.unwrap());
}

#[tokio::test]
async fn a_card_that_an_earlier_version_left_unsettled_may_have_been_sent() {
    let (directory, outbox) = new();
    let id = sending(&outbox, "a").await;
    outbox.close().await;
    let path = directory.path().join("outbox.sqlite3");
    let earlier = "ALTER TABLE delivery DROP COLUMN is_unknown; ALTER TABLE delivery DROP COLUMN traceparent; DROP INDEX delivery_expiring; DROP TABLE boot;
                   UPDATE delivery SET claimable_at = leased_until; DROP INDEX delivery_leased; ALTER TABLE delivery DROP COLUMN leased_until; PRAGMA user_version = 1;";
    Connection::open(path).unwrap().execute_batch(earlier).unwrap();
    let outbox = open(directory.path()).unwrap();
    assert_eq!(state(&outbox, id).await, State::Unknown);
}

#[tokio::test]
async fn after_the_machine_went_down_nobody_knows_of_any_delivery_whether_its_card_was_sent() {
    let directory = TempDir::new().unwrap();
    let this_boot = std::fs::read_to_string(store::BOOT_FILE).unwrap_or_default();
    let started = |boot: &str| store::open_after(directory.path(), Durability::Disk, boot).unwrap();
    let outbox = open(directory.path()).unwrap();
    let (due, sent) = (accepted(&outbox, event("due", 0)).await, accepted(&outbox, event("sent", 0)).await);
    assert!(outbox.settle(sent, Settlement::Sent { status: 201 }, None, at(1)).await.unwrap());
    outbox.close().await;
    let known = |store: store::Store| -> Vec<(i64, bool)> {
        let mut statement = store.connection.prepare("SELECT id, is_unknown FROM delivery ORDER BY id").unwrap();
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(
        known(started(this_boot.trim())),
        [(due.0, false), (sent.0, false)],
        "only the process was started again"
    );
    assert_eq!(known(started("another")), [(due.0, true), (sent.0, false)]);
    assert_eq!(known(started("another")), [(due.0, true), (sent.0, false)]);
}
