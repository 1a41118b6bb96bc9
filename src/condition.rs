//! `when`: which calls a rule is about.
//!
//! A test looks at the [`Facts`] of one call and nothing else: it asks no source, reads no clock and knows no other rule.
//! A test of something that the call does not have is false, so `not` of it is true.

mod area;
mod cell;
mod compile;
mod doubt;
mod facts;
mod interval_set;
mod number_set;
mod pattern;
mod schedule;
mod space;

pub use area::Bound;
pub use cell::{Cell, Dimension};
pub use compile::{Lists, Made, Vocabulary};
pub use doubt::{doubts, doubts_of_when};
pub use facts::Facts;
pub use interval_set::{Interval, IntervalSet};
pub use number_set::{DIGITS_MAX, NumberSet, book, book_place, international, number_ordinal, number_text};
pub use pattern::{PatternError, parse as parse_pattern};
pub use schedule::{Schedule, ScheduleError, Schedules};
pub use space::{
    ACCOUNT, CALLEE_ID, CALLEE_KIND, CUSTOMER, DIRECTION, DIRECTIONS, EVENT, EVENTS, LINE_ID, LINE_NUMBER, NO_ID,
    Space, USER, WEEK, direction_ordinal, event_ordinal, id_of, id_ordinal,
};

use std::sync::Arc;

use serde::Serialize;

use crate::event::{CustomerNumber, Direction, EventKind, Kind};
use crate::expression::Expression;

/// Conditions that must all hold. Equal ones of all rules are one: there may be a hundred thousand of them, twice while
/// rules are loaded again.
#[derive(Clone, Debug, Default)]
pub struct When {
    conditions: Box<[Arc<Condition>]>,
}

/// One key of a `when`.
#[derive(Debug)]
pub(crate) struct Condition {
    key: &'static str,
    /// What the rule asks for, as it was written.
    wanted: Arc<str>,
    /// Whether it holds though nobody wrote it.
    implied: bool,
    test: Test,
}

/// What a condition looks at. In each list one is enough.
#[derive(Clone, Debug)]
enum Test {
    Account(Vec<String>),
    Event(Arc<[EventKind]>),
    Direction(Vec<Direction>),
    /// Stands where a rule names no direction: everything but internal calls.
    NotInternal,
    Customer(Box<CustomerTest>),
    Line(Box<LineTest>),
    Callee(Box<CalleeTest>),
    User(Vec<i64>),
    Schedule(Vec<Schedule>),
    Expr(Box<Expression>),
    Any(Vec<When>),
    Not(When),
}

/// The parts of a `customer`; every one that is there must hold.
#[derive(Clone, Debug, Default)]
struct CustomerTest {
    numbers: Option<NumberSet>,
    lists: Option<NumberSet>,
    countries: Option<Vec<String>>,
    kinds: Option<Vec<Kind>>,
    withheld: Option<bool>,
}

/// A `line`: its id or its number.
#[derive(Clone, Debug)]
struct LineTest {
    ids: Vec<i64>,
    numbers: NumberSet,
}

/// The parts of a `callee`; each that is there must hold.
#[derive(Clone, Debug)]
struct CalleeTest {
    kinds: Vec<String>,
    ids: Vec<i64>,
}

/// One condition with its answer, for people who ask why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The key in the `when`.
    pub key: &'static str,
    /// What the rule asks for.
    pub wanted: String,
    /// What the call has.
    pub found: String,
    /// The answer.
    pub holds: bool,
    /// The blocks of `any` and `not`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inner: Vec<Vec<Step>>,
}

impl When {
    /// Whether every condition holds for the call.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.test.holds(facts))
    }

    /// Whether nobody wrote any condition.
    pub fn is_empty(&self) -> bool {
        self.conditions.iter().all(|condition| condition.implied)
    }

    /// Every condition with its answer, also those behind the first that does not hold.
    pub fn explain(&self, facts: &Facts<'_>) -> Vec<Step> {
        self.conditions
            .iter()
            .map(|condition| Step {
                key: condition.key,
                wanted: condition.wanted.to_string(),
                found: condition.test.found(facts),
                holds: condition.test.holds(facts),
                inner: condition.test.blocks().iter().map(|block| block.explain(facts)).collect(),
            })
            .collect()
    }
}

