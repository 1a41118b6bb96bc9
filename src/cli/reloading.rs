//! Reloads of the running server: on request, by a signal, and where files have changed; each tells what became of it.
//!
//! What is loaded and what may take effect is decided by the rules; here it is asked for, logged and counted.

use std::sync::Arc;

use jiff::Timestamp;

use super::aside::aside;
use super::{settings, tables};
use crate::problem::{Problem, Severity};
use crate::rules::{Account, Environment, LastGood, Live, Rejected, Secrets};
use crate::source::Network;
use crate::web::Metrics;

/// Loads the rules again with the same environment.
pub(super) struct Again {
    pub(super) live: Arc<Live>,
    pub(super) network: Network,
    pub(super) account: Option<Account>,
    pub(super) last_good: LastGood,
}

impl Again {
    /// Because somebody has asked for it.
    pub(super) fn reload(&self, metrics: &Metrics) -> Result<Vec<Problem>, Rejected> {
        let reloaded = aside(|| self.live.reload(&self.environment(), Timestamp::now()));
        self.tell(&reloaded, metrics);
        reloaded
    }

    /// Looks at the files of the rules and of their tables, and takes what has changed.
    pub(super) fn look(&self, metrics: &Metrics) {
        let (tables, reloaded) = aside(|| {
            let tables = self.live.rules().refresh_tables();
            (tables, self.live.reload_changed(&self.environment(), Timestamp::now()))
        });
        tables::tell(&tables, metrics);
        match reloaded {
            Some(reloaded) => self.tell(&reloaded, metrics),
            None if tables.iter().any(|refreshed| refreshed.rows.is_ok()) => self.keep(),
            None => {}
        }
    }

    /// Keeps the rules in force for a restart with broken ones. Where that fails, the server goes on without.
    pub(super) fn keep(&self) {
        match aside(|| self.live.keep(&self.last_good)) {
            Ok(missing) => missing.iter().map(|path| path.display()).for_each(|path| {
                tracing::warn!(
                    table.path = %path,
                    "the copy of the rules that is kept for a restart is without `{path}`, which is too large or gone"
                );
            }),
            Err(error) => {
                tracing::warn!(%error, "no copy of the rules is kept for a restart with broken ones: {error}");
            }
        }
    }

    fn environment(&self) -> Environment<'_> {
        settings::environment(Secrets::From(&settings::variable), &self.network, self.account.clone())
    }

    fn tell(&self, reloaded: &Result<Vec<Problem>, Rejected>, metrics: &Metrics) {
        let revision = self.live.rules().revision.clone();
        match reloaded {
            Ok(warnings) => {
                metrics.reload("swapped");
                tracing::info!(rules.revision = revision, "new rules are in force: revision {revision}");
                warn(warnings);
                self.keep();
            }
            Err(Rejected(problems)) => {
                metrics.reload("rejected");
                complain(problems);
                tracing::error!(
                    rules.revision = revision,
                    "the new rules are not used; revision {revision} stays in force"
                );
            }
        }
    }
}

/// Tells with which rules the server starts.
pub(super) fn tell_start(live: &Live, warnings: &[Problem]) {
    let status = live.status();
    if status.is_last_good {
        let revision = live.rules().revision.clone();
        complain(&status.problems);
        tracing::error!(
            rules.revision = revision,
            "the rules are broken: the last good ones are served, revision {revision}, from their copy in the data directory"
        );
    }
    warn(warnings);
}

fn complain(problems: &[Problem]) {
    for problem in problems {
        tracing::error!(code = problem.code.as_str(), "{}", on_one_line(problem));
    }
}

fn warn(warnings: &[Problem]) {
    for problem in warnings {
        let code = problem.code.as_str();
        match problem.code.severity() {
            Severity::Note => tracing::info!(code, "{}", on_one_line(problem)),
            _ => tracing::warn!(code, "{}", on_one_line(problem)),
        }
    }
}

fn on_one_line(problem: &Problem) -> String {
    let place = &problem.place;
    let code = problem.code.as_str();
    format!("{}:{}:{}: {} [{code}]", place.file.path, place.line, place.column, problem.message)
}
