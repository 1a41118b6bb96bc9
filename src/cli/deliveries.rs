//! `callcard deliveries`: what became of each call, from a running server or from its data directory.
//!
//! A data directory is only read, also while a server works on it. Trying again needs the server.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use jiff::{Span, SpanRelativeTo, Timestamp};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};

use super::out::{self, Colour};
use super::{Ended, settings, shown, wait};
use crate::outbox::{Filter, LIST_ROWS_MAX, Outbox, State};

/// How long the server may take; it only reads, or makes one row due.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The admin address of a running server; CALLCARD_ADMIN_TOKEN is sent where it is set
    #[arg(long, global = true, env = "CALLCARD_ADMIN", default_value = "http://127.0.0.1:9090", value_name = "URL")]
    admin: Url,
    /// Read this data directory instead; list and show need no server then
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    format: Format,
    #[command(subcommand)]
    wanted: Wanted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// As the admin address answers
    Json,
}

#[derive(Debug, clap::Subcommand)]
enum Wanted {
    /// Deliveries, the newest first
    List(Narrowed),
    /// One delivery with its card and how it was decided; numbers are masked
    Show {
        /// Its id, as the list shows it
        id: u64,
        /// Show whole numbers
        #[arg(long)]
        full: bool,
    },
    /// Decide and send a settled delivery again
    Retry {
        /// Its id, as the list shows it
        id: u64,
        /// Also where the card was sent already, or the call began too long ago
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Narrowed {
    /// Only those in this state
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(State::ALL.map(State::as_str)))]
    state: Option<String>,
    /// Only those of this account
    #[arg(long)]
    account: Option<String>,
    /// Only those of this call
    #[arg(long, value_name = "CALL_ID")]
    call: Option<String>,
    /// Only those since then: a time, or how long ago (2h, 7d)
    #[arg(long, value_parser = since, value_name = "TIME")]
    since: Option<Since>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=LIST_ROWS_MAX as u64))]
    limit: u64,
}

