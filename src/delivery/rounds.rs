//! The loop: takes what is handed in as it is accepted, looks for what else is due, and waits for the next of either.
//!
//! Who is next, others say; and what is done about a delivery.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::intake::Taken;
use super::lanes::Sweep;
use super::{Courier, FAILURE_PAUSE};

/// Between two clean-ups: in a flood, what comes in meanwhile is how far a bound is passed.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// How long deliveries under way may take after a stop was asked for: a decision and an attempt.
pub const STOP_WITHIN: Duration = Duration::from_secs(7);

impl Courier {
    /// Works until `stop` becomes true, then finishes what is under way. What is left stays durable.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        let mut forget = tokio::time::interval(FORGET_EVERY);
        let mut sweep = Sweep::new();
        self.remember().await;
        self.shared.is_open.store(true, Ordering::Release);
        while !*stop.borrow() {
            let shared = Arc::clone(&self.shared);
            let mut changed = pin!(shared.outbox.changed());
            let round = match self.work(&mut tasks, &mut sweep).await {
                Ok(round) => round,
                Err(error) => {
                    self.shared.tell_failing(&error);
                    Round { again_at: Some(Instant::now() + FAILURE_PAUSE), is_full: false }
                }
            };
            let mut due = pin!(sleep_until(round.again_at));
            // What is taken as it is accepted, and what ends, brings nothing that would be due.
            let mut is_over = false;
            while !is_over {
                tokio::select! {
                    Some(taken) = self.taking.recv() => self.start(&mut tasks, taken),
                    Some(ended) = tasks.join_next() => {
                        // Room for what was due and had none; or a lease that will run out.
                        is_over = let_go(&mut tasks, ended) || round.is_full;
                    }
                    _ = forget.tick() => {
                        let shared = Arc::clone(&self.shared);
                        tasks.spawn(async move { shared.forget().await });
                    }
                    () = &mut changed => is_over = true,
                    () = &mut due => is_over = true,
                    _ = stop.changed() => is_over = true,
                }
            }
        }
        let finish = async {
            while let Some(ended) = tasks.join_next().await {
                let_go(&mut tasks, ended);
            }
        };
        if tokio::time::timeout(STOP_WITHIN, finish).await.is_err() {
            tracing::warn!("deliveries still under way are left in the outbox");
        }
    }

    /// What was taken as it was accepted, and what came with it.
    fn start(&mut self, tasks: &mut JoinSet<()>, first: Taken) {
        for Taken { claimed, event, permit } in
            std::iter::once(first).chain(std::iter::from_fn(|| self.taking.try_recv().ok()))
        {
            let shared = Arc::clone(&self.shared);
            tasks.spawn(async move { shared.deliver(claimed, Some(event), Some(permit)).await });
        }
    }
}

/// When to look for deliveries again.
pub(super) struct Round {
    /// Then at the latest.
    pub(super) again_at: Option<Instant>,
    /// As soon as one has ended: there may be more that is due.
    pub(super) is_full: bool,
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Forgets all deliveries that ended; `true` where one stopped unexpectedly. Each keeps its memory until then, and under load
/// more of them end than the loop turns.
fn let_go(tasks: &mut JoinSet<()>, first: Result<(), JoinError>) -> bool {
    let mut has_stopped = false;
    for ended in std::iter::once(first).chain(std::iter::from_fn(|| tasks.try_join_next())) {
        if let Err(error) = ended {
            has_stopped = true;
            tracing::error!(%error, "a delivery stopped unexpectedly; it is tried again when its lease runs out");
        }
    }
    has_stopped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn deliveries_that_ended_are_let_go_of_all_at_once() {
        let mut tasks = JoinSet::new();
        let mut ended: Vec<_> = (0..1000).map(|_| tasks.spawn(async {})).collect();
        ended.push(tasks.spawn(async { panic!("a fault") }));
        tasks.spawn(std::future::pending());
        while !ended.iter().all(tokio::task::AbortHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        let first = tasks.join_next().await.unwrap();
        assert!(let_go(&mut tasks, first), "one stopped unexpectedly");
        assert_eq!(tasks.len(), 1, "the one that is under way");
    }
}
