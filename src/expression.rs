//! Expressions: a subset of CEL (<https://cel.dev>) over the values of one call.
//!
//! They are read and their names checked once, and bounded at run time: every step is counted, and nothing can abort. They
//! read no clock and call nobody. Two things are simpler than in CEL: what is not there and what is `null` is both
//! *absent*, and whole numbers and fractions mix.
//!
//! A test of something absent is false: an expression whose answer depends on an absent value does not hold. Only
//! `has(x)`, `x == null` and `x != null` ask whether something is there.

mod compile;
mod evaluate;
mod kinds;
mod operate;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::problem::{Code, Fault};
use evaluate::{Run, Stop, Val};
use kinds::Kind;

/// Help that shows how an expression looks.
const EXAMPLE: &str = "for example: customer.country == 'TR' && line.id == 328";

/// An expression that can be asked.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    root: Node,
    mentions: BTreeSet<String>,
}

/// What an expression may mention, told by whoever has it compiled.
pub trait Scope: std::fmt::Debug {
    /// What is wrong with a path that begins so.
    fn fault(&self, name: &str, field: Option<&str>) -> Option<Fault>;

    /// Whether the field is known to be a text, as every column of a CSV table is.
    fn is_text(&self, name: &str, field: &str) -> bool;
}

/// One part of an expression.
#[derive(Clone, Debug)]
enum Node {
    Literal(Value),
    /// A name of the call, or of a source.
    Name(String),
    /// What a loop goes through, and what it has so far.
    Local(String),
    Field(Box<Node>, String),
    Index(Box<[Node; 2]>),
    /// Whether it is there.
    Has(Box<Node>),
    List(Vec<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// `test ? one : other`.
    Choice(Box<[Node; 3]>),
    Binary(Operator, Box<[Node; 2]>),
    Call(Function, Vec<Node>),
    /// Whether it is anything but false, an error included: when a loop goes on.
    NotFalse(Box<Node>),
    Loop(Box<Loop>),
}

/// What CEL makes of `all`, `exists`, `exists_one`, `map` and `filter`.
#[derive(Clone, Debug)]
struct Loop {
    range: Node,
    /// The name of one item.
    item: String,
    /// The name of what there is so far.
    so_far: String,
    begin: Node,
    goes_on: Node,
    step: Node,
    result: Node,
}

/// What stands between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Size,
    Int,
    Double,
    Text,
    Contains,
    StartsWith,
    EndsWith,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Every mistake in it, each as a fault without pointer; a syntax error with its position in the text.
    pub fn compile(text: &str, scope: &dyn Scope) -> Result<Expression, Vec<Fault>> {
        Expression::read(text, scope).map(|(expression, _)| expression)
    }

    /// The same for a place where only true or false makes sense.
    ///
    /// # Errors
    /// Also where it can be seen that it is neither.
    pub fn test(text: &str, scope: &dyn Scope) -> Result<Expression, Vec<Fault>> {
        match Expression::read(text, scope)? {
            (expression, None | Some(Kind::Truth)) => Ok(expression),
            (_, Some(kind)) => {
                let message = format!("an `expr` is a test, true or false; this is {}", kind.as_str());
                Err(vec![Fault::new(Code::Expression, "", message).help(EXAMPLE)])
            }
        }
    }

    fn read(text: &str, scope: &dyn Scope) -> Result<(Expression, Option<Kind>), Vec<Fault>> {
        let (root, mentions) = compile::compile(text, scope)?;
        let mut faults = Vec::new();
        let kind = kinds::kind(&root, scope, &mut faults);
        let expression = Expression { text: text.trim().to_owned(), root, mentions };
        if faults.is_empty() { Ok((expression, kind)) } else { Err(faults) }
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names that its paths begin with.
    pub fn mentions(&self) -> &BTreeSet<String> {
        &self.mentions
    }

    /// Whether it is true.
    ///
    /// # Errors
    /// Why it is neither true nor false, which counts as false. No value is in these words.
    pub fn holds(&self, values: &Value) -> Result<bool, String> {
        match Run::of(&self.root, values)? {
            Val::Truth(truth) => Ok(truth),
            Val::Null => Err("its value is absent".to_owned()),
            other => Err(format!("it is {}, not true or false", other.kind().as_str())),
        }
    }

    /// Its value; `null` where it is absent.
    ///
    /// # Errors
    /// Why it has none. No value is in these words.
    pub fn value(&self, values: &Value) -> Result<Value, String> {
        match Run::of(&self.root, values) {
            Ok(value) => Ok(value.into_json()),
            Err(Stop::Absent(_)) => Ok(Value::Null),
            Err(stop) => Err(stop.into()),
        }
    }

    /// Whether it is true, or anything else that is there and not empty.
    ///
    /// # Errors
    /// Why that can't be said, which counts as false. No value is in these words.
    pub fn is_there(&self, values: &Value) -> Result<bool, String> {
        Ok(Run::of(&self.root, values)?.is_there())
    }
}

impl Operator {
    fn as_str(self) -> &'static str {
        match self {
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::In => "in",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
        }
    }

    /// Whether it compares its sides, which then are of one kind.
    fn compares(self) -> bool {
        use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual)
    }
}

impl Function {
    const ALL: [Function; 7] = [
        Function::Size,
        Function::Int,
        Function::Double,
        Function::Text,
        Function::Contains,
        Function::StartsWith,
        Function::EndsWith,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Function::Size => "size",
            Function::Int => "int",
            Function::Double => "double",
            Function::Text => "string",
            Function::Contains => "contains",
            Function::StartsWith => "startsWith",
            Function::EndsWith => "endsWith",
        }
    }
}

impl Node {
    /// `crm.balance`, where it is such a path.
    fn path(&self) -> Option<String> {
        match self {
            Node::Name(name) | Node::Local(name) if !name.starts_with('@') => Some(name.clone()),
            Node::Field(inner, field) => Some(format!("{}.{field}", inner.path()?)),
            _ => None,
        }
    }
}
