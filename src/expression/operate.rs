//! What operators and functions do with values.
//!
//! Texts are never taken for numbers: `"12.5"` of a table compared with 0 is told as the mistake it is.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use super::evaluate::{Run, Stop, Val};
use super::kinds::Kind;
use super::{Function, Node, Operator};

/// Bytes that a text may grow to by joining others.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Says that two kinds can't be compared or computed with, and what helps.
pub(super) fn mismatch(operator: Operator, sides: &[Node; 2], left: Kind, right: Kind) -> (String, Option<String>) {
    let verb = if operator.compares() { "compares" } else { "joins" };
    let message = format!("`{}` {verb} {} with {}", operator.as_str(), left.as_str(), right.as_str());
    let text = match (left, right) {
        (Kind::Text, Kind::Number) => sides.first(),
        (Kind::Number, Kind::Text) => sides.last(),
        _ => None,
    };
    let help = text.map(|text| match text {
        Node::Literal(_) => "a number is written without quotes".to_owned(),
        other => format!("double({}) reads a text as a number", other.path().unwrap_or_else(|| "…".to_owned())),
    });
    (message, help)
}

/// A value of another kind than the one that is needed.
pub(super) fn not_a(needed: Kind, found: &Val<'_>, node: &Node) -> Stop {
    if matches!(found, Val::Null) {
        return Stop::Absent(node.path().map(Rc::from));
    }
    let what = node.path().map_or_else(|| "a value".to_owned(), |path| format!("`{path}`"));
    Stop::wrong(format!("{what} is {}, not {}", found.kind().as_str(), needed.as_str()))
}

/// `left operator right`.
pub(super) fn binary<'a>(run: &mut Run<'a>, operator: Operator, sides: &'a [Node; 2]) -> Result<Val<'a>, Stop> {
    let [left, right] = sides;
    let values = (run.value(left)?, run.value(right)?);
    let is_null = |node: &Node| matches!(node, Node::Literal(serde_json::Value::Null));
    if matches!(operator, Operator::Equal | Operator::NotEqual) && (is_null(left) || is_null(right)) {
        let both = matches!(values, (Val::Null, Val::Null));
        return Ok(Val::Truth(both == (operator == Operator::Equal)));
    }
    for (value, node) in [(&values.0, left), (&values.1, right)] {
        if matches!(value, Val::Null) {
            return Err(Stop::Absent(node.path().map(Rc::from)));
        }
    }
    if operator == Operator::In {
        return is_in(run, &values.0, &values.1, sides).map(Val::Truth);
    }
    if !operator.compares() {
        return arithmetic(run, operator, values, sides);
    }
    let answer = match operator {
        Operator::Equal => equal(run, &values.0, &values.1)?,
        Operator::NotEqual => equal(run, &values.0, &values.1)?.map(|equal| !equal),
        _ => ordered(run, &values.0, &values.1)?.map(|order| match operator {
            Operator::Less => order == Some(Ordering::Less),
            Operator::LessOrEqual => order.is_some_and(Ordering::is_le),
            Operator::Greater => order == Some(Ordering::Greater),
            _ => order.is_some_and(Ordering::is_ge),
        }),
    };
    answer.map(Val::Truth).ok_or_else(|| clash(operator, sides, &values))
}

fn clash(operator: Operator, sides: &[Node; 2], values: &(Val<'_>, Val<'_>)) -> Stop {
    let (message, help) = mismatch(operator, sides, values.0.kind(), values.1.kind());
    Stop::wrong(help.map_or(message.clone(), |help| format!("{message}: {help}")))
}

