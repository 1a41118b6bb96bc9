//! Proofs about the rules of a set, over every call that there can be: which rules can never decide, and why.
//!
//! A rule is dead where the rules before it decide all of its calls. Rules are unions of cells, so that is settled call by
//! call: a call that no earlier rule covers proves the rule alive; otherwise the cell that covers it is taken away, until no
//! call is left. A `when` that can't be worked out, because of an expression, is never a cover; what is called dead never
//! fires. It reads no file and prints nothing.

#[cfg(test)]
mod tests;

use std::cell::Cell as Counter;
use std::collections::BTreeSet;

use super::index::Index;
use super::{Need, Rule};
use crate::condition::{
    Bound, CALLEE_ID, CUSTOMER, Cell, DIRECTION, Dimension, IntervalSet, LINE_ID, NO_ID, Space, USER,
    direction_ordinal, id_ordinal, international,
};

/// Calls that are looked at for one rule before it is given up. A rule that others cover piece by piece needs as many as
/// there are pieces.
const STEPS_FOR_A_RULE_MAX: usize = 200_000;

/// The same for a whole rule set, so that `check` ends.
const STEPS_MAX: usize = 30_000_000;

/// Rules among which those are sought without which others still cover a dead one; of more, all are named.
const COVERING_REDUCED_MAX: usize = 32;

/// What a source can have said: nothing found, one record, several, or that it failed.
pub const OUTCOMES: [Option<usize>; 4] = [Some(0), Some(1), Some(2), None];

/// What is known of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// No earlier rule covers it for some call. Where it holds an expression, it decides only if that is true.
    Alive,
    /// No call has all of what it asks for.
    Impossible,
    /// These rules, by position, decide all of its calls.
    Covered(Vec<usize>),
    /// It was given up.
    Unknown,
}

/// The rules of a set as unions of cells.
#[derive(Debug)]
pub struct Prover<'a> {
    rules: &'a [Rule],
    space: &'a Space,
    universe: Vec<Cell>,
    /// Cells for which a rule surely decides, with the rule's position, in order.
    covers: Vec<(u32, Cell)>,
    index: Index,
    steps_left: Counter<usize>,
}

