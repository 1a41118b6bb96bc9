//! What operators need: readiness, metrics, reload, and what became of the calls.
//!
//! No answer here shows a name or a card except for one delivery that is asked for by its id, and a number is masked even
//! there unless the question is for all of it.

mod guard;
mod outbox;

pub(super) use guard::{Guard, authorize, harmless};

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::metrics::{Forgetting, Refusal};
use super::{Certificates, Metrics};
use crate::event::CustomerNumber;
use crate::outbox::{Again, DeliveryId, Filter, Outbox, OutboxError, State as DeliveryState};
use crate::problem::Problem;
use crate::rules::{Live, Rejected};

/// Deliveries that one answer lists unless it is asked for fewer or more.
const LISTED: usize = 100;

/// What is left to do where the database is too large to be rewritten while events come in.
const TOO_LARGE: &str = "parts of the bytes may be left in free space of outbox.sqlite3, which is large: stop the server once \
                         and run `sqlite3 outbox.sqlite3 VACUUM` in the data directory";

/// Loads the rules again; given by whoever knows the environment.
pub type Reload = Box<dyn Fn() -> Result<Vec<Problem>, Rejected> + Send + Sync>;

/// The admin address.
pub struct Admin {
    /// The rules in force.
    pub live: Arc<Live>,
    /// The deliveries.
    pub outbox: Outbox,
    /// Everything that is counted.
    pub registry: Registry,
    /// What the web counts.
    pub metrics: Metrics,
    /// Loads the rules again.
    pub reload: Reload,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// Becomes true when a stop was asked for.
    pub stopping: watch::Receiver<bool>,
    /// What the public address is secured with, where it is.
    pub certificates: Option<Arc<Certificates>>,
    /// Demanded as a bearer token where it is set.
    pub token: Option<SecretString>,
}

/// `GET /readyz`: 200 where events can be stored, else 503 with the reason; 503 too as soon as a stop was asked for. Whoever has
/// no token is told that much, because the probes of orchestrators have none, and nothing else.
pub(super) async fn ready(State(guard): State<Arc<Guard>>, request: Request) -> Response {
    let objection = guard.objection(&request);
    if let Some(why @ Refusal::WrongToken) = objection {
        return guard.refuse(why, &request);
    }
    let admin = &guard.admin;
    let rules = admin.live.rules();
    let outbox = outbox::look(&admin.outbox).await;
    let stopping = *admin.stopping.borrow();
    let is_ready = outbox.trouble.is_none() && !stopping;
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if objection.is_some() {
        return (status, Json(json!({ "ready": is_ready }))).into_response();
    }
    let body = json!({
        "ready": is_ready,
        "stopping": stopping,
        "revision": rules.revision,
        "rules": state_of_rules(&admin.live),
        "pending": outbox.pending,
        "outbox": outbox.to_json(),
        "https": admin.certificates.as_ref().map(|certificates| state_of_certificate(certificates, (admin.now)())),
    });
    (status, Json(body)).into_response()
}

/// The certificate of the public address. Without one it is no less ready: the authority that issues the first one has to
/// reach it, and an orchestrator sends nobody to a server that is not ready.
fn state_of_certificate(certificates: &Certificates, now: Timestamp) -> Value {
    let expires_at = certificates.expires_at();
    let state = match expires_at {
        None => "missing",
        Some(expires_at) if expires_at < now => "expired",
        Some(_) => "in_force",
    };
    json!({ "certificate": state, "expires_at": expires_at })
}

/// Which rules are served, since when, and what became of the last attempt to replace them.
fn state_of_rules(live: &Live) -> Value {
    /// The log has them all, and a probe may ask every second.
    const PROBLEMS_SHOWN_MAX: usize = 20;
    let (rules, status) = (live.rules(), live.status());
    json!({
        "revision": rules.revision,
        "count": rules.rules.len(),
        "serving": status.serving(),
        "loaded_at": status.loaded_at,
        "last_attempt": {
            "at": status.attempt_at,
            "result": if status.is_swapped { "swapped" } else { "rejected" },
            "problems": status.problems.iter().take(PROBLEMS_SHOWN_MAX).map(Problem::to_json).collect::<Vec<_>>(),
        },
    })
}

/// `GET /metrics` in the text format of Prometheus.
pub(super) async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let now = (admin.now)();
    admin.metrics.outbox.set(&outbox::look(&admin.outbox).await.figures(now));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &admin.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// `POST /-/reload`: 200 with the revision, or 422 with the problems; then the old rules stay.
