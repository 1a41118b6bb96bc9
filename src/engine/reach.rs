//! A call that reaches a rule: found where a proof says that one should be, and shown only after the engine has decided it.
//!
//! The proof knows calls as points of a space; here they get telephone numbers, dates and ids that exist. It asks no source:
//! what each would say is part of what is found.

use std::time::Duration;

use jiff::civil::{Time, date};
use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::decide;
use crate::condition::{
    ACCOUNT, CALLEE_ID, CALLEE_KIND, CUSTOMER, Cell, DIRECTION, Dimension, EVENT, LINE_ID, LINE_NUMBER, Space, USER,
    direction_ordinal, id_of, number_ordinal, number_text,
};
use crate::event::{Call, CustomerNumber, Direction, Event, example_numbers};
use crate::rules::{OUTCOMES, RuleSet, Verdict, first, source_dimension};
use crate::source::{Record, Stub};

/// Cells of the proof in which a call is sought.
const CELLS_MAX: usize = 20;

/// Telephone numbers that are tried in one cell.
const NUMBERS_MAX: usize = 40;

/// Days in which times are sought: until the year 2037, since dates may have a year.
const DAYS_MAX: i32 = 4000;

/// Times that are tried with each number; one is enough unless the clocks are changed in it.
const TIMES_MAX: usize = 4;

/// Calls that are decided before the search ends.
const CALLS_MAX: usize = 10_000;

/// Directions and events by their place in the space.
const DIRECTION_NAMES: [&str; 3] = ["inbound", "outbound", "internal"];
const EVENT_NAMES: [&str; 3] = ["call_init", "call_bridged", "call_hangup"];

/// Whether a call reaches a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Reach {
    /// This one does.
    By(Box<Example>),
    /// None does: these rules, by position, decide all of its calls.
    Covered(Vec<usize>),
    /// None does: no call has what it asks for.
    Impossible,
    /// None was found, and nothing proves that there is none.
    NotFound,
}

/// A call, as a test writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its account.
    pub account: String,
    /// The keys of the webhook's `data`, and `event` where it is not `call_init`.
    pub event: Map<String, Value>,
    /// When it began.
    pub at: Timestamp,
    /// How many records sources have, where that matters; `None` where one fails.
    pub said: Vec<(String, Option<usize>)>,
}

/// Seeks a call that the rule at a position decides.
pub async fn reach(rules: &RuleSet, position: usize) -> Reach {
    let prover = rules.prover();
    match prover.verdict(position) {
        Verdict::Covered(covering) => return Reach::Covered(covering),
        Verdict::Impossible => return Reach::Impossible,
        Verdict::Alive | Verdict::Unknown => {}
    }
    let mut calls_left = CALLS_MAX;
    let mut cells = prover.uncovered(position, CELLS_MAX);
    cells.sort_by_key(is_odd);
    for cell in cells {
        let said = said(rules, &cell);
        let stubs: Vec<(String, Stub)> = said.iter().map(|(name, count)| (name.clone(), stub(*count))).collect();
        let stubbed = rules.with_stubs(&stubs);
        let said = told(rules, position, said);
        for example in examples(rules, &cell, &said) {
            let Some(left) = calls_left.checked_sub(1) else { return Reach::NotFound };
            calls_left = left;
            let Some(call) = example.call(rules) else { continue };
            let decision = decide(&stubbed, &call, Instant::now() + rules.defaults.decide_within).await;
            if decision.rule.as_ref() == rules.rules.get(position).map(|rule| &rule.name) {
                return Reach::By(Box::new(example));
            }
        }
    }
    Reach::NotFound
}

impl Example {
    fn call(&self, rules: &RuleSet) -> Option<Call> {
        let mut data = self.event.clone();
        let event = data.remove("event").unwrap_or_else(|| Value::from("call_init"));
        data.insert("uuid".to_owned(), Value::from("example"));
        let body = json!({ "event": event, "data": data });
        let event = Event::parse(body.to_string().as_bytes()).ok()?;
        let mut call = Call::new(&event, &self.account, rules.defaults.region, self.at)?;
        call.started_at = self.at;
        Some(call)
    }
}

/// What the sources say in a cell, where rules need to know it.
fn said(rules: &RuleSet, cell: &Cell) -> Vec<(String, Option<usize>)> {
    let outcome = |position: usize| {
        let ordinal = first(cell, source_dimension(rules.space(), position));
        OUTCOMES.get(usize::try_from(ordinal).ok()?).copied()
    };
    let needed =
        |position: usize| rules.rules.iter().any(|rule| rule.needs.iter().any(|(source, _)| *source == position));
    let sources = rules.sources.iter().enumerate().filter(|(position, _)| needed(*position));
    sources.filter_map(|(position, source)| Some((source.name.to_string(), outcome(position)?))).collect()
}

/// What a test has to say of it: a source that it does not mention has no record.
fn told(rules: &RuleSet, position: usize, said: Vec<(String, Option<usize>)>) -> Vec<(String, Option<usize>)> {
    let needs = rules.rules.get(position).map(|rule| rule.needs.as_slice()).unwrap_or_default();
    let is_needed = |name: &str| {
        needs.iter().any(|(source, _)| rules.sources.get(*source).is_some_and(|source| *source.name == *name))
    };
    said.into_iter().filter(|(name, count)| *count != Some(0) || is_needed(name)).collect()
}

