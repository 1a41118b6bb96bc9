//! Rules whose files change while the server runs, with nobody asking for a reload.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use super::event::inbound;
use super::phone::Phone;
use super::server::{Place, Server, until};

const NUMBER: &str = "+905321234567";

fn rules(text: &str) -> String {
    format!("version: 1\nrules:\n  - name: everybody\n    card: [{{type: title, text: {text}}}]\n")
}

async fn card_of(server: &Server, phone: &Phone, call_id: &str) -> Value {
    server.ring_and_settle(&inbound(call_id, NUMBER)).await;
    phone.cards_of(call_id)[0]["card"][0]["text"].clone()
}

async fn state(server: &Server) -> Value {
    server.get_json("/readyz").await["rules"].clone()
}

/// Waits until so many reloads had this outcome.
async fn reloads(server: &Server, outcome: &str, count: f64) {
    let name = format!("callcard_reloads_total{{outcome=\"{outcome}\"}}");
    until("the change was seen", async || (server.metric(&name).await >= count).then_some(())).await;
    assert_eq!(server.metric(&name).await, count, "{outcome}: a change is dealt with once");
}

#[tokio::test]
async fn an_edit_in_place_or_by_rename_takes_effect_by_itself() {
    let phone = Phone::start();
    let server = Server::with(&rules("before"), &phone).await;
    assert_eq!(card_of(&server, &phone, "one").await, "before");
    server.place.write("main.yaml", &rules("in place"));
    reloads(&server, "swapped", 1.0).await;
    assert_eq!(card_of(&server, &phone, "two").await, "in place");
    let directory = server.place.rules();
    std::fs::write(directory.join(".main.yaml.swp"), rules("renamed")).unwrap();
    std::fs::rename(directory.join(".main.yaml.swp"), directory.join("main.yaml")).unwrap();
    reloads(&server, "swapped", 2.0).await;
    assert_eq!(card_of(&server, &phone, "three").await, "renamed");
}

#[tokio::test]
async fn a_half_written_or_vanished_file_is_shown_and_changes_nothing_until_it_is_whole() {
    let phone = Phone::start();
    let server = Server::with(&rules("steady"), &phone).await;
    let before = state(&server).await;
    assert_eq!((&before["serving"], &before["last_attempt"]["result"]), (&json!("directory"), &json!("swapped")));
    server.place.write("main.yaml", "version: 1\nrules:\n  - name: every");
    reloads(&server, "rejected", 1.0).await;
    let broken = state(&server).await;
    assert_eq!((&broken["revision"], &broken["loaded_at"]), (&before["revision"], &before["loaded_at"]));
    assert_eq!(broken["last_attempt"]["result"], "rejected");
    assert!(broken["last_attempt"]["problems"][0]["path"].as_str().unwrap().ends_with("main.yaml"), "{broken}");
    assert_eq!(server.metric("callcard_rules_last_attempt_successful").await, 0.0);
    assert!(server.metric("callcard_rules_last_attempt_problems").await >= 1.0);
    assert_eq!(card_of(&server, &phone, "one").await, "steady");

    std::fs::remove_dir_all(server.place.rules()).unwrap();
    reloads(&server, "rejected", 2.0).await;
    assert_eq!(card_of(&server, &phone, "two").await, "steady");

    server.place.write("main.yaml", &rules("whole"));
    reloads(&server, "swapped", 1.0).await;
    assert_eq!(card_of(&server, &phone, "three").await, "whole");
    let mended = state(&server).await;
    assert_eq!(
        (&mended["last_attempt"]["result"], &mended["last_attempt"]["problems"]),
        (&json!("swapped"), &json!([]))
    );
    assert_eq!(server.metric("callcard_rules_last_attempt_successful").await, 1.0);
    let info = format!("callcard_rules_info{{revision={},serving=\"directory\"}}", mended["revision"]);
    assert_eq!(server.metric(&info).await, 1.0);
    let loud =
        server.log().into_iter().filter(|line| line["message"].to_string().contains("the new rules are not used"));
    assert_eq!(loud.count(), 2, "a change is told once, not with every look");
}

#[tokio::test]
async fn one_of_several_files_that_vanishes_is_a_failed_reload_unless_it_was_asked_for() {
    let phone = Phone::start();
    let place = Place::new(&rules("last"), &phone);
    place.write("first.yaml", "version: 1\nrules: [{name: first, card: [{type: title, text: first}]}]\n");
    let server = Server::start(place).await;
    assert_eq!(card_of(&server, &phone, "one").await, "first");
    // The same rules under another name are not gone.
    let directory = server.place.rules();
    std::fs::rename(directory.join("first.yaml"), directory.join("begin.yaml")).unwrap();
    reloads(&server, "swapped", 1.0).await;
    std::fs::remove_file(directory.join("begin.yaml")).unwrap();
    reloads(&server, "rejected", 1.0).await;
    let problem = state(&server).await["last_attempt"]["problems"][0].clone();
    assert_eq!(problem["code"], "R002");
    assert!(problem["path"].as_str().unwrap().ends_with("begin.yaml"), "{problem}");
    assert_eq!(card_of(&server, &phone, "two").await, "first");
    server.signal("HUP");
    reloads(&server, "swapped", 2.0).await;
    assert_eq!(card_of(&server, &phone, "three").await, "last");
}

