//! The space of all calls that there can be: one dimension for each thing that a `when` looks at.
//!
//! It holds what the phone system and the numbering plans are known to do: an extension has no country, a number with
//! `+90` is Turkish, an internal call has no line number. What it can't exclude counts as possible, so a proof over it is
//! one over every real call. It knows no rule.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime};

use super::cell::{Cell, Dimension};
use super::interval_set::{Interval, IntervalSet};
use super::number_set::{self, DIGITS_MAX, NO_NUMBER, TOO_LONG};
use super::schedule::Schedule;
use super::{Test, When};
use crate::event::{Call, CustomerNumber, Direction, EXTENSION_DIGITS_MAX, EventKind, Kind, plans};

/// What happened to the call: see [`event_ordinal`].
pub const EVENT: Dimension = 0;
/// Which way it goes: see [`direction_ordinal`].
pub const DIRECTION: Dimension = 1;
/// The account, by its position.
pub const ACCOUNT: Dimension = 2;
/// The customer's number, by its ordinal.
pub const CUSTOMER: Dimension = 3;
/// The kind of the customer's number.
pub const KIND: Dimension = 4;
/// The country of the customer's number; 0 where no rule names it or it has none.
pub const COUNTRY: Dimension = 5;
/// The id of our line.
pub const LINE_ID: Dimension = 6;
/// The number of our line, by its ordinal.
pub const LINE_NUMBER: Dimension = 7;
/// What is called: 0 nothing, 1 something that no rule names.
pub const CALLEE_KIND: Dimension = 8;
/// Its id.
pub const CALLEE_ID: Dimension = 9;
/// The agent's id.
pub const USER: Dimension = 10;
/// The minute of the week in which the call began, from Monday 00:00.
pub const WEEK: Dimension = 11;
/// From here on: schedules that are not the same every week, 1 where one is open. Behind them come those of others.
const OPAQUE: Dimension = 12;

/// Directions that a call may have, with the one that nobody knows.
pub const DIRECTIONS: u64 = 4;
/// Events that are about a call.
pub const EVENTS: u64 = 3;
/// Minutes of a week.
const WEEK_MINUTES: u64 = 7 * DAY_MINUTES;
/// Minutes of a day.
const DAY_MINUTES: u64 = 24 * 60;
/// Stands where a call has no id. An id that large is not told from none, which is why tests of it are not exact.
pub const NO_ID: u64 = u64::MAX;

/// All calls, seen by a set of rules.
#[derive(Clone, Debug, Default)]
pub struct Space {
    accounts: Vec<String>,
    countries: BTreeMap<String, u64>,
    callee_kinds: BTreeMap<String, u64>,
    /// Schedules that are not the same every week, by their texts.
    schedules: BTreeMap<String, (Dimension, Schedule)>,
}

