//! `callcard fmt`: rule and test files in one layout, so that a review shows what changed and not how it is indented.
//!
//! A file is replaced whole or not at all, and one whose meaning the layout could change stays as it is.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Ended, out, problems, replace, settings};
use crate::rules::{Unformatted, files, format};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Rule directories or single files; the rule directory unless given
    paths: Vec<PathBuf>,
    /// Change nothing; list the files that would change, and end with 1 if there are any
    #[arg(long)]
    check: bool,
}

pub(super) fn run(arguments: &Arguments, rules: &Path) -> Result<Ended> {
    let given: Vec<&Path> = arguments.paths.iter().map(PathBuf::as_path).collect();
    let paths = if given.is_empty() { vec![rules] } else { given };
    let mut found = Vec::new();
    let (mut changed, mut kept) = (0, 0);
    for path in paths {
        let listed = files(path).unwrap_or_else(|problem| {
            found.push(problem);
            Vec::new()
        });
        for file in listed {
            match format(&file) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    if !arguments.check {
                        replace::file(&file, &text)
                            .with_context(|| format!("`{}` can't be written", file.display()))?;
                    }
                    out::line(&file.display().to_string());
                    changed += 1;
                }
                Err(Unformatted::Problem(problem)) => found.push(*problem),
                Err(Unformatted::Different) => {
                    let file = file.display();
                    out::error(&format!("`{file}` stays as it is: in another layout it would not say the same"));
                    kept += 1;
                }
            }
        }
    }
    settings::tell(&found);
    let verb = if arguments.check { "would change" } else { "changed" };
    out::error(&format!("{} {verb}", problems::count(changed, "file")));
    let fine = found.is_empty() && kept == 0 && (changed == 0 || !arguments.check);
    Ok(if fine { Ended::Fine } else { Ended::Wrong })
}
