//! What an asker counts, for operators. It counts questions and requests, never whose they were.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus_client::metrics::histogram::Histogram;

use super::{How, Phase};

/// From 1 ms to 10 s: a service in the same building, and one that hangs.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What was asked of a source so far, and how it is now.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Questions of calls by where their answer came from, in the order of [`How::ALL`].
    pub questions: [(How, u64); How::ALL.len()],
    /// Requests that had an answer.
    pub answered: u64,
    /// Requests that had none.
    pub failed: u64,
    /// Questions that were asked once more after a failure.
    pub retried: u64,
    /// Questions that were asked a second time beside the first.
    pub hedged: u64,
    /// How long questions took, second tries apart.
    pub seconds: Histogram,
    /// Whether questions go through.
    pub phase: Phase,
    /// Answers that are kept.
    pub kept: usize,
    /// Their bytes.
    pub kept_bytes: usize,
}

/// Counts while questions are asked.
#[derive(Debug)]
pub(super) struct Counts {
    questions: [AtomicU64; How::ALL.len()],
    pub(super) answered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) hedged: AtomicU64,
    pub(super) seconds: Histogram,
}

impl Counts {
    pub(super) fn new() -> Counts {
        Counts {
            questions: Default::default(),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            hedged: AtomicU64::new(0),
            seconds: Histogram::new(SECONDS),
        }
    }

    pub(super) fn question(&self, how: How) {
        if let Some(count) = self.questions.get(how as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn figures(&self, phase: Phase, kept: usize, kept_bytes: usize) -> Figures {
        let count = |how: How| self.questions.get(how as usize).map_or(0, |count| count.load(Relaxed));
        Figures {
            questions: How::ALL.map(|how| (how, count(how))),
            answered: self.answered.load(Relaxed),
            failed: self.failed.load(Relaxed),
            retried: self.retried.load(Relaxed),
            hedged: self.hedged.load(Relaxed),
            seconds: self.seconds.clone(),
            phase,
            kept,
            kept_bytes,
        }
    }
}
