//! Files that change while the server runs: tables, and whatever else somebody wants looked at.
//!
//! Looks, and tells in the log what became of a table; what a table is, it does not know.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::hint::Hints;
use crate::source::Refreshed;
use crate::web::Metrics;

/// Between two looks at a file, one question to the file system.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Two looks are never closer than this, whatever hints come. A file takes effect at the second look that finds it the same, so
/// that one which is still being written has this long to go on.
const LOOKS_APART: Duration = Duration::from_millis(500);

/// Looks once at everything that may have changed.
pub(super) type Look = Box<dyn Fn() + Send + Sync>;

/// Looks again and again until the server stops; sooner where there is a hint.
pub(super) async fn watch(look: Look, hints: Hints, mut stop: watch::Receiver<bool>) {
    let look = Arc::new(look);
    let mut looked_at = Instant::now();
    // The first look after a hint may find a change, the second one that it is whole.
    let mut looks_due = 0_u8;
    loop {
        let wait = if looks_due > 0 { LOOKS_APART } else { LOOK_EVERY };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = hints.given(), if looks_due < 2 => {
                looks_due = 2;
                continue;
            }
            () = sleep_until(looked_at + wait) => {}
        }
        // Reading takes as long as the files are large; it must not hold up a webhook.
        let looking = Arc::clone(&look);
        let _ = tokio::task::spawn_blocking(move || looking()).await;
        looked_at = Instant::now();
        looks_due = looks_due.saturating_sub(1);
    }
}

/// Tells what became of tables that have changed.
pub(super) fn tell(refreshed: &[Refreshed], metrics: &Metrics) {
    refreshed.iter().for_each(|table| tell_one(table, metrics));
}

fn tell_one(refreshed: &Refreshed, metrics: &Metrics) {
    let Refreshed { path, rows, warning } = refreshed;
    match rows {
        Ok(rows) => {
            metrics.table_change("swapped");
            tracing::info!(
                table.path = path,
                table.rows = rows,
                "the table `{path}` has changed: {rows} rows are in force"
            );
        }
        Err(why) => {
            metrics.table_change("kept");
            tracing::warn!(
                table.path = path,
                "the table `{path}` has changed and is not used, the one before stays: {why}"
            );
        }
    }
    if let Some(warning) = warning {
        tracing::warn!(table.path = path, "{warning}");
    }
}
