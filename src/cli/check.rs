//! `callcard check`: every problem of every file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::{Ended, Format, out, problems, settings};
use crate::problem::Problem;
use crate::rules::{Loaded, Secrets, load};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Rule directories or single files; the rule directory unless given
    paths: Vec<PathBuf>,
    /// How problems are printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Let warnings fail the check, too
    #[arg(long, value_name = "WHAT", value_parser = ["warnings"])]
    deny: Option<String>,
    /// Look up `${…}`: a variable or file that does not exist is a problem
    #[arg(long)]
    env: bool,
}

pub(super) fn run(arguments: &Arguments, rules: &Path) -> Result<Ended> {
    let given: Vec<&Path> = arguments.paths.iter().map(PathBuf::as_path).collect();
    let paths = if given.is_empty() { vec![rules] } else { given };
    let secrets = if arguments.env { Secrets::From(&settings::variable) } else { Secrets::Unset };
    let network = settings::network()?;
    let mut found: Vec<Problem> = Vec::new();
    for path in &paths {
        let Loaded { rules, cases, problems, .. } = load(path, &settings::environment(secrets, &network, None));
        if let (Format::Text, true, Some(rules)) = (arguments.format, problems.is_empty(), rules) {
            let counts = [(rules.rules.len(), "rule"), (rules.sources.len(), "source"), (cases.len(), "test")];
            let counts = counts.map(|(count, noun)| problems::count(count, noun)).join(", ");
            out::line(&format!("{}: fine ({counts})", path.display()));
        }
        found.extend(problems);
    }
    match arguments.format {
        Format::Json => {
            let listed: Vec<_> = found.iter().map(Problem::to_json).collect();
            out::line(&serde_json::to_string_pretty(&json!({ "problems": listed }))?);
        }
        Format::Text => {
            for problem in &found {
                out::line(&problems::shown(problem, out::has_colour()));
                out::line("");
            }
            if let Some(count) = problems::counted(&found) {
                out::line(&count);
            }
        }
    }
    let fails = |problem: &Problem| problem.is_error() || arguments.deny.is_some();
    Ok(if found.iter().any(fails) { Ended::Wrong } else { Ended::Fine })
}
