//! `callcard check`: every problem of every file.

mod connect;
mod sarif;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::out::{Colour, coloured};
use super::{Ended, annotation, out, problems, settings};
use crate::problem::{CODES, Problem, Severity, did_you_mean};
use crate::rules::{Allowed, Environment, Loaded, Secrets, load};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Rule directories or single files; the rule directory unless given
    paths: Vec<PathBuf>,
    /// How problems are printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Let warnings fail the check, too; notes never do
    #[arg(long, value_name = "WHAT", value_parser = ["warnings"])]
    deny: Option<String>,
    /// Look up `${…}`: a variable or file that does not exist is a problem
    #[arg(long)]
    env: bool,
    /// Ask every source once about an example number: one that does not answer is a problem. Tells who a database takes us
    /// for, and whether that user could write. Includes --env
    #[arg(long)]
    connect: bool,
    /// Print a page about a code such as R012, with examples; checks nothing
    #[arg(long, value_name = "CODE", conflicts_with_all = ["paths", "format", "deny", "env", "connect"])]
    explain: Option<String>,
}

/// How problems are printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For GitHub workflows: an annotation beside each line
    Github,
    /// For code scanning: SARIF 2.1.0
    Sarif,
}

pub(super) fn run(arguments: &Arguments, rules: &Path) -> Result<Ended> {
    if let Some(code) = &arguments.explain {
        return explain(code);
    }
    let given: Vec<&Path> = arguments.paths.iter().map(PathBuf::as_path).collect();
    let paths = if given.is_empty() { vec![rules] } else { given };
    let secrets = if arguments.env || arguments.connect { Secrets::From(&settings::variable) } else { Secrets::Unset };
    let network = settings::network()?;
    let mut found: Vec<Problem> = Vec::new();
    let mut permitted: Vec<Allowed> = Vec::new();
    let mut answered: Vec<Value> = Vec::new();
    for path in &paths {
        let environment = Environment { proofs: true, ..settings::environment(secrets, &network, None) };
        let Loaded { rules, cases, mut problems, allowed, .. } = load(path, &environment);
        if let (true, Some(rules)) = (arguments.connect, &rules) {
            let connected = connect::ask(rules)?;
            problems.extend(connected.iter().filter_map(connect::Connected::problem));
            if let Format::Text = arguments.format {
                connected.iter().filter_map(connect::Connected::line).for_each(|line| out::line(&line));
            }
            answered.extend(connected.iter().map(connect::Connected::to_json));
        }
        if let (Format::Text, true, Some(rules)) = (arguments.format, problems.is_empty(), rules) {
            let counts = [(rules.rules.len(), "rule"), (rules.sources.len(), "source"), (cases.len(), "test")];
            let mut counts = counts.map(|(count, noun)| problems::count(count, noun)).join(", ");
            if !allowed.is_empty() {
                counts.push_str(&format!(", {} allowed", problems::count(allowed.len(), "warning")));
            }
            out::line(&format!("{}: fine ({counts})", path.display()));
        }
        found.extend(problems);
        permitted.extend(allowed);
    }
    match arguments.format {
        Format::Text => print(&found),
        Format::Json => {
            let listed: Vec<_> = found.iter().map(Problem::to_json).collect();
            let allowed: Vec<_> = permitted.iter().map(Allowed::to_json).collect();
            let mut said = json!({ "problems": listed, "allowed": allowed });
            if let (true, Some(said)) = (arguments.connect, said.as_object_mut()) {
                said.insert("sources".to_owned(), Value::Array(answered));
            }
            out::line(&serde_json::to_string_pretty(&said)?);
        }
        Format::Github => found.iter().for_each(|problem| out::line(&annotation::of_problem(problem))),
        Format::Sarif => out::line(&serde_json::to_string_pretty(&sarif::log(&found, &permitted))?),
    }
    let fails = |problem: &Problem| match problem.code.severity() {
        Severity::Error => true,
        Severity::Warning => arguments.deny.is_some(),
        Severity::Note => false,
    };
    Ok(if found.iter().any(fails) { Ended::Wrong } else { Ended::Fine })
}

fn print(found: &[Problem]) {
    for problem in found {
        out::line(&problems::shown(problem, out::has_colour()));
        out::line("");
    }
    if let Some(count) = problems::counted(found) {
        out::line(&count);
    }
    if let Some(first) = found.first() {
        out::line(&format!("`callcard check --explain {}` says more", first.code.as_str()));
    }
}

/// Prints the page about a code, in whichever case it is typed.
fn explain(text: &str) -> Result<Ended> {
    let Some(code) = CODES.iter().find(|code| code.as_str().eq_ignore_ascii_case(text)) else {
        let help = did_you_mean(text, CODES.iter().map(|code| code.as_str())).unwrap_or_default();
        bail!("no code is named `{text}`: {help}");
    };
    let heading = format!("{} ({}): {}", code.as_str(), code.severity().as_str(), code.title());
    out::line(&coloured(&heading, Colour::Bold));
    out::line("");
    out::line(code.page().trim_end());
    Ok(Ended::Fine)
}