impl Test {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        let call = facts.call;
        match self {
            Test::Account(names) => names.contains(&call.account),
            Test::Event(events) => events.contains(&call.event),
            Test::Direction(directions) => call.direction.is_some_and(|direction| directions.contains(&direction)),
            Test::NotInternal => call.direction != Some(Direction::Internal),
            Test::Customer(test) => test.holds(&call.customer),
            Test::Line(line) => {
                call.line.id.is_some_and(|id| line.ids.contains(&id)) || line.numbers.contains(&call.line.number)
            }
            Test::Callee(asked) => call.callee.as_ref().is_some_and(|callee| {
                (asked.kinds.is_empty() || asked.kinds.contains(&callee.kind))
                    && (asked.ids.is_empty() || callee.id.is_some_and(|id| asked.ids.contains(&id)))
            }),
            Test::User(ids) => call.user_id.is_some_and(|id| ids.contains(&id)),
            Test::Schedule(schedules) => schedules.iter().any(|schedule| schedule.open_at(facts.local())),
            Test::Expr(expression) => expression.holds(facts.values) == Ok(true),
            Test::Any(blocks) => blocks.iter().any(|block| block.holds(facts)),
            Test::Not(block) => !block.holds(facts),
        }
    }

    fn blocks(&self) -> &[When] {
        match self {
            Test::Any(blocks) => blocks,
            Test::Not(block) => std::slice::from_ref(block),
            _ => &[],
        }
    }

    /// What the call has where this test looks.
    fn found(&self, facts: &Facts<'_>) -> String {
        let call = facts.call;
        let id = |id: Option<i64>| id.map_or_else(|| "absent".to_owned(), |id| id.to_string());
        match self {
            Test::Account(_) => call.account.clone(),
            Test::Event(_) => call.event.as_str().to_owned(),
            Test::Direction(_) | Test::NotInternal => {
                call.direction.map_or("absent", |direction| direction.as_str()).to_owned()
            }
            Test::Customer(_) => describe(&call.customer),
            Test::Line(_) => format!("id {}, number {}", id(call.line.id), describe(&call.line.number)),
            Test::Callee(_) => call
                .callee
                .as_ref()
                .map_or_else(|| "absent".to_owned(), |callee| format!("{} {}", callee.kind, id(callee.id))),
            Test::User(_) => id(call.user_id),
            Test::Schedule(_) => facts.local_text(),
            Test::Expr(expression) => expression.holds(facts.values).map_or_else(|why| why, |holds| holds.to_string()),
            Test::Any(blocks) => {
                format!("{} of {} blocks hold", blocks.iter().filter(|block| block.holds(facts)).count(), blocks.len())
            }
            Test::Not(block) => {
                if block.holds(facts) { "the block holds" } else { "the block does not hold" }.to_owned()
            }
        }
    }
}

impl CustomerTest {
    fn holds(&self, customer: &CustomerNumber) -> bool {
        fn all<T>(part: Option<&T>, test: impl FnOnce(&T) -> bool) -> bool {
            part.is_none_or(test)
        }
        all(self.numbers.as_ref(), |numbers| numbers.contains(customer))
            && all(self.lists.as_ref(), |numbers| numbers.contains(customer))
            && all(self.countries.as_ref(), |countries| {
                customer.country().is_some_and(|country| countries.iter().any(|one| one == country))
            })
            && all(self.kinds.as_ref(), |kinds| kinds.iter().any(|kind| customer.kind().is(*kind)))
            && all(self.withheld.as_ref(), |withheld| (customer.kind() == Kind::Withheld) == *withheld)
    }
}

/// A number in the words of a trace: its international form or what stands in for it, country and kind.
fn describe(number: &CustomerNumber) -> String {
    let text = number.e164().or(number.digits()).or(number.received()).unwrap_or("no number");
    match number.country() {
        Some(country) => format!("{text} ({country}, {})", number.kind().as_str()),
        None => format!("{text} ({})", number.kind().as_str()),
    }
}
