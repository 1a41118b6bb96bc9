//! The ready-made sources of `docs/sources`, as they are shipped, against fakes that answer as the services' documentation
//! says.
//!
//! Only two things of a definition are changed: its addresses lead to the fake, and may be private. A fake takes the
//! right path, method, authentication and body alone; to anything else it says what the real service says then.

mod crms;
mod people;
mod tables;

use std::sync::{Arc, Mutex};

use reqwest::Url;
use serde_json::{Value, json};

use super::canary;
use super::event::inbound;
use super::host::{Host, Reply, Request};
use super::phone::Phone;
use super::server::{Place, Server};
use people::{FOUND_WRONGLY, NOBODY, SHARED, SINGLE};

/// A service and what is expected of its definition.
struct Service {
    /// The directory under `docs/sources`.
    name: &'static str,
    /// What the names of its rules begin with.
    rules: &'static str,
    environment: &'static [(&'static str, &'static str)],
    /// Where tokens are fetched.
    token_path: Option<&'static str>,
    answer: fn(&Request) -> Reply,
    /// "Too many requests", in its own form.
    limited: fn() -> Reply,
    /// "Who are you?", in its own form.
    refused: fn() -> Reply,
    /// The texts of the card of somebody who is alone with the number.
    card: &'static [&'static str],
    /// Where the card leads.
    link: &'static str,
    /// Whether two people can have one number there.
    shares_numbers: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Refusing,
    Limiting,
}

/// A running fake.
struct Fake {
    host: Host,
    state: Arc<Mutex<(Mood, Vec<Request>)>>,
}

impl Fake {
    fn start(service: &'static Service) -> Fake {
        let state = Arc::new(Mutex::new((Mood::Well, Vec::new())));
        let shared = Arc::clone(&state);
        let host = Host::start(move |request| {
            let mut state = shared.lock().unwrap();
            state.1.push(request.clone());
            // Whoever is refused may have fetched a good token before.
            let mood = if service.token_path == Some(request.path()) { Mood::Well } else { state.0 };
            match mood {
                Mood::Well => (service.answer)(&request),
                Mood::Refusing => (service.refused)(),
                Mood::Limiting => (service.limited)(),
            }
        });
        Fake { host, state }
    }

    fn is(&self, mood: Mood) {
        self.state.lock().unwrap().0 = mood;
    }

    /// The requests that went to this path.
    fn asked(&self, path: &str) -> Vec<Request> {
        let asked = &self.state.lock().unwrap().1;
        asked.iter().filter(|request| request.path() == path).cloned().collect()
    }

    /// The shipped definition with its addresses at this fake.
    fn definition(&self, service: &Service) -> String {
        let root = env!("CARGO_MANIFEST_DIR");
        let shipped = std::fs::read_to_string(format!("{root}/docs/sources/{0}/{0}.yaml", service.name)).unwrap();
        let mut lines = Vec::new();
        for line in shipped.lines() {
            let here = line.split_once("url: https://").and_then(|(key, url)| Some((key, url.split_once('/')?.1)));
            lines.push(match here {
                Some((key, path)) => format!("{key}url: http://{}/{path}", self.host.address),
                None => line.to_owned(),
            });
            lines.extend((line == "    http:").then(|| "      private: true".to_owned()));
        }
        lines.join("\n") + "\n"
    }
}

/// The query of a request, or the form in its body, as pairs.
fn pairs(text: &str) -> Vec<(String, String)> {
    Url::parse(&format!("http://fake/?{text}")).unwrap().query_pairs().into_owned().collect()
}

fn query(request: &Request) -> Vec<(String, String)> {
    pairs(request.target.split_once('?').map_or("", |(_, query)| query))
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// Whether the form holds just these fields.
fn is_form(request: &Request, expected: &[(&str, &str)]) -> bool {
    let form = pairs(std::str::from_utf8(&request.body).unwrap());
    let is_form = request.header("content-type") == Some("application/x-www-form-urlencoded");
    is_form && form.len() == expected.len() && expected.iter().all(|(name, text)| value(&form, name) == Some(text))
}

/// The texts in single quotes; nothing where a quote is left over.
fn quoted(text: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = text.split('\'').collect();
    let is_closed = parts.len() % 2 == 1 && parts.len() > 1;
    is_closed.then(|| parts.into_iter().skip(1).step_by(2).map(str::to_owned).collect())
}

fn page(status: u16) -> Reply {
    super::crm::page(status)
}

fn texts(settled: &Value) -> Vec<&str> {
    settled["card"]["card"].as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap()).collect()
}

/// A server with the definition at the fake; `said` may change what stands in the environment.
async fn server(service: &'static Service, fake: &Fake, phone: &Phone, said: fn(&str) -> String) -> Server {
    let mut place = Place::new(&fake.definition(service), phone);
    place.write("defaults.yaml", "version: 1\ndefaults: {decide_within: 15s}\n");
    for (name, value) in service.environment {
        let value = said(value);
        place.set(name, &value);
        if value.contains("canary") {
            canary::secret(&value);
        }
    }
    for name in people::NAMES {
        canary::text(name);
    }
    Server::start(place).await
}

