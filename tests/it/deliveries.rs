//! `callcard deliveries` against a running server, against its files, and the same on the admin address.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::event::{hangup, inbound};
use super::phone::{Phone, error};
use super::server::{EVERYBODY, Place, Server, until};

const NUMBER: &str = "+905321234567";

/// How the command ended: its exit code, stdout and stderr.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// The calls that a listing shows.
    fn calls(&self) -> Vec<String> {
        let listed = self.json()["deliveries"].clone();
        listed.as_array().unwrap().iter().map(|row| row["call_id"].as_str().unwrap().to_owned()).collect()
    }
}

/// Runs `callcard deliveries` with nothing but this token in its environment.
async fn deliveries(arguments: &[&str], token: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_callcard"));
    command.arg("deliveries").args(arguments).env_clear().env("CALLCARD_ADMIN_TOKEN", token);
    let output = tokio::task::spawn_blocking(move || super::canary::printed(command.output().unwrap())).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

async fn retry(server: &Server, id: &Value, query: &str) -> (u16, Value) {
    let url = format!("{}/api/deliveries/{id}/retry{query}", server.admin);
    let response = server.client.post(url).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

#[tokio::test]
async fn a_listing_is_the_same_from_the_server_and_from_its_files_and_can_be_narrowed() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    server.ring_and_settle(&inbound("first", NUMBER)).await;
    phone.script([error(422)]);
    server.ring_and_settle(&inbound("second", NUMBER)).await;
    let data = server.place.data().to_str().unwrap().to_owned();
    for place in [["--admin", &server.admin], ["--data", &data]] {
        let list = async |more: &[&str]| {
            deliveries(&[&["list", "--format", "json"], &place[..], more].concat(), "").await.calls()
        };
        assert_eq!(list(&[]).await, ["second", "first"]);
        assert_eq!(list(&["--state", "refused"]).await, ["second"]);
        assert_eq!(list(&["--call", "first"]).await, ["first"]);
        assert_eq!(list(&["--limit", "1"]).await, ["second"]);
        assert_eq!(list(&["--account", "other"]).await, [""; 0]);
        assert_eq!(list(&["--since", "1h"]).await, ["second", "first"]);
        assert_eq!(list(&["--since", "2099-01-01T00:00:00Z"]).await, [""; 0]);
        let text = deliveries(&[&["list"], &place[..]].concat(), "").await;
        let lines: Vec<&str> = text.stdout.lines().collect();
        assert_eq!((text.code, lines.len()), (Some(0), 3), "{}", text.stdout);
        assert!(lines[0].starts_with("id  received_at"), "{}", lines[0]);
        assert!(lines[1].contains("refused") && lines[1].ends_with("scripted 422"), "{}", lines[1]);
    }
    let place = server.killed();
    let ran = deliveries(&["list", "--format", "json", "--data", place.data().to_str().unwrap()], "").await;
    assert_eq!(ran.calls(), ["second", "first"], "no server need run");
}

#[tokio::test]
async fn numbers_are_masked_unless_all_is_asked_for() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let id = server.ring_and_settle(&inbound("masked", NUMBER)).await["id"].to_string();
    let data = server.place.data().to_str().unwrap().to_owned();
    for place in [["--admin", &server.admin], ["--data", &data]] {
        for format in ["text", "json"] {
            let show = async |more: &[&str]| {
                deliveries(&[&["show", &id, "--format", format], &place[..], more].concat(), "").await.stdout
            };
            let masked = show(&[]).await;
            assert!(masked.contains("+** *** *** ** 67") && !masked.contains("532"), "{masked}");
            assert!(show(&["--full"]).await.contains("+90 532 123 45 67"));
        }
        let nobody = deliveries(&[&["show", "77"], &place[..]].concat(), "").await;
        assert_eq!((nobody.code, nobody.stderr.as_str()), (Some(1), "there is no such delivery\n"));
    }
}

