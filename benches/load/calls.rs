//! The calls of one run: when each was due, and when its card came in, so often as it came.
//!
//! Everything is reckoned from when a webhook was *due*, not from when it was sent: a server that makes its callers wait can't
//! hide it by slowing them down.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Customers in the table and in the CRM; call `n` is from customer `n % CUSTOMERS`.
pub const CUSTOMERS: usize = 10_000;

/// In front of a call's number in its id.
pub const CALL_PREFIX: &str = "load-";

/// The number of a customer.
pub fn number(customer: usize) -> String {
    format!("+90532{customer:07}")
}

/// What must stand on a customer's card, and on nobody else's.
pub fn name(customer: usize) -> String {
    format!("Customer {customer:05}.")
}

#[derive(Default)]
struct Call {
    /// Nanoseconds after the start of the run; 0 before it was due.
    due: AtomicU64,
    /// The same for its first card.
    card: AtomicU64,
    cards: AtomicU32,
    refused: AtomicBool,
}

/// All calls that a run may make.
pub struct Calls {
    begun: Instant,
    calls: Vec<Call>,
    next: AtomicU64,
    wrong: AtomicU64,
    /// Who waits for the card of a call: worker `n % workers`.
    waiting: Vec<Notify>,
}

/// What came of the calls that were due in a time.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Cards in a second.
    pub rate: f64,
    /// From due to card, in order.
    pub latencies: Vec<Duration>,
    /// Accepted, and no card came.
    pub lost: usize,
    /// More than one card came.
    pub twice: usize,
    /// Answered with something else than 200, or not at all.
    pub refused: usize,
    /// Cards of somebody else, or of no call.
    pub wrong: u64,
}

impl Figures {
    /// The latency that this share of the calls did not pass; in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

impl Calls {
    pub fn new(calls_max: usize, workers: usize) -> Calls {
        Calls {
            begun: Instant::now(),
            calls: (0..calls_max).map(|_| Call::default()).collect(),
            next: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            waiting: (0..workers).map(|_| Notify::new()).collect(),
        }
    }

    fn nanoseconds(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.begun).as_nanos()).unwrap().max(1)
    }

    /// The next call, for one worker or for all of them; `None` once all are made.
    pub fn due(&self, at: Instant) -> Option<usize> {
        let call = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap();
        self.calls.get(call)?.due.store(self.nanoseconds(at), Ordering::Relaxed);
        Some(call)
    }

    pub fn refused(&self, call: usize) {
        self.calls[call].refused.store(true, Ordering::Relaxed);
    }

    /// A card came in; `call` as its URL names it.
    pub fn card(&self, call: &str, body: &[u8]) {
        let found = call.strip_prefix(CALL_PREFIX).and_then(|call| call.parse::<usize>().ok());
        let Some((number, call)) = found.and_then(|number| Some((number, self.calls.get(number)?))) else {
            self.wrong.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let name = name(number % CUSTOMERS);
        if !body.windows(name.len()).any(|part| part == name.as_bytes()) {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
        if call.cards.fetch_add(1, Ordering::Relaxed) == 0 {
            call.card.store(self.nanoseconds(Instant::now()), Ordering::Release);
            self.waiting[number % self.waiting.len()].notify_one();
        }
    }

    /// Until the card of a call is there, or for so long.
    pub async fn wait(&self, call: usize, within: Duration) {
        let notify = &self.waiting[call % self.waiting.len()];
        let arrived = async {
            while self.calls[call].card.load(Ordering::Acquire) == 0 {
                notify.notified().await;
            }
        };
        let _ = tokio::time::timeout(within, arrived).await;
    }

    /// How many calls were due.
    pub fn made(&self) -> usize {
        usize::try_from(self.next.load(Ordering::Relaxed)).unwrap().min(self.calls.len())
    }

    /// How many cards have come in.
    pub fn cards(&self) -> usize {
        self.calls[..self.made()].iter().filter(|call| call.card.load(Ordering::Relaxed) > 0).count()
    }

    /// Whether all cards have come in that are to come.
    pub fn is_done(&self) -> bool {
        let done = |call: &Call| call.card.load(Ordering::Relaxed) > 0 || call.refused.load(Ordering::Relaxed);
        self.calls[..self.made()].iter().all(done)
    }

    /// What came of the calls that were due between these moments.
    pub fn figures(&self, from: Instant, to: Instant) -> Figures {
        let (first, last) = (self.nanoseconds(from), self.nanoseconds(to));
        let mut figures = Figures { wrong: self.wrong.load(Ordering::Relaxed), ..Figures::default() };
        let mut cards = 0_u32;
        for call in &self.calls[..self.made()] {
            let (due, card) = (call.due.load(Ordering::Relaxed), call.card.load(Ordering::Relaxed));
            cards += u32::from((first..last).contains(&card));
            if !(first..last).contains(&due) {
                continue;
            }
            match call.cards.load(Ordering::Relaxed) {
                0 if call.refused.load(Ordering::Relaxed) => figures.refused += 1,
                0 => figures.lost += 1,
                times => {
                    figures.twice += usize::from(times > 1);
                    figures.latencies.push(Duration::from_nanos(card.saturating_sub(due)));
                }
            }
        }
        figures.rate = f64::from(cards) / to.duration_since(from).as_secs_f64();
        figures.latencies.sort_unstable();
        figures
    }
}