/// All that a definition promises, call by call, each about another number.
async fn keeps_its_promises(service: &'static Service) {
    let (phone, fake) = (Phone::start(), Fake::start(service));
    let server = server(service, &fake, &phone, str::to_owned).await;
    let ring = async |what: &str, number: &str| server.ring_and_settle(&inbound(what, number)).await;

    let settled = ring("one", SINGLE).await;
    assert_eq!(settled["rule"], format!("{}-one", service.rules), "{settled}");
    assert_eq!(texts(&settled), service.card);
    assert_eq!(settled["card"]["card"][0]["link"], service.link);

    if service.shares_numbers {
        let settled = ring("several", SHARED).await;
        assert_eq!(settled["rule"], format!("{}-several", service.rules), "{settled}");
        let shown = texts(&settled);
        assert!(shown[0].starts_with("2 "), "{shown:?}");
        assert_eq!(shown[1..], people::SHARERS, "the older one first, however they were answered");
    }

    let settled = ring("wrong", FOUND_WRONGLY).await;
    assert_eq!(settled["state"], "no_card", "{settled}");
    let steps = settled["trace"]["sources"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["dropped"] == 1), "somebody else was found, and dropped: {settled}");

    let settled = ring("nobody", NOBODY).await;
    assert_eq!((&settled["state"], &settled["rule"]), (&json!("no_card"), &Value::Null), "{settled}");
    if let Some(path) = service.token_path {
        assert_eq!(fake.asked(path).len(), 1, "one token is enough for all calls");
    }

    for (what, mood, number) in
        [("refused", Mood::Refusing, "+905350000001"), ("limited", Mood::Limiting, "+905350000002")]
    {
        fake.is(mood);
        let settled = ring(what, number).await;
        assert_eq!(settled["rule"], format!("{}-does-not-answer", service.rules), "{what}: {settled}");
        assert_eq!(settled["state"], "sent", "{what}: {settled}");
    }
}

#[tokio::test]
async fn hubspot() {
    keeps_its_promises(&crms::HUBSPOT).await;
}

#[tokio::test]
async fn salesforce() {
    keeps_its_promises(&crms::SALESFORCE).await;
}

#[tokio::test]
async fn pipedrive() {
    keeps_its_promises(&crms::PIPEDRIVE).await;
}

#[tokio::test]
async fn zoho() {
    keeps_its_promises(&crms::ZOHO).await;
}

#[tokio::test]
async fn zendesk() {
    keeps_its_promises(&crms::ZENDESK).await;
}

#[tokio::test]
async fn odoo() {
    keeps_its_promises(&tables::ODOO).await;
}

#[tokio::test]
async fn odoo_19() {
    keeps_its_promises(&tables::ODOO_19).await;
}

#[tokio::test]
async fn shopify() {
    keeps_its_promises(&tables::SHOPIFY).await;
}

#[tokio::test]
async fn google_sheets() {
    keeps_its_promises(&tables::GOOGLE_SHEETS).await;
}

/// What the fakes take is what they are told to take: otherwise the tests above would prove nothing.
#[tokio::test]
async fn with_a_wrong_secret_every_service_has_failed() {
    for service in [
        &crms::HUBSPOT,
        &crms::SALESFORCE,
        &crms::PIPEDRIVE,
        &crms::ZOHO,
        &crms::ZENDESK,
        &tables::ODOO,
        &tables::ODOO_19,
        &tables::SHOPIFY,
        &tables::GOOGLE_SHEETS,
    ] {
        let (phone, fake) = (Phone::start(), Fake::start(service));
        let server = server(service, &fake, &phone, |value| value.replace("canary", "wrong-canary")).await;
        let settled = server.ring_and_settle(&inbound("wrong-secret", SINGLE)).await;
        assert_eq!(settled["rule"], format!("{}-does-not-answer", service.rules), "{settled}");
    }
}

/// A query of a dependent source is a text with an id of another answer in it.
#[tokio::test]
async fn an_id_that_would_end_the_quotes_stays_within_them() {
    let service = &crms::SALESFORCE_WITH_A_HOSTILE_ID;
    let (phone, fake) = (Phone::start(), Fake::start(service));
    let server = server(service, &fake, &phone, str::to_owned).await;
    let settled = server.ring_and_settle(&inbound("hostile", SINGLE)).await;
    assert_eq!(settled["rule"], "salesforce-one", "{settled}");
    assert_eq!(texts(&settled), ["Jane Canary", "Acme Canary"], "cases of nobody");
    let asked = fake.asked("/services/data/v62.0/query");
    let soql = query(asked.last().unwrap());
    let soql = value(&soql, "q").unwrap();
    assert_eq!(quoted(soql).unwrap(), ["x%27%20OR%20Id%20%21%3D%20%27"], "{soql}");
}
