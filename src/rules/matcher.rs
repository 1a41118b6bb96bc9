//! Which rules a call may match, found by its number and its line instead of by asking each rule.
//!
//! It only leaves out rules that can't match; whether one does is what its `when` says.

use super::Rule;
use super::index::Index;
use crate::condition::{Bound, Cell, Space, direction_ordinal, event_ordinal};
use crate::event::{Call, Direction, EventKind};

/// Cells of one rule that are worth looking up; a rule with more is asked itself.
const CELLS_MAX: usize = 64;

/// The rules of a set, by what their calls have in common.
#[derive(Debug)]
pub struct Matcher {
    space: Space,
    index: Index,
}

impl Matcher {
    /// A matcher for rules about calls of these accounts; it finds them by their positions.
    pub fn new(accounts: &[&str], rules: &[Rule]) -> Matcher {
        let space = Space::new(accounts, rules.iter().map(|rule| &rule.when));
        let cells = |(position, rule): (u32, &Rule)| {
            let area = rule.when.area(&space, Bound::Above).filter(|cells| cells.len() <= CELLS_MAX);
            let area = area.unwrap_or_else(|| vec![Cell::everything()]);
            area.into_iter().map(move |cell| (position, cell))
        };
        Matcher { index: Index::new((0..).zip(rules).flat_map(cells)), space }
    }

    /// The space in which the rules are compared.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The positions of the rules that the call may match, in order.
    pub fn candidates(&self, call: &Call) -> impl Iterator<Item = usize> {
        let found = self.index.candidates(|dimension| self.space.value(call, dimension));
        found.filter_map(|position| usize::try_from(position).ok())
    }

    /// Whether any rule could be about such an event.
    pub fn can_want(&self, event: &EventKind, direction: Option<Direction>) -> bool {
        self.index.has(event_ordinal(event), direction_ordinal(direction))
    }
}
