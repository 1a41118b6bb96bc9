//! `test --update`: writes what came out into the test files.
//!
//! What they are to hold is made by [`Written::updated`]; here it is decided which tests are concerned, and the files are
//! replaced.
//!
//! [`Written::updated`]: crate::rules::Written::updated

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::difference::rows;
use super::run::{Ran, Suite};
use crate::cli::{out, replace};
use crate::engine::Outcome;
use crate::rules::{CameOut, Case, Updated};

/// What some editors put in front of a UTF-8 file. It is no part of the text.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Updates the expectations of the tests that failed, and says whether any file was changed.
pub(super) fn files(suites: &[Suite]) -> Result<bool> {
    let mut changed = false;
    for suite in suites {
        let (invalid, failed): (Vec<&Ran>, Vec<&Ran>) = suite
            .ran
            .iter()
            .filter(|ran| ran.failed())
            .partition(|ran| matches!(ran.decision.outcome, Outcome::Invalid(_)));
        for ran in invalid {
            let (path, line) = (&ran.case.place.file.path, ran.case.place.line);
            out::error(&format!("{path}:{line}: left as it is: the finished card would be refused"));
        }
        let came_out: Vec<_> = failed.into_iter().map(came_out).collect();
        let (updated, refused) = suite.written.updated(&came_out);
        refused.iter().for_each(|why| out::error(why));
        for file in updated {
            write(&file).with_context(|| format!("{} can't be updated", file.path))?;
            out::error(&format!("updated {}", file.path));
            changed = true;
        }
    }
    Ok(changed)
}

fn came_out(ran: &Ran) -> (&Case, CameOut<'_>) {
    (&ran.case, CameOut { rule: ran.decision.rule.as_deref(), rows: rows(&ran.decision.outcome) })
}

/// Puts the new file in the place of the old one, unless somebody else has changed that meanwhile.
fn write(file: &Updated) -> Result<()> {
    let path = Path::new(&file.path);
    let before = std::fs::read_to_string(path)?;
    let mark = if before.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK } else { "" };
    if before.strip_prefix(mark) != Some(&file.before) {
        bail!("it was changed while the tests ran");
    }
    Ok(replace::file(path, &format!("{mark}{}", file.after))?)
}