impl Space {
    /// The space of the calls of these accounts, with words for whatever the rules name.
    pub fn new<'a>(accounts: &[&str], whens: impl IntoIterator<Item = &'a When>) -> Space {
        let mut names = Names::default();
        whens.into_iter().for_each(|when| names.learn(when));
        let numbered = |names: BTreeSet<String>, from: u64| names.into_iter().zip(from..).collect();
        Space {
            accounts: accounts.iter().map(|name| (*name).to_owned()).collect(),
            countries: numbered(names.countries, 1),
            callee_kinds: numbered(names.callee_kinds, 2),
            schedules: names
                .schedules
                .into_iter()
                .zip(OPAQUE..)
                .map(|((text, schedule), dimension)| (text, (dimension, schedule)))
                .collect(),
        }
    }

    /// The first dimension that is free for others.
    pub fn end(&self) -> Dimension {
        OPAQUE + Dimension::try_from(self.schedules.len()).unwrap_or(Dimension::MAX - OPAQUE)
    }

    pub(super) fn account(&self, name: &str) -> Option<u64> {
        self.accounts.iter().zip(0..).find(|(account, _)| *account == name).map(|(_, at)| at)
    }

    pub(super) fn country(&self, name: &str) -> u64 {
        self.countries.get(name).copied().unwrap_or(0)
    }

    /// The ordinal of a callee's kind: 1 where no rule names it.
    pub(super) fn callee_kind(&self, name: &str) -> u64 {
        self.callee_kinds.get(name).copied().unwrap_or(1)
    }

    /// The dimension of a schedule that is not the same every week.
    pub(super) fn schedule(&self, text: &str) -> Option<Dimension> {
        self.schedules.get(text).map(|(dimension, _)| *dimension)
    }

    /// The account at a place.
    pub fn account_name(&self, ordinal: u64) -> Option<&str> {
        self.accounts.get(usize::try_from(ordinal).ok()?).map(String::as_str)
    }

    /// The kind of callee at a place; of those that no rule names, one that there is; none where nothing is called.
    pub fn callee_kind_name(&self, ordinal: u64) -> Option<&str> {
        const KINDS: [&str; 5] = ["user", "team", "contact", "greeting", "voicemail"];
        let named = self.callee_kinds.iter().find(|(_, at)| **at == ordinal).map(|(name, _)| name.as_str());
        let other = KINDS.into_iter().find(|kind| !self.callee_kinds.contains_key(*kind)).unwrap_or("other");
        named.or((ordinal > 0).then_some(other))
    }

    /// Whether a number is in a cell, as the customer's or the line's; `dimension` says which.
    pub fn has_number(&self, cell: &Cell, dimension: Dimension, number: &CustomerNumber) -> bool {
        let kind = || kind_ordinal(number.kind());
        let country = || number.country().map_or(0, |country| self.country(country));
        let has = |dimension, value| cell.get(dimension).is_none_or(|set| set.contains(value));
        has(dimension, number_set::ordinal_of_call(number))
            && (dimension != CUSTOMER || (has(KIND, kind()) && has(COUNTRY, country())))
    }

    /// Whether calls that begin at a local time are in a cell.
    pub fn has_time(&self, cell: &Cell, local: DateTime) -> bool {
        let minute = week_minute(local.date()) + u64::from(local.hour().unsigned_abs()) * 60;
        let minute = minute + u64::from(local.minute().unsigned_abs());
        cell.get(WEEK).is_none_or(|set| set.contains(minute))
            && self.schedules_of(cell).all(|(set, schedule)| set.contains(u64::from(schedule.open_at(local))))
    }

    /// The minutes of a day at which calls may begin or cease to be in a cell, midnight apart.
    pub fn changes(&self, cell: &Cell, date: Date) -> Vec<u16> {
        let today = week_minute(date);
        let weekly = cell.get(WEEK).map(IntervalSet::intervals).unwrap_or_default().iter();
        let weekly = weekly.filter_map(|one| one.low.checked_sub(today)).filter(|minute| *minute < DAY_MINUTES);
        let weekly = weekly.filter_map(|minute| u16::try_from(minute).ok());
        let others = self.schedules_of(cell).flat_map(|(_, schedule)| schedule.changes(date));
        weekly.chain(others).collect()
    }

    /// The schedules that are not the same every week and matter in a cell, each with its values there.
    fn schedules_of<'a>(&'a self, cell: &'a Cell) -> impl Iterator<Item = (&'a IntervalSet, &'a Schedule)> {
        self.schedules.values().filter_map(|(dimension, schedule)| Some((cell.get(*dimension)?, schedule)))
    }

    /// The value of a call in one of the dimensions up to [`USER`]; 0 in others.
    pub fn value(&self, call: &Call, dimension: Dimension) -> u64 {
        match dimension {
            EVENT => event_ordinal(&call.event),
            DIRECTION => direction_ordinal(call.direction),
            ACCOUNT => self.account(&call.account).unwrap_or(u64::MAX),
            CUSTOMER => number_set::ordinal_of_call(&call.customer),
            KIND => kind_ordinal(call.customer.kind()),
            COUNTRY => call.customer.country().map_or(0, |country| self.country(country)),
            LINE_ID => id_ordinal(call.line.id),
            LINE_NUMBER => number_set::ordinal_of_call(&call.line.number),
            CALLEE_KIND => call.callee.as_ref().map_or(0, |callee| self.callee_kind(&callee.kind)),
            CALLEE_ID => id_ordinal(call.callee.as_ref().and_then(|callee| callee.id)),
            USER => id_ordinal(call.user_id),
            _ => 0,
        }
    }

    /// All calls that there can be, in cells that share none.
    pub fn universe(&self) -> Vec<Cell> {
        let everywhere = [
            (EVENT, IntervalSet::range(0, EVENTS - 1)),
            (ACCOUNT, IntervalSet::of((0..).take(self.accounts.len()))),
            (WEEK, IntervalSet::range(0, WEEK_MINUTES - 1)),
        ];
        let opaque = self.schedules.values().map(|(dimension, _)| (*dimension, IntervalSet::range(0, 1)));
        let base = product(everywhere.into_iter().chain(opaque));
        let none = || IntervalSet::of([NO_NUMBER]);
        let (known, internal) =
            (IntervalSet::range(0, 1), IntervalSet::of([direction_ordinal(Some(Direction::Internal))]));
        let lines = IntervalSet::union([extensions(), IntervalSet::union(all_plans()), IntervalSet::of([NO_NUMBER])]);
        let mut directed = vec![product([
            (DIRECTION, IntervalSet::of([direction_ordinal(None)])),
            (CUSTOMER, none()),
            (KIND, kinds([Kind::Unknown])),
            (COUNTRY, IntervalSet::of([0])),
            (LINE_NUMBER, none()),
        ])];
        for customer in self.customers() {
            directed.push(customer.with(DIRECTION, &known).and_then(|cell| cell.with(LINE_NUMBER, &lines)));
            directed.push(customer.with(DIRECTION, &internal).and_then(|cell| cell.with(LINE_NUMBER, &none())));
        }
        directed.into_iter().flatten().filter_map(|cell| cell.intersection(base.as_ref()?)).collect()
    }

    /// Every number that a customer can have, with the kinds and countries it can be of.
    fn customers(&self) -> Vec<Cell> {
        let cell = |numbers: IntervalSet, of: IntervalSet, countries: IntervalSet| {
            product([(CUSTOMER, numbers), (KIND, of), (COUNTRY, countries)])
        };
        let nowhere = || IntervalSet::of([0]);
        let full = || kinds(Kind::FULL);
        let mut groups: BTreeMap<Vec<u64>, Vec<IntervalSet>> = BTreeMap::new();
        for (plan, numbers) in plans().iter().zip(all_plans()) {
            let mut countries: Vec<u64> = plan.countries.iter().map(|one| self.country(one.as_str())).collect();
            if countries.len() != 1 {
                countries.push(0);
            }
            countries.sort_unstable();
            countries.dedup();
            groups.entry(countries).or_default().push(numbers);
        }
        let hidden = cell(IntervalSet::of([NO_NUMBER]), kinds([Kind::Withheld, Kind::Unknown]), nowhere());
        let inside = cell(extensions(), kinds([Kind::Extension]), nowhere());
        let planned = groups
            .into_iter()
            .map(|(countries, numbers)| cell(IntervalSet::union(numbers), full(), IntervalSet::of(countries)));
        [hidden, inside].into_iter().chain(planned).flatten().collect()
    }
}

