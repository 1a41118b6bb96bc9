//! A strict card API and the directory beside it, written from what is known of the real one and not from the library's schema.
//!
//! A key that is unknown, null or empty costs the whole card, and so does a wrong type or a wrong token. It records every
//! request, and plays one scripted fault a request before it becomes itself again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::host::{Host, Reply, Request};

/// The only token that it takes.
pub const TOKEN: &str = "token-canary-5f0c9e";

/// One request and how it was answered; no status where it was not.
#[derive(Clone, Debug)]
pub struct Received {
    pub request: Request,
    pub call_id: String,
    pub status: Option<u16>,
}

impl Received {
    pub fn card(&self) -> Value {
        serde_json::from_slice(&self.request.body).unwrap()
    }
}

/// What goes wrong with a request, if anything does.
pub type Faults = Box<dyn FnMut(&Request) -> Option<Reply> + Send>;

#[derive(Default)]
struct State {
    received: Vec<Received>,
    script: VecDeque<Reply>,
    always: Option<Reply>,
    faults: Option<Faults>,
    questions: Questions,
    directory: Directory,
}

/// Who asked which cards a call has.
#[derive(Default)]
struct Questions {
    asked: Vec<Received>,
    reply: Option<Reply>,
}

/// What the lookup knows; `data` of its answer.
#[derive(Default)]
struct Directory {
    known: Option<Value>,
    reply: Option<Reply>,
    asked: Vec<Request>,
}

/// The fake phone system.
pub struct Phone {
    host: Host,
    state: Arc<Mutex<State>>,
}

impl Phone {
    pub fn start() -> Phone {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        Phone { host: Host::start(move |request| answer(&mut shared.lock().unwrap(), request)), state }
    }

    /// What `HIPCALL_API_URL` is set to.
    pub fn api(&self) -> String {
        format!("http://{}/api/v3", self.host.address)
    }

    /// The next requests are answered so, one each; after that it is itself.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().script.extend(replies);
    }

    /// Every request is answered so, until `None`.
    pub fn always(&self, reply: Option<Reply>) {
        self.state.lock().unwrap().always = reply;
    }

    /// Each request about cards is asked what goes wrong with it, until `None`.
    pub fn fails(&self, faults: Option<Faults>) {
        self.state.lock().unwrap().faults = faults;
    }

    /// From now on every lookup finds these, whoever is asked about.
    pub fn knows(&self, contacts: Value, companies: Value) {
        self.state.lock().unwrap().directory.known = Some(json!({"contacts": contacts, "companies": companies}));
    }

    /// Every lookup is answered so, until `None`; cards are taken all the same.
    pub fn looks_up(&self, reply: Option<Reply>) {
        self.state.lock().unwrap().directory.reply = reply;
    }

    /// Every question for the cards of a call is answered so, until `None`; by itself it lists what it took.
    pub fn lists(&self, reply: Option<Reply>) {
        self.state.lock().unwrap().questions.reply = reply;
    }

    /// Every question for the cards of one call.
    pub fn asked_about(&self, call_id: &str) -> Vec<Received> {
        let asked = self.state.lock().unwrap().questions.asked.clone();
        asked.into_iter().filter(|asked| asked.call_id == call_id).collect()
    }

    /// Every lookup.
    pub fn asked(&self) -> Vec<Request> {
        self.state.lock().unwrap().directory.asked.clone()
    }

    pub fn stop(&mut self) {
        self.host.stop();
    }

    pub fn restart(&mut self) {
        self.host.restart();
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// Every request about one call.
    pub fn received_of(&self, call_id: &str) -> Vec<Received> {
        self.received().into_iter().filter(|received| received.call_id == call_id).collect()
    }

    /// The cards of one call that it took, as `{"card": […]}`.
    pub fn cards_of(&self, call_id: &str) -> Vec<Value> {
        cards_of(&self.state.lock().unwrap(), call_id)
    }
}

/// An error as the API words it.
pub fn error(status: u16) -> Reply {
    Reply::json(status, &json!({"errors": {"detail": format!("scripted {status}")}}))
}

/// 429 with `Retry-After`.
pub fn too_many(seconds: u64) -> Reply {
    Reply::Answer { status: 429, headers: vec![("retry-after".into(), seconds.to_string())], body: Vec::new() }
}

fn answer(state: &mut State, request: Request) -> Reply {
    if request.path() == "/api/v3/lookup/by_phone" {
        let reply = state.directory.reply.clone().unwrap_or_else(|| look_up(&request, state.directory.known.as_ref()));
        state.directory.asked.push(request);
        return reply;
    }
    let call_id = call_id(request.path()).unwrap_or_default().to_owned();
    let fault = state.faults.as_mut().and_then(|faults| faults(&request));
    if request.method == "GET" {
        let reply = state.questions.reply.clone().or(fault).unwrap_or_else(|| list(state, &request, &call_id));
        let status = reply.status();
        state.questions.asked.push(Received { request, call_id, status });
        return reply;
    }
    let reply = state.always.clone().or_else(|| state.script.pop_front()).or(fault).unwrap_or_else(|| strict(&request));
    let status = reply.status();
    state.received.push(Received { request, call_id, status });
    reply
}

