//! Who has a connection, and who has to leave for a new one.
//!
//! Silent is a connection without a whole request under way: it has sent none, or half of one, or waits between two. Among
//! the silent ones the one that has been so for the longest leaves first. Nothing here knows sockets or time: turns count.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;

use super::Limits;
use super::counted::Counted;
use crate::rules::is_in_ranges;

/// Why a connection was closed that its client had not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It was silent, and a new one came when there were too many.
    Silent,
    /// It was new, and all others had a whole request under way.
    Refused,
    /// It did not secure itself in time, or not as is expected.
    Handshake,
    /// Its first request did not arrive in time.
    NoRequest,
    /// It waited too long for a further request.
    Idle,
}

impl Closed {
    pub(super) const ALL: [Closed; 5] =
        [Closed::Silent, Closed::Refused, Closed::Handshake, Closed::NoRequest, Closed::Idle];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Closed::Silent => "silent",
            Closed::Refused => "refused",
            Closed::Handshake => "handshake",
            Closed::NoRequest => "no_request",
            Closed::Idle => "idle",
        }
    }
}

/// All places of a listener.
#[derive(Clone)]
pub(super) struct Places {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    counted: Counted,
    open: Gauge,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// Without those that were told to leave.
    count: usize,
    /// The next turn.
    turn: u64,
    /// By the turn in which they fell silent, so that the first one is the one to leave.
    silent: BTreeMap<u64, Silent>,
    /// Those with a limit.
    of_address: HashMap<IpAddr, OfAddress>,
}

struct Silent {
    address: Option<IpAddr>,
    leave: Arc<Notify>,
}

#[derive(Default)]
struct OfAddress {
    count: usize,
    silent: BTreeSet<u64>,
}

/// One connection's place; it is free again when this is dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    address: Option<IpAddr>,
    leave: Arc<Notify>,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Silent(u64),
    /// This many whole requests are under way.
    Busy(usize),
}

impl Places {
    pub(super) fn new(limits: Limits, counted: Counted) -> Places {
        let open = counted.open();
        Places { shared: Arc::new(Shared { limits, counted, open, table: Mutex::default() }) }
    }

