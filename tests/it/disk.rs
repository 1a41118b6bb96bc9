//! The disk is full, and has room again; the data directory is gone. Whatever happens, the phone system gets its 200.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::event::{hangup, inbound};
use super::host::Reply;
use super::phone::{Phone, error};
use super::server::{EVERYBODY, Place, Server, until};

const NUMBER: &str = "+905321234567";

/// What `/readyz` says, with its status.
async fn ready(server: &Server) -> (u16, Value) {
    let (status, body) = server.get("/readyz").await;
    (status, serde_json::from_str(&body).unwrap())
}

async fn ready_again(server: &Server) {
    until("it is ready again", async || (ready(server).await.0 == 200).then_some(())).await;
}

fn full(server: &Server) {
    server.longest_file("1");
}

fn has_room(server: &Server) {
    server.longest_file("unlimited");
}

/// How often a log line was written.
fn times(server: &Server, words: &str) -> usize {
    server.log().iter().filter(|line| line["message"].as_str().is_some_and(|message| message.contains(words))).count()
}

#[tokio::test]
async fn a_full_disk_is_told_everywhere_and_when_it_has_room_everything_goes_on() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    assert_eq!(server.metric("callcard_outbox_writable").await, 1.0);
    full(&server);
    for number in 0..20 {
        server.ring(&inbound(&format!("refused-{number}"), NUMBER), "not_stored").await;
    }
    assert_eq!(server.webhook_bytes(b"not JSON".to_vec()).await, (200, json!({"status": "not_stored"})));
    let (status, said) = ready(&server).await;
    assert_eq!((status, &said["ready"], &said["outbox"]["writable"]), (503, &json!(false), &json!(false)), "{said}");
    assert!(said["outbox"]["reason"].as_str().unwrap().contains("the disk"), "{said}");
    assert!(said["outbox"]["help"].as_str().unwrap().contains("by itself"), "{said}");
    assert_eq!(server.metric("callcard_outbox_writable").await, 0.0);
    let refused = "callcard_webhooks_total{account=\"hipcall\",outcome=\"not_stored\"}";
    assert_eq!(server.metric(refused).await, 21.0);
    assert!((1..=3).contains(&times(&server, "a webhook can't be stored")), "the others are counted");
    has_room(&server);
    ready_again(&server).await;
    assert_eq!(server.metric("callcard_outbox_writable").await, 1.0);
    // The first one went out before the disk said no.
    server.ring(&inbound("refused-0", NUMBER), "duplicate").await;
    assert_eq!(server.settled("refused-0").await["state"], "sent");
    for number in 1..20 {
        let event = inbound(&format!("refused-{number}"), NUMBER);
        assert_eq!(server.ring_and_settle(&event).await["state"], "sent", "it was not half written");
    }
    for number in 0..20 {
        assert_eq!(phone.cards_of(&format!("refused-{number}")).len(), 1);
    }
}

#[tokio::test]
async fn a_call_whose_event_the_disk_refused_behind_the_decision_gets_its_card_once() {
    let phone = Phone::start();
    let rules = EVERYBODY.replace("    card:", "    when: {event: [call_init, call_bridged]}\n    card:");
    let server = Server::with(&rules, &phone).await;
    let mut event = inbound("refused", NUMBER);
    phone.script([Reply::Late(Duration::from_millis(500), Box::new(error(503)))]);
    full(&server);
    server.ring(&event, "not_stored").await;
    until("its card is under way", async || (phone.received().len() == 1).then_some(())).await;
    has_room(&server);
    ready_again(&server).await;
    server.ring(&event, "duplicate").await;
    event["event"] = json!("call_bridged");
    server.ring(&event, "accepted").await;
    server.idle().await;
    assert_eq!((phone.received().len(), phone.cards_of("refused").len()), (2, 1), "it was tried again");
    let states = server.get_json("/api/deliveries?call=refused").await;
    let states: Vec<_> = states["deliveries"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["superseded", "sent"], "the newest first");
}

