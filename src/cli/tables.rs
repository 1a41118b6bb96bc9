//! Tables whose files change while the server runs.
//!
//! Looks, and tells in the log what became of it; what a table is, it does not know.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::rules::Live;
use crate::source::Refreshed;
use crate::web::Metrics;

/// Between two looks at a file, one question to the file system. A file takes effect at the second look that finds it the
/// same, so that one which is still being written has this long to go on.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks at the tables of the rules in force until the server stops.
pub(super) async fn watch(live: Arc<Live>, metrics: Metrics, mut stop: watch::Receiver<bool>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = looks.tick() => {}
        }
        let rules = live.rules();
        // Reading a table takes as long as its file is large; it must not hold up a webhook.
        let looked = tokio::task::spawn_blocking(move || rules.refresh_tables()).await;
        looked.unwrap_or_default().iter().for_each(|refreshed| tell(refreshed, &metrics));
    }
}

fn tell(refreshed: &Refreshed, metrics: &Metrics) {
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
