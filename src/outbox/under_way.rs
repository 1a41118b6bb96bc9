//! The calls whose deliveries are in somebody's hands: whether one has ended meanwhile, and whose card it gets.
//!
//! In memory, so that the last look before a card is sent waits for no disk. Who comes after a crash reads the rows.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

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

/// The calls that are held. Clones share them.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashMap<String, Weak<Call>>>>);

impl UnderWay {
    /// A call that is worked on from now on.
    pub(super) fn hold(&self, account: &str, call_id: &str) -> Held {
        let name = name(account, call_id);
        let mut calls = self.calls();
        let call = calls.get(&name).and_then(Weak::upgrade).unwrap_or_else(|| {
            let call = Arc::new(Call::default());
            calls.insert(name.clone(), Arc::downgrade(&call));
            call
        });
        drop(calls);
        Held { name, call, under_way: self.clone() }
    }

    /// A call has ended; whoever holds it learns that.
    pub(super) fn end(&self, account: &str, call_id: &str) {
        if let Some(call) = self.calls().get(&name(account, call_id)).and_then(Weak::upgrade) {
            call.has_ended.store(true, Ordering::Release);
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, Weak<Call>>> {
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

/// A call that somebody works on; dropped, nobody does any more.
#[derive(Clone)]
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

    /// Whether its hang-up was seen.
    pub(super) fn has_ended(&self) -> bool {
        self.call.has_ended.load(Ordering::Acquire)
    }

    /// Whether this delivery may send its card. Where it may, no other one of the call may from now on.
    pub(super) fn standing(&self, id: DeliveryId) -> Standing {
        if self.has_ended() {
            return Standing::Over;
        }
        if *self.call.sender.get_or_init(|| id) == id { Standing::Open } else { Standing::Superseded }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut calls = self.under_way.calls();
        // Nobody can come to hold it meanwhile: that takes the same lock.
        if Arc::strong_count(&self.call) == 1 {
            calls.remove(&self.name);
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(formatter)
    }
}
