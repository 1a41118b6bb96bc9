//! `callcard test`: runs the tests beside the rules, and says what they do not test.
//!
//! No network and no clock: sources are stubs, and time passes only where a stub says so, at no cost.

mod coverage;
mod difference;
mod junit;
mod mutants;
mod run;
mod update;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use self::coverage::Coverage;
use self::mutants::Mutants;
use self::run::{Ran, Suite};
use super::out::{Colour, coloured};
use super::{Ended, out, settings, shown};
use crate::problem::Problem;
use crate::rules::{Case, Loaded, Secrets, load};

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
    /// Also tell the rules, conditions, needs and rows that no test reached
    #[arg(long)]
    coverage: bool,
    /// Fail where less than this is covered
    #[arg(long, value_name = "PERCENT", requires = "coverage", value_parser = percent)]
    fail_under: Option<f64>,
    /// Also make small changes to the rules, and fail where no test notices one
    ///
    /// A rule is removed or goes behind its neighbour; a condition is dropped or negated; the end of a range of numbers
    /// or `at_most` moves by one; a need is another one or none; a row of a card is removed. A few changes make no
    /// difference to any call and can't be noticed: those that can be proved to be such are not made.
    #[arg(long)]
    mutants: bool,
    /// Write what came out into the tests that fail: the rule and the card where they expect one; all else stays
    #[arg(long)]
    update: bool,
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

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse().ok();
    number.filter(|percent| (0.0..=100.0).contains(percent)).ok_or_else(|| "a number from 0 to 100".to_owned())
}

pub(super) fn run(arguments: &Arguments, rules: &Path) -> Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let mut suites = match suites(arguments, rules, &runtime)? {
        Ok(suites) => suites,
        Err(problems) => return Ok(settings::rejected(&problems)),
    };
    if arguments.update && update::files(&suites)? {
        suites = match self::suites(arguments, rules, &runtime)? {
            Ok(suites) => suites,
            Err(problems) => return Ok(settings::rejected(&problems)),
        };
    }
    let ran: Vec<&Ran> = suites.iter().flat_map(|suite| &suite.ran).collect();
    if let (true, Some(filter)) = (ran.is_empty(), &arguments.filter) {
        bail!("no test has `{filter}` in its name");
    }
    let has_failed = ran.iter().any(|ran| ran.failed());
    let coverage = arguments.coverage.then(|| Coverage::of(&suites, &runtime));
    let mutants = (arguments.mutants && !has_failed).then(|| Mutants::of(&suites, &runtime));
    print(arguments.format, &ran, coverage.as_ref(), mutants.as_ref())?;
    let mut ended = if has_failed { Ended::Wrong } else { Ended::Fine };
    if arguments.mutants && has_failed {
        out::error("no mutants were made: first the tests have to pass with the rules as they are");
    }
    if let Some(surviving) = mutants.as_ref().map(Mutants::surviving).filter(|surviving| *surviving > 0) {
        out::error(&format!("no test notices {}", super::problems::count(surviving, "mutant")));
        ended = Ended::Wrong;
    }
    if let (Some(coverage), Some(least)) = (&coverage, arguments.fail_under)
        && coverage.is_below(least)
    {
        out::error(&format!("coverage is {}, and {least}% is asked for", coverage.in_words()));
        ended = Ended::Wrong;
    }
    Ok(ended)
}

/// Runs the tests of every rule directory, or tells the problems of the first that has any.
fn suites(arguments: &Arguments, rules: &Path, runtime: &Runtime) -> Result<Result<Vec<Suite>, Vec<Problem>>> {
    let given: Vec<&Path> = arguments.paths.iter().map(PathBuf::as_path).collect();
    let paths = if given.is_empty() { vec![rules] } else { given };
    let network = settings::network()?;
    let mut suites = Vec::new();
    for path in paths {
        let loaded = load(path, &settings::environment(Secrets::Unset, &network, None));
        let Loaded { rules: Some(rules), cases, written, .. } = loaded else { return Ok(Err(loaded.problems)) };
        let wanted = |case: &Case| arguments.filter.as_ref().is_none_or(|filter| case.name.contains(filter));
        let ran = cases.into_iter().filter(wanted).map(|case| Ran::of(case, &rules, runtime)).collect();
        suites.push(Suite { rules, written, ran });
    }
    Ok(Ok(suites))
}

fn print(format: Format, ran: &[&Ran], coverage: Option<&Coverage>, mutants: Option<&Mutants>) -> Result<()> {
    let failed = ran.iter().filter(|ran| ran.failed()).count();
    match format {
        Format::Json => {
            let mut report = report(ran);
            let parts = [("coverage", coverage.map(Coverage::to_json)), ("mutants", mutants.map(Mutants::to_json))];
            for (key, part) in parts.into_iter().filter_map(|(key, part)| Some((key, part?))) {
                report.insert(key.to_owned(), part);
            }
            out::line(&serde_json::to_string_pretty(&report)?);
        }
        Format::Junit => out::line(&junit::xml(ran)),
        Format::Github => {
            ran.iter().filter(|ran| ran.failed()).for_each(|ran| out::line(&ran.annotation()));
        }
        Format::Text => {
            ran.iter().for_each(|ran| print_one(ran));
            out::line("");
            out::line(&format!("{} passed, {failed} failed", ran.len() - failed));
            let parts = [coverage.map(Coverage::lines), mutants.map(Mutants::lines)];
            for lines in parts.into_iter().flatten() {
                out::line("");
                lines.iter().for_each(|line| out::line(line));
            }
        }
    }
    Ok(())
}

fn print_one(ran: &Ran) {
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

fn report(ran: &[&Ran]) -> Map<String, Value> {
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
    let report = [("passed", json!(ran.len() - failed)), ("failed", json!(failed)), ("tests", json!(tests))];
    report.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
