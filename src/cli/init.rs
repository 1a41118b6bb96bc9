//! `callcard init`: a rule directory to begin with, its tests, and what checks them before a commit and in CI.
//!
//! It never overwrites: where anything that it would write exists, it writes nothing. It starts no git repository and
//! installs nothing.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::out::{self, Colour, coloured};
use super::{Ended, problems};
use crate::rules::{RULES_SCHEMA, TESTS_SCHEMA};

/// What is written: the path in the directory, what it is for, and the text. The rule loader passes over hidden ones.
const FILES: [(&str, &str, &str); 7] = [
    ("main.yaml", "a rule set to change into your own", include_str!("init/main.yaml")),
    ("main.test.yaml", "its tests", include_str!("init/main.test.yaml")),
    ("data/contacts.csv", "the contacts that it asks", include_str!("init/contacts.csv")),
    (".schemas/rules.schema.json", "what an editor completes and explains from", RULES_SCHEMA),
    (".schemas/tests.schema.json", "the same for tests", TESTS_SCHEMA),
    (".pre-commit-config.yaml", "check and test before each commit", include_str!("init/pre-commit.yaml")),
    (".github/workflows/rules.yml", "check and test in GitHub's CI", include_str!("init/workflow.yml")),
];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The directory to write into; made where it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ended> {
    let directory = &arguments.directory;
    let taken: Vec<String> = FILES
        .iter()
        .map(|(file, ..)| directory.join(file))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if !taken.is_empty() {
        let verb = if taken.len() == 1 { "is" } else { "are" };
        bail!("{} {verb} there already, and nothing was written", taken.join(", "));
    }
    for (file, _, text) in FILES {
        let path = directory.join(file);
        write(&path, text).with_context(|| format!("`{}` can't be written", path.display()))?;
    }
    tell(directory);
    Ok(Ended::Fine)
}

/// Writes a file that is not there; one that came up meanwhile stays.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Says what was written and what to type next.
fn tell(directory: &Path) {
    let rules = typed(directory);
    let commands = [("check", "find every mistake"), ("test", "run the tests"), ("demo", "see a card")];
    let commands = commands.map(|(command, what)| (format!("callcard --rules {rules} {command}"), what));
    let lengths = FILES.iter().map(|(file, ..)| file.len()).chain(commands.iter().map(|(command, _)| command.len()));
    let width = lengths.max().unwrap_or_default();
    let files = problems::count(FILES.len(), "file");
    out::line(&coloured(&format!("{files} in {}", directory.display()), Colour::Bold));
    for (file, what, _) in FILES {
        out::line(&format!("  {file:width$}  {what}"));
    }
    out::line("");
    out::line(&coloured("Next", Colour::Bold));
    for (command, what) in commands {
        out::line(&format!("  {command:width$}  {what}"));
    }
    out::line("");
    out::line(if is_inside_a_repository(directory) {
        "The directory is inside a git repository: move .github and .pre-commit-config.yaml to the top of that one, and put \
         the path of the rules behind `--rules` in them."
    } else {
        "The directory is meant to be a git repository of its own: there, `pre-commit install` and a push put the rest to \
         work."
    });
}

/// Whether the top of the git repository that a directory is in is another directory.
fn is_inside_a_repository(directory: &Path) -> bool {
    let whole = directory.canonicalize().unwrap_or_default();
    whole.ancestors().find(|ancestor| ancestor.join(".git").exists()).is_some_and(|top| top != whole)
}

/// A path as it is typed at a shell.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-+@:".contains(character);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