#[tokio::test]
async fn a_refused_delivery_is_decided_and_sent_again() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    phone.script([error(422)]);
    let refused = server.ring_and_settle(&inbound("mended", NUMBER)).await;
    server.place.write("main.yaml", &EVERYBODY.replace("{{customer.international}}", "Mended"));
    assert_eq!(server.client.post(format!("{}/-/reload", server.admin)).send().await.unwrap().status(), 200);
    let id = refused["id"].to_string();
    let ran = deliveries(&["retry", &id, "--admin", &server.admin], "").await;
    assert_eq!((ran.code, ran.stdout), (Some(0), format!("delivery {id} is tried again\n")), "{}", ran.stderr);
    assert_eq!(server.settled("mended").await["state"], "sent");
    assert_eq!(phone.cards_of("mended"), [json!({"card": [{"type": "title", "text": "Mended"}]})]);
}

#[tokio::test]
async fn what_nobody_would_see_is_not_sent_again() {
    let phone = Phone::start();
    let server = Server::with(&EVERYBODY.replace("rules:", "defaults: {send_within: 1s}\nrules:"), &phone).await;
    let sent = server.ring_and_settle(&inbound("sent", NUMBER)).await;
    let (status, answer) = retry(&server, &sent["id"], "").await;
    assert!(status == 409 && answer["error"].as_str().unwrap().contains("was sent"), "{answer}");
    phone.always(Some(error(503)));
    let begun = Instant::now();
    let late = server.ring_and_settle(&inbound("late", NUMBER)).await;
    assert_eq!(late["state"], "too_late");
    phone.always(None);
    until("the call is too old", async || (begun.elapsed() > Duration::from_millis(1100)).then_some(())).await;
    let ran = deliveries(&["retry", &late["id"].to_string(), "--admin", &server.admin], "").await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.starts_with("not tried again: its call began too long ago"), "{}", ran.stderr);
    assert_eq!(phone.cards_of("late").len(), 0);
    let ran = deliveries(&["retry", &late["id"].to_string(), "--force", "--admin", &server.admin], "").await;
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(server.settled("late").await["state"], "sent");
    server.ring(&hangup("late"), "accepted").await;
    let (status, answer) = retry(&server, &late["id"], "?force=true").await;
    assert!(status == 409 && answer["error"].as_str().unwrap().contains("has ended"), "{answer}");
    assert_eq!(retry(&server, &json!(77), "").await.0, 404);
    assert_eq!(phone.cards_of("late").len(), 1);
}

#[tokio::test]
async fn what_was_sent_is_sent_again_by_force_also_after_a_restart() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let sent = server.ring_and_settle(&inbound("sent", NUMBER)).await;
    let server = server.killed_and_started_again().await;
    let (status, answer) = retry(&server, &sent["id"], "?force=true").await;
    assert!((200..300).contains(&status), "{answer}");
    until("it is sent again", async || (phone.received_of("sent").len() == 2).then_some(())).await;
    assert!(phone.asked_about("sent").is_empty(), "that it has a card is known");
}

#[tokio::test]
async fn a_server_that_is_not_there_or_wants_a_token_is_told_with_what_to_do() {
    let phone = Phone::start();
    let mut place = Place::new(EVERYBODY, &phone);
    place.set("CALLCARD_ADMIN_TOKEN", "admin-token");
    let server = Server::start(place).await;
    let list = async |token: &str| deliveries(&["list", "--admin", &server.admin, "--format", "json"], token).await;
    assert_eq!(list("admin-token").await.calls(), [""; 0]);
    let refused = list("wrong").await;
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("another CALLCARD_ADMIN_TOKEN"), "{}", refused.stderr);
    let nobody = deliveries(&["list", "--admin", "http://127.0.0.1:1"], "").await;
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.stderr.contains("--admin") && nobody.stderr.contains("--data"), "{}", nobody.stderr);
    let data = server.place.data().to_str().unwrap().to_owned();
    let retried = deliveries(&["retry", "1", "--data", &data], "").await;
    assert_eq!(retried.code, Some(2));
    assert!(retried.stderr.contains("running server"), "{}", retried.stderr);
    let missing = deliveries(&["list", "--data", "/nowhere"], "").await;
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("/nowhere"), "{}", missing.stderr);
}
