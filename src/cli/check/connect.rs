//! `callcard check --connect`: asks every source once, as a call would, and every database who it takes us for.
//!
//! The question is about an example number of a numbering plan. It only reads; what a source knows is not printed.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::cli::{problems, settings, wait};
use crate::engine::{SourceStep, ask_every_source};
use crate::event::{Call, CustomerNumber, Event, example_numbers};
use crate::problem::{Code, Problem};
use crate::rules::{Asked, NamedSource, Origin, RuleSet};
use crate::source::{Access, Failure};

/// What one source answered.
pub(super) struct Connected<'r> {
    source: &'r NamedSource,
    step: SourceStep,
    /// What a database said of us.
    access: Option<Result<Access, Failure>>,
    milliseconds: f64,
}

/// What the sources answer, in the order of the rules; those that are made of others are not asked themselves.
pub(super) fn ask(rules: &RuleSet) -> Result<Vec<Connected<'_>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let call = call(rules)?;
    wait(&runtime, async {
        let deadline = Instant::now() + rules.defaults.decide_within;
        let mut connected = Vec::new();
        for step in ask_every_source(rules, &call, deadline).await {
            let Some(source) = rules.sources.iter().find(|source| source.name == step.source) else { continue };
            let Origin::Asked(asked) = &source.origin else { continue };
            let begun = Instant::now();
            let access = access(asked, rules).await;
            let took = begun.elapsed().as_secs_f64() * 1e3;
            connected.push(Connected { source, access, milliseconds: step.milliseconds.unwrap_or(took), step });
        }
        Ok(connected)
    })
}

/// What a database says of us and of the statement; also where nothing was asked because another source has no record.
async fn access(asked: &Asked, rules: &RuleSet) -> Option<Result<Access, Failure>> {
    let within = asked.timeout.unwrap_or(rules.defaults.decide_within);
    let late = || Some(Err(Failure::passing("it did not answer in time")));
    timeout(within, asked.source.access()).await.unwrap_or_else(|_| late())
}

impl Connected<'_> {
    /// Why it does not answer. What a database says of the statement says more than what it says of a call.
    fn why(&self) -> Option<&str> {
        match &self.access {
            Some(Err(failure)) => Some(&failure.why),
            _ => self.step.why.as_deref(),
        }
    }

    /// That it does not answer, or whom it answers.
    pub(super) fn problem(&self) -> Option<Problem> {
        let (name, place) = (&self.source.name, self.source.place.clone());
        if let Some(why) = self.why() {
            let help = match self.access {
                Some(_) => "look at the URL in `database`, and whether `query` names what is there",
                None => {
                    "it was asked about an example number, as a call would ask; look at its address, token and `records`"
                }
            };
            return Some(Problem::new(Code::NoAnswer, place, format!("`{name}` does not answer: {why}")).help(help));
        }
        let access = self.access.as_ref()?.as_ref().ok().filter(|access| access.can_write)?;
        let (message, help) = match &access.user {
            Some(user) => (
                format!("`{name}` is asked as `{user}`, who could write"),
                "make a user for it who may do no more than `select` on the tables it names: grant select on … to …",
            ),
            None => (format!("`{name}` is a file that this user could write"), "let this user only read the file"),
        };
        Some(Problem::new(Code::CanWrite, place, message).help(help))
    }

    /// For people; `None` where a problem says it.
    pub(super) fn line(&self) -> Option<String> {
        if self.why().is_some() {
            return None;
        }
        let (name, took) = (&self.source.name, format!("{:.0} ms", self.milliseconds));
        let said = match (&self.access, &self.step.unasked) {
            (Some(Ok(Access { server, user: Some(user), can_write })), _) => {
                let may = if *can_write { "who could write" } else { "who can only read" };
                format!("{server} answered as {user}, {may}")
            }
            (Some(Ok(Access { server, .. })), _) => format!("{server} answered"),
            (_, Some(unasked)) => return Some(format!("{name}: {} was not asked: {unasked}", self.step.kind)),
            _ => format!("{} answered, {}", self.step.kind, problems::count(self.step.count, "record")),
        };
        Some(format!("{name}: {said}, {took}"))
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let access = self.access.as_ref().and_then(|access| access.as_ref().ok());
        json!({
            "source": &*self.source.name,
            "kind": self.step.kind,
            "found": if self.why().is_some() { "failed" } else { &self.step.found },
            "count": self.step.count,
            "milliseconds": (self.milliseconds * 1e3).round() / 1e3,
            "unasked": self.step.unasked,
            "why": self.why(),
            "server": access.map(|access| &access.server),
            "user": access.map(|access| &access.user),
            "can_write": access.map(|access| access.can_write),
        })
    }
}

/// A call from an example number of the country of the rules.
fn call(rules: &RuleSet) -> Result<Call> {
    let region = rules.defaults.region;
    let is_here = |text: &String| CustomerNumber::parse(Some(text), region).country() == Some(region.as_str());
    let number = example_numbers(region).find(is_here).context("no example number is known for `defaults.region`")?;
    let data = json!({ "uuid": "example", "direction": "inbound", "caller_number": number });
    let event = Event::parse(json!({ "event": "call_init", "data": data }).to_string().as_bytes())?;
    let account = rules.account_names().first().copied().unwrap_or_default();
    let now = settings::outside().now;
    Call::new(&event, account, region, now()).context("the example is no call")
}
