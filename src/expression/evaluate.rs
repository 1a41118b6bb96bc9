//! An expression and the values of a call → its answer.
//!
//! It goes through the values where they lie and copies none. Every step is counted; what takes longer with a longer text
//! or list counts as many steps.

use std::borrow::Cow;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::kinds::Kind;
use super::{Loop, Node, operate};

/// Steps of one answer: a few milliseconds. Two loops over a hundred records, one in the other, have 25 for each pair.
const STEPS_MAX: usize = 250_000;

/// Bytes of text that count as one step.
const STEP_BYTES: usize = 64;

/// A value while an expression is asked.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Null,
    Truth(bool),
    Whole(i64),
    Fraction(f64),
    Text(Cow<'a, str>),
    /// A list in the values.
    Array(&'a [Value]),
    /// A list that the expression made.
    List(Rc<[Val<'a>]>),
    Record(&'a Map<String, Value>),
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Something that is needed is not there.
    Absent(Option<Rc<str>>),
    /// The values are not of the kinds that it takes.
    Wrong(Rc<str>),
    /// It took too many steps.
    Limit,
}

impl Stop {
    pub(super) fn wrong(what: impl Into<Rc<str>>) -> Stop {
        Stop::Wrong(what.into())
    }
}

impl From<Stop> for String {
    fn from(stop: Stop) -> String {
        match stop {
            Stop::Absent(Some(path)) => format!("`{path}` is absent"),
            Stop::Absent(None) => "a value is absent".to_owned(),
            Stop::Wrong(what) => what.to_string(),
            Stop::Limit => format!("it took more than {STEPS_MAX} steps"),
        }
    }
}

impl<'a> Val<'a> {
    pub(super) fn of(value: &'a Value) -> Val<'a> {
        match value {
            Value::Null => Val::Null,
            Value::Bool(truth) => Val::Truth(*truth),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Val::Whole(whole),
                None => Val::Fraction(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Val::Text(Cow::Borrowed(text)),
            Value::Array(items) => Val::Array(items),
            Value::Object(fields) => Val::Record(fields),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Val::Null => Kind::Nothing,
            Val::Truth(_) => Kind::Truth,
            Val::Whole(_) | Val::Fraction(_) => Kind::Number,
            Val::Text(_) => Kind::Text,
            Val::Array(_) | Val::List(_) => Kind::List,
            Val::Record(_) => Kind::Record,
        }
    }

    /// Whether it is there and not empty: nothing, an empty text or list, and `false` are not.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Val::Null | Val::Truth(false) => false,
            Val::Truth(true) | Val::Whole(_) | Val::Fraction(_) => true,
            Val::Text(text) => !text.trim().is_empty(),
            Val::Array(items) => !items.is_empty(),
            Val::List(items) => !items.is_empty(),
            Val::Record(fields) => !fields.is_empty(),
        }
    }

    pub(super) fn into_json(self) -> Value {
        match self {
            Val::Null => Value::Null,
            Val::Truth(truth) => Value::Bool(truth),
            Val::Whole(number) => Value::from(number),
            Val::Fraction(number) => Value::from(number),
            Val::Text(text) => Value::String(text.into_owned()),
            Val::Array(items) => Value::Array(items.to_vec()),
            Val::List(items) => items.iter().cloned().map(Val::into_json).collect(),
            Val::Record(fields) => Value::Object(fields.clone()),
        }
    }

    fn field(&self, name: &str) -> Val<'a> {
        match self {
            Val::Record(fields) => fields.get(name).map_or(Val::Null, Val::of),
            _ => Val::Null,
        }
    }

    fn item(&self, at: i64) -> Val<'a> {
        let Ok(at) = usize::try_from(at) else { return Val::Null };
        match self {
            Val::Array(items) => items.get(at).map_or(Val::Null, Val::of),
            Val::List(items) => items.get(at).cloned().unwrap_or(Val::Null),
            _ => Val::Null,
        }
    }
}

/// One asking of an expression.
pub(super) struct Run<'a> {
    values: &'a Value,
    locals: Vec<(&'a str, Result<Val<'a>, Stop>)>,
    steps: usize,
}

impl<'a> Run<'a> {
    /// The value of an expression.
    pub(super) fn of(root: &'a Node, values: &'a Value) -> Result<Val<'a>, Stop> {
        Run { values, locals: Vec::new(), steps: 0 }.value(root)
    }

    /// Counts steps.
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > STEPS_MAX { Err(Stop::Limit) } else { Ok(()) }
    }

    /// Counts the steps of looking through a text.
    pub(super) fn charge_text(&mut self, text: &str) -> Result<(), Stop> {
        self.charge(text.len() / STEP_BYTES)
    }

    pub(super) fn value(&mut self, node: &'a Node) -> Result<Val<'a>, Stop> {
        self.charge(1)?;
        match node {
            Node::Literal(value) => Ok(Val::of(value)),
            Node::Name(name) => Ok(self.values.get(name).map_or(Val::Null, Val::of)),
            Node::Local(name) => {
                let local = self.locals.iter().rev().find(|(local, _)| local == name);
                local.map_or(Ok(Val::Null), |(_, value)| value.clone())
            }
            Node::Field(owner, field) => Ok(self.value(owner)?.field(field)),
            Node::Index(parts) => self.index(parts),
            Node::Has(inner) => Ok(Val::Truth(!matches!(self.value(inner)?, Val::Null))),
            Node::List(items) => {
                let items: Result<Vec<Val<'a>>, Stop> = items.iter().map(|item| self.value(item)).collect();
                Ok(Val::List(items?.into()))
            }
            Node::Not(inner) => Ok(Val::Truth(!self.truth(inner)?)),
            Node::Negate(inner) => match self.value(inner)? {
                Val::Whole(number) => {
                    number.checked_neg().map(Val::Whole).ok_or_else(|| Stop::wrong("a number is too large"))
                }
                Val::Fraction(number) => Ok(Val::Fraction(-number)),
                other => Err(operate::not_a(Kind::Number, &other, inner)),
            },
            Node::And(sides) => self.joined(sides, false),
            Node::Or(sides) => self.joined(sides, true),
            Node::Choice(parts) => {
                let [test, one, other] = parts.as_ref();
                if self.truth(test)? { self.value(one) } else { self.value(other) }
            }
            Node::Binary(operator, sides) => operate::binary(self, *operator, sides),
            Node::Call(function, arguments) => operate::call(self, *function, arguments),
            Node::NotFalse(inner) => match self.value(inner) {
                Err(Stop::Limit) => Err(Stop::Limit),
                Ok(Val::Truth(false)) => Ok(Val::Truth(false)),
                _ => Ok(Val::Truth(true)),
            },
            Node::Loop(looped) => self.looped(looped),
        }
    }

    fn truth(&mut self, node: &'a Node) -> Result<bool, Stop> {
        match self.value(node)? {
            Val::Truth(truth) => Ok(truth),
            other => Err(operate::not_a(Kind::Truth, &other, node)),
        }
    }

    /// `&&` is decided by a false side and `||` by a true one, whatever is wrong with the other.
    fn joined(&mut self, sides: &'a [Node; 2], decides: bool) -> Result<Val<'a>, Stop> {
        let [left, right] = sides;
        let left = self.truth(left);
        if left == Ok(decides) || left == Err(Stop::Limit) {
            return left.map(Val::Truth);
        }
        let right = self.truth(right)?;
        if right == decides { Ok(Val::Truth(decides)) } else { left.map(Val::Truth) }
    }

    fn index(&mut self, parts: &'a [Node; 2]) -> Result<Val<'a>, Stop> {
        let [owner, index] = parts;
        let owner = self.value(owner)?;
        match self.value(index)? {
            Val::Whole(at) => Ok(owner.item(at)),
            Val::Text(field) => Ok(owner.field(&field)),
            Val::Null => Err(Stop::Absent(index.path().map(Rc::from))),
            other => Err(Stop::wrong(format!("what stands in `[…]` is {}", other.kind().as_str()))),
        }
    }

    /// The items of a list, or the names of a record's fields; none of anything else.
    pub(super) fn items(&mut self, value: &Val<'a>) -> Result<Vec<Val<'a>>, Stop> {
        match value {
            Val::Array(items) => {
                self.charge(items.len())?;
                Ok(items.iter().map(Val::of).collect())
            }
            Val::List(items) => {
                self.charge(items.len())?;
                Ok(items.to_vec())
            }
            Val::Record(fields) => {
                self.charge(fields.len())?;
                Ok(fields.keys().map(|name| Val::Text(Cow::Borrowed(name))).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn looped(&mut self, looped: &'a Loop) -> Result<Val<'a>, Stop> {
        let range = self.value(&looped.range)?;
        if !matches!(range.kind(), Kind::List | Kind::Record) {
            return Err(operate::not_a(Kind::List, &range, &looped.range));
        }
        let items = self.items(&range)?;
        let outside = self.locals.len();
        let mut so_far = self.value(&looped.begin);
        for item in items {
            self.locals.push((&looped.so_far, so_far.clone()));
            self.locals.push((&looped.item, Ok(item)));
            let goes_on = self.truth(&looped.goes_on);
            if goes_on == Ok(true) {
                so_far = self.value(&looped.step);
            }
            self.locals.truncate(outside);
            if !goes_on? || matches!(so_far, Err(Stop::Limit)) {
                break;
            }
        }
        self.locals.push((&looped.so_far, so_far));
        let result = self.value(&looped.result);
        self.locals.truncate(outside);
        result
    }
}
