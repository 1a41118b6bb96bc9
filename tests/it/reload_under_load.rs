//! Rules that change a thousand times while calls come in, every second time for the worse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::event::inbound;
use super::phone::Phone;
use super::server::{Place, Server};

const RELOADS: usize = 1000;

/// Calls that come in at once.
const CALLERS: usize = 2;

/// Rules whose card tells at four places which edition they are.
fn edition(number: usize) -> String {
    format!(
        "version: 1
texts: {{en: {{edition: \"{number}\"}}}}
sources:
  desk: {{static: {{records: [{{edition: {number}}}]}}}}
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
    let is_over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (client, url, is_over) = (server.client.clone(), server.webhook_url(), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut rung = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    let id = format!("call-{caller}-{}", rung.len());
                    let body = inbound(&id, "+905321234567").to_string();
                    let answer = client.post(&url).body(body).send().await.unwrap().text().await.unwrap();
                    assert_eq!(answer, "{\"status\":\"accepted\"}", "{id}");
                    rung.push(id);
                }
                rung
            })
        })
        .collect();
    for number in 1..=RELOADS {
        let is_good = number % 2 == 0;
        let text = if is_good { edition(number) } else { edition(number).replace("desk.edition", "dsk.edition") };
        server.place.write(".next", &text);
        std::fs::rename(server.place.rules().join(".next"), server.place.rules().join("main.yaml")).unwrap();
        let status = server.client.post(format!("{}/-/reload", server.admin)).send().await.unwrap().status();
        assert_eq!(status, if is_good { 200 } else { 422 }, "{number}");
    }
    is_over.store(true, Ordering::SeqCst);
    let mut rung = Vec::new();
    for caller in callers {
        rung.extend(caller.await.unwrap());
    }
    server.idle().await;
    assert!(rung.len() > CALLERS, "{}", rung.len());
    let mut editions = std::collections::BTreeSet::new();
    for id in &rung {
        let cards = phone.cards_of(id);
        assert_eq!(cards.len(), 1, "{id}");
        let texts: Vec<&str> = (0..3).map(|row| cards[0]["card"][row]["text"].as_str().unwrap()).collect();
        assert!(texts.iter().all(|text| *text == texts[0]), "{id}: {texts:?}");
        let edition: usize = texts[0].parse().unwrap();
        assert_eq!(edition % 2, 0, "{id}: broken rules are never in force");
        assert_eq!(server.line_of(id).await["rule.name"], format!("edition-{edition}"), "{id}");
        editions.insert(edition);
    }
    assert!(editions.len() > 1, "{editions:?}");
    assert!(server.metric("callcard_reloads_total{outcome=\"swapped\"}").await >= 500.0);
    assert!(server.metric("callcard_reloads_total{outcome=\"rejected\"}").await >= 500.0);
}
