//! The calls whose deliveries are in somebody's hands: whether one has ended meanwhile, and whose card it gets.
//!
//! In memory, so that the last look before a card is sent waits for no disk. Who comes after a crash reads the rows.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::DeliveryId;

/// Whether a card may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may: its delivery is the one of its call whose card is sent.
    Open,
    /// The call has ended.
    Over,
    /// Another event of the call has the card.
    Superseded,
}

/// What is known of one call while somebody holds a delivery of it.
#[derive(Debug, Default)]
struct Call {
    has_ended: AtomicBool,
    /// The first delivery whose card was about to be sent.
    sender: OnceLock<DeliveryId>,
}

/// Calls by name, and by how many each is held.
type Calls = HashMap<String, (Arc<Call>, usize)>;

/// The calls that are held. Clones share them.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<Calls>>);

impl UnderWay {
    /// A call that is worked on from now on.
    pub(super) fn hold(&self, account: &str, call_id: &str) -> Held {
        let name = name(account, call_id);
        let mut calls = self.calls();
        let (call, holders) = calls.entry(name.clone()).or_default();
        *holders += 1;
        Held { call: Arc::clone(call), name, under_way: self.clone() }
    }

    /// A call has ended; whoever holds it learns that.
    pub(super) fn end(&self, account: &str, call_id: &str) {
        if let Some((call, _)) = self.calls().get(&name(account, call_id)) {
            call.has_ended.store(true, Ordering::Release);
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("UnderWay")
    }
}

/// No account has a blank in its name.
fn name(account: &str, call_id: &str) -> String {
    format!("{account} {call_id}")
}

/// A call that somebody works on; dropped by the last one, nobody does any more.
pub(super) struct Held {
    name: String,
    call: Arc<Call>,
    under_way: UnderWay,
}

impl Held {
    /// Its hang-up came before it was held.
    pub(super) fn end(&self) {
        self.call.has_ended.store(true, Ordering::Release);
    }

    /// Whether this delivery may send its card. Where it may, no other one of the call may from now on.
    pub(super) fn standing(&self, id: DeliveryId) -> Standing {
        if self.call.has_ended.load(Ordering::Acquire) {
            return Standing::Over;
        }
        if *self.call.sender.get_or_init(|| id) == id { Standing::Open } else { Standing::Superseded }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut calls = self.under_way.calls();
        if let Some((_, holders)) = calls.get_mut(&self.name) {
            *holders -= 1;
            if *holders == 0 {
                calls.remove(&self.name);
            }
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn a_call_that_two_let_go_of_at_the_same_moment_is_forgotten() {
        const ROUNDS: usize = 20_000;
        let (under_way, both) = (UnderWay::default(), Barrier::new(2));
        let hold_all = || {
            for round in 0..ROUNDS {
                let held = under_way.hold("hipcall", &format!("call-{round}"));
                both.wait();
                drop(held);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(hold_all);
            hold_all();
        });
        assert_eq!(under_way.calls().len(), 0);
    }

    #[test]
    fn who_holds_a_call_learns_of_its_hang_up_and_nobody_else_does() {
        let under_way = UnderWay::default();
        let [first, second] = [1, 2].map(DeliveryId);
        let (one, other) = (under_way.hold("hipcall", "a"), under_way.hold("hipcall", "a"));
        let elsewhere = under_way.hold("second", "a");
        assert_eq!((one.standing(first), other.standing(second)), (Standing::Open, Standing::Superseded));
        under_way.end("hipcall", "a");
        assert_eq!((one.standing(first), elsewhere.standing(second)), (Standing::Over, Standing::Open));
        drop((one, other));
        assert_eq!(
            under_way.hold("hipcall", "a").standing(second),
            Standing::Open,
            "the rows say whether it has ended"
        );
    }
}