/// Whether two values are equal; `None` where they are of two kinds.
fn equal<'a>(run: &mut Run<'a>, left: &Val<'a>, right: &Val<'a>) -> Result<Option<bool>, Stop> {
    run.charge(1)?;
    let all = match (left, right) {
        (Val::Null, Val::Null) => return Ok(Some(true)),
        (Val::Truth(left), Val::Truth(right)) => return Ok(Some(left == right)),
        (Val::Record(left), Val::Record(right)) => {
            if left.len() != right.len() {
                return Ok(Some(false));
            }
            left.iter().map(|(name, value)| (Val::of(value), right.get(name).map(Val::of))).collect()
        }
        (Val::Array(_) | Val::List(_), Val::Array(_) | Val::List(_)) => {
            let (left, right) = (run.items(left)?, run.items(right)?);
            if left.len() != right.len() {
                return Ok(Some(false));
            }
            left.into_iter().zip(right.into_iter().map(Some)).collect::<Vec<_>>()
        }
        _ => return Ok(ordered(run, left, right)?.map(|order| order == Some(Ordering::Equal))),
    };
    for (left, right) in all {
        let same = match right {
            Some(right) => equal(run, &left, &right)?,
            None => None,
        };
        if same != Some(true) {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}

/// How two numbers or two texts are ordered; `None` where they are not. Inside, `None` is for what is not a number.
fn ordered<'a>(run: &mut Run<'a>, left: &Val<'a>, right: &Val<'a>) -> Result<Option<Option<Ordering>>, Stop> {
    Ok(match (left, right) {
        (Val::Text(left), Val::Text(right)) => {
            run.charge_text(if left.len() < right.len() { left } else { right })?;
            Some(Some(left.cmp(right)))
        }
        (Val::Whole(left), Val::Whole(right)) => Some(Some(left.cmp(right))),
        _ => fraction(left).zip(fraction(right)).map(|(left, right)| left.partial_cmp(&right)),
    })
}

/// A number beside a fraction, or a fraction.
fn fraction(value: &Val<'_>) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "numbers that large are ids, and ids are whole on both sides")]
        Val::Whole(number) => Some(*number as f64),
        Val::Fraction(number) => Some(*number),
        _ => None,
    }
}

/// `one in list`. An item of another kind is not equal; a text among numbers is told where nothing else is.
fn is_in<'a>(run: &mut Run<'a>, one: &Val<'a>, all: &Val<'a>, sides: &'a [Node; 2]) -> Result<bool, Stop> {
    let [_, right] = sides;
    if !matches!(all.kind(), Kind::List | Kind::Record) {
        return Err(not_a(Kind::List, all, right));
    }
    let items = run.items(all)?;
    let mut confused = None;
    for item in items {
        match equal(run, one, &item)? {
            Some(true) => return Ok(true),
            None if matches!((one.kind(), item.kind()), (Kind::Text, Kind::Number) | (Kind::Number, Kind::Text)) => {
                confused = Some((one.clone(), item));
            }
            _ => {}
        }
    }
    confused.map_or(Ok(false), |values| Err(clash(Operator::In, sides, &values)))
}

fn arithmetic<'a>(
    run: &mut Run<'a>,
    operator: Operator,
    values: (Val<'a>, Val<'a>),
    sides: &'a [Node; 2],
) -> Result<Val<'a>, Stop> {
    match (operator, &values) {
        (Operator::Add, (Val::Text(left), Val::Text(right))) => {
            if left.len() + right.len() > TEXT_BYTES_MAX {
                return Err(Stop::wrong(format!("a text grew beyond {TEXT_BYTES_MAX} bytes")));
            }
            run.charge_text(left)?;
            run.charge_text(right)?;
            Ok(Val::Text(Cow::Owned(format!("{left}{right}"))))
        }
        (Operator::Add, (Val::Array(_) | Val::List(_), Val::Array(_) | Val::List(_))) => {
            let mut items = run.items(&values.0)?;
            items.extend(run.items(&values.1)?);
            Ok(Val::List(items.into()))
        }
        (_, (Val::Whole(left), Val::Whole(right))) => {
            let (left, right) = (*left, *right);
            if right == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
                return Err(Stop::wrong("a number is divided by 0"));
            }
            let result = match operator {
                Operator::Add => left.checked_add(right),
                Operator::Subtract => left.checked_sub(right),
                Operator::Multiply => left.checked_mul(right),
                Operator::Divide => left.checked_div(right),
                _ => left.checked_rem(right),
            };
            result.map(Val::Whole).ok_or_else(|| Stop::wrong("a number is too large"))
        }
        (_, (left, right)) => {
            let Some((left, right)) = fraction(left).zip(fraction(right)) else {
                return Err(clash(operator, sides, &values));
            };
            let result = match operator {
                Operator::Add => left + right,
                Operator::Subtract => left - right,
                Operator::Multiply => left * right,
                Operator::Divide => left / right,
                _ => left % right,
            };
            if result.is_finite() { Ok(Val::Fraction(result)) } else { Err(Stop::wrong("a number is too large")) }
        }
    }
}

