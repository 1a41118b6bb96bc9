//! `callcard check --connect`: asks every source once, as a call would.
//!
//! The question is about an example number of a numbering plan. It only reads; what a source knows is not printed.

use anyhow::{Context, Result};
use serde_json::json;
use tokio::time::Instant;

use crate::cli::settings;
use crate::engine::ask_every_source;
use crate::event::{Call, CustomerNumber, Event, example_numbers};
use crate::problem::{Code, Problem};
use crate::rules::RuleSet;

/// The sources that do not answer, in the order of the rules. One without a time-out of its own has as long as a decision.
pub(super) fn problems(rules: &RuleSet) -> Result<Vec<Problem>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let call = call(rules)?;
    let steps =
        runtime.block_on(async { ask_every_source(rules, &call, Instant::now() + rules.defaults.decide_within).await });
    let failed = steps.iter().filter_map(|step| Some((step, step.why.as_ref()?)));
    let told = failed.filter_map(|(step, why)| {
        let source = rules.sources.iter().find(|source| source.name == step.source)?;
        let message = format!("`{}` does not answer: {why}", source.name);
        let help =
            "it was asked about an example number, as a call would ask; look at its address, token and `records`";
        Some(Problem::new(Code::NoAnswer, source.place.clone(), message).help(help))
    });
    Ok(told.collect())
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
