//! Tables whose files change while the server runs: the next call sees the new one, and a broken one is never seen.

use serde_json::Value;

use super::event::inbound;
use super::phone::Phone;
use super::server::{Place, Server, until};

const NUMBER: &str = "+905321234567";

const RULES: &str = "
version: 1
sources:
  people: {csv: {file: data/people.csv, numbers: [phone], delimiter: \";\"}}
rules:
  - name: known
    needs: {people: one}
    card: [{type: title, text: \"{{people.name}}\"}]
  - name: unknown
    card: [{type: title, text: Nobody knows}]
";

/// The table with one person.
fn people(name: &str) -> String {
    super::canary::text(name);
    format!("phone;name\n0532 123 45 67;{name}\n")
}

async fn title(server: &Server, phone: &Phone, call_id: &str) -> Value {
    server.ring_and_settle(&inbound(call_id, NUMBER)).await;
    phone.cards_of(call_id)[0]["card"][0]["text"].clone()
}

/// Waits until so many changes had this outcome.
async fn changes(server: &Server, outcome: &str, count: f64) {
    let name = format!("callcard_table_changes_total{{outcome=\"{outcome}\"}}");
    until("the change was seen", async || (server.metric(&name).await >= count).then_some(())).await;
}

fn lines<'a>(log: &'a [Value], level: &str) -> Vec<&'a Value> {
    log.iter().filter(|line| line["level"] == level && line["table.path"] == "data/people.csv").collect()
}

#[tokio::test]
async fn a_changed_table_is_in_force_without_a_reload_and_a_broken_one_never() {
    let phone = Phone::start();
    let place = Place::new(RULES, &phone);
    place.write("data/people.csv", &people("First Canary"));
    let server = Server::start(place).await;
    assert_eq!(title(&server, &phone, "one").await, "First Canary");

    server.place.write("data/people.new", &people("Second Canary"));
    let data = server.place.rules().join("data");
    std::fs::rename(data.join("people.new"), data.join("people.csv")).unwrap();
    changes(&server, "swapped", 1.0).await;
    assert_eq!(title(&server, &phone, "two").await, "Second Canary");

    server.place.write("data/people.csv", &format!("{}0532;Half Canary;", people("Third Canary")));
    super::canary::text("Half Canary");
    changes(&server, "kept", 1.0).await;
    assert_eq!(title(&server, &phone, "three").await, "Second Canary");

    server.place.write("data/people.csv", &people("Fourth Canary"));
    changes(&server, "swapped", 2.0).await;
    assert_eq!(title(&server, &phone, "four").await, "Fourth Canary");

    let log = server.log();
    let (good, bad) = (lines(&log, "INFO"), lines(&log, "WARN"));
    assert_eq!(good.iter().map(|line| &line["table.rows"]).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(bad[0]["message"].as_str().unwrap().contains("line 3 has 3 fields, its header has 2"), "{bad:?}");
    assert_eq!(server.metric("callcard_reloads_total{outcome=\"swapped\"}").await, 0.0);
}
