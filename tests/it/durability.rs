//! Accepted means on disk: the server is killed without a warning, and nothing that it accepted is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::event::inbound;
use super::host::Reply;
use super::phone::{Phone, error};
use super::server::{EVERYBODY, Server, until};

const NUMBER: &str = "+905321234567";

#[tokio::test]
async fn what_was_under_way_when_the_server_was_killed_is_sent_after_the_restart() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.always(Some(Reply::Hang));
    let ids: Vec<String> = (0..5).map(|number| format!("hung-{number}")).collect();
    for id in &ids {
        server.ring(&inbound(id, NUMBER), "accepted").await;
    }
    until("all are under way", async || (phone.received().len() == ids.len()).then_some(())).await;
    let server = server.killed_and_started_again().await;
    phone.always(None);
    for id in &ids {
        assert_eq!(server.settled(id).await["state"], "sent");
        assert_eq!(phone.cards_of(id).len(), 1);
        server.ring(&inbound(id, NUMBER), "duplicate").await;
    }
    server.idle().await;
    assert!(ids.iter().all(|id| phone.cards_of(id).len() == 1));
}

#[tokio::test]
async fn what_waited_for_its_next_attempt_when_the_server_was_killed_is_sent_with_the_same_bytes() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.always(Some(error(503)));
    server.ring(&inbound("waiting", NUMBER), "accepted").await;
    until("it was tried twice", async || (phone.received().len() >= 2).then_some(())).await;
    let server = server.killed_and_started_again().await;
    phone.always(None);
    assert_eq!(server.settled("waiting").await["state"], "sent");
    let received = phone.received_of("waiting");
    assert!(received.iter().all(|one| one.request.body == received[0].request.body));
    assert_eq!(phone.cards_of("waiting").len(), 1);
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_burst_loses_nothing_that_was_answered_accepted() {
    let phone = Phone::start();
    let mut server = Server::with(EVERYBODY, &phone).await;
    let mut accepted: Vec<String> = Vec::new();
    for round in 0..3 {
        let answered = Arc::new(AtomicUsize::new(0));
        let posts: Vec<_> = (0..30)
            .map(|number| {
                let (client, url) = (server.client.clone(), server.webhook_url());
                let (id, answered) = (format!("burst-{round}-{number}"), Arc::clone(&answered));
                tokio::spawn(async move {
                    let sent = client.post(url).body(inbound(&id, NUMBER).to_string()).send().await.ok()?;
                    let answer: Value = serde_json::from_slice(&sent.bytes().await.ok()?).ok()?;
                    answered.fetch_add(1, Ordering::SeqCst);
                    (answer == json!({"status": "accepted"})).then_some(id)
                })
            })
            .collect();
        until("some are answered", async || (answered.load(Ordering::SeqCst) > 5 * round).then_some(())).await;
        server = server.killed_and_started_again().await;
        for post in posts {
            accepted.extend(post.await.unwrap());
        }
    }
    assert!(!accepted.is_empty());
    server.idle().await;
    for id in &accepted {
        assert_eq!(server.settled(id).await["state"], "sent", "{id}");
        assert!(!phone.cards_of(id).is_empty(), "{id}");
        server.ring(&inbound(id, NUMBER), "duplicate").await;
    }
}

#[tokio::test]
async fn unreadable_events_and_hang_ups_survive_a_kill_as_well() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    assert_eq!(server.webhook_bytes(b"not JSON".to_vec()).await, (200, json!({"status": "unreadable"})));
    server.ring(&super::event::hangup("ended"), "accepted").await;
    let server = server.killed_and_started_again().await;
    assert_eq!(server.get_json("/api/unreadable").await["unreadable"].as_array().unwrap().len(), 1);
    server.ring(&inbound("ended", NUMBER), "accepted").await;
    assert_eq!(server.settled("ended").await["state"], "over");
    assert_eq!(phone.received().len(), 0);
}

#[tokio::test]
async fn a_call_that_grew_old_while_the_server_was_down_is_settled_too_late() {
    let phone = Phone::start();
    let server = Server::with(&EVERYBODY.replace("rules:", "defaults: {send_within: 3s}\nrules:"), &phone).await;
    phone.always(Some(Reply::Hang));
    let begun = std::time::Instant::now();
    server.ring(&inbound("aged", NUMBER), "accepted").await;
    until("it is under way", async || (phone.received().len() == 1).then_some(())).await;
    let place = server.killed();
    until("the call is too old", async || (begun.elapsed().as_millis() > 3100).then_some(())).await;
    phone.always(None);
    let server = Server::start(place).await;
    assert_eq!(server.settled("aged").await["state"], "too_late");
    assert_eq!(phone.received().len(), 1);
}
