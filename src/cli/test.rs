//! `callcard test`: runs the tests beside the rules.
//!
//! No network and no clock: sources are stubs, and time passes only where a stub says so, at no cost.

mod junit;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::out::{Colour, coloured};
use super::{Ended, annotation, out, settings, shown};
use crate::engine::{self, Decision, Explanation, Outcome};
use crate::event::Call;
use crate::problem::Severity;
use crate::rules::{Case, ExpectedCard, Loaded, RuleSet, Secrets, load};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Rule directories; the rule directory unless given
    paths: Vec<PathBuf>,
    /// Run only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// How results are printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For CI servers: JUnit XML
    Junit,
    /// For GitHub workflows: an annotation beside each test that fails
    Github,
}

/// When calls begin whose event and test do not say: a Monday noon in Istanbul.
const STARTED_AT: Timestamp = Timestamp::constant(1_767_603_600, 0);

/// One test that was run.
struct Ran {
    case: Case,
    /// What is different from what was expected; empty where the test passed.
    differences: Vec<String>,
    explanation: Explanation,
}

impl Ran {
    fn failed(&self) -> bool {
        !self.differences.is_empty()
    }

    fn annotation(&self) -> String {
        let title = format!("FAIL {}", self.case.name);
        annotation::annotation(Severity::Error, &self.case.place, &title, &self.differences.join("\n"))
    }
}

pub(super) fn run(arguments: &Arguments, rules: &Path) -> Result<Ended> {
    let given: Vec<&Path> = arguments.paths.iter().map(PathBuf::as_path).collect();
    let paths = if given.is_empty() { vec![rules] } else { given };
    let network = settings::network()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let mut ran = Vec::new();
    for path in paths {
        let Loaded { rules, cases, problems, .. } = load(path, &settings::environment(Secrets::Unset, &network, None));
        let Some(rules) = rules else { return Ok(settings::rejected(&problems)) };
        let wanted = |case: &Case| arguments.filter.as_ref().is_none_or(|filter| case.name.contains(filter));
        for case in cases.into_iter().filter(wanted) {
            ran.push(runtime.block_on(run_case(&rules, case)));
        }
    }
    if let (true, Some(filter)) = (ran.is_empty(), &arguments.filter) {
        bail!("no test has `{filter}` in its name");
    }
    let failed = ran.iter().filter(|ran| ran.failed()).count();
    match arguments.format {
        Format::Json => out::line(&serde_json::to_string_pretty(&report(&ran))?),
        Format::Junit => out::line(&junit::xml(&ran)),
        Format::Github => {
            ran.iter().filter(|ran| ran.failed()).for_each(|ran| out::line(&ran.annotation()));
        }
        Format::Text => {
            ran.iter().for_each(print);
            out::line("");
            out::line(&format!("{} passed, {failed} failed", ran.len() - failed));
        }
    }
    Ok(if failed > 0 { Ended::Wrong } else { Ended::Fine })
}

async fn run_case(rules: &RuleSet, case: Case) -> Ran {
    let rules = rules.with_stubs(&case.given);
    let account = case.account.as_deref().or(rules.accounts.first().map(|account| account.name.as_str()));
    let started_at = case.at.or(case.event.started_at()).unwrap_or(STARTED_AT);
    let Some(mut call) = Call::new(&case.event, account.unwrap_or("hipcall"), rules.defaults.region, started_at) else {
        unreachable!("a test's event is about a call: it was checked when the test was read")
    };
    call.started_at = started_at;
    let decision = engine::decide(&rules, &call, Instant::now() + rules.defaults.decide_within).await;
    let explanation = Explanation::new(&rules, &call, &decision);
    Ran { differences: differences(&case, &decision), case, explanation }
}