/// A moment, or a time before now.
#[derive(Clone, Copy, Debug)]
enum Since {
    At(Timestamp),
    Ago(jiff::SignedDuration),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    let span = text.parse::<Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    span.map(Since::Ago).map_err(|_| "expected a time such as 2026-03-02T11:15:00Z, or how long ago: 2h, 7d".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    wait(&runtime, answer(arguments))
}

async fn answer(arguments: &Arguments) -> Result<Ended> {
    let found = match (&arguments.data, &arguments.wanted) {
        (Some(_), Wanted::Retry { .. }) => {
            bail!("a delivery can be tried again by a running server only: leave --data out and name it with --admin")
        }
        (Some(data), wanted) => read(data, wanted).await?,
        (None, wanted) => ask(&arguments.admin, wanted).await?,
    };
    let Some(found) = found else {
        out::error("there is no such delivery");
        return Ok(Ended::Wrong);
    };
    if let Some(why) = found.get("error").and_then(Value::as_str) {
        out::error(&format!("not tried again: {why}"));
        return Ok(Ended::Wrong);
    }
    match (arguments.format, &arguments.wanted) {
        (Format::Json, _) => out::line(&found.to_string()),
        (Format::Text, Wanted::List(_)) => table(&found),
        (Format::Text, Wanted::Show { .. }) => detail(&found),
        (Format::Text, Wanted::Retry { id, .. }) => out::line(&format!("delivery {id} is tried again")),
    }
    Ok(Ended::Fine)
}

/// From the data directory, in the words of the admin address.
async fn read(data: &std::path::Path, wanted: &Wanted) -> Result<Option<Value>> {
    let outbox = Outbox::open_to_read(data)?;
    Ok(match wanted {
        Wanted::List(narrowed) => {
            let state = narrowed.state.as_deref().map(str::parse).transpose()?;
            let limit = usize::try_from(narrowed.limit)?;
            let (account, call_id) = (narrowed.account.clone(), narrowed.call.clone());
            let rows = outbox.list(Filter { state, account, call_id, since: narrowed.since()?, limit }).await?;
            Some(json!({ "deliveries": rows }))
        }
        Wanted::Show { id, full } => {
            let found = outbox.show(id.to_string().parse()?).await?;
            let found = found.map(|detail| if *full { detail } else { detail.masked() });
            found.map(serde_json::to_value).transpose()?
        }
        Wanted::Retry { .. } => None,
    })
}

impl Narrowed {
    fn since(&self) -> Result<Option<Timestamp>> {
        Ok(match self.since {
            Some(Since::Ago(ago)) => Some(Timestamp::now().checked_sub(ago)?),
            Some(Since::At(at)) => Some(at),
            None => None,
        })
    }
}

/// From a running server; `None` where it knows no such delivery.
async fn ask(admin: &Url, wanted: &Wanted) -> Result<Option<Value>> {
    let mut url = admin.clone();
    let mut path = vec!["api".to_owned(), "deliveries".to_owned()];
    match wanted {
        Wanted::List(_) => {}
        Wanted::Show { id, .. } => path.push(id.to_string()),
        Wanted::Retry { id, .. } => path.extend([id.to_string(), "retry".to_owned()]),
    }
    // Below the path of the address, where a proxy may have put the server.
    url.path_segments_mut().map_err(|()| anyhow!("{admin} is no address of a server"))?.pop_if_empty().extend(path);
    let (method, query) = match wanted {
        Wanted::List(narrowed) => (Method::GET, narrowed.query()?),
        Wanted::Show { full, .. } => (Method::GET, vec![("full", full.to_string())]),
        Wanted::Retry { force, .. } => (Method::POST, vec![("force", force.to_string())]),
    };
    let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
    let mut request = client.request(method, url).query(&query);
    if let Some(token) = settings::variable("CALLCARD_ADMIN_TOKEN").filter(|token| !token.is_empty()) {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.with_context(|| {
        format!("no server answers at {admin}: name its admin address with --admin, or read its files with --data")
    })?;
    match response.status() {
        StatusCode::OK | StatusCode::CONFLICT => {
            let body = response.bytes().await.context("the server's answer broke off")?;
            Ok(Some(serde_json::from_slice(&body).context("the server's answer is no JSON")?))
        }
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::UNAUTHORIZED => bail!("the server at {admin} wants another CALLCARD_ADMIN_TOKEN"),
        status => bail!("the server at {admin} answered {status}"),
    }
}

impl Narrowed {
    fn query(&self) -> Result<Vec<(&'static str, String)>> {
        let since = self.since()?.map(|since| since.to_string());
        let given = [
            ("state", self.state.clone()),
            ("account", self.account.clone()),
            ("call", self.call.clone()),
            ("since", since),
            ("limit", Some(self.limit.to_string())),
        ];
        Ok(given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
    }
}

/// A value of a row for a cell, without characters that would move others on the screen.
fn cell(row: &Value, key: &str) -> String {
    let text = match row.get(key) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => "–".to_owned(),
        Some(other) => other.to_string(),
    };
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect()
}

/// One line a delivery, each column as wide as its widest cell.
fn table(found: &Value) {
    const COLUMNS: [&str; 9] =
        ["id", "received_at", "state", "account", "call_id", "event", "rule", "attempts", "reason"];
    let rows = found.get("deliveries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let cells: Vec<[String; 9]> = rows.iter().map(|row| COLUMNS.map(|key| cell(row, key))).collect();
    let head = COLUMNS.map(str::to_owned);
    let mut widths = COLUMNS.map(str::len);
    for line in &cells {
        for (width, text) in widths.iter_mut().zip(line) {
            *width = (*width).max(text.chars().count());
        }
    }
    let laid_out = |line: &[String; 9]| {
        let padded = line.iter().zip(widths).map(|(text, width)| format!("{text:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    out::line(&out::coloured(&laid_out(&head), Colour::Bold));
    cells.iter().for_each(|line| out::line(&laid_out(line)));
}

/// One delivery: what the list shows, the card as the agent sees it, and the trace.
fn detail(found: &Value) {
    for key in ["id", "account", "call_id", "event", "state", "reason", "status", "rule", "revision", "attempts"] {
        out::line(&format!("{key:<12}{}", cell(found, key)));
    }
    for key in ["started_at", "received_at", "settled_at"] {
        out::line(&format!("{key:<12}{}", cell(found, key)));
    }
    let parsed = |key: &str| found.get(key).and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    if let Some(card) = parsed("card") {
        let card: Value = card;
        shown::card(card.get("card").unwrap_or(&Value::Null)).iter().for_each(|line| out::line(line));
    }
    if let Some(trace) = parsed("trace") {
        let trace: Value = trace;
        out::line(&serde_json::to_string_pretty(&trace).unwrap_or_default());
    }
}
