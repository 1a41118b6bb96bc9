//! Changes of rules that are proved to change no decision: no test could notice them.
//!
//! A decision can only change for calls about which the rule as it was and as it is disagree, and that no rule before it
//! takes. Where no such call is left, the change makes no difference. What can't be worked out counts as a difference.

use super::Change;
use crate::condition::Cell;
use crate::rules::Rule;
use crate::rules::proof::Prover;

/// Cells that a proof may come to; with more it is given up.
const CELLS_MAX: usize = 1_000;

/// Whether the change is proved to make no difference.
pub(super) fn is_none(prover: &Prover<'_>, rules: &[Rule], change: &Change) -> bool {
    let none = match change {
        Change::Removed(position) => {
            rules.get(*position).and_then(|rule| Some(prover.is_never_reached(&prover.area(rule)?, *position, &[])))
        }
        Change::Swapped(position) => rules.get(*position).zip(rules.get(position + 1)).and_then(|(one, two)| {
            let (one, two) = (prover.area(one)?, prover.area(two)?);
            let both = one.iter().flat_map(|one| two.iter().filter_map(|two| one.intersection(two)));
            let both: Vec<Cell> = both.take(CELLS_MAX + 1).collect();
            Some(both.len() <= CELLS_MAX && prover.is_never_reached(&both, *position, &[]))
        }),
        Change::Rewritten(changed) => {
            let positions: Vec<usize> = changed.iter().map(|(position, _)| *position).collect();
            let is_none = |(position, rule): &(usize, Rule)| {
                let differ = rules.get(*position).and_then(|before| differ(prover, before, rule));
                differ.is_some_and(|differ| prover.is_never_reached(&differ, *position, &positions))
            };
            Some(changed.iter().all(is_none))
        }
        Change::Card(..) => None,
    };
    none.unwrap_or_default()
}

/// The calls for which one of two rules may decide and the other may not; nothing where that takes too many cells.
fn differ(prover: &Prover<'_>, one: &Rule, two: &Rule) -> Option<Vec<Cell>> {
    let only = |one: &Rule, two: &Rule| without(prover.area(one)?, &prover.sure_area(two));
    Some([only(one, two)?, only(two, one)?].concat())
}

/// The calls of some cells that are in none of the others.
fn without(cells: Vec<Cell>, others: &[Cell]) -> Option<Vec<Cell>> {
    others.iter().try_fold(cells, |left, other| {
        let rest = left.into_iter().flat_map(|cell| match cell.intersection(other) {
            Some(_) => cell.difference(other),
            None => vec![cell],
        });
        let rest: Vec<Cell> = rest.take(CELLS_MAX + 1).collect();
        (rest.len() <= CELLS_MAX).then_some(rest)
    })
}