/// What came out differently, in lines.
fn differences(case: &Case, decision: &Decision) -> Vec<String> {
    let mut lines = Vec::new();
    let rule = decision.rule.as_deref().unwrap_or("none");
    if let Some(expected) = case.expected.rule.as_deref().filter(|expected| *expected != rule) {
        lines.push(format!("rule: expected `{expected}`, but `{rule}` decides"));
    }
    let empty = Value::Array(Vec::new());
    let rows = match &decision.outcome {
        Outcome::Card(card) => card.rows(),
        _ => &empty,
    };
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    match &case.expected.card {
        None => {}
        Some(ExpectedCard::None) if rows.is_empty() => {}
        Some(ExpectedCard::None) => {
            lines.push("card: expected none".to_owned());
            lines.extend(rows.iter().map(|row| format!("  + {row}")));
        }
        Some(ExpectedCard::Whole(expected)) if expected == rows => {}
        Some(ExpectedCard::Whole(expected)) => lines.extend(difference(expected, rows)),
        Some(ExpectedCard::Rows(expected)) => lines.extend(missing(expected, rows)),
    }
    let is_expected = matches!(case.expected.card, None | Some(ExpectedCard::None));
    if let (true, Some(why)) = (!lines.is_empty() || !is_expected && rows.is_empty(), decision.outcome.why_no_card()) {
        lines.push(format!("no card: {why}"));
    }
    lines
}

/// Two cards row by row: `-` expected, `+` came out.
fn difference(expected: &[Value], rows: &[Value]) -> Vec<String> {
    let mut lines = vec!["card:".to_owned()];
    for position in 0..expected.len().max(rows.len()) {
        match (expected.get(position), rows.get(position)) {
            (Some(expected), Some(row)) if expected == row => lines.push(format!("    {row}")),
            (expected, row) => {
                lines.extend(expected.map(|expected| format!("  - {expected}")));
                lines.extend(row.map(|row| format!("  + {row}")));
            }
        }
    }
    lines
}

/// Expected rows that the card does not have, each behind the one before it.
fn missing(expected: &[Value], rows: &[Value]) -> Vec<String> {
    let mut rest = rows.iter();
    let has = |row: &Value, expected: &Value| {
        expected.as_object().into_iter().flatten().all(|(key, value)| row.get(key) == Some(value))
    };
    let missing: Vec<&Value> = expected.iter().filter(|expected| !rest.any(|row| has(row, expected))).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["rows that the card does not have, in this order:".to_owned()];
    lines.extend(missing.iter().map(|row| format!("  - {row}")));
    lines.push("the card:".to_owned());
    lines.extend(rows.iter().map(|row| format!("  + {row}")));
    lines
}

fn print(ran: &Ran) {
    if !ran.failed() {
        out::line(&format!("{} {}", coloured("ok  ", Colour::Green), ran.case.name));
        return;
    }
    let place = &ran.case.place;
    let place = coloured(&format!("{}:{}", place.file.path, place.line), Colour::Dim);
    out::line(&format!("{} {}  {place}", coloured("FAIL", Colour::Red), ran.case.name));
    for line in &ran.differences {
        let colour = match line.trim_start().chars().next() {
            Some('-') => Colour::Red,
            Some('+') => Colour::Green,
            _ => Colour::Yellow,
        };
        out::line(&format!("     {}", coloured(line, colour)));
    }
    for line in shown::explanation(&ran.explanation) {
        out::line(&format!("     {} {line}", coloured("|", Colour::Dim)));
    }
}

fn report(ran: &[Ran]) -> Value {
    let tests: Vec<Value> = ran
        .iter()
        .map(|ran| {
            json!({
                "name": ran.case.name,
                "path": ran.case.place.file.path,
                "line": ran.case.place.line,
                "passed": !ran.failed(),
                "differences": ran.differences,
                "rule": ran.explanation.rule,
                "card": ran.explanation.card,
            })
        })
        .collect();
    let failed = ran.iter().filter(|ran| ran.failed()).count();
    json!({ "passed": ran.len() - failed, "failed": failed, "tests": tests })
}
