//! What a caller and the sources say, both in any form → a card of rules that stand in `card/rules.yaml`.

use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use callcard::engine::Outcome;
use callcard::event::{Call, Event};
use callcard::rules::RuleSet;
use callcard::source::Stub;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::world;

/// The rows that stand in the rules with `each` told three times.
const ROWS_MAX: usize = 11;

/// Where the links of these rules lead, whatever is filled in.
const LINKS: [&str; 4] = ["https://crm.example.com/people/", "https://crm.example.com/new?n=", "tel:", "crm://"];

static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    let directory = world::directory();
    let file = directory.path().join("main.yaml");
    std::fs::write(&file, include_str!("card/rules.yaml")).expect("a file can be written");
    let loaded = world::loaded(&file, false);
    loaded.rules.unwrap_or_else(|| panic!("{:?}", loaded.problems))
});

static RUNTIME: LazyLock<Mutex<Runtime>> = LazyLock::new(|| Mutex::new(world::paused()));

/// A line with the body of a webhook, and for each source a line with a list of records; what is no list is a failure.
pub fn card(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let Ok(event) = Event::parse(lines.next().unwrap_or_default()) else { return };
    let Some(call) = Call::new(&event, "hipcall", RULES.defaults.region, world::received_at()) else { return };
    let mut stub = || {
        let said: Option<Value> = lines.next().and_then(|line| serde_json::from_slice(line).ok());
        let records = said.filter(Value::is_array).map(|list| world::as_records(&list));
        Stub { answer: records.ok_or_else(|| "down".to_owned()), after: Duration::ZERO }
    };
    let given = [("crm".to_owned(), stub()), ("orders".to_owned(), stub())];
    let runtime = RUNTIME.lock().expect("nobody else has it");
    let decision = world::decided(&runtime, &RULES.with_stubs(&given), &call);
    let Outcome::Card(card) = decision.outcome else { return };
    let rows = card.rows().as_array().expect("rows are a list");
    assert!(rows.len() <= ROWS_MAX, "{} rows", rows.len());
    for row in rows {
        for key in ["link", "ios", "android"] {
            let Some(link) = row.get(key).and_then(Value::as_str) else { continue };
            let is_whole = row["label"] == "Page" && key == "link";
            let is_known = LINKS.iter().any(|begin| link.starts_with(begin));
            assert!(if is_whole { link.starts_with("https://") } else { is_known }, "{link}");
        }
        let text = row.get("text").and_then(Value::as_str).unwrap_or_default();
        assert!(text.chars().count() <= 60, "{text}");
    }
}
