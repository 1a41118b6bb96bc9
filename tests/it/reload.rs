//! New rules while the server runs: good ones take effect at once, broken ones never.

use serde_json::{Value, json};

use super::event::inbound;
use super::phone::Phone;
use super::server::{Server, until};

const NUMBER: &str = "+905321234567";

fn rules(text: &str) -> String {
    format!("version: 1\nrules:\n  - name: everybody\n    card: [{{type: title, text: {text}}}]\n")
}

async fn reload(server: &Server) -> (u16, Value) {
    let response = server.client.post(format!("{}/-/reload", server.admin)).send().await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

async fn card_of(server: &Server, phone: &Phone, call_id: &str) -> Value {
    server.ring_and_settle(&inbound(call_id, NUMBER)).await;
    phone.cards_of(call_id)[0]["card"][0]["text"].clone()
}

#[tokio::test]
async fn a_reload_changes_the_next_card() {
    let phone = Phone::start();
    let server = Server::with(&rules("before"), &phone).await;
    let before = server.get_json("/readyz").await["revision"].clone();
    assert_eq!(card_of(&server, &phone, "one").await, "before");
    server.place.write("main.yaml", &rules("after"));
    let (status, body) = reload(&server).await;
    assert_eq!((status, &body["problems"]), (200, &json!([])));
    assert_ne!(body["revision"], before);
    assert_eq!(card_of(&server, &phone, "two").await, "after");
    assert_eq!(server.delivery("one").await.unwrap()["revision"], before);
    assert_eq!(server.delivery("two").await.unwrap()["revision"], body["revision"]);
    assert_eq!(server.metric("callcard_reloads_total{outcome=\"swapped\"}").await, 1.0);
}

#[tokio::test]
async fn broken_rules_are_told_with_their_places_and_the_old_ones_stay() {
    let phone = Phone::start();
    let server = Server::with(&rules("steady"), &phone).await;
    let before = server.get_json("/readyz").await["revision"].clone();
    server.place.write("main.yaml", "version: 1\nrules:\n  - name: everybody\n    wehn: {}\n    card: nowhere\n");
    let (status, body) = reload(&server).await;
    assert_eq!((status, &body["revision"]), (422, &before));
    let problems = body["problems"].as_array().unwrap();
    let place = |problem: &Value| (problem["code"].clone(), problem["line"].clone(), problem["column"].clone());
    assert!(problems.iter().map(place).any(|at| at == (json!("R012"), json!(4), json!(5))), "{body}");
    assert!(problems.iter().all(|problem| problem["path"].as_str().unwrap().ends_with("main.yaml")), "{body}");
    assert!(problems.iter().all(|problem| problem["message"].is_string()), "{body}");
    assert_eq!(card_of(&server, &phone, "one").await, "steady");
    assert_eq!(server.metric("callcard_reloads_total{outcome=\"rejected\"}").await, 1.0);
    let loud = server.log().iter().filter(|line| line["level"] == "ERROR").count();
    assert!(loud >= 2, "every problem and that the old rules stay");
}

#[tokio::test]
async fn a_vanished_empty_or_half_written_file_never_takes_effect() {
    let phone = Phone::start();
    let server = Server::with(&rules("steady"), &phone).await;
    let path = server.place.rules().join("main.yaml");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(reload(&server).await.0, 422);
    for text in ["", "version: 1\n", "version: 1\nrules:\n  - name: every", "\u{0}", "version: 2\nrules: []\n"] {
        server.place.write("main.yaml", text);
        assert_eq!(reload(&server).await.0, 422, "{text:?}");
    }
    std::fs::write(&path, b"version: 1 # \xff\xfe\n").unwrap();
    assert_eq!(reload(&server).await.0, 422);
    std::fs::remove_dir_all(server.place.rules()).unwrap();
    assert_eq!(reload(&server).await.0, 422);
    assert_eq!(card_of(&server, &phone, "one").await, "steady");
    server.place.write("main.yaml", &rules("mended"));
    assert_eq!(reload(&server).await.0, 200);
    assert_eq!(card_of(&server, &phone, "two").await, "mended");
}

#[tokio::test]
async fn a_file_that_is_nested_too_deep_is_a_failed_reload_and_not_the_end_of_the_server() {
    let phone = Phone::start();
    let server = Server::with(&rules("steady"), &phone).await;
    for levels in [60, 70, 5000] {
        let brackets = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let lines: String = (0..levels).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
        for nested in [brackets, format!("\n{lines}")] {
            server.place.write("main.yaml", &format!("version: 1\nrules: {nested}\n"));
            assert_eq!(reload(&server).await.0, 422, "{levels} levels");
        }
    }
    assert_eq!(card_of(&server, &phone, "one").await, "steady");
}

#[tokio::test]
async fn sighup_reloads_as_well_and_survives_broken_rules() {
    let phone = Phone::start();
    let server = Server::with(&rules("before"), &phone).await;
    server.place.write("main.yaml", &rules("after"));
    server.signal("HUP");
    let counted = async |outcome: &str| {
        let name = format!("callcard_reloads_total{{outcome=\"{outcome}\"}}");
        until("the signal was handled", async || (server.metric(&name).await > 0.0).then_some(())).await;
    };
    counted("swapped").await;
    assert_eq!(card_of(&server, &phone, "one").await, "after");
    server.place.write("main.yaml", "version: [");
    server.signal("HUP");
    counted("rejected").await;
    assert_eq!(card_of(&server, &phone, "two").await, "after");
}

#[tokio::test]
async fn changed_data_takes_effect_with_the_reload() {
    let phone = Phone::start();
    let text = "
version: 1
sources: {people: {csv: {file: people.csv, numbers: [phone]}}}
rules:
  - name: known
    needs: {people: one}
    card: [{type: title, text: \"{{people.name}}\"}]
";
    let place = super::server::Place::new(text, &phone);
    place.write("people.csv", "phone,name\n05321234567,First Canary\n");
    let server = Server::start(place).await;
    assert_eq!(card_of(&server, &phone, "one").await, "First Canary");
    server.place.write("people.csv", "phone,name\n05321234567,Second Canary\n");
    assert_eq!(reload(&server).await.0, 200);
    assert_eq!(card_of(&server, &phone, "two").await, "Second Canary");
    server.place.write("people.csv", "phone,name\n05321234567,Third,Canary\n");
    assert_eq!(reload(&server).await.0, 422);
    assert_eq!(card_of(&server, &phone, "three").await, "Second Canary");
}
