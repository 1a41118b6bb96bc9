//! Rules that change a thousand times while calls come in, every second time for the worse.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::event::inbound;
use super::phone::Phone;
use super::server::{Place, Server, until};

const RELOADS: usize = 1000;

/// Rules whose card tells at four places which edition they are.
fn edition(number: usize) -> String {
    format!(
        "version: 1
defaults: {{language: en}}
texts: {{en: {{edition: \"{number}\"}}}}
sources:
  desk: {{static: {{numbers: [phone], records: [{{phone: \"+905321234567\", edition: {number}}}]}}}}
rules:
  - name: edition-{number}
    needs: {{desk: one}}
    card:
      - {{type: title, text: \"{number}\"}}
      - {{type: shortText, label: text, text: \"{{{{t 'edition'}}}}\"}}
      - {{type: shortText, label: source, text: \"{{{{desk.edition}}}}\"}}
"
    )
}

#[tokio::test]
async fn a_thousand_reloads_every_second_one_broken_lose_no_call_and_mix_no_card() {
    let phone = Phone::start();
    let mut place = Place::new(&edition(0), &phone);
    place.set("HIPCALL_REQUESTS_PER_MINUTE", "1000000");
    let server = Server::start(place).await;
    let calls: Vec<String> = (1..=RELOADS).map(|number| format!("call-{number}")).collect();
    for (number, call) in (1..).zip(&calls) {
        let is_good = number % 2 == 0;
        let text = if is_good { edition(number) } else { edition(number).replace("desk.edition", "dsk.edition") };
        server.place.write(".next", &text);
        std::fs::rename(server.place.rules().join(".next"), server.place.rules().join("main.yaml")).unwrap();
        let reload = server.client.post(format!("{}/-/reload", server.admin)).send();
        let event = inbound(call, "+905321234567");
        let (reloaded, ()) = tokio::join!(reload, server.ring(&event, "accepted"));
        assert_eq!(reloaded.unwrap().status(), if is_good { 200 } else { 422 }, "{number}");
    }
    server.idle().await;
    let cards: BTreeMap<String, Value> =
        phone.received().iter().map(|received| (received.call_id.clone(), received.card())).collect();
    assert_eq!(phone.received().len(), RELOADS, "each call has one card");
    let told = until("each call has its line", async || {
        let lines: Vec<Value> = server.log().into_iter().filter(|line| line["outcome"].is_string()).collect();
        (lines.len() == RELOADS).then_some(lines)
    })
    .await;
    let mut editions = BTreeSet::new();
    for line in told {
        let call = line["call.id"].as_str().unwrap();
        let texts: Vec<&str> = (0..3).map(|row| cards[call]["card"][row]["text"].as_str().unwrap()).collect();
        assert!(texts.iter().all(|text| *text == texts[0]), "{call}: {texts:?}");
        assert_eq!(line["rule.name"], format!("edition-{}", texts[0]), "{call}");
        editions.insert(texts[0].parse::<usize>().unwrap());
    }
    assert!(editions.len() > RELOADS / 4, "calls and reloads met: {editions:?}");
    assert!(editions.iter().all(|edition| edition % 2 == 0), "broken rules are never in force: {editions:?}");
}
