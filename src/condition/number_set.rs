//! A set of telephone numbers as sorted intervals.
//!
//! Two kinds of number live side by side: international ones (E.164, with plus) and those inside the house (extensions,
//! without). Of each kind, numbers are ordered by length and then by value, so that `+90*` is one interval a length. It
//! does not know what a number means or how a pattern is written.

use std::collections::BTreeMap;

use super::interval_set::{Interval, IntervalSet};
use crate::event::CustomerNumber;

/// Digits of an international number without its plus: ITU-T E.164.
pub const DIGITS_MAX: usize = 15;

/// One more than the greatest value that [`DIGITS_MAX`] digits can have.
const VALUES: u64 = 1_000_000_000_000_000;

/// What is added to the length of an international number, so that it comes behind all extensions.
const PLUS: u64 = DIGITS_MAX as u64 + 1;

/// One more than the greatest ordinal of a number that a set can hold.
const NUMBERS_END: u64 = 2 * PLUS * VALUES;

/// Stands where a call has no number.
pub(super) const NO_NUMBER: u64 = NUMBERS_END;

/// Stands for every number with more than [`DIGITS_MAX`] digits, which no pattern means.
pub(super) const TOO_LONG: u64 = NUMBERS_END + 1;

/// The ordinal of a number: kind, then length, then value.
fn ordinal(plus: bool, length: usize, value: u64) -> u64 {
    let kind = if plus { PLUS } else { 0 };
    (kind + length as u64) * VALUES + value
}

/// The ordinal of `+905321234567` or `101`, as [`CustomerNumber`] gives them.
pub fn number_ordinal(text: &str) -> u64 {
    let (plus, digits) = match text.strip_prefix('+') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    match digits.parse() {
        Ok(value) if digits.len() <= DIGITS_MAX => ordinal(plus, digits.len(), value),
        _ => TOO_LONG,
    }
}

/// The ordinal of a call's number, or what stands in for it.
pub(super) fn ordinal_of_call(number: &CustomerNumber) -> u64 {
    number.e164().or(number.digits()).map_or(NO_NUMBER, number_ordinal)
}

/// The text of an ordinal: `+905321234567` or `101`; nothing for what only stands in for a number.
pub fn number_text(ordinal: u64) -> Option<String> {
    let (kind, value) = (ordinal / VALUES, ordinal % VALUES);
    let (plus, length) = if kind < PLUS { ("", kind) } else { ("+", kind - PLUS) };
    (ordinal < NUMBERS_END).then(|| format!("{plus}{value:0length$}", length = usize::try_from(length).unwrap_or(0)))
}

/// All international numbers, with those that are too long for a set.
pub fn international() -> IntervalSet {
    IntervalSet::union([IntervalSet::range(PLUS * VALUES, NUMBERS_END - 1), IntervalSet::of([TOO_LONG])])
}

/// The place of an ordinal in the order of a telephone book, where `+90*` is one interval whatever the length.
pub fn book_place(ordinal: u64) -> u64 {
    book_places(Interval { low: ordinal, high: ordinal }).low
}

/// The places from the first to the last of numbers that have one length; what stands in for a number comes last.
fn book_places(numbers: Interval) -> Interval {
    let place = |ordinal: u64, free: u64| {
        let kind = ordinal / VALUES;
        let missing = u32::try_from(DIGITS_MAX as u64 - kind % PLUS).unwrap_or_default();
        let scale = 10_u64.pow(missing);
        // A complement also has ordinals that no number of this length has.
        let value = (ordinal % VALUES).min(VALUES / scale - 1);
        kind / PLUS * VALUES + value * scale + free * (scale - 1)
    };
    if numbers.low >= NUMBERS_END {
        return Interval { low: u64::MAX, high: u64::MAX };
    }
    Interval { low: place(numbers.low, 0), high: place(numbers.high, 1) }
}

/// Intervals of a telephone book with all numbers of the set in them, and perhaps others of another length.
pub fn book(ordinals: &IntervalSet) -> IntervalSet {
    let mut places = Vec::new();
    for interval in ordinals.intervals() {
        let mut low = interval.low;
        while low < NUMBERS_END && low <= interval.high {
            // The last number of this kind and length.
            let last = low / VALUES * VALUES + (VALUES - 1);
            places.push(book_places(Interval { low, high: last.min(interval.high) }));
            low = last + 1;
        }
        if interval.high >= NUMBERS_END {
            places.push(book_places(Interval { low: NUMBERS_END, high: NUMBERS_END }));
        }
    }
    IntervalSet::new(places)
}

impl Interval {
    /// All numbers of `length` digits (at most [`DIGITS_MAX`]) from `low` to `high`.
    pub fn of_numbers(plus: bool, length: usize, low: u64, high: u64) -> Interval {
        Interval { low: ordinal(plus, length, low), high: ordinal(plus, length, high) }
    }
}

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberSet {
    ordinals: IntervalSet,
}

impl NumberSet {
    /// The set of these intervals, in any order.
    pub fn from_intervals(intervals: Vec<Interval>) -> NumberSet {
        NumberSet { ordinals: IntervalSet::new(intervals) }
    }

    /// Every number there can be.
    pub fn every() -> NumberSet {
        NumberSet { ordinals: IntervalSet::range(0, NUMBERS_END - 1) }
    }

    /// The numbers of all the sets.
    pub fn union(sets: impl IntoIterator<Item = NumberSet>) -> NumberSet {
        NumberSet {
            ordinals: IntervalSet::new(
                sets.into_iter().flat_map(|set| set.ordinals.intervals().to_vec()).collect::<Vec<_>>(),
            ),
        }
    }

    /// The ordinals of its numbers.
    pub(super) fn ordinals(&self) -> &IntervalSet {
        &self.ordinals
    }

