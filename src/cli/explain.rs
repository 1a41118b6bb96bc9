//! `callcard explain`: one event, decided, with every reason.

mod against;
mod reach;

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Ended, out, settings, shown, wait};
use crate::engine::{self, Explanation, Outcome};
use crate::event::{Call, Event};
use crate::rules::{DEFAULT_ACCOUNT, Given, Loaded, RuleSet, Secrets, load, records_from_yaml};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The webhook's body; `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "reach")]
    event: Option<PathBuf>,
    /// Print a call that reaches this rule, as a test; or the rules that keep every call from it
    #[arg(long, value_name = "RULE", conflicts_with_all = ["event", "at", "records", "account", "against"])]
    reach: Option<String>,
    /// Show what the rules in another directory would have done, as a diff; --records counts for both
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// The start of the call, instead of the event's own
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// What sources would say, instead of asking them: the `sources` of a test, in YAML or JSON
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
    /// The account that the event comes from; the first one unless given
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// How the explanation is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// How the explanation is printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

pub(super) fn run(arguments: &Arguments, path: &Path) -> Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Some(rules) = rules(arguments, path)? else { return Ok(Ended::Wrong) };
    let Some(given) = given(arguments, &rules)? else { return Ok(Ended::Wrong) };
    let with_given = |rules: RuleSet| match &given {
        Some(given) => rules.with_stubs(given),
        None => rules,
    };
    let rules = with_given(rules);
    let Some(event) = &arguments.event else {
        return wait(&runtime, reach::run(&rules, arguments.reach.as_deref().unwrap_or_default(), arguments.format));
    };
    let body = body(event)?;
    let (here, ended) = wait(&runtime, explained(arguments, &rules, &body))?;
    let Some(other) = &arguments.against else {
        match arguments.format {
            Format::Json => out::line(&serde_json::to_string_pretty(&here)?),
            Format::Text => shown::explanation(&here).iter().for_each(|line| out::line(line)),
        }
        return Ok(ended);
    };
    let Some(rules) = self::rules(arguments, other)? else { return Ok(Ended::Wrong) };
    let (there, _) = wait(&runtime, explained(arguments, &with_given(rules), &body))?;
    match arguments.format {
        Format::Json => out::line(&serde_json::to_string_pretty(&against::report(&here, &there))?),
        Format::Text => against::text(&here, &there).iter().for_each(|line| out::line(line)),
    }
    Ok(ended)
}

/// The rules of a directory; nothing where problems were told.
fn rules(arguments: &Arguments, path: &Path) -> Result<Option<RuleSet>> {
    let network = settings::network()?;
    let asks_nobody = arguments.records.is_some() || arguments.reach.is_some();
    let secrets = if asks_nobody { Secrets::Unset } else { Secrets::From(&settings::variable) };
    let Loaded { rules, problems, .. } = load(path, &settings::environment(secrets, &network, None));
    if rules.is_none() {
        settings::rejected(&problems);
    }
    Ok(rules)
}

/// The records that are given instead of asking, if any are: their sources are those of `rules`. Nothing where a problem was
/// told.
fn given(arguments: &Arguments, rules: &RuleSet) -> Result<Option<Option<Given>>> {
    let Some(file) = &arguments.records else { return Ok(Some(None)) };
    let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    match records_from_yaml(&file.display().to_string(), text, rules) {
        Ok(given) => Ok(Some(Some(given))),
        Err(problem) => {
            settings::rejected(&[problem]);
            Ok(None)
        }
    }
}

async fn explained(arguments: &Arguments, rules: &RuleSet, body: &[u8]) -> Result<(Explanation, Ended)> {
    let call = call(arguments, rules, body)?;
    let decision = engine::decide(rules, &call, Instant::now() + rules.defaults.decide_within).await;
    let ended = if matches!(decision.outcome, Outcome::Invalid(_)) { Ended::Wrong } else { Ended::Fine };
    Ok((Explanation::new(rules, &call, &decision), ended))
}

fn body(path: &Path) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut body).context("standard input can't be read")?;
    } else {
        body = std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    }
    Event::parse(&body).with_context(|| format!("{} is not an event", path.display()))?;
    Ok(body)
}

fn call(arguments: &Arguments, rules: &RuleSet, body: &[u8]) -> Result<Call> {
    let event = Event::parse(body)?;
    let account = arguments.account.as_deref().or(rules.accounts.first().map(|account| account.name.as_str()));
    let known = rules.account_names();
    if let Some(name) = account.filter(|name| !known.contains(name)) {
        bail!("no account is named `{name}`; known: `{}`", known.join("`, `"));
    }
    let Some(mut call) = Call::new(&event, account.unwrap_or(DEFAULT_ACCOUNT), rules.defaults.region, Timestamp::now())
    else {
        bail!("`{}` is not an event about a call", event.kind);
    };
    call.started_at = arguments.at.unwrap_or(call.started_at);
    Ok(call)
}