    /// A place for a new connection. Where there is none left a silent one leaves; `None` where there is none either.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let shared = &self.shared;
        let address = (!is_in_ranges(&shared.limits.without_limit, address)).then(|| network(address));
        let mut table = shared.table();
        let of_address = address.and_then(|address| table.of_address.get(&address));
        let victim = match of_address.filter(|own| own.count >= shared.limits.of_address_max) {
            Some(own) => own.silent.first().copied(),
            None if table.count < shared.limits.connections_max => return Some(shared.seat(&mut table, address)),
            None => table.silent.keys().next().copied(),
        };
        if !victim.is_some_and(|turn| shared.send_away(&mut table, turn)) {
            shared.counted.closed(Closed::Refused);
            return None;
        }
        Some(shared.seat(&mut table, address))
    }

    /// The one that has been silent for the longest leaves.
    pub(super) fn make_room(&self) {
        let mut table = self.shared.table();
        if let Some(turn) = table.silent.keys().next().copied() {
            self.shared.send_away(&mut table, turn);
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seat(self: &Arc<Self>, table: &mut Table, address: Option<IpAddr>) -> Place {
        table.count += 1;
        self.open.inc();
        if let Some(address) = address {
            table.of_address.entry(address).or_default().count += 1;
        }
        let leave = Arc::new(Notify::new());
        let turn = table.fall_silent(address, &leave);
        Place { shared: Arc::clone(self), address, leave, state: Mutex::new(State::Silent(turn)) }
    }

    /// Tells a silent connection to leave. It no longer counts, although its task has yet to notice.
    fn send_away(&self, table: &mut Table, turn: u64) -> bool {
        let Some(silent) = table.speak_up(turn) else { return false };
        table.count -= 1;
        table.of_address_left(silent.address);
        self.open.dec();
        self.counted.closed(Closed::Silent);
        silent.leave.notify_one();
        true
    }
}

impl Table {
    fn fall_silent(&mut self, address: Option<IpAddr>, leave: &Arc<Notify>) -> u64 {
        let turn = self.turn;
        self.turn += 1;
        self.silent.insert(turn, Silent { address, leave: Arc::clone(leave) });
        if let Some(own) = address.and_then(|address| self.of_address.get_mut(&address)) {
            own.silent.insert(turn);
        }
        turn
    }

    /// `None` where it was sent away.
    fn speak_up(&mut self, turn: u64) -> Option<Silent> {
        let silent = self.silent.remove(&turn)?;
        if let Some(own) = silent.address.and_then(|address| self.of_address.get_mut(&address)) {
            own.silent.remove(&turn);
        }
        Some(silent)
    }

    fn of_address_left(&mut self, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        let is_last = self.of_address.get_mut(&address).is_some_and(|own| {
            own.count -= 1;
            own.count == 0
        });
        if is_last {
            self.of_address.remove(&address);
        }
    }
}

impl Place {
    /// Until the connection has to leave.
    pub(super) async fn left(&self) {
        self.leave.notified().await;
    }

    /// Why it was closed.
    pub(super) fn closed(&self, reason: Closed) {
        self.shared.counted.closed(reason);
    }

    /// A whole request is there. Until it is answered the connection need not leave.
    pub(super) fn begin(&self) {
        let mut table = self.shared.table();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match *state {
            State::Busy(requests) => State::Busy(requests + 1),
            State::Silent(turn) => {
                if table.speak_up(turn).is_none() {
                    return;
                }
                State::Busy(1)
            }
        };
    }

    /// A whole request was answered.
    pub(super) fn end(&self) {
        let mut table = self.shared.table();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match *state {
            State::Busy(requests) if requests > 1 => State::Busy(requests - 1),
            State::Busy(_) => State::Silent(table.fall_silent(self.address, &self.leave)),
            gone @ State::Silent(_) => gone,
        };
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_counted = match state {
            State::Busy(_) => true,
            State::Silent(turn) => table.speak_up(turn).is_some(),
        };
        if is_counted {
            table.count -= 1;
            table.of_address_left(self.address);
            self.shared.open.dec();
        }
    }
}

/// Whom an address belongs to.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::super::Connections;
    use super::*;
    use crate::rules::address_range;

    fn places(connections_max: usize, of_address_max: usize) -> Places {
        let without_limit = vec![address_range("10.0.0.0/8").unwrap()];
        Places::new(Limits { connections_max, of_address_max, without_limit }, Connections::default().of("test"))
    }

    fn enter(places: &Places, address: &str) -> Option<Place> {
        places.enter(address.parse().unwrap())
    }

    /// Whether it was told to leave.
    fn has_left(place: &Place) -> bool {
        place.left().now_or_never().is_some()
    }

    fn open(places: &Places) -> i64 {
        places.shared.open.get()
    }

    #[test]
    fn the_one_that_has_been_silent_for_the_longest_makes_room() {
        let places = places(3, 3);
        let all = ["1.0.0.1", "1.0.0.2", "1.0.0.3"].map(|address| enter(&places, address).unwrap());
        // The first one has spoken meanwhile, so that the second one is the most silent.
        all[0].begin();
        all[0].end();
        let new = enter(&places, "1.0.0.4").unwrap();
        assert_eq!(all.each_ref().map(has_left), [false, true, false]);
        assert_eq!(open(&places), 3);
        drop((all, new));
        assert_eq!(open(&places), 0);
        let table = places.shared.table();
        assert!(table.count == 0 && table.silent.is_empty() && table.of_address.is_empty());
    }

    #[test]
    fn nobody_leaves_who_has_a_whole_request_under_way() {
        let places = places(2, 2);
        let [one, other] = ["1.0.0.1", "1.0.0.2"].map(|address| enter(&places, address).unwrap());
        one.begin();
        one.begin();
        one.end();
        other.begin();
        assert!(enter(&places, "1.0.0.3").is_none());
        one.end();
        assert!(enter(&places, "1.0.0.3").is_some());
        assert!(has_left(&one) && !has_left(&other));
        // Told to leave in the moment in which its request is whole: it leaves all the same, and is not counted twice.
        one.begin();
        one.end();
        drop((one, other));
        assert_eq!(open(&places), 0);
    }

    #[test]
    fn whoever_has_too_many_connections_loses_own_ones() {
        let places = places(10, 2);
        let other = enter(&places, "2001:db8:0:1::1").unwrap();
        let one = enter(&places, "2001:db8::1").unwrap();
        let same_network = enter(&places, "2001:db8::ffff:2").unwrap();
        let third = enter(&places, "2001:db8::3").unwrap();
        assert_eq!([&other, &one, &same_network, &third].map(has_left), [false, true, false, false]);
        let four = ["1.0.0.1", "::ffff:1.0.0.1", "1.0.0.1"].map(|address| enter(&places, address).unwrap());
        assert_eq!(four.each_ref().map(has_left), [true, false, false]);
    }

    #[test]
    fn a_proxy_has_no_limit_but_that_of_all() {
        let places = places(4, 1);
        let all = [(); 4].map(|()| enter(&places, "10.1.2.3").unwrap());
        assert_eq!(all.each_ref().map(has_left), [false; 4]);
        let _stranger = enter(&places, "1.0.0.1").unwrap();
        assert_eq!(all.each_ref().map(has_left), [true, false, false, false]);
    }

    #[test]
    fn files_that_ran_out_are_made_room_for() {
        let places = places(4, 4);
        let all = [(); 2].map(|()| enter(&places, "1.0.0.1").unwrap());
        places.make_room();
        assert_eq!(all.each_ref().map(has_left), [true, false]);
    }
}