#[tokio::test]
async fn a_link_that_is_turned_to_another_directory_is_a_change() {
    // As Kubernetes mounts a ConfigMap: each file is a link through `..data`, which is swapped by a rename.
    let phone = Phone::start();
    let place = Place::new("", &phone);
    let directory = place.rules();
    std::fs::remove_file(directory.join("main.yaml")).unwrap();
    for (version, text) in [("..one", "before"), ("..two", "after")] {
        place.write(&format!("{version}/main.yaml"), &rules(text));
    }
    symlink("..one", directory.join("..data")).unwrap();
    symlink("..data/main.yaml", directory.join("main.yaml")).unwrap();
    let server = Server::start(place).await;
    assert_eq!(card_of(&server, &phone, "one").await, "before");
    symlink("..two", directory.join("..next")).unwrap();
    std::fs::rename(directory.join("..next"), directory.join("..data")).unwrap();
    reloads(&server, "swapped", 1.0).await;
    assert_eq!(card_of(&server, &phone, "two").await, "after");
}

#[tokio::test]
async fn a_list_in_a_table_is_read_again_when_its_file_has_changed() {
    let phone = Phone::start();
    let text = "
version: 1
lists: {vip: {csv: lists/vip.csv, column: phone}}
rules:
  - {name: vip, when: {customer: {in: vip}}, card: [{type: title, text: VIP}]}
  - {name: others, card: [{type: title, text: Hello}]}
";
    let place = Place::new(text, &phone);
    place.write("lists/vip.csv", "phone\n+905439998877\n");
    let server = Server::start(place).await;
    assert_eq!(card_of(&server, &phone, "one").await, "Hello");
    server.place.write("lists/vip.csv", &format!("phone\n{NUMBER}\n"));
    reloads(&server, "swapped", 1.0).await;
    assert_eq!(card_of(&server, &phone, "two").await, "VIP");
    std::fs::remove_file(server.place.rules().join("lists/vip.csv")).unwrap();
    reloads(&server, "rejected", 1.0).await;
    assert_eq!(card_of(&server, &phone, "three").await, "VIP");
}

/// Every file below a directory, as one text.
fn all_text(directory: &Path) -> String {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { all_text(&path) } else { std::fs::read_to_string(path).unwrap() }).collect()
}

const WITH_TABLE: &str = "
version: 1
sources: {people: {csv: {file: people.csv, numbers: [phone]}}}
accounts: {hipcall: {api: \"${HIPCALL_API_URL}\", token: \"${HIPCALL_API_TOKEN}\", webhook_secret: \"${HIPCALL_WEBHOOK_SECRET}\"}}
rules:
  - {name: known, needs: {people: one}, card: [{type: title, text: \"{{people.name}}\"}]}
";

#[tokio::test]
async fn a_restart_with_broken_rules_serves_the_last_good_ones_until_they_are_mended() {
    let phone = Phone::start();
    let place = Place::new(WITH_TABLE, &phone);
    super::canary::text("First Canary");
    place.write("people.csv", "phone,name\n05321234567,First Canary\n");
    let server = Server::start(place).await;
    let revision = state(&server).await["revision"].clone();
    let place = server.killed();
    let kept = all_text(&place.data().join("rules"));
    assert!(kept.contains("First Canary") && kept.contains("${HIPCALL_API_TOKEN}"), "{kept}");
    assert!(!kept.contains(super::phone::TOKEN) && !kept.contains(super::server::SECRET), "{kept}");

    // Broken by its table, and then by its rules.
    place.write("people.csv", "number\n");
    let server = Server::start(place).await;
    let serving = state(&server).await;
    assert_eq!((&serving["serving"], &serving["revision"]), (&json!("last_good"), &revision));
    assert_eq!(serving["last_attempt"]["result"], "rejected");
    assert_eq!(card_of(&server, &phone, "one").await, "First Canary");
    assert_eq!(server.delivery("one").await.unwrap()["revision"], revision);
    let loud = server.log().into_iter().filter(|line| line["level"] == "ERROR").collect::<Vec<_>>();
    assert!(loud.iter().any(|line| line["message"].to_string().contains("the last good ones are served")), "{loud:?}");

    let place = server.killed();
    place.write("main.yaml", "version: [");
    let server = Server::start(place).await;
    assert_eq!(state(&server).await["serving"], "last_good");
    assert_eq!(card_of(&server, &phone, "two").await, "First Canary");

    server.place.write("main.yaml", WITH_TABLE);
    super::canary::text("Second Canary");
    server.place.write("people.csv", "phone,name\n05321234567,Second Canary\n");
    until("the mended rules are served", async || (state(&server).await["serving"] == "directory").then_some(())).await;
    assert_eq!(card_of(&server, &phone, "three").await, "Second Canary");
}

#[tokio::test]
async fn a_strict_server_refuses_to_start_with_broken_rules() {
    let phone = Phone::start();
    let mut place = Server::with(&rules("good"), &phone).await.killed();
    place.write("main.yaml", "version: [");
    place.set("CALLCARD_STRICT", "true");
    let (code, said) = place.refused().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("main.yaml"), "{said}");
    place.set("CALLCARD_STRICT", "false");
    drop(Server::start(place).await);
}
