//! Which cells of a large number of them have a point in them, without looking at each.
//!
//! The engine asks it for the rules that a call may match, and proofs ask it for the rules that cover a call. Its answers
//! are candidates: nothing that has the point is missing, but something may be among them that has it not.

use std::borrow::Borrow;
use std::collections::HashMap;

use crate::condition::{
    CALLEE_ID, CUSTOMER, Cell, DIRECTION, DIRECTIONS, Dimension, EVENT, EVENTS, IntervalSet, LINE_ID, LINE_NUMBER,
    USER, book, book_place,
};

/// The dimensions by which cells are found. Of those that a cell limits, the one is taken that fewest others share.
const KEYS: [Dimension; 5] = [CUSTOMER, LINE_ID, LINE_NUMBER, USER, CALLEE_ID];

/// Intervals that one cell may put into the index: with more, asking the cell itself is as quick and takes no memory.
const INTERVALS_MAX: usize = 1_000;

/// Cells by event and direction, then by one of their sides.
#[derive(Debug, Default)]
pub struct Index {
    /// By event, then direction.
    doors: Vec<Door>,
}

/// The cells for calls with one event and direction.
#[derive(Debug, Default)]
struct Door {
    /// Those that none of the keys limits, in order.
    unkeyed: Vec<u32>,
    keyed: Vec<(Dimension, Tree)>,
}

impl Index {
    /// An index of cells with the numbers that they are found by, which must not descend.
    pub fn new(cells: impl IntoIterator<Item = (u32, impl Borrow<Cell>)>) -> Index {
        // Of a cell only this is kept: there are more of them than rules.
        let cells = cells.into_iter().map(|(id, cell)| (id, doors(cell.borrow()), keys(cell.borrow())));
        let cells: Vec<_> = cells.collect();
        let mut shared: HashMap<&(Dimension, IntervalSet), usize> = HashMap::new();
        for key in cells.iter().flat_map(|(_, _, keys)| keys) {
            *shared.entry(key).or_default() += 1;
        }
        let mut doors = Vec::new();
        for event in 0..EVENTS {
            for direction in 0..DIRECTIONS {
                let mut door = Door::default();
                let mut leaves: Vec<(Dimension, Vec<Leaf>)> = KEYS.iter().map(|key| (*key, Vec::new())).collect();
                let opens = |opened: u16| opened & (1 << (event * DIRECTIONS + direction)) != 0;
                for (id, _, keys) in cells.iter().filter(|(_, opened, _)| opens(*opened)) {
                    let Some((dimension, set)) = keys.iter().min_by_key(|key| shared.get(key)) else {
                        door.unkeyed.push(*id);
                        continue;
                    };
                    let found = leaves.iter_mut().find(|(key, _)| key == dimension);
                    let intervals = set.intervals().iter();
                    found.into_iter().for_each(|(_, leaves)| {
                        leaves.extend(intervals.clone().map(|one| Leaf {
                            low: one.low,
                            high: one.high,
                            last: 0,
                            id: *id,
                        }));
                    });
                }
                door.unkeyed.dedup();
                leaves.retain(|(_, leaves)| !leaves.is_empty());
                door.keyed = leaves.into_iter().map(|(key, leaves)| (key, Tree::new(leaves))).collect();
                doors.push(door);
            }
        }
        Index { doors }
    }

    /// Whether any cell has a point with this event and direction.
    pub fn has(&self, event: u64, direction: u64) -> bool {
        self.door(event, direction).is_some_and(|door| !door.unkeyed.is_empty() || !door.keyed.is_empty())
    }

    /// The numbers of the cells that may have the point, in order, each once. `point` gives the value of a dimension.
    pub fn candidates(&self, point: impl Fn(Dimension) -> u64) -> impl Iterator<Item = u32> {
        let door = self.door(point(EVENT), point(DIRECTION));
        let mut keyed = Vec::new();
        for (dimension, tree) in door.map(|door| door.keyed.as_slice()).unwrap_or_default() {
            let value = point(*dimension);
            let value = if is_number(*dimension) { book_place(value) } else { value };
            tree.find(value, &mut keyed);
        }
        keyed.sort_unstable();
        keyed.dedup();
        merged(door.map(|door| door.unkeyed.as_slice()).unwrap_or_default(), keyed)
    }

    fn door(&self, event: u64, direction: u64) -> Option<&Door> {
        let is_known = event < EVENTS && direction < DIRECTIONS;
        self.doors.get(usize::try_from(is_known.then(|| event * DIRECTIONS + direction)?).ok()?)
    }
}

/// The doors that lead to a cell, as a bit each.
fn doors(cell: &Cell) -> u16 {
    let has = |side, value| cell.get(side).is_none_or(|set| set.contains(value));
    let events = (0..EVENTS).filter(|event| has(EVENT, *event));
    let all = events.flat_map(|event| (0..DIRECTIONS).map(move |direction| (event, direction)));
    let opened = all.filter(|(_, direction)| has(DIRECTION, *direction));
    opened.fold(0, |doors, (event, direction)| doors | 1 << (event * DIRECTIONS + direction))
}