fn call_id(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/api/v3/calls/")?.strip_suffix("/cards")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    ((1..=64).contains(&id.len()) && id.bytes().all(allowed)).then_some(id)
}

fn cards_of(state: &State, call_id: &str) -> Vec<Value> {
    let taken = |received: &&Received| received.status.is_some_and(|status| (200..300).contains(&status));
    let of_call = |received: &&Received| received.call_id == call_id;
    state.received.iter().filter(of_call).filter(taken).map(Received::card).collect()
}

/// The first card of a call, if it has one.
fn list(state: &State, request: &Request, call_id: &str) -> Reply {
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return detail(401, "Unauthorized");
    }
    let rows = cards_of(state, call_id).first().map_or(json!([]), |card| card["card"].clone());
    Reply::json(200, &json!({ "data": rows }))
}

fn detail(status: u16, detail: &str) -> Reply {
    Reply::json(status, &json!({"errors": {"detail": detail}}))
}

/// The lookup, with one parameter, a whole number with its plus.
fn look_up(request: &Request, known: Option<&Value>) -> Reply {
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return detail(401, "Unauthorized");
    }
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let number = query.strip_prefix("number=%2B").or_else(|| query.strip_prefix("phone=%2B")).unwrap_or_default();
    if request.method != "GET" || number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return detail(400, "Bad Request");
    }
    let nobody = json!({"contacts": [], "companies": []});
    Reply::json(200, &json!({"data": known.unwrap_or(&nobody)}))
}

fn strict(request: &Request) -> Reply {
    let Some(call_id) = call_id(&request.target) else { return detail(404, "Not Found") };
    if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
        return detail(401, "Unauthorized");
    }
    if request.method != "POST" {
        return detail(405, "Method Not Allowed");
    }
    if request.header("content-type") != Some("application/json") {
        return detail(415, "Unsupported Media Type");
    }
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else { return detail(400, "Bad Request") };
    match refusal(&body) {
        Some(why) => Reply::json(422, &json!({"errors": {"card": [why]}})),
        None => Reply::json(201, &json!({"data": {"call_id": call_id, "card": body["card"]}})),
    }
}

/// Why a body is no card.
pub fn refusal(body: &Value) -> Option<String> {
    let Some(keys) = body.as_object() else { return Some("not an object".into()) };
    if let Some(key) = keys.keys().find(|key| *key != "card") {
        return Some(format!("unknown key {key}"));
    }
    match body.get("card").and_then(Value::as_array) {
        None => Some("card is not a list".into()),
        Some(rows) if rows.is_empty() => Some("card is empty".into()),
        Some(rows) => rows.iter().find_map(|row| match row.as_object() {
            Some(row) => row_refusal(row),
            None => Some("a row is not an object".into()),
        }),
    }
}

fn row_refusal(row: &Map<String, Value>) -> Option<String> {
    let (required, optional): (&[&str], &[&str]) = match row.get("type").and_then(Value::as_str) {
        Some("title") => (&["type", "text"], &["link"]),
        Some("shortText") => (&["type", "text"], &["label", "link", "ios", "android"]),
        Some("user") => (&["type", "label", "user_id"], &[]),
        other => return Some(format!("unknown type {other:?}")),
    };
    if let Some(missing) = required.iter().find(|key| !row.contains_key(**key)) {
        return Some(format!("{missing} is missing"));
    }
    row.iter().find_map(|(key, value)| {
        if !required.contains(&key.as_str()) && !optional.contains(&key.as_str()) {
            return Some(format!("{key} is unknown"));
        }
        let fits = match (key.as_str(), value) {
            ("user_id", value) => value.as_u64().is_some_and(|id| id > 0),
            (_, Value::String(text)) => !text.trim().is_empty(),
            _ => false,
        };
        (!fits).then(|| format!("{key} is {value}"))
    })
}

#[test]
fn the_fake_takes_the_vendors_card_and_refuses_what_the_real_one_refuses() {
    let rows = json!([
        {"type": "title", "text": "My CRM", "link": "https://my-crm.com"},
        {"type": "shortText", "label": "Full Name", "text": "Jane", "ios": "crm://1", "android": "crm://1"},
        {"type": "user", "label": "Sales Person", "user_id": 11}
    ]);
    assert_eq!(refusal(&json!({"card": rows})), None);
    for row in [
        json!({"type": "title", "text": "a", "link": null}),
        json!({"type": "title", "text": "a", "label": "b"}),
        json!({"type": "title", "text": ""}),
        json!({"type": "title", "text": 1}),
        json!({"type": "shortText", "label": "", "text": "a"}),
        json!({"type": "user", "label": "a", "user_id": "11"}),
        json!({"type": "user", "label": "a", "user_id": 11, "text": "b"}),
        json!({"type": "longText", "text": "a"}),
        json!("title"),
    ] {
        assert!(refusal(&json!({"card": [row]})).is_some(), "{row}");
    }
    for body in [json!({}), json!([]), json!({"card": []}), json!({"card": rows, "at": 1}), json!({"card": null})] {
        assert!(refusal(&body).is_some(), "{body}");
    }
}
