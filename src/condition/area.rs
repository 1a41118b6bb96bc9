//! A `when` as a set of calls: what proofs compare, and what the index of a rule set is made of.
//!
//! What can't be worked out, a CEL expression above all, is bounded from both sides: [`Bound::Above`] has every call for
//! which the `when` may hold, [`Bound::Below`] only such for which it does. It asks about no call in particular.

use super::cell::{Cell, both, complement};
use super::interval_set::{Interval, IntervalSet};
use super::schedule::Schedule;
use super::space::{
    ACCOUNT, CALLEE_ID, CALLEE_KIND, COUNTRY, CUSTOMER, DIRECTION, EVENT, KIND, LINE_ID, LINE_NUMBER, Space, USER,
    WEEK, direction_ordinal, event_ordinal, id_ordinal, is_exact, kinds,
};
use super::{CustomerTest, Test, When};
use crate::event::{Direction, Kind};

/// From which side a set of calls is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// At least the calls for which it holds.
    Above,
    /// At most those.
    Below,
}

impl Bound {
    fn opposite(self) -> Bound {
        match self {
            Bound::Above => Bound::Below,
            Bound::Below => Bound::Above,
        }
    }

    /// What stands for something that nobody can tell from the call alone.
    fn unknown(self) -> Vec<Cell> {
        match self {
            Bound::Above => vec![Cell::everything()],
            Bound::Below => Vec::new(),
        }
    }
}

impl When {
    /// The calls for which every condition holds; `None` where they take too many cells.
    pub fn area(&self, space: &Space, bound: Bound) -> Option<Vec<Cell>> {
        let conditions = self.conditions.iter();
        let mut areas = conditions.map(|condition| condition.test.area(space, bound));
        areas.try_fold(vec![Cell::everything()], |cells, area| both(&cells, &area?))
    }

    /// The keys of the conditions, each with the calls for which it may hold. Those that take too many cells are left out.
    pub fn areas(&self, space: &Space) -> Vec<(&'static str, Vec<Cell>)> {
        let conditions = self.conditions.iter();
        conditions.filter_map(|condition| Some((condition.key, condition.test.area(space, Bound::Above)?))).collect()
    }
}

impl Test {
    fn area(&self, space: &Space, bound: Bound) -> Option<Vec<Cell>> {
        let side = |dimension, set| Cell::side(dimension, set).into_iter().collect::<Vec<Cell>>();
        let ids = |dimension, ids: &[i64]| match ids.iter().all(|id| is_exact(*id)) {
            true => side(dimension, IntervalSet::of(ids.iter().map(|id| id_ordinal(Some(*id))))),
            false => bound.unknown(),
        };
        let cells = match self {
            Test::Account(names) => side(ACCOUNT, IntervalSet::of(names.iter().filter_map(|name| space.account(name)))),
            Test::Event(events) => side(EVENT, IntervalSet::of(events.iter().map(event_ordinal))),
            Test::Direction(directions) => {
                let ordinals = directions.iter().map(|direction| direction_ordinal(Some(*direction)));
                side(DIRECTION, IntervalSet::of(ordinals))
            }
            Test::NotInternal => {
                let internal = IntervalSet::of([direction_ordinal(Some(Direction::Internal))]);
                side(DIRECTION, internal.complement())
            }
            Test::Customer(test) => test.area(space).into_iter().collect(),
            Test::Line(line) => {
                let mut cells = side(LINE_NUMBER, line.numbers.ordinals().clone());
                if !line.ids.is_empty() {
                    cells.extend(ids(LINE_ID, &line.ids));
                }
                cells
            }
            Test::Callee(callee) => {
                let named = IntervalSet::of(callee.kinds.iter().map(|kind| space.callee_kind(kind)));
                let any = IntervalSet::of([0]).complement();
                let of_kind = side(CALLEE_KIND, if callee.kinds.is_empty() { any } else { named });
                if callee.ids.is_empty() { of_kind } else { both(&of_kind, &ids(CALLEE_ID, &callee.ids))? }
            }
            Test::User(user_ids) => ids(USER, user_ids),
            Test::Schedule(schedules) => {
                let weekly = schedules.iter().filter_map(Schedule::weekly).flatten();
                let minutes = weekly.map(|(start, end)| Interval { low: (*start).into(), high: u64::from(*end) - 1 });
                let mut cells = side(WEEK, IntervalSet::new(minutes.collect()));
                for schedule in schedules.iter().filter(|schedule| schedule.weekly().is_none()) {
                    // One that no rule of the space has can't be worked out.
                    cells.extend(side(space.schedule(schedule.text())?, IntervalSet::of([1])));
                }
                cells
            }
            Test::Expr(_) => bound.unknown(),
            Test::Any(blocks) => {
                let areas: Option<Vec<Vec<Cell>>> = blocks.iter().map(|block| block.area(space, bound)).collect();
                areas?.concat()
            }
            Test::Not(block) => complement(&block.area(space, bound.opposite())?)?,
        };
        Some(cells)
    }
}

impl CustomerTest {
    /// One cell, since a number that is in a list has just one ordinal; nothing where its parts share none.
    fn area(&self, space: &Space) -> Option<Cell> {
        let numbers = [&self.numbers, &self.lists].into_iter().flatten().map(|set| (CUSTOMER, set.ordinals().clone()));
        let countries = self
            .countries
            .iter()
            .map(|countries| (COUNTRY, IntervalSet::of(countries.iter().map(|country| space.country(country)))));
        let asked = self.kinds.iter().map(|asked| {
            let meant = [Kind::ALL.as_slice(), &Kind::FULL].concat();
            (KIND, kinds(meant.into_iter().filter(|kind| asked.iter().any(|asked| kind.is(*asked)))))
        });
        let withheld = self.withheld.iter().map(|withheld| {
            let is_withheld = kinds([Kind::Withheld]);
            (KIND, if *withheld { is_withheld } else { is_withheld.complement() })
        });
        let mut sides = numbers.chain(countries).chain(asked).chain(withheld);
        sides.try_fold(Cell::everything(), |cell, (dimension, set)| cell.with(dimension, &set))
    }
}
