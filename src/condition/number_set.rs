//! A set of telephone numbers as sorted intervals.
//!
//! Two kinds of number live side by side: international ones (E.164, with plus) and those inside the house (extensions,
//! without). Of each kind, numbers are ordered by length and then by value, so that `+90*` is one interval a length. It
//! does not know what a number means or how a pattern is written.

use crate::event::CustomerNumber;

/// Digits of an international number without its plus: ITU-T E.164.
pub const DIGITS_MAX: usize = 15;

/// One more than the greatest value that [`DIGITS_MAX`] digits can have.
const VALUES: u64 = 1_000_000_000_000_000;

/// The ordinal of a number: kind, then length, then value.
fn ordinal(plus: bool, length: usize, value: u64) -> u64 {
    let kind = if plus { 16 } else { 0 };
    (kind + length as u64) * VALUES + value
}

/// Numbers of one kind and length, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    low: u64,
    high: u64,
}

impl Interval {
    /// All numbers of `length` digits (at most [`DIGITS_MAX`]) from `low` to `high`.
    pub fn new(plus: bool, length: usize, low: u64, high: u64) -> Interval {
        Interval { low: ordinal(plus, length, low), high: ordinal(plus, length, high) }
    }
}

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberSet {
    /// Sorted, and no two touch.
    intervals: Vec<Interval>,
}

impl NumberSet {
    /// The set of these intervals, in any order.
    pub fn from_intervals(mut intervals: Vec<Interval>) -> NumberSet {
        intervals.sort_unstable();
        let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
        for interval in intervals {
            match merged.last_mut() {
                Some(last) if interval.low <= last.high.saturating_add(1) => last.high = last.high.max(interval.high),
                _ => merged.push(interval),
            }
        }
        NumberSet { intervals: merged }
    }

    /// Every number there can be.
    pub fn every() -> NumberSet {
        NumberSet { intervals: vec![Interval { low: 0, high: u64::MAX }] }
    }

    /// The numbers of all the sets.
    pub fn union(sets: impl IntoIterator<Item = NumberSet>) -> NumberSet {
        NumberSet::from_intervals(sets.into_iter().flat_map(|set| set.intervals).collect())
    }

    /// Whether a call's number is in the set. A withheld or unreadable number is in none.
    pub fn contains(&self, number: &CustomerNumber) -> bool {
        number.e164().or(number.digits()).is_some_and(|text| self.contains_text(text))
    }

    /// The same for `+905321234567` or `101`, as [`CustomerNumber`] gives them.
    pub fn contains_text(&self, text: &str) -> bool {
        let (plus, digits) = match text.strip_prefix('+') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if digits.is_empty() || digits.len() > DIGITS_MAX {
            return false;
        }
        let Ok(value) = digits.parse::<u64>() else { return false };
        let ordinal = ordinal(plus, digits.len(), value);
        let behind = self.intervals.partition_point(|interval| interval.low <= ordinal);
        behind.checked_sub(1).and_then(|at| self.intervals.get(at)).is_some_and(|interval| ordinal <= interval.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_intervals_become_one() {
        let one = |low, high| Interval::new(true, 3, low, high);
        let set = NumberSet::from_intervals(vec![one(500, 599), one(100, 199), one(200, 300), one(550, 650)]);
        assert_eq!(set, NumberSet::from_intervals(vec![one(100, 300), one(500, 650)]));
        assert!(set.contains_text("+300") && !set.contains_text("+301") && !set.contains_text("300"));
    }

    #[test]
    fn a_set_answers_as_its_definition_does() {
        let set = NumberSet::from_intervals(
            (0..100).map(|step| Interval::new(true, 4, step * 100 + 7, step * 100 + 20)).collect(),
        );
        for value in 0..10_000_u64 {
            let expected = (7..=20).contains(&(value % 100));
            assert_eq!(set.contains_text(&format!("+{value:04}")), expected, "{value}");
        }
    }
}