impl<'a> Prover<'a> {
    /// A prover for the rules of a set with so many sources.
    pub fn new(rules: &'a [Rule], space: &'a Space, sources: usize) -> Prover<'a> {
        let mut covers = Vec::with_capacity(rules.len());
        for (position, rule) in (0..).zip(rules) {
            covers.extend(sure_area(rule, space).into_iter().map(|cell| (position, cell)));
        }
        Prover {
            rules,
            space,
            universe: universe(space, sources),
            index: Index::new((0..).zip(covers.iter().map(|(_, cell)| cell))),
            covers,
            steps_left: Counter::new(STEPS_MAX),
        }
    }

    /// What is known of the rule at a position.
    pub fn verdict(&self, position: usize) -> Verdict {
        let search = self.search(position, 1);
        match search.ended {
            _ if !search.uncovered.is_empty() => Verdict::Alive,
            Ended::GivenUp => Verdict::Unknown,
            Ended::NoCall => Verdict::Impossible,
            Ended::Finished(area) => Verdict::Covered(self.reduced(&area, search.covering)),
        }
    }

    /// Cells in which no call is covered by an earlier rule than the one at a position: as many as are found, at most
    /// `count`.
    pub fn uncovered(&self, position: usize, count: usize) -> Vec<Cell> {
        self.search(position, count).uncovered.into_iter().map(|cell| self.narrowed(cell, position)).collect()
    }

    /// The part of a cell around its first call, which no earlier rule covers, that has no other covered call either.
    fn narrowed(&self, cell: Cell, position: usize) -> Cell {
        let call = cell.clone();
        let is_earlier = |rule: u32| usize::try_from(rule).is_ok_and(|rule| rule < position);
        let covers = self.covers.iter().take_while(|(rule, _)| is_earlier(*rule));
        covers.fold(cell, |cell, (_, cover)| {
            let mut pieces = cell.difference(cover).into_iter();
            pieces.find(|piece| piece.contains(|dimension| first(&call, dimension))).unwrap_or(cell)
        })
    }

    fn search(&self, position: usize, count: usize) -> Search {
        let mut search = Search { uncovered: Vec::new(), covering: BTreeSet::new(), ended: Ended::GivenUp };
        let Some(area) = self.rules.get(position).and_then(|rule| self.area(rule)) else { return search };
        let mut steps_left = STEPS_FOR_A_RULE_MAX;
        let mut is_possible = false;
        for all in &self.universe {
            let mut left: Vec<Cell> = area.iter().filter_map(|cell| cell.intersection(all)).collect();
            is_possible |= !left.is_empty();
            while let Some(cell) = left.pop() {
                match self.cover(&cell, position, &[], &mut steps_left) {
                    Cover::By(rule, cover) => {
                        search.covering.insert(rule);
                        left.extend(cell.difference(cover));
                    }
                    Cover::None => search.uncovered.push(cell),
                    Cover::GivenUp => return search,
                }
                if search.uncovered.len() >= count {
                    return search;
                }
            }
        }
        search.ended = if is_possible { Ended::Finished(area) } else { Ended::NoCall };
        search
    }

    /// Whether it is proved that none of these calls gets as far as the rule at a position: there is none such, or an
    /// earlier rule takes it, which is not one of `except`.
    pub fn is_never_reached(&self, calls: &[Cell], position: usize, except: &[usize]) -> bool {
        let mut steps_left = STEPS_FOR_A_RULE_MAX;
        for all in &self.universe {
            let mut left: Vec<Cell> = calls.iter().filter_map(|cell| cell.intersection(all)).collect();
            while let Some(cell) = left.pop() {
                match self.cover(&cell, position, except, &mut steps_left) {
                    Cover::By(_, cover) => left.extend(cell.difference(cover)),
                    Cover::None | Cover::GivenUp => return false,
                }
            }
        }
        true
    }

    /// Which parts of a rule that no call satisfies exclude each other: keys of its `when`, and `needs`. All of them where
    /// it takes more than two.
    pub fn contradiction(&self, rule: &Rule) -> Vec<&'static str> {
        let mut parts = rule.when.areas(self.space);
        if !rule.needs.is_empty() {
            parts.push(("needs", needs(rule, self.space).into_iter().collect()));
        }
        let none =
            |cells: &[Cell]| !cells.iter().any(|cell| self.universe.iter().any(|all| all.intersection(cell).is_some()));
        if let Some((key, _)) = parts.iter().find(|(_, cells)| none(cells)) {
            return vec![*key];
        }
        for (at, (key, one)) in parts.iter().enumerate() {
            for (other, two) in parts.iter().skip(at + 1) {
                let both: Vec<Cell> =
                    one.iter().flat_map(|one| two.iter().filter_map(|two| one.intersection(two))).collect();
                if none(&both) {
                    return vec![*key, *other];
                }
            }
        }
        parts.into_iter().map(|(key, _)| key).collect()
    }

    /// Whether there can be a call in the cell.
    pub fn is_possible(&self, cell: &Cell) -> bool {
        self.universe.iter().any(|all| all.intersection(cell).is_some())
    }

    /// The calls for which the rule may decide; `None` where they take too many cells.
    pub fn area(&self, rule: &Rule) -> Option<Vec<Cell>> {
        let cells = rule.when.area(self.space, Bound::Above)?;
        let needs = needs(rule, self.space);
        Some(cells.iter().filter_map(|cell| cell.intersection(needs.as_ref()?)).collect())
    }

    /// The calls for which the rule surely decides, if no other does.
    pub fn sure_area(&self, rule: &Rule) -> Vec<Cell> {
        sure_area(rule, self.space)
    }

    /// The first earlier rule that covers one call of the cell.
    fn cover(&self, cell: &Cell, position: usize, except: &[usize], steps_left: &mut usize) -> Cover<'_> {
        let point = |dimension| first(cell, dimension);
        let left = (*steps_left).min(self.steps_left.get());
        let mut steps = 1;
        let mut found = Cover::None;
        for id in self.index.candidates(point) {
            let Some((rule, cover)) = usize::try_from(id).ok().and_then(|id| self.covers.get(id)) else { break };
            let rule = usize::try_from(*rule).unwrap_or(usize::MAX);
            if rule >= position {
                break;
            }
            steps += 1;
            if steps > left {
                return Cover::GivenUp;
            }
            if cover.contains(point) && !except.contains(&rule) {
                found = Cover::By(rule, cover);
                break;
            }
        }
        *steps_left = steps_left.saturating_sub(steps);
        self.steps_left.set(self.steps_left.get().saturating_sub(steps));
        if left == 0 { Cover::GivenUp } else { found }
    }

    /// The covering rules without those that are not needed, the later ones first.
    fn reduced(&self, area: &[Cell], covering: BTreeSet<usize>) -> Vec<usize> {
        let mut covering: Vec<usize> = covering.into_iter().collect();
        if !(2..=COVERING_REDUCED_MAX).contains(&covering.len()) {
            return covering;
        }
        for at in (0..covering.len()).rev() {
            let mut fewer = covering.clone();
            fewer.remove(at);
            if self.is_covered(area, &fewer) {
                covering = fewer;
            }
        }
        covering
    }

    /// The cells for which the rule at a position surely decides.
    fn covers_of(&self, position: usize) -> impl Iterator<Item = &Cell> {
        let is_rule = move |rule: u32| usize::try_from(rule) == Ok(position);
        let begin = self.covers.partition_point(|(rule, _)| usize::try_from(*rule).is_ok_and(|rule| rule < position));
        self.covers.iter().skip(begin).take_while(move |(rule, _)| is_rule(*rule)).map(|(_, cell)| cell)
    }

    fn is_covered(&self, area: &[Cell], covering: &[usize]) -> bool {
        let covers: Vec<&Cell> = covering.iter().flat_map(|rule| self.covers_of(*rule)).collect();
        let mut steps_left = STEPS_FOR_A_RULE_MAX;
        for all in &self.universe {
            let mut left: Vec<Cell> = area.iter().filter_map(|cell| cell.intersection(all)).collect();
            while let Some(cell) = left.pop() {
                let Some(rest) = steps_left.checked_sub(covers.len() + 1) else { return false };
                steps_left = rest;
                match covers.iter().find(|cover| cover.contains(|dimension| first(&cell, dimension))) {
                    Some(cover) => left.extend(cell.difference(cover)),
                    None => return false,
                }
            }
        }
        true
    }
}