/// The sides by which a cell may be found.
fn keys(cell: &Cell) -> Vec<(Dimension, IntervalSet)> {
    let sides = cell.sides().iter().filter(|(dimension, set)| {
        KEYS.contains(dimension) && set.intervals().len() <= INTERVALS_MAX * if is_number(*dimension) { 20 } else { 1 }
    });
    sides
        .map(|(dimension, set)| (*dimension, if is_number(*dimension) { book(set) } else { set.clone() }))
        .filter(|(_, set)| set.intervals().len() <= INTERVALS_MAX)
        .collect()
}

fn is_number(dimension: Dimension) -> bool {
    matches!(dimension, CUSTOMER | LINE_NUMBER)
}

/// Two lists in order → one.
fn merged(one: &[u32], two: Vec<u32>) -> impl Iterator<Item = u32> {
    let (mut one, mut two) = (one.iter().copied().peekable(), two.into_iter().peekable());
    std::iter::from_fn(move || match (one.peek(), two.peek()) {
        (Some(a), Some(b)) if a == b => {
            two.next();
            one.next()
        }
        (Some(a), Some(b)) if a > b => two.next(),
        (None, _) => two.next(),
        _ => one.next(),
    })
}

/// An interval in a [`Tree`].
#[derive(Clone, Copy, Debug)]
struct Leaf {
    low: u64,
    high: u64,
    /// The greatest `high` in this half of the tree.
    last: u64,
    id: u32,
}

/// Intervals sorted by their beginning, read as a balanced tree: the middle of each stretch is the root of its halves.
#[derive(Debug, Default)]
struct Tree {
    leaves: Vec<Leaf>,
}

impl Tree {
    fn new(mut leaves: Vec<Leaf>) -> Tree {
        leaves.sort_unstable_by_key(|leaf| (leaf.low, leaf.id));
        last(&mut leaves);
        Tree { leaves }
    }

    /// Adds the numbers of all intervals that have the value in them.
    fn find(&self, value: u64, found: &mut Vec<u32>) {
        find(&self.leaves, value, found);
    }
}

/// Works out [`Leaf::last`] for a stretch.
fn last(leaves: &mut [Leaf]) -> u64 {
    let (left, rest) = leaves.split_at_mut(leaves.len() / 2);
    let Some((middle, right)) = rest.split_first_mut() else { return 0 };
    let below = if left.is_empty() { 0 } else { last(left) };
    let above = if right.is_empty() { 0 } else { last(right) };
    middle.last = middle.high.max(below).max(above);
    middle.last
}

fn find(leaves: &[Leaf], value: u64, found: &mut Vec<u32>) {
    let (left, rest) = leaves.split_at(leaves.len() / 2);
    let Some((middle, right)) = rest.split_first() else { return };
    if middle.last < value {
        return;
    }
    find(left, value, found);
    if middle.low <= value {
        if value <= middle.high {
            found.push(middle.id);
        }
        find(right, value, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Interval;

    #[test]
    fn a_tree_finds_what_a_scan_finds() {
        let mut random = fastrand::Rng::with_seed(5);
        for size in 0..200 {
            let leaves: Vec<Leaf> = (0..size)
                .map(|id| {
                    let low = random.u64(0..100);
                    Leaf { low, high: low + random.u64(0..30), last: 0, id }
                })
                .collect();
            let tree = Tree::new(leaves.clone());
            for value in 0..130 {
                let mut found = Vec::new();
                tree.find(value, &mut found);
                found.sort_unstable();
                let scanned: Vec<u32> =
                    leaves.iter().filter(|leaf| leaf.low <= value && value <= leaf.high).map(|leaf| leaf.id).collect();
                assert_eq!(found, scanned);
            }
        }
    }

    #[test]
    fn nothing_that_has_the_point_is_missing_and_the_order_is_kept() {
        let mut random = fastrand::Rng::with_seed(9);
        let mut cells = Vec::new();
        for id in 0..300_u32 {
            for _ in 0..random.usize(1..3) {
                let mut cell = Cell::everything();
                for dimension in [EVENT, DIRECTION, CUSTOMER, LINE_ID, LINE_NUMBER, USER] {
                    if random.u8(0..3) == 0 {
                        let low = random.u64(0..4);
                        let set = IntervalSet::new(vec![Interval { low, high: low + random.u64(0..3) }]);
                        cell = cell.with(dimension, &set).unwrap();
                    }
                }
                cells.push((id, cell));
            }
        }
        let index = Index::new(cells.iter().map(|(id, cell)| (*id, cell)));
        for _ in 0..500 {
            let point: Vec<u64> = (0..12).map(|_| random.u64(0..3)).collect();
            let at = |dimension: Dimension| point[usize::from(dimension)];
            let candidates: Vec<u32> = index.candidates(at).collect();
            assert!(candidates.is_sorted_by(|a, b| a < b));
            for (id, cell) in &cells {
                assert!(!cell.contains(at) || candidates.contains(id));
            }
            assert!(index.has(at(EVENT), at(DIRECTION)) || candidates.is_empty());
        }
        assert!(!index.has(EVENTS, 0) && index.candidates(|_| u64::MAX).next().is_none());
    }
}