pub(super) async fn reload(State(admin): State<Arc<Admin>>) -> Response {
    let busy = Arc::clone(&admin);
    let reloaded = tokio::task::spawn_blocking(move || (busy.reload)()).await;
    let problems = |problems: &[Problem]| problems.iter().map(Problem::to_json).collect::<Vec<_>>();
    match reloaded {
        Ok(Ok(warnings)) => {
            let body = json!({ "revision": admin.live.rules().revision, "problems": problems(&warnings) });
            Json(body).into_response()
        }
        Ok(Err(Rejected(found))) => {
            let body = json!({ "revision": admin.live.rules().revision, "problems": problems(&found) });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What a listing is narrowed to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    state: Option<String>,
    account: Option<String>,
    call: Option<String>,
    since: Option<Timestamp>,
    limit: Option<usize>,
}

/// `GET /api/deliveries?state=…&account=…&call=…&since=…&limit=…`, newest first.
pub(super) async fn deliveries(State(admin): State<Arc<Admin>>, Query(asked): Query<Asked>) -> Response {
    let state = match asked.state.as_deref().map(str::parse::<DeliveryState>).transpose() {
        Ok(state) => state,
        Err(error) => return (StatusCode::BAD_REQUEST, Json(json!({ "error": error.to_string() }))).into_response(),
    };
    let Asked { account, call: call_id, since, limit, .. } = asked;
    let filter = Filter { state, account, call_id, since, limit: limit.unwrap_or(LISTED) };
    match admin.outbox.list(filter).await {
        Ok(rows) => Json(json!({ "deliveries": rows })).into_response(),
        Err(error) => failed(&error),
    }
}

/// How much of a delivery is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    #[serde(default)]
    full: bool,
}

/// `GET /api/deliveries/{id}` with the card and the trace; numbers are masked without `?full=true`.
pub(super) async fn delivery(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(shown): Query<Shown>,
) -> Response {
    let Ok(id) = id.parse::<DeliveryId>() else { return StatusCode::NOT_FOUND.into_response() };
    match admin.outbox.show(id).await {
        Ok(Some(detail)) => Json(if shown.full { detail } else { detail.masked() }).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => failed(&error),
    }
}

/// Whether a delivery is tried again although nobody may see its card.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Insisted {
    #[serde(default)]
    force: bool,
}

/// `POST /api/deliveries/{id}/retry?force=true`: a settled delivery is decided and sent again, or 409 with the reason.
pub(super) async fn again(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
    Query(insisted): Query<Insisted>,
) -> Response {
    let Ok(id) = id.parse::<DeliveryId>() else { return StatusCode::NOT_FOUND.into_response() };
    let now = (admin.now)();
    let until = now.saturating_add(admin.live.rules().defaults.send_within).unwrap_or(Timestamp::MAX);
    let why = match admin.outbox.again(id, now, insisted.force.then_some(until)).await {
        Ok(Again::Due) => {
            tracing::info!(delivery.id = %id, "delivery {id} is tried again on request");
            return Json(json!({ "id": id, "status": "pending" })).into_response();
        }
        Ok(Again::NotFound) => return StatusCode::NOT_FOUND.into_response(),
        Ok(Again::NotSettled) => "it is not settled yet, and tried again by itself",
        Ok(Again::Over) => "its call has ended, so nobody would see the card",
        Ok(Again::Superseded) => "another event of its call has the card",
        Ok(Again::Forgotten) => "its event was forgotten on request",
        Ok(Again::Sent) => {
            "its card was sent, and the phone system shows the first card of a call; force sends it again"
        }
        Ok(Again::TooLate) => "its call began too long ago for a card to be seen; force sends it all the same",
        Err(error) => return failed(&error),
    };
    (StatusCode::CONFLICT, Json(json!({ "error": why }))).into_response()
}

/// `GET /api/unreadable`: webhooks that could not be read, newest first.
pub(super) async fn unreadable(State(admin): State<Arc<Admin>>) -> Response {
    match admin.outbox.unreadable(LISTED).await {
        Ok(rows) => Json(json!({ "unreadable": rows })).into_response(),
        Err(error) => failed(&error),
    }
}

/// Who is to be forgotten.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forget {
    number: Option<String>,
}

/// `POST /-/forget?number=…`: removes a person from caches, outbox and traces, and says what it removed.
pub(super) async fn forget(State(admin): State<Arc<Admin>>, Query(asked): Query<Forget>) -> Response {
    let rules = admin.live.rules();
    let region = rules.defaults.region;
    let given = asked.number.unwrap_or_default();
    // A plus that is not percent-encoded arrives as a blank.
    let with_plus = given.strip_prefix(' ').map(|digits| format!("+{digits}"));
    let readings = with_plus.iter().chain([&given]).map(|text| CustomerNumber::parse(Some(text), region));
    let Some((number, e164)) =
        readings.into_iter().find_map(|number| Some((number.clone(), number.e164()?.to_owned())))
    else {
        let body = json!({
            "error": "`number` is no full telephone number",
            "help": "write it with its country code: /-/forget?number=%2B905321234567",
        });
        admin.metrics.forgetting(Forgetting::WrongNumber);
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    };
    let masked = number.masked();
    let erased = admin.outbox.erase(&number, region, (admin.now)()).await;
    // After the outbox, whose deliveries could fill them again.
    let caches: serde_json::Map<_, _> =
        rules.forget(&e164).into_iter().map(|(source, answers)| (source.to_string(), answers.into())).collect();
    admin.metrics.forgetting(if erased.is_ok() { Forgetting::Done } else { Forgetting::Failed });
    match erased {
        Ok(erased) => {
            let (deliveries, unreadable) = (erased.deliveries, erased.unreadable);
            tracing::info!(
                customer.number = masked,
                deliveries,
                unreadable,
                "{masked} is forgotten on request: {deliveries} deliveries, {unreadable} unreadable webhooks"
            );
            let mut body = json!({
                "number": masked, "deliveries": deliveries, "unreadable": unreadable, "caches": caches,
            });
            if let (false, Some(body)) = (erased.is_gone, body.as_object_mut()) {
                body.insert("help".to_owned(), TOO_LARGE.into());
            }
            Json(body).into_response()
        }
        Err(error @ OutboxError::LogInUse) => {
            tracing::warn!(customer.number = masked, "{masked} is forgotten on request, but {error}");
            let body = json!({ "error": error.to_string(), "help": "ask again when it has ended" });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &OutboxError) -> Response {
    tracing::error!(%error, "the outbox can't be read: {error}");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
