//! What kind of value an expression is known to be, and comparisons that can never work.
//!
//! Most values come from a call or a record and are of a kind that only they know. Columns of tables are texts.

use serde_json::Value;

use super::operate::mismatch;
use super::{Function, Node, Operator, Scope};
use crate::problem::{Code, Fault};

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    Truth,
    Number,
    Text,
    List,
    Record,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Nothing => "nothing",
            Kind::Truth => "true or false",
            Kind::Number => "a number",
            Kind::Text => "a text",
            Kind::List => "a list",
            Kind::Record => "a record",
        }
    }

    pub(super) fn of(value: &Value) -> Kind {
        match value {
            Value::Null => Kind::Nothing,
            Value::Bool(_) => Kind::Truth,
            Value::Number(_) => Kind::Number,
            Value::String(_) => Kind::Text,
            Value::Array(_) => Kind::List,
            Value::Object(_) => Kind::Record,
        }
    }
}

/// The kind of a part, where it is known; adds what can't work in it.
pub(super) fn kind(node: &Node, scope: &dyn Scope, faults: &mut Vec<Fault>) -> Option<Kind> {
    let mut of = |node: &Node| kind(node, scope, faults);
    match node {
        Node::Literal(value) => Some(Kind::of(value)),
        Node::Name(_) | Node::Local(_) => None,
        Node::Field(owner, field) => match owner.as_ref() {
            Node::Name(name) => scope.is_text(name, field).then_some(Kind::Text),
            other => {
                of(other);
                None
            }
        },
        Node::Index(parts) => {
            parts.iter().for_each(|part| _ = of(part));
            None
        }
        Node::Has(inner) | Node::Not(inner) | Node::NotFalse(inner) => {
            of(inner);
            Some(Kind::Truth)
        }
        Node::Negate(inner) => {
            of(inner);
            Some(Kind::Number)
        }
        Node::List(items) => {
            items.iter().for_each(|item| _ = of(item));
            Some(Kind::List)
        }
        Node::And(sides) | Node::Or(sides) => {
            sides.iter().for_each(|side| _ = of(side));
            Some(Kind::Truth)
        }
        Node::Choice(parts) => {
            let [_, one, other] = parts.as_ref().each_ref().map(of);
            one.filter(|one| Some(*one) == other)
        }
        Node::Binary(operator, sides) => {
            let [left, right] = sides.as_ref().each_ref().map(of);
            faults.extend(clash(*operator, sides, left, right));
            match operator {
                Operator::Add => left.or(right),
                Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Remainder => Some(Kind::Number),
                _ => Some(Kind::Truth),
            }
        }
        Node::Call(function, arguments) => {
            arguments.iter().for_each(|argument| _ = of(argument));
            Some(match function {
                Function::Size | Function::Int | Function::Double => Kind::Number,
                Function::Text => Kind::Text,
                Function::Contains | Function::StartsWith | Function::EndsWith => Kind::Truth,
            })
        }
        Node::Loop(looped) => {
            [&looped.range, &looped.goes_on, &looped.step].into_iter().for_each(|part| _ = of(part));
            let begins = of(&looped.begin);
            of(&looped.result).or(begins)
        }
    }
}

/// Two sides of known kinds that the operator can't have.
fn clash(operator: Operator, sides: &[Node; 2], left: Option<Kind>, right: Option<Kind>) -> Option<Fault> {
    let (left, right) = (left?, right?);
    if left == right || operator == Operator::In || left == Kind::Nothing || right == Kind::Nothing {
        return None;
    }
    let (message, help) = mismatch(operator, sides, left, right);
    Some(Fault::new(Code::Expression, "", message).help(help.unwrap_or_else(|| super::EXAMPLE.to_owned())))
}
