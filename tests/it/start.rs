//! What keeps the server from starting: each is said clearly, with exit code 1 for rules and 2 for everything else.

use std::net::TcpListener;

use super::phone::Phone;
use super::server::{Place, SECRET, Server};

const RULES: &str = "
version: 1
rules:
  - name: everybody
    card: [{type: title, text: Hello}]
";

/// The server refuses with this exit code, and says all of these words.
pub async fn refuses(place: &Place, code: i32, words: &[&str]) {
    let (ended, said) = place.refused().await;
    assert_eq!(ended, Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
}

#[tokio::test]
async fn without_a_token_it_says_which_variable_is_missing() {
    refuses(&Place::bare(RULES), 2, &["HIPCALL_API_TOKEN"]).await;
    let mut place = Place::bare(RULES);
    place.set("HIPCALL_API_TOKEN", "");
    place.set("HIPCALL_WEBHOOK_SECRET", SECRET);
    refuses(&place, 2, &["HIPCALL_API_TOKEN"]).await;
}

#[tokio::test]
async fn without_a_webhook_secret_it_does_not_open_a_door_for_everybody() {
    let phone = Phone::start();
    for secret in [None, Some("")] {
        let mut place = Place::bare(RULES);
        place.set("HIPCALL_API_TOKEN", super::phone::TOKEN);
        place.set("HIPCALL_API_URL", &phone.api());
        if let Some(secret) = secret {
            place.set("HIPCALL_WEBHOOK_SECRET", secret);
        }
        refuses(&place, 2, &["HIPCALL_WEBHOOK_SECRET"]).await;
    }
}

#[tokio::test]
async fn an_account_of_the_rules_whose_variable_is_missing_is_a_problem_of_the_rules() {
    let rules = RULES.replace(
        "rules:",
        "accounts:\n  office: {api: \"https://use.hipcall.com/api/v3\", token: \"${OFFICE_TOKEN}\", webhook_secret: \"${OFFICE_SECRET}\"}\nrules:",
    );
    let mut place = Place::bare(&rules);
    refuses(&place, 1, &["OFFICE_TOKEN", "OFFICE_SECRET", "main.yaml:4:", "R047"]).await;
    place.set("OFFICE_TOKEN", "office-canary-token");
    refuses(&place, 1, &["OFFICE_SECRET"]).await;
}

#[tokio::test]
async fn settings_that_make_no_sense_are_told() {
    let phone = Phone::start();
    for (name, value) in [
        ("HIPCALL_API_URL", "https://use.hipcall.com.tr"),
        ("HIPCALL_API_URL", "use.hipcall.com.tr/api/v3"),
        ("HIPCALL_API_URL", "ftp://use.hipcall.com.tr/api/v3"),
        ("HIPCALL_REQUESTS_PER_MINUTE", "0"),
        ("HIPCALL_REQUESTS_PER_MINUTE", "many"),
    ] {
        let mut place = Place::new(RULES, &phone);
        place.set(name, value);
        refuses(&place, 2, &[name]).await;
    }
    let mut place = Place::new(RULES, &phone);
    place.argument("--listen", "everywhere");
    refuses(&place, 2, &["--listen"]).await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let phone = Phone::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin-listen"] {
        let mut place = Place::new(RULES, &phone);
        place.argument(flag, &address);
        refuses(&place, 2, &[&address, "port"]).await;
    }
}

#[tokio::test]
async fn a_data_directory_that_another_process_uses_is_left_alone() {
    let phone = Phone::start();
    let mut place = Place::new(RULES, &phone);
    let data = tempfile::tempdir().unwrap();
    let path = data.path().to_str().unwrap();
    place.argument("--data", path);
    let server = Server::start(place).await;
    let mut second = Place::new(RULES, &phone);
    second.argument("--data", path);
    refuses(&second, 2, &["in use", path]).await;
    server.ring_and_settle(&super::event::inbound("still", "+905321234567")).await;
    drop(server);
    drop(Server::start(second).await);
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_is_named_with_its_cause() {
    let phone = Phone::start();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let mut place = Place::new(RULES, &phone);
    place.argument("--data", path);
    refuses(&place, 2, &[path]).await;

    let damaged = tempfile::tempdir().unwrap();
    std::fs::write(damaged.path().join("outbox.sqlite3"), "this is no database, ".repeat(200)).unwrap();
    place.argument("--data", damaged.path().to_str().unwrap());
    refuses(&place, 2, &["outbox.sqlite3", "not a database"]).await;
}

#[tokio::test]
async fn a_rule_directory_that_is_missing_empty_or_unreadable_is_named() {
    let phone = Phone::start();
    let mut place = Place::new(RULES, &phone);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("notes.txt");
    std::fs::write(&file, "no rules").unwrap();
    // A user who may read everything can't be kept out of a directory, but nobody can read through a file.
    let through = file.join("rules");
    for path in [directory.path().join("missing"), directory.path().to_owned(), through] {
        let path = path.to_str().unwrap();
        place.argument("--rules", path);
        refuses(&place, 1, &["R001", path]).await;
    }
}

#[tokio::test]
async fn a_rule_file_that_cannot_be_read_keeps_all_others_from_taking_effect() {
    let phone = Phone::start();
    let place = Place::new(RULES, &phone);
    std::fs::write(place.rules().join("more.yaml"), b"version: 1 # \xff\n").unwrap();
    refuses(&place, 1, &["R002", "more.yaml"]).await;
    std::fs::remove_file(place.rules().join("more.yaml")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all.yaml", place.rules().join("link.yaml")).unwrap();
    refuses(&place, 1, &["R002", "link.yaml"]).await;
}

#[tokio::test]
async fn every_problem_of_every_file_is_told_at_once() {
    let phone = Phone::start();
    let place = Place::new("version: 1\nrulez: []\n", &phone);
    place.write("deep/other.yml", "version: 1\nrules:\n  - {name: x, needs: {nobody: one}, card: none}\n");
    refuses(&place, 1, &["main.yaml:2:1", "R012", "rules", "other.yml:3:", "R021", "nobody"]).await;
}