/// What was found about one rule.
struct Search {
    uncovered: Vec<Cell>,
    /// The rules that cover the rest.
    covering: BTreeSet<usize>,
    ended: Ended,
}

/// How a search ended that did not find enough.
enum Ended {
    /// It took too long.
    GivenUp,
    /// There is no call.
    NoCall,
    /// All of these calls were looked at.
    Finished(Vec<Cell>),
}

/// What was found about one call.
enum Cover<'a> {
    /// An earlier rule decides it, by position, with the cell that says so.
    By(usize, &'a Cell),
    /// None does.
    None,
    /// Nobody knows: it took too long.
    GivenUp,
}

/// The value of one call of the cell: no id or the smallest from 0 on, otherwise the smallest value.
pub fn first(cell: &Cell, dimension: Dimension) -> u64 {
    let set = cell.get(dimension);
    if !matches!(dimension, LINE_ID | CALLEE_ID | USER) {
        return set.and_then(IntervalSet::first).unwrap_or_default();
    }
    let Some(set) = set.filter(|set| !set.contains(NO_ID)) else { return NO_ID };
    let usual = set.intersection(&IntervalSet::range(id_ordinal(Some(0)), NO_ID));
    usual.first().or(set.first()).unwrap_or(NO_ID)
}

fn sure_area(rule: &Rule, space: &Space) -> Vec<Cell> {
    let needs = needs(rule, space);
    let cells = rule.when.area(space, Bound::Below).unwrap_or_default();
    cells.iter().filter_map(|cell| cell.intersection(needs.as_ref()?)).collect()
}

/// The answers of sources that a rule needs; nothing where it needs two different ones of one source.
fn needs(rule: &Rule, space: &Space) -> Option<Cell> {
    rule.needs
        .iter()
        .try_fold(Cell::everything(), |cell, (source, need)| cell.with(dimension(space, *source), &outcomes(*need)))
}

fn outcomes(need: Need) -> IntervalSet {
    IntervalSet::of((0..).zip(OUTCOMES).filter(|(_, outcome)| need.holds(*outcome)).map(|(at, _)| at))
}

/// The dimension of what a source says, by its position.
pub fn dimension(space: &Space, source: usize) -> Dimension {
    space.end().saturating_add(Dimension::try_from(source).unwrap_or(Dimension::MAX))
}

/// All calls with all that sources can say of them. A call without a full number asks none, which is as if each had said
/// that it knows nobody.
fn universe(space: &Space, sources: usize) -> Vec<Cell> {
    let asked = international();
    let said = |cell: Cell, outcomes: IntervalSet| {
        (0..sources).try_fold(cell, |cell, source| cell.with(dimension(space, source), &outcomes))
    };
    let mut cells = Vec::new();
    for cell in space.universe() {
        cells.extend(
            cell.with(CUSTOMER, &asked).and_then(|cell| said(cell, IntervalSet::of((0..).take(OUTCOMES.len())))),
        );
        cells.extend(cell.with(CUSTOMER, &asked.complement()).and_then(|cell| said(cell, IntervalSet::of([0]))));
    }
    // Most rules are alive, and seen to be in the first cell: that of an ordinary call with few numbers comes first.
    let nobody_knows = direction_ordinal(None);
    cells.sort_by_key(|cell| {
        let directed = cell.get(DIRECTION).is_some_and(|set| !set.contains(nobody_knows));
        (!directed, cell.get(CUSTOMER).map_or(0, |set| set.intervals().len()))
    });
    cells
}
