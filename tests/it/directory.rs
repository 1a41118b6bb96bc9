//! The phone system's own directory as a source: a card without any CRM.

use serde_json::{Value, json};

use super::event::inbound;
use super::host::Reply;
use super::phone::{self, Phone};
use super::server::{Place, Server};

const NUMBER: &str = "+905321234567";

const RULES: &str = r#"
version: 1
sources:
  directory: {hipcall: {}}
rules:
  - name: one
    needs: {directory: one}
    card:
      - {type: title, text: "{{directory.name}}"}
      - {type: shortText, label: Company, text: "{{directory.company}}"}
      - {type: shortText, label: Mail, text: "{{directory.emails.[0].email}}"}
      - {type: shortText, label: Found as, text: "{{directory.found_as}}"}
  - name: many
    needs: {directory: many}
    card: [{type: title, text: "{{#each directory.all}}{{name}} {{/each}}"}]
  - name: failed
    needs: {directory: failed}
    card: [{type: title, text: The directory is down}]
  - name: nobody
    card: [{type: title, text: Nobody knows}]
"#;

fn contact(name: &str, number: &str) -> Value {
    super::canary::text(name);
    json!({"id": 193_768, "full_name": name, "company": {"id": 7, "name": "Acme Canary"}, "external_id": null,
        "emails": [{"order": 1, "email": "canary@example.com"}], "phones": [{"id": 1, "number": number, "country": "TR"}]})
}

fn company(name: &str, number: &str) -> Value {
    super::canary::text(name);
    json!({"id": 80_689, "name": name, "contacts": [], "emails": [], "phones": [{"id": 2, "number": number}]})
}

/// The settled delivery of one call, whoever the directory knows.
async fn ask(phone: &Phone) -> Value {
    let server = Server::with(RULES, phone).await;
    let settled = server.ring_and_settle(&inbound("asked", NUMBER)).await;
    assert_eq!(settled["state"], "sent", "{settled}");
    settled
}

#[tokio::test]
async fn a_contact_of_the_directory_is_on_the_card() {
    let phone = Phone::start();
    phone.knows(json!([contact("Jane Canary", "0532 123 45 67")]), json!([company("Acme Canary", NUMBER)]));
    let settled = ask(&phone).await;
    assert_eq!(settled["rule"], "one");
    let texts: Vec<&Value> = settled["card"]["card"].as_array().unwrap().iter().map(|row| &row["text"]).collect();
    assert_eq!(texts, ["Jane Canary", "Acme Canary", "canary@example.com", "contact"]);
    let asked = phone.asked();
    assert_eq!(asked.len(), 1, "once a call");
    assert_eq!(
        (asked[0].method.as_str(), asked[0].target.as_str()),
        ("GET", "/api/v3/lookup/by_phone?number=%2B905321234567")
    );
    assert_eq!(asked[0].header("authorization"), Some(format!("Bearer {}", phone::TOKEN).as_str()));
}

#[tokio::test]
async fn companies_are_shown_where_no_contact_has_the_number() {
    let phone = Phone::start();
    let companies = json!([company("Acme Canary", NUMBER), company("Beta Canary", NUMBER)]);
    phone.knows(json!([contact("Somebody Canary", "+905439998877")]), companies);
    let settled = ask(&phone).await;
    assert_eq!(
        (&settled["rule"], &settled["card"]["card"][0]["text"]),
        (&json!("many"), &json!("Acme Canary Beta Canary"))
    );
    assert_eq!(settled["trace"]["sources"][0]["dropped"], 1);
}

#[tokio::test]
async fn a_number_that_nobody_has_is_nobody() {
    let phone = Phone::start();
    assert_eq!(ask(&phone).await["rule"], "nobody");
}

#[tokio::test]
async fn a_directory_that_refuses_or_breaks_off_has_failed_and_says_why_without_the_token() {
    for (reply, why) in [
        (phone::error(401), "it refuses the account's token with status 401"),
        (phone::error(404), "it answered with status 404"),
        (phone::error(503), "it answered with status 503"),
        (phone::too_many(1), "it answered with status 429"),
        (Reply::json(200, &json!({"data": []})), "its answer has no `data` with `contacts` and `companies`"),
        (Reply::Close, "the request failed"),
    ] {
        let phone = Phone::start();
        phone.looks_up(Some(reply));
        let settled = ask(&phone).await;
        assert_eq!(settled["rule"], "failed", "{settled}");
        assert_eq!(settled["trace"]["sources"][0]["why"], why);
    }
}

#[tokio::test]
async fn each_account_asks_its_own_phone_system_and_the_parameter_may_have_another_name() {
    let (first, second) = (Phone::start(), Phone::start());
    first.knows(json!([contact("First Canary", NUMBER)]), json!([]));
    second.knows(json!([contact("Second Canary", NUMBER)]), json!([]));
    let account = |phone: &Phone| {
        format!("{{api: {}, token: \"{}\", webhook_secret: {}}}", phone.api(), phone::TOKEN, super::server::SECRET)
    };
    let accounts = format!("accounts:\n  hipcall: {}\n  other: {}\n", account(&first), account(&second));
    let rules = RULES
        .replace("sources:\n", &format!("{accounts}sources:\n"))
        .replace("hipcall: {}", "hipcall: {parameter: phone}");
    let server = Server::start(Place::new(&rules, &first)).await;
    let settled = server.ring_and_settle(&inbound("to-the-first", NUMBER)).await;
    assert_eq!(settled["card"]["card"][0]["text"], "First Canary");
    let url = server.webhook_url().replace("/hipcall/", "/other/");
    let event = inbound("to-the-second", NUMBER).to_string();
    assert_eq!(server.client.post(url).body(event).send().await.unwrap().status(), 200);
    assert_eq!(server.settled("to-the-second").await["card"]["card"][0]["text"], "Second Canary");
    assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
    assert_eq!(second.asked()[0].target, "/api/v3/lookup/by_phone?phone=%2B905321234567");
}
