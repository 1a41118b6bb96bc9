//! How many files the process may have open, and how many of them connections may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More connections help nobody, since a silent one leaves for a new one, and each may take some 50 KiB of memory.
const CONNECTIONS_MAX: usize = 4096;

/// Files that are always left for the outbox, sources, cards and the admin address.
const KEPT_MIN: usize = 320;

/// Raises the limit as far as it goes, and says how many connections fit in beside what else needs files.
pub(super) fn connections_max() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "the limit of open files can't be raised: {error}");
    }
    let files = getrlimit(Resource::Nofile).current;
    let connections = connections_of(files);
    let shown = files.map_or("any number of".to_owned(), |files| files.to_string());
    tracing::info!(files, connections, "{shown} files may be open, {connections} of them connections for webhooks");
    connections
}

/// By how many files may be open; any number without a limit.
fn connections_of(files: Option<u64>) -> usize {
    let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    let left = files.saturating_sub(KEPT_MIN.max(files / 4));
    left.max(files / 4).min(CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_everything_else() {
        for (files, expected) in
            [(Some(64), 16), (Some(1024), 704), (Some(4096), 3072), (Some(65536), 4096), (None, 4096)]
        {
            assert_eq!(connections_of(files), expected, "{files:?}");
        }
    }
}
