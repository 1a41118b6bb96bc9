//! `callcard explain`: one event, decided, with every reason.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Ended, out, settings, shown};
use crate::engine::{self, Explanation, Outcome};
use crate::event::{Call, Event};
use crate::rules::{DEFAULT_ACCOUNT, Loaded, RuleSet, Secrets, load, records_from_yaml};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The webhook's body; `-` is standard input
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
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
    let network = settings::network()?;
    let secrets = if arguments.records.is_some() { Secrets::Unset } else { Secrets::From(&settings::variable) };
    let Loaded { rules, problems, .. } = load(path, &settings::environment(secrets, &network, None));
    let Some(mut rules) = rules else { return Ok(settings::rejected(&problems)) };
    if let Some(file) = &arguments.records {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
        match records_from_yaml(&file.display().to_string(), text, &rules) {
            Ok(given) => rules = rules.with_stubs(&given),
            Err(problem) => return Ok(settings::rejected(&[problem])),
        }
    }
    let call = call(arguments, &rules)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let decision = runtime.block_on(async {
        let deadline = Instant::now() + rules.defaults.decide_within;
        engine::decide(&rules, &call, deadline).await
    });
    let explanation = Explanation::new(&rules, &call, &decision);
    match arguments.format {
        Format::Json => out::line(&serde_json::to_string_pretty(&explanation)?),
        Format::Text => shown::explanation(&explanation).iter().for_each(|line| out::line(line)),
    }
    Ok(if matches!(decision.outcome, Outcome::Invalid(_)) { Ended::Wrong } else { Ended::Fine })
}

fn call(arguments: &Arguments, rules: &RuleSet) -> Result<Call> {
    let mut body = Vec::new();
    if arguments.event == Path::new("-") {
        std::io::stdin().read_to_end(&mut body).context("standard input can't be read")?;
    } else {
        body =
            std::fs::read(&arguments.event).with_context(|| format!("{} can't be read", arguments.event.display()))?;
    }
    let event = Event::parse(&body).with_context(|| format!("{} is not an event", arguments.event.display()))?;
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
