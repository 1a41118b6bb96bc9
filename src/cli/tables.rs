//! Files that change while the server runs: tables, and whatever else somebody wants looked at.
//!
//! Looks, and tells in the log what became of a table; what a table is, it does not know.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::rules::Live;
use crate::source::Refreshed;
use crate::web::Metrics;

/// Between two looks at a file, one question to the file system. A file takes effect at the second look that finds it the
/// same, so that one which is still being written has this long to go on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks once at everything that may have changed.
pub(super) type Look = Box<dyn Fn() + Send + Sync>;

/// Looks again and again until the server stops.
pub(super) async fn watch(look: Look, mut stop: watch::Receiver<bool>) {
    let look = Arc::new(look);
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            _ = looks.tick() => {}
        }
        // Reading takes as long as the files are large; it must not hold up a webhook.
        let look = Arc::clone(&look);
        let _ = tokio::task::spawn_blocking(move || look()).await;
    }
}

/// Looks at the tables of the rules in force; whether another one is in force now.
pub(super) fn look(live: &Live, metrics: &Metrics) -> bool {
    let looked = live.rules().refresh_tables();
    looked.iter().for_each(|refreshed| tell(refreshed, metrics));
    looked.iter().any(|refreshed| refreshed.rows.is_ok())
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
