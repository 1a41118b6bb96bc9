//! How a source is to be asked, as its definition says. Plain values; nothing here waits or counts.

use std::time::Duration;

/// How a source is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Care {
    /// After this time a question is ended, whoever still waits.
    pub answer_within: Duration,
    /// What is kept of its answers.
    pub cache: Option<Keep>,
    /// Requests under way at the same time.
    pub at_once: usize,
    /// How often it may be asked.
    pub per_minute: Option<u32>,
    /// Whether it is asked once more after a failure that may be over.
    pub retry: bool,
    /// After this time without an answer the same is asked a second time, beside the first.
    pub hedge: Option<Duration>,
    /// After so many failures in a row it is left alone.
    pub failures: u32,
    /// For so long.
    pub pause: Duration,
}

/// What is kept of answers, and for how long after they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Given again instead of asking, where it has records.
    pub fresh: Duration,
    /// Given again instead of asking, where it has none.
    pub none: Duration,
    /// Given again while a new one is fetched, where it has records.
    pub stale: Duration,
    /// Answers at most.
    pub entries: usize,
    /// Their bytes at most.
    pub bytes: usize,
}

impl Care {
    /// Questions of a source that is asked about a call, unless its definition says more.
    pub fn within(answer_within: Duration) -> Care {
        Care {
            answer_within,
            cache: None,
            // More connections than that hardly make a service quicker, and many are limited to ten.
            at_once: 8,
            per_minute: None,
            retry: true,
            hedge: None,
            failures: 5,
            pause: Duration::from_secs(30),
        }
    }
}

impl Default for Keep {
    /// Keeps nothing for any time. The bounds hold the answers about more people than call in a morning.
    fn default() -> Keep {
        Keep {
            fresh: Duration::ZERO,
            none: Duration::ZERO,
            stale: Duration::ZERO,
            entries: 10_000,
            bytes: 16 * 1024 * 1024,
        }
    }
}