/// A function of the values; how many there are was checked when it was compiled.
pub(super) fn call<'a>(run: &mut Run<'a>, function: Function, arguments: &'a [Node]) -> Result<Val<'a>, Stop> {
    let [first, rest @ ..] = arguments else { return Err(Stop::Absent(None)) };
    let value = run.value(first)?;
    match function {
        Function::Size => size(run, &value, first),
        Function::Int | Function::Double => number(function, &value, first),
        Function::Text => match &value {
            Val::Text(_) => Ok(value),
            Val::Whole(number) => Ok(Val::Text(number.to_string().into())),
            Val::Fraction(number) => Ok(Val::Text(number.to_string().into())),
            Val::Truth(truth) => Ok(Val::Text(truth.to_string().into())),
            other => Err(not_a(Kind::Text, other, first)),
        },
        Function::Contains | Function::StartsWith | Function::EndsWith => {
            let Some(second) = rest.first() else { return Err(Stop::Absent(None)) };
            let part = run.value(second)?;
            let (text, part) = match (&value, &part) {
                (Val::Text(text), Val::Text(part)) => (text, part),
                (Val::Text(_), other) => return Err(not_a(Kind::Text, other, second)),
                (other, _) => return Err(not_a(Kind::Text, other, first)),
            };
            run.charge_text(text)?;
            Ok(Val::Truth(match function {
                Function::Contains => text.contains(part.as_ref()),
                Function::StartsWith => text.starts_with(part.as_ref()),
                _ => text.ends_with(part.as_ref()),
            }))
        }
    }
}

fn size<'a>(run: &mut Run<'a>, value: &Val<'a>, node: &Node) -> Result<Val<'a>, Stop> {
    let size = match value {
        Val::Text(text) => {
            run.charge_text(text)?;
            text.chars().count()
        }
        Val::Array(items) => items.len(),
        Val::List(items) => items.len(),
        Val::Record(fields) => fields.len(),
        other => return Err(not_a(Kind::List, other, node)),
    };
    Ok(Val::Whole(i64::try_from(size).unwrap_or(i64::MAX)))
}

/// `int(…)` and `double(…)`.
fn number<'a>(function: Function, value: &Val<'a>, node: &Node) -> Result<Val<'a>, Stop> {
    /// The greatest whole number up to which every fraction is near one: 2 to the power of 53.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    let unreadable = || {
        let path = node.path().unwrap_or_else(|| "…".to_owned());
        Stop::wrong(format!("{}({path}) can't read the text as a number", function.as_str()))
    };
    match (function, value) {
        (Function::Int, Val::Whole(_)) | (Function::Double, Val::Fraction(_)) => Ok(value.clone()),
        (Function::Int, Val::Fraction(number)) if number.abs() < WHOLE_MAX =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "that is what it is asked for, and it fits")]
            Ok(Val::Whole(*number as i64))
        }
        (Function::Int, Val::Fraction(_)) => Err(Stop::wrong("a number is too large")),
        (Function::Int, Val::Text(text)) => text.trim().parse().map(Val::Whole).map_err(|_| unreadable()),
        (_, Val::Text(text)) => {
            let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
            number.map(Val::Fraction).ok_or_else(unreadable)
        }
        (_, other) => fraction(other).map(Val::Fraction).ok_or_else(|| not_a(Kind::Number, other, node)),
    }
}
