//! A set of whole numbers as sorted intervals, with the arithmetic of sets.
//!
//! Telephone numbers, ids, minutes of the week and the words of a closed list are all whole numbers to it; it does not know
//! which.

use std::sync::Arc;

/// Whole numbers from `low` to `high`, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// The first.
    pub low: u64,
    /// The last.
    pub high: u64,
}

/// A set of whole numbers. A copy shares the intervals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct IntervalSet {
    /// Sorted, and no two touch.
    intervals: Arc<[Interval]>,
}

impl IntervalSet {
    /// The set of these intervals, in any order.
    pub fn new(mut intervals: Vec<Interval>) -> IntervalSet {
        intervals.sort_unstable();
        let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
        for interval in intervals {
            match merged.last_mut() {
                Some(last) if interval.low <= last.high.saturating_add(1) => last.high = last.high.max(interval.high),
                _ => merged.push(interval),
            }
        }
        IntervalSet { intervals: merged.into() }
    }

    /// The set of these numbers.
    pub fn of(values: impl IntoIterator<Item = u64>) -> IntervalSet {
        IntervalSet::new(values.into_iter().map(|value| Interval { low: value, high: value }).collect())
    }

    /// All numbers from `low` to `high`, both included.
    pub fn range(low: u64, high: u64) -> IntervalSet {
        IntervalSet { intervals: Arc::new([Interval { low, high }]) }
    }

    /// Every number.
    pub fn every() -> IntervalSet {
        IntervalSet::range(0, u64::MAX)
    }

    /// The intervals, in order.
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// The smallest number.
    pub fn first(&self) -> Option<u64> {
        self.intervals.first().map(|interval| interval.low)
    }

    /// Whether the number is in it.
    pub fn contains(&self, value: u64) -> bool {
        let behind = self.intervals.partition_point(|interval| interval.low <= value);
        behind.checked_sub(1).and_then(|at| self.intervals.get(at)).is_some_and(|interval| value <= interval.high)
    }

    /// The numbers of all the sets.
    pub fn union(sets: impl IntoIterator<Item = IntervalSet>) -> IntervalSet {
        IntervalSet::new(sets.into_iter().flat_map(|set| set.intervals.to_vec()).collect())
    }

    /// The numbers that are in both.
    #[must_use]
    pub fn intersection(&self, other: &IntervalSet) -> IntervalSet {
        let (few, many) = if self.intervals.len() <= other.intervals.len() { (self, other) } else { (other, self) };
        let mut intervals = Vec::new();
        for one in few.intervals.iter() {
            let begin = many.intervals.partition_point(|interval| interval.high < one.low);
            let touching = many.intervals.iter().skip(begin).take_while(|interval| interval.low <= one.high);
            intervals.extend(touching.map(|two| Interval { low: one.low.max(two.low), high: one.high.min(two.high) }));
        }
        IntervalSet { intervals: intervals.into() }
    }

    /// The numbers that are not in it.
    #[must_use]
    pub fn complement(&self) -> IntervalSet {
        let mut intervals = Vec::with_capacity(self.intervals.len() + 1);
        let mut next = Some(0);
        for interval in self.intervals.iter() {
            if let Some(low) = next.filter(|low| *low < interval.low) {
                intervals.push(Interval { low, high: interval.low - 1 });
            }
            next = interval.high.checked_add(1);
        }
        intervals.extend(next.map(|low| Interval { low, high: u64::MAX }));
        IntervalSet { intervals: intervals.into() }
    }

    /// The numbers that are in it and not in the other.
    #[must_use]
    pub fn difference(&self, other: &IntervalSet) -> IntervalSet {
        self.intersection(&other.complement())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_intervals_become_one() {
        let one = |low, high| Interval { low, high };
        let set = IntervalSet::new(vec![one(500, 599), one(100, 199), one(200, 300), one(550, 650)]);
        assert_eq!(set.intervals(), [one(100, 300), one(500, 650)]);
        assert!(set.contains(300) && !set.contains(301) && !set.contains(99));
    }

    /// Compared with sets of booleans, over all pairs of many small sets and at both ends of the numbers.
    #[test]
    fn set_arithmetic_is_what_its_definition_says() {
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..2_000_u64 {
            let offset = if round % 2 == 0 { 0 } else { u64::MAX - 15 };
            let mut bits = || (0..16).map(|_| random.bool()).collect::<Vec<bool>>();
            let (a, b) = (bits(), bits());
            let set = |bits: &[bool]| {
                IntervalSet::of((0..16).filter(|at| bits[usize::try_from(*at).unwrap()]).map(|at| at + offset))
            };
            let (one, two) = (set(&a), set(&b));
            for at in 0..16_usize {
                let value = at as u64 + offset;
                assert_eq!(one.contains(value), a[at]);
                assert_eq!(one.intersection(&two).contains(value), a[at] && b[at]);
                assert_eq!(one.complement().contains(value), !a[at]);
                assert_eq!(one.difference(&two).contains(value), a[at] && !b[at]);
                assert_eq!(IntervalSet::union([one.clone(), two.clone()]).contains(value), a[at] || b[at]);
            }
            assert_eq!(one.complement().complement(), one);
            assert_eq!(one.first(), a.iter().position(|bit| *bit).map(|at| at as u64 + offset));
        }
        assert!(IntervalSet::every().complement().is_empty());
    }
}
