//! The fake phone system: rings by webhook, takes one card a call as strictly as the real one, answers lookups, and has a
//! small page.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::time::Instant;

use super::directory;
use super::samples::{self, Sample};
use crate::card::Card;
use crate::outbox::Row;
use crate::problem::Problem;
use crate::rules::{Access, Account, RuleSet};

/// Calls that the page lists.
const CALLS_LISTED: usize = 20;

/// Calls that may wait to be rung.
const WAITING_MAX: usize = 8;

/// How long the engine may take to answer a webhook; the real one waits no longer either.
const WEBHOOK_WITHIN: Duration = Duration::from_secs(5);

/// Our own number, as in the vendor's published sample.
const LINE: (&str, i64) = ("+902582440032", 328);

/// The fake phone system.
pub(super) struct Phone {
    pub(super) address: SocketAddr,
    api: reqwest::Url,
    token: String,
    secret: String,
    client: reqwest::Client,
    board: Mutex<Board>,
    ring: mpsc::Sender<Sample>,
    asked: AsyncMutex<mpsc::Receiver<Sample>>,
}

/// What the page shows.
#[derive(Default)]
struct Board {
    calls: VecDeque<Rung>,
    problems: Vec<String>,
    rules: String,
    revision: String,
}

/// One call that was rung.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Rung {
    pub(super) id: String,
    number: String,
    direction: String,
    status: &'static str,
    pub(super) card: Option<Value>,
    pub(super) rule: Option<String>,
    pub(super) place: Option<String>,
    pub(super) sources: Vec<String>,
    pub(super) milliseconds: Option<f64>,
    pub(super) why: Option<String>,
    /// The engine did not want the event.
    #[serde(skip)]
    pub(super) ignored: bool,
    #[serde(skip)]
    began: Option<Instant>,
}

impl Phone {
    pub(super) async fn start(listen: SocketAddr) -> Result<Arc<Phone>> {
        let listener = TcpListener::bind(listen).await.with_context(|| format!("the page can't listen on {listen}"))?;
        let (ring, asked) = mpsc::channel(WAITING_MAX);
        let address = listener.local_addr()?;
        let phone = Arc::new(Phone {
            address,
            api: format!("http://{address}/api/v3").parse()?,
            token: format!("{:032x}", fastrand::u128(..)),
            secret: format!("{:032x}", fastrand::u128(..)),
            client: reqwest::Client::builder().no_proxy().timeout(WEBHOOK_WITHIN).build()?,
            board: Mutex::default(),
            ring,
            asked: AsyncMutex::new(asked),
        });
        let router = Router::new()
            .route("/", get(|| async { Html(include_str!("page.html")) }))
            .route("/state", get(state))
            .route("/ring", post(ask_to_ring))
            .route("/api/v3/calls/{id}/cards", post(take_card))
            .route("/api/v3/lookup/by_phone", get(look_up))
            .with_state(Arc::clone(&phone));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(phone)
    }

    /// The account with which the engine sends cards here.
    pub(super) fn account(&self) -> Account {
        Account {
            name: "hipcall".to_owned(),
            api: self.api.clone(),
            token: self.token.clone().into(),
            token_expires: None,
            access: Access::by_secret(self.secret.clone().into()),
            requests_per_minute: 60,
            budget: Arc::default(),
        }
    }

    /// Waits until somebody asks for a call on the page.
    pub(super) async fn asked_to_ring(&self) -> Sample {
        match self.asked.lock().await.recv().await {
            Some(sample) => sample,
            None => std::future::pending().await,
        }
    }

    /// Rings: sends the webhook as the real one does.
    pub(super) async fn ring(
        &self,
        sample: &Sample,
        engine: SocketAddr,
        account: &str,
        now: Timestamp,
    ) -> Result<Rung> {
        let id = call_id();
        let (caller, callee) = match sample.direction.as_str() {
            "outbound" => (LINE.0, sample.number.as_str()),
            "internal" => (sample.number.as_str(), "102"),
            _ => (sample.number.as_str(), LINE.0),
        };
        let event = json!({
            "event": "call_init",
            "data": {
                "uuid": id, "direction": sample.direction, "caller_number": caller, "callee_number": callee,
                "number_id": LINE.1, "channel_id": LINE.1, "channel_type": "number", "callee_type": "team", "callee_id": 12,
                "user_id": null, "contact_id": null, "started_at": now.to_string(),
            },
        });
        let mut rung = Rung {
            id,
            number: sample.number.clone(),
            direction: sample.direction.clone(),
            status: "ringing",
            card: None,
            rule: None,
            place: None,
            sources: Vec::new(),
            milliseconds: None,
            why: None,
            ignored: false,
            began: Some(Instant::now()),
        };
        self.board().add(rung.clone());
        match self.webhook(&format!("http://{engine}/webhooks/{account}/{}", self.secret), &event).await {
            Ok(answer) => rung.ignored = answer.get("status").and_then(Value::as_str) == Some("ignored"),
            Err(error) => {
                rung.why = Some(format!("{error:#}"));
                self.finish(&mut rung, "", "");
                return Err(error);
            }
        }
        Ok(rung)
    }