    /// Whether every number of the other set is in this one.
    pub fn covers(&self, other: &NumberSet) -> bool {
        other.ordinals.difference(&self.ordinals).is_empty()
    }

    /// Numbers such that a numbering plan that knows none of them knows no number of the set: the plans look at country
    /// code and length. `None` where the set is not of that kind: it has numbers without plus, several country codes in
    /// one interval, or more than `intervals_max` intervals.
    pub fn samples(&self, intervals_max: usize) -> Option<Vec<String>> {
        let mut samples = Vec::new();
        let intervals = self.ordinals.intervals();
        if intervals.len() > intervals_max {
            return None;
        }
        for Interval { low, high } in intervals {
            let (first, last) = (text_of(*low)?, text_of(*high)?);
            // A country code has at most three digits.
            let code = |number: &str| number.get(..4.min(number.len())).map(str::to_owned);
            if first.len() != last.len() || code(&first) != code(&last) {
                return None;
            }
            let middle = text_of(low + (high - low) / 2).filter(|_| low + 1 < *high);
            samples.extend([Some(first), middle, (low < high).then_some(last)].into_iter().flatten());
        }
        Some(samples)
    }

    /// Whether a call's number is in the set. A withheld or unreadable number is in none.
    pub fn contains(&self, number: &CustomerNumber) -> bool {
        self.ordinals.contains(ordinal_of_call(number))
    }

    /// The same for `+905321234567` or `101`, as [`CustomerNumber`] gives them.
    pub fn contains_text(&self, text: &str) -> bool {
        self.ordinals.contains(number_ordinal(text))
    }
}

/// The text of the ordinal of an international number: `+905321234567`; nothing for others.
fn text_of(ordinal: u64) -> Option<String> {
    let length = usize::try_from((ordinal / VALUES).checked_sub(PLUS)?).ok()?;
    (ordinal < NUMBERS_END).then(|| format!("+{:0length$}", ordinal % VALUES))
}

/// Sets that have a number in common, by position, the earlier one first: for each set at most one other.
pub fn overlaps(sets: &[&NumberSet]) -> Vec<(usize, usize)> {
    let mut all: Vec<(Interval, usize)> = sets
        .iter()
        .enumerate()
        .flat_map(|(position, set)| set.ordinals.intervals().iter().map(move |interval| (*interval, position)))
        .collect();
    all.sort_unstable();
    let mut widest: Option<(Interval, usize)> = None;
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    for (interval, position) in all {
        if let Some((before, other)) = widest
            && interval.low <= before.high
            && other != position
        {
            found.entry(position.max(other)).or_insert(position.min(other));
        }
        if widest.is_none_or(|(before, _)| interval.high > before.high) {
            widest = Some((interval, position));
        }
    }
    found.into_iter().map(|(later, earlier)| (earlier, later)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_those_that_comparing_each_with_each_finds() {
        let one = |low: u64, high: u64| NumberSet::from_intervals(vec![Interval::of_numbers(true, 3, low, high)]);
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let sets: Vec<NumberSet> =
                (0..8).map(|_| (random.u64(..900), random.u64(..60))).map(|(low, more)| one(low, low + more)).collect();
            let pair = |(a, b): (&NumberSet, &NumberSet)| !a.ordinals().intersection(b.ordinals()).is_empty();
            let found = overlaps(&sets.iter().collect::<Vec<_>>());
            assert!(found.iter().all(|(a, b)| a < b && pair((&sets[*a], &sets[*b]))));
            let any = (0..8).any(|a| (a + 1..8).any(|b| pair((&sets[a], &sets[b]))));
            assert_eq!(!found.is_empty(), any);
        }
    }

    #[test]
    fn a_set_answers_as_its_definition_does() {
        let set = NumberSet::from_intervals(
            (0..100).map(|step| Interval::of_numbers(true, 4, step * 100 + 7, step * 100 + 20)).collect(),
        );
        for value in 0..10_000_u64 {
            let expected = (7..=20).contains(&(value % 100));
            assert_eq!(set.contains_text(&format!("+{value:04}")), expected, "{value}");
        }
    }

    #[test]
    fn a_prefix_is_one_interval_of_the_book_and_no_number_is_missing_in_it() {
        let prefix = crate::condition::parse_pattern("+90*").unwrap();
        assert_eq!(prefix.ordinals().intervals().len(), 14);
        assert_eq!(book(prefix.ordinals()).intervals().len(), 1);
        let mut random = fastrand::Rng::with_seed(3);
        let mut number = || {
            let digits: String = (0..random.usize(1..=15)).map(|_| random.digit(10)).collect();
            number_ordinal(&if random.bool() { format!("+{digits}") } else { digits })
        };
        for _ in 0..2_000 {
            let (one, two, three) = (number(), number(), number());
            let set = IntervalSet::range(one.min(two), one.max(two));
            for set in [set.complement(), set] {
                for value in [three, one, NO_NUMBER, TOO_LONG] {
                    assert!(!set.contains(value) || book(&set).contains(book_place(value)));
                }
            }
        }
    }

    #[test]
    fn a_number_is_its_ordinal_and_back() {
        for text in ["+905321234567", "101", "007", "+1", "+999999999999999", "000001"] {
            assert_eq!(number_text(number_ordinal(text)).as_deref(), Some(text));
            assert!(NumberSet::every().contains_text(text));
        }
        assert_eq!(number_text(NO_NUMBER), None);
        assert_eq!(number_text(TOO_LONG), None);
        assert!(!NumberSet::every().contains_text("+1234567890123456"));
        assert!(international().contains(number_ordinal("+1")) && international().contains(TOO_LONG));
        assert!(!international().contains(number_ordinal("101")) && !international().contains(NO_NUMBER));
    }
}