/// Names in the conditions of rules.
#[derive(Default)]
struct Names {
    countries: BTreeSet<String>,
    callee_kinds: BTreeSet<String>,
    schedules: BTreeMap<String, Schedule>,
}

impl Names {
    fn learn(&mut self, when: &When) {
        for condition in &when.conditions {
            match &condition.test {
                Test::Customer(test) => self.countries.extend(test.countries.iter().flatten().cloned()),
                Test::Callee(callee) => self.callee_kinds.extend(callee.kinds.iter().cloned()),
                Test::Schedule(schedules) => {
                    let others = schedules.iter().filter(|schedule| schedule.weekly().is_none());
                    self.schedules.extend(others.map(|schedule| (schedule.text().to_owned(), schedule.clone())));
                }
                test => test.blocks().iter().for_each(|block| self.learn(block)),
            }
        }
    }
}

/// The minute of the week in which a day begins.
fn week_minute(date: Date) -> u64 {
    u64::from(date.weekday().to_monday_zero_offset().unsigned_abs()) * DAY_MINUTES
}

fn product(sides: impl IntoIterator<Item = (Dimension, IntervalSet)>) -> Option<Cell> {
    sides.into_iter().try_fold(Cell::everything(), |cell, (dimension, set)| cell.with(dimension, &set))
}

/// The numbers of each plan, in the order of the plans.
fn all_plans() -> impl Iterator<Item = IntervalSet> {
    plans().iter().map(|plan| {
        let code_digits = plan.code.to_string().len();
        let of_length = |length: &usize| {
            let digits = code_digits + length;
            if digits > DIGITS_MAX {
                return Interval { low: TOO_LONG, high: TOO_LONG };
            }
            let scale = 10_u64.pow(u32::try_from(*length).unwrap_or_default());
            let low = plan.code * scale;
            Interval::of_numbers(true, digits, low, low + (scale - 1))
        };
        IntervalSet::new(plan.lengths.iter().map(of_length).collect())
    })
}

/// Everything that can be dialled inside the house. Zeros alone are no number.
fn extensions() -> IntervalSet {
    let of_length = |length: usize| {
        let scale = 10_u64.pow(u32::try_from(length).unwrap_or_default());
        Interval::of_numbers(false, length, 1, scale - 1)
    };
    IntervalSet::new((1..=EXTENSION_DIGITS_MAX).map(of_length).collect())
}

pub(super) fn kinds(kinds: impl IntoIterator<Item = Kind>) -> IntervalSet {
    IntervalSet::of(kinds.into_iter().map(kind_ordinal))
}

fn kind_ordinal(kind: Kind) -> u64 {
    kind as u64
}

/// The place of an event in [`EVENT`]; beyond [`EVENTS`] for those that are about no call.
pub fn event_ordinal(event: &EventKind) -> u64 {
    match event {
        EventKind::CallInit => 0,
        EventKind::CallBridged => 1,
        EventKind::CallHangup => 2,
        EventKind::Other(_) => u64::MAX,
    }
}

/// The place of a direction in [`DIRECTION`].
pub fn direction_ordinal(direction: Option<Direction>) -> u64 {
    match direction {
        Some(Direction::Inbound) => 0,
        Some(Direction::Outbound) => 1,
        Some(Direction::Internal) => 2,
        None => 3,
    }
}

/// In the order of the ids.
pub fn id_ordinal(id: Option<i64>) -> u64 {
    id.map_or(NO_ID, |id| id.cast_unsigned() ^ (1 << 63))
}

/// The id at a place; none where there is none.
pub fn id_of(ordinal: u64) -> Option<i64> {
    (ordinal != NO_ID).then(|| (ordinal ^ (1 << 63)).cast_signed())
}

/// Whether an id is told from none.
pub(super) fn is_exact(id: i64) -> bool {
    id_ordinal(Some(id)) != NO_ID
}
