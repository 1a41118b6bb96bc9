//! Names that try to break out: of JSON, of the template, of the line, of the screen.
//!
//! They arrive literally as far as a screen may show them, and never change the shape of a card.

use serde_json::{Value, json};

use super::crm::Crm;
use super::event::inbound;
use super::phone::{self, Phone};
use super::server::{Place, Server};
use super::{canary, crm};

const NUMBER: &str = "+905321112233";

/// What a source says, and what the agent sees.
fn names() -> Vec<(String, String)> {
    let long = "canary".repeat(1_667);
    let cut: String = long.chars().take(59).chain(['…']).collect();
    let same = |name: &str| (name.to_owned(), name.to_owned());
    let pair = |name: &str, seen: &str| (name.to_owned(), seen.to_owned());
    vec![
        same("O\"Brien \\ {{x}} A&B <b>"),
        same("{{customer.e164}} {{{call}}} {{#each crm.all}}"),
        same("${CRM_TOKEN} %s %2F ../.. \\u0041 \\\" '"),
        same("\"}]},\"card\":[{\"type\":\"title\""),
        same("Zoë 👩‍👩‍👧 🎉 Ünal"),
        same("=SUM(A1:A9)"),
        pair("safe\u{202E}gpj.exe\u{202C}", "safegpj.exe"),
        pair("\u{2066}isolated\u{2069} \u{200F}name", "isolated name"),
        pair("first line\nsecond\r\nthird", "first line second third"),
        pair("bell\u{7}, escape\u{1b}[31m", "bell , escape [31m"),
        pair("  blanks around  ", "blanks around"),
        (long, cut),
    ]
}

fn rules(source: &str) -> String {
    format!(
        "
version: 1
sources:
  crm:
{source}
rules:
  - name: known
    needs: {{crm: one}}
    card:
      - {{type: title, text: \"{{{{crm.name}}}}\", link: \"https://crm.example.com/people?name={{{{crm.name}}}}\"}}
      - {{type: shortText, label: \"{{{{crm.company}}}}\", text: \"{{{{crm.name}}}}\"}}
      - {{type: shortText, label: Company, text: \"{{{{crm.company}}}}\"}}
"
    )
}

/// The card is valid, shows this name and holds nothing that a screen would stumble over.
fn check(card: &Value, name: &str, seen: &str) {
    assert_eq!(phone::refusal(card), None, "{card}");
    let rows = card["card"].as_array().unwrap();
    assert_eq!(rows[0]["text"], seen);
    assert_eq!(rows[1]["text"], seen);
    for text in rows.iter().flat_map(|row| row.as_object().unwrap().values()).filter_map(Value::as_str) {
        let bad = |one: char| one.is_control() || matches!(one, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        assert!(!text.contains(bad), "{text:?}");
    }
    // A link holds the name with everything escaped that could end the query; one that is too long is left out.
    if let Some(link) = rows[0]["link"].as_str() {
        let value = link.strip_prefix("https://crm.example.com/people?name=").unwrap();
        assert!(!value.contains(['&', '"', '<', '{', ' ', '/', '#', '?']), "{link}");
    } else {
        assert!(name.len() > 2_000, "{name}");
    }
}

#[tokio::test]
async fn hostile_names_from_a_table_arrive_literally() {
    let phone = Phone::start();
    let place = Place::new(&rules("    csv: {file: people.csv, numbers: [phone]}"), &phone);
    let mut table = "phone,name,company\n".to_owned();
    for (position, (name, _)) in names().iter().enumerate() {
        table += &format!("+9053211122{:02},\"{}\",\n", position + 10, name.replace('"', "\"\""));
        canary::text(name.trim());
    }
    place.write("people.csv", &table);
    let server = Server::start(place).await;
    for (position, (name, seen)) in names().iter().enumerate() {
        let id = format!("table-{position}");
        let settled = server.ring_and_settle(&inbound(&id, &format!("+9053211122{:02}", position + 10))).await;
        assert_eq!(settled["state"], "sent", "{name:?}: {settled}");
        let card = &phone.cards_of(&id)[0];
        check(card, name, seen);
        assert_eq!(card["card"].as_array().unwrap().len(), 2, "the row without a company is left out: {card}");
    }
}

#[tokio::test]
async fn hostile_names_from_a_web_service_arrive_literally() {
    let phone = Phone::start();
    for (position, (name, seen)) in names().iter().enumerate().step_by(2) {
        canary::text(name.trim());
        let crm = Crm::knowing(&json!([{"phone": NUMBER, "name": name, "company": null, "extra": {"deep": [name]}}]));
        let server = Server::with(&rules(&crm.source("")), &phone).await;
        let id = format!("service-{position}");
        let settled = server.ring_and_settle(&inbound(&id, NUMBER)).await;
        assert_eq!(settled["state"], "sent", "{name:?}: {settled}");
        check(&phone.cards_of(&id)[0], name, seen);
    }
}

#[tokio::test]
async fn fields_that_are_null_or_no_texts_never_cost_the_card() {
    let phone = Phone::start();
    let values = [
        json!(null),
        json!({"a": {"b": "c"}}),
        json!([1, 2, {"x": null}]),
        json!(1.5),
        json!(true),
        json!(false),
        json!(""),
        json!("\u{202E}\u{0}\n"),
    ];
    let crm = Crm::start(crm::page(500));
    let place = Place::new(&rules(&crm.source("")), &phone);
    drop(crm);
    let mut server = Server::start(place).await;
    for (position, value) in values.iter().enumerate() {
        let crm = Crm::knowing(&json!([{"phone": NUMBER, "name": "Steady Canary", "company": value}]));
        server.place.write("main.yaml", &rules(&crm.source("")));
        server = server.killed_and_started_again().await;
        let id = format!("field-{position}");
        let settled = server.ring_and_settle(&inbound(&id, NUMBER)).await;
        assert_eq!(settled["state"], "sent", "{value}: {settled}");
        let card = &phone.cards_of(&id)[0];
        check(card, "Steady Canary", "Steady Canary");
    }
}

#[tokio::test]
async fn what_a_caller_sends_as_number_never_reaches_the_shape_of_a_card() {
    let phone = Phone::start();
    let rules = "
version: 1
rules:
  - name: everybody
    card:
      - {type: title, text: \"{{customer.number}}\", link: \"https://crm.example.com/new/{{customer.number}}\"}
      - {type: shortText, label: Line, text: \"{{line.number}}{{event.data.extra}}\"}
      - {type: shortText, text: steady}
";
    let server = Server::with(rules, &phone).await;
    let numbers =
        [json!("\"}]}\n{{x}}../..?a=1#b"), json!("+90532\u{202E}1234567"), json!(["a"]), json!("9".repeat(10_000))];
    for (position, number) in numbers.iter().enumerate() {
        let id = format!("number-{position}");
        let mut event = inbound(&id, "");
        event["data"]["caller_number"] = number.clone();
        event["data"]["extra"] = json!({"a": null});
        let settled = server.ring_and_settle(&event).await;
        assert_eq!(settled["state"], "sent", "{number}: {settled}");
        let card = &phone.cards_of(&id)[0];
        let link = card["card"][0]["link"].as_str().unwrap_or("https://crm.example.com/new/");
        let filled = link.strip_prefix("https://crm.example.com/new/").unwrap();
        assert!(!filled.contains(['/', '?', '#', '"', '{', '\n']), "{link}");
    }
}