    async fn webhook(&self, url: &str, event: &Value) -> Result<Value> {
        let request = self.client.post(url).header(header::CONTENT_TYPE, "application/json").body(event.to_string());
        let answer = request.send().await.context("the engine does not answer the webhook")?.bytes().await?;
        serde_json::from_slice(&answer).context("the engine's answer is not JSON")
    }

    /// Takes what arrived meanwhile into `rung` and shows both on the page.
    pub(super) fn finish(&self, rung: &mut Rung, revision: &str, rules: &str) {
        let mut board = self.board();
        revision.clone_into(&mut board.revision);
        rules.clone_into(&mut board.rules);
        if let Some(shown) = board.calls.iter_mut().find(|shown| shown.id == rung.id) {
            rung.card = shown.card.take();
            rung.milliseconds = shown.milliseconds;
            rung.status = if rung.card.is_some() { "card" } else { "no_card" };
            *shown = rung.clone();
        }
    }

    pub(super) fn show_problems(&self, problems: &[Problem]) {
        let line = |problem: &Problem| {
            let place = &problem.place;
            format!(
                "{}:{}:{}: {} [{}]",
                place.file.path,
                place.line,
                place.column,
                problem.message,
                problem.code.as_str()
            )
        };
        self.board().problems = problems.iter().map(line).collect();
    }

    fn is_allowed(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        given == Some(format!("Bearer {}", self.token).as_str())
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn add(&mut self, rung: Rung) {
        self.calls.push_front(rung);
        self.calls.truncate(CALLS_LISTED);
    }
}

impl Rung {
    /// Adds why it came out so: the delivery's row and its trace.
    pub(super) fn explained(&mut self, row: &Row, trace: &Value, rules: &RuleSet) {
        let rule = row.rule.as_deref();
        self.place = rules
            .rules
            .iter()
            .find(|one| Some(one.name.as_ref()) == rule)
            .map(|rule| format!("{}:{}", rule.place.file.path, rule.place.line));
        self.rule = rule.map(str::to_owned);
        self.why.clone_from(&row.reason);
        let sources = trace.get("sources").and_then(Value::as_array).into_iter().flatten();
        let text = |source: &Value, key: &str| source.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.sources = sources
            .map(|source| {
                let took = source.get("milliseconds").and_then(Value::as_f64);
                let took = took.map_or_else(|| "not asked".to_owned(), |took| format!("{took:.1} ms"));
                format!("{} {} {took}", text(source, "source"), text(source, "found"))
            })
            .collect();
    }

    /// Who calls whom.
    pub(super) fn headline(&self) -> String {
        match self.direction.as_str() {
            "outbound" => format!("we call {}", self.number),
            "internal" => format!("{} calls a colleague", self.number),
            _ => format!("{} calls", self.number),
        }
    }
}

/// A UUID like those of the real phone system (version 4, RFC 9562).
fn call_id() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

async fn state(State(phone): State<Arc<Phone>>) -> Response {
    let board = phone.board();
    Json(json!({
        "rules": board.rules, "revision": board.revision, "problems": board.problems,
        "samples": samples::all(), "calls": board.calls,
    }))
    .into_response()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Asked {
    Sample { sample: String },
    Number(Sample),
}

async fn ask_to_ring(State(phone): State<Arc<Phone>>, body: Bytes) -> Response {
    let asked = serde_json::from_slice::<Asked>(&body).ok().and_then(|asked| match asked {
        Asked::Sample { sample } => samples::all().into_iter().find(|one| one.key == sample),
        Asked::Number(sample) => Some(sample).filter(|sample| !sample.number.trim().is_empty()),
    });
    match asked {
        None => (StatusCode::BAD_REQUEST, Json(json!({ "error": "which call?" }))).into_response(),
        Some(sample) => match phone.ring.try_send(sample) {
            Ok(()) => Json(json!({ "status": "ringing" })).into_response(),
            Err(_) => {
                (StatusCode::TOO_MANY_REQUESTS, Json(json!({ "error": "too many calls at once" }))).into_response()
            }
        },
    }
}

fn unauthorized() -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({ "errors": { "detail": "Unauthorized" } }))).into_response()
}

/// What a lookup asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LookUp {
    #[serde(alias = "phone")]
    number: String,
}

/// The directory's API.
async fn look_up(State(phone): State<Arc<Phone>>, headers: HeaderMap, Query(asked): Query<LookUp>) -> Response {
    if phone.is_allowed(&headers) { Json(directory::lookup(&asked.number)).into_response() } else { unauthorized() }
}

/// The card API. The first card of a call wins, as with the real one.
async fn take_card(
    State(phone): State<Arc<Phone>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !phone.is_allowed(&headers) {
        return unauthorized();
    }
    let rows = serde_json::from_slice::<Value>(&body).ok().and_then(|body| body.get("card")?.as_array().cloned());
    match Card::check(rows.unwrap_or_default()) {
        Err(mistakes) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "errors": { "card": mistakes } }))).into_response()
        }
        Ok(card) => {
            let mut board = phone.board();
            if let Some(call) = board.calls.iter_mut().find(|call| call.id == id && call.card.is_none()) {
                call.milliseconds = call.began.map(|began| began.elapsed().as_secs_f64() * 1e3);
                call.card = Some(card.rows().clone());
                call.status = "card";
            }
            (StatusCode::CREATED, Json(json!({ "data": { "call_id": id, "card": card.rows() } }))).into_response()
        }
    }
}