#[tokio::test]
async fn what_was_under_way_when_the_disk_became_full_is_settled_when_it_has_room_and_sent_once() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let taken = Reply::json(201, &json!({"data": {}}));
    phone.script([Reply::Late(Duration::from_millis(500), Box::new(taken))]);
    server.ring(&inbound("taken", NUMBER), "accepted").await;
    until("the card is under way", async || (phone.received().len() == 1).then_some(())).await;
    full(&server);
    until("its outcome can't be stored", async || {
        (times(&server, "the outbox could not be read or written: ") > 0).then_some(())
    })
    .await;
    until("it was tried again and again", async || {
        (server.metric("callcard_outbox_failures_total").await >= 3.0).then_some(())
    })
    .await;
    assert_eq!(times(&server, "the outbox could not be read or written: "), 1, "it is told once a minute");
    has_room(&server);
    assert_eq!(server.settled("taken").await["state"], "sent");
    assert_eq!((phone.received().len(), phone.asked_about("taken").len()), (1, 0));
    let server = server.killed_and_started_again().await;
    server.idle().await;
    assert_eq!(phone.received().len(), 1);
}

#[tokio::test]
async fn a_hang_up_on_a_full_disk_is_remembered_and_no_card_follows_it() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.always(Some(error(503)));
    server.ring(&inbound("hung-up", NUMBER), "accepted").await;
    until("it waits for its next attempt", async || (phone.received().len() == 1).then_some(())).await;
    until("which is written down", async || {
        server.delivery("hung-up").await.filter(|delivery| delivery["reason"] == "scripted 503")
    })
    .await;
    full(&server);
    server.ring(&hangup("hung-up"), "not_stored").await;
    phone.always(None);
    let before = phone.received().len();
    has_room(&server);
    assert_eq!(server.settled("hung-up").await["state"], "over");
    assert_eq!(phone.received().len(), before);
    assert_eq!(server.ring_and_settle(&inbound("other", NUMBER)).await["state"], "sent");
}

#[tokio::test]
async fn when_the_data_directory_is_deleted_calls_still_get_their_cards_and_nothing_is_called_accepted() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    server.ring_and_settle(&inbound("before", NUMBER)).await;
    std::fs::remove_dir_all(server.place.data()).unwrap();
    server.ring(&inbound("after", NUMBER), "not_stored").await;
    assert_eq!(server.settled("after").await["state"], "sent");
    let (status, said) = ready(&server).await;
    assert_eq!(status, 503);
    assert!(said["outbox"]["reason"].as_str().unwrap().contains("deleted, moved or replaced"), "{said}");
    assert_eq!(server.metric("callcard_outbox_writable").await, 0.0);
    let server = server.killed_and_started_again().await;
    ready_again(&server).await;
    assert_eq!(server.ring_and_settle(&inbound("restarted", NUMBER)).await["state"], "sent");
}

#[tokio::test]
async fn while_the_disk_hangs_one_webhook_waits_long_for_it_and_no_other_and_no_probe_does() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    server.ring_and_settle(&inbound("before", NUMBER)).await;
    // A writer that waits for another process waits as it would for a disk.
    let other = rusqlite::Connection::open(server.place.data().join("outbox.sqlite3")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    server.ring(&inbound("first", NUMBER), "not_stored").await;
    let begun = Instant::now();
    server.ring(&inbound("second", NUMBER), "not_stored").await;
    assert!(begun.elapsed() < Duration::from_millis(2500), "it waited {:?}", begun.elapsed());
    let begun = Instant::now();
    assert_eq!(ready(&server).await.0, 503);
    assert_eq!(server.metric("callcard_outbox_writable").await, 0.0);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    drop(other);
    ready_again(&server).await;
    until("an event is accepted again", async || {
        let event = inbound(&format!("after-{}", begun.elapsed().as_millis()), NUMBER);
        (server.webhook(&event).await.1 == json!({"status": "accepted"})).then_some(())
    })
    .await;
    assert_eq!(server.ring_and_settle(&inbound("after", NUMBER)).await["state"], "sent");
}

#[tokio::test]
async fn the_flags_about_what_is_kept_are_read_and_nonsense_is_refused() {
    let phone = Phone::start();
    let mut place = Place::new(EVERYBODY, &phone);
    for (flag, value) in
        [("--durability", "process"), ("--keep", "12h"), ("--keep-rows", "1000"), ("--keep-bytes", "16MiB")]
    {
        place.argument(flag, value);
    }
    let server = Server::start(place).await;
    server.ring(&inbound("one", NUMBER), "accepted").await;
    let server = server.killed_and_started_again().await;
    assert_eq!(server.settled("one").await["state"], "sent", "a kill takes nothing from `process` either");
    let used = server.metric("callcard_outbox_used_bytes").await;
    assert!(used > 0.0 && server.metric("callcard_outbox_file_bytes").await >= used);
    let mut place = server.killed();
    place.argument("--keep", "1m");
    let (code, said) = place.refused().await;
    assert!(code == Some(2) && said.contains("an hour or more"), "{said}");
}