fn stub(count: Option<usize>) -> Stub {
    let answer = count.map(|count| vec![Record::new(); count]).ok_or_else(|| "it fails in this example".to_owned());
    Stub { answer, after: Duration::ZERO }
}

/// Calls of a cell, the likeliest first.
fn examples<'a>(
    rules: &'a RuleSet,
    cell: &'a Cell,
    said: &'a [(String, Option<usize>)],
) -> impl Iterator<Item = Example> + 'a {
    let space = rules.space();
    let line = numbers(rules, cell, LINE_NUMBER).next();
    let times = times(rules, cell);
    numbers(rules, cell, CUSTOMER).flat_map(move |customer| {
        let event = event(space, cell, &customer, line.as_deref().unwrap_or_default());
        let account = space.account_name(first(cell, ACCOUNT)).unwrap_or_default().to_owned();
        times.clone().into_iter().map(move |at| Example {
            account: account.clone(),
            event: event.clone(),
            at,
            said: said.to_vec(),
        })
    })
}

/// The webhook of a call. An empty number is none.
fn event(space: &Space, cell: &Cell, customer: &str, line: &str) -> Map<String, Value> {
    let mut event = Map::new();
    let named = |names: [&'static str; 3], dimension| {
        usize::try_from(first(cell, dimension)).ok().and_then(|at| names.get(at).copied())
    };
    if let Some(name) = named(EVENT_NAMES, EVENT).filter(|name| *name != "call_init") {
        event.insert("event".to_owned(), Value::from(name));
    }
    let direction = named(DIRECTION_NAMES, DIRECTION);
    let mut put = |key: &str, value: Option<Value>| {
        event.extend(value.map(|value| (key.to_owned(), value)));
    };
    put("direction", direction.map(Value::from));
    let text = |number: &str| (!number.is_empty()).then(|| Value::from(number));
    let (caller, callee) = if direction == Some("outbound") { (line, customer) } else { (customer, line) };
    put("caller_number", text(caller));
    put("callee_number", text(callee));
    let id = |dimension| id_of(first(cell, dimension)).map(Value::from);
    put("number_id", id(LINE_ID));
    put("callee_type", space.callee_kind_name(first(cell, CALLEE_KIND)).map(Value::from));
    put("callee_id", id(CALLEE_ID));
    put("user_id", id(USER));
    event
}

/// Numbers of a cell in one of its two dimensions: those that a numbering plan gives as examples, first of the rules' own
/// region, then others. An empty text stands for none.
fn numbers<'a>(rules: &'a RuleSet, cell: &'a Cell, dimension: Dimension) -> impl Iterator<Item = String> + 'a {
    let is_in = move |text: &String| {
        let number = CustomerNumber::parse(Some(text), rules.defaults.region);
        rules.space().has_number(cell, dimension, &number)
    };
    let intervals = cell.get(dimension).map(|set| set.intervals()).unwrap_or_default();
    let ends = intervals.iter().flat_map(|one| [one.low + (one.high - one.low) / 2, one.low, one.high]);
    let own = ends.filter_map(number_text).take(10 * NUMBERS_MAX);
    let hidden: &[&str] = if dimension == CUSTOMER { &["anonymous", "", "no number"] } else { &[""] };
    let hidden = hidden.iter().map(|text| (*text).to_owned());
    // To read a number takes longer than to see that its digits can't be meant.
    let may_be_in = move |text: &String| cell.get(dimension).is_none_or(|set| set.contains(number_ordinal(text)));
    let known = example_numbers(rules.defaults.region).filter(may_be_in);
    hidden.chain(known).chain(own).filter(is_in).take(NUMBERS_MAX)
}

/// Callers without a number, extensions outside and others inside the house make poor examples: they are tried last.
fn is_odd(cell: &Cell) -> bool {
    let internal = direction_ordinal(Some(Direction::Internal));
    let is_internal = first(cell, DIRECTION) == internal;
    number_text(first(cell, CUSTOMER)).is_none_or(|number| number.starts_with('+') == is_internal)
}

/// Times of a cell: at ten in the morning where that is one, otherwise when a schedule opens or closes.
fn times(rules: &RuleSet, cell: &Cell) -> Vec<Timestamp> {
    let monday = date(2026, 3, 2);
    let days = (0..DAYS_MAX).filter_map(|day| monday.checked_add(day.days()).ok());
    let minutes_of = |day| [10 * 60].into_iter().chain(rules.space().changes(cell, day)).chain([0]);
    let local = days.flat_map(|day| {
        minutes_of(day)
            .filter_map(move |minute| day.to_datetime(Time::midnight()).checked_add(i64::from(minute).minutes()).ok())
    });
    local
        .filter(|local| rules.space().has_time(cell, *local))
        .filter_map(|local| rules.defaults.time_zone.to_timestamp(local).ok())
        .take(TIMES_MAX)
        .collect()
}
