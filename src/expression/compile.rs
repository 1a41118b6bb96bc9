//! The text of an expression → its parts, with every name and function checked.
//!
//! The parser recurses, and so does everything behind it; what could exhaust the stack is refused on the way.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, SelectExpr, operators};
use cel::parser::{ParseErrors, PrattParser};
use serde_json::Value;

use super::{EXAMPLE, Function, Loop, Node, Operator, Scope};
use crate::problem::{Code, Fault, did_you_mean, nearest};

/// A longer text is a program. It also bounds what the parser's own stack can grow to.
const TEXT_BYTES_MAX: usize = 1000;

/// Brackets inside brackets, and operators inside operators.
const DEEP_MAX: u16 = 48;

/// Loops inside loops: three would go through a hundred records a million times.
const LOOPS_DEEP_MAX: usize = 2;

pub(super) fn compile(text: &str, scope: &dyn Scope) -> Result<(Node, BTreeSet<String>), Vec<Fault>> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("an expression has at most {TEXT_BYTES_MAX} bytes; this one has {}", text.len());
        return Err(vec![fault(message).help("make several rules or rows of it")]);
    }
    if brackets_deep(text) > DEEP_MAX {
        return Err(vec![too_deep()]);
    }
    let parsed = PrattParser::new().max_recursion_depth(DEEP_MAX).parse(text);
    let parsed = parsed.map_err(|errors| vec![syntax_fault(text, &errors)])?;
    let mut compiler =
        Compiler { scope, mentions: BTreeSet::new(), locals: Vec::new(), loops: 0, deep: 0, faults: Vec::new() };
    let root = compiler.node(&parsed.expr);
    match (root, compiler.faults.is_empty()) {
        (Some(root), true) => Ok((root, compiler.mentions)),
        _ => Err(compiler.faults),
    }
}

fn fault(message: impl Into<String>) -> Fault {
    Fault::new(Code::Expression, "", message).help(EXAMPLE)
}

fn too_deep() -> Fault {
    fault(format!("brackets and operators are nested more than {DEEP_MAX} deep"))
}

/// How deep brackets are nested, those in texts included.
fn brackets_deep(text: &str) -> u16 {
    let (mut deep, mut deepest) = (0_u16, 0);
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => deep += 1,
            ')' | ']' | '}' => deep = deep.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(deep);
    }
    deepest
}

fn syntax_fault(text: &str, errors: &ParseErrors) -> Fault {
    let Some(error) = errors.errors.first() else { return fault("this is not an expression") };
    let (line, column) = error.pos;
    let Ok(line @ 1..) = usize::try_from(line) else { return too_deep() };
    // The parser counts lines from 1, and bytes in a line from 1.
    let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let at = before + usize::try_from(column).unwrap_or_default().saturating_sub(1);
    let (before, rest) = text.split_at(text.floor_char_boundary(at));
    let at = before.chars().count() + 1;
    let word = rest.split(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
    let help = match word {
        "and" => "\"and\" is written `&&`",
        "or" => "\"or\" is written `||`",
        _ if before.split_whitespace().next_back() == Some("not") => "\"not\" is written `!`",
        _ if rest.starts_with('=') => "\"equal\" is written `==`",
        _ if rest.starts_with('&') => "\"and\" is written `&&`",
        _ if rest.starts_with('|') => "\"or\" is written `||`",
        _ if rest.starts_with(['“', '”', '‘', '’']) => "a text stands in straight quotes: 'closed'",
        _ if rest.trim().is_empty() && text.contains('(') => {
            "between the `{…}` of YAML, an expression with a comma stands in double quotes"
        }
        _ => EXAMPLE,
    };
    let what = match rest.trim() {
        "" => "something is missing at its end".to_owned(),
        _ => format!("something is not closed or not allowed at character {at}"),
    };
    fault(format!("this is not an expression: {what}")).help(help).at(at)
}

struct Compiler<'a> {
    scope: &'a dyn Scope,
    mentions: BTreeSet<String>,
    /// Names that loops give.
    locals: Vec<String>,
    loops: usize,
    deep: u16,
    faults: Vec<Fault>,
}

impl Compiler<'_> {
    fn refuse(&mut self, fault: Fault) -> Option<Node> {
        self.faults.push(fault);
        None
    }

    fn node(&mut self, expression: &Expr) -> Option<Node> {
        if self.deep == DEEP_MAX {
            return self.refuse(too_deep());
        }
        self.deep += 1;
        let node = self.node_inside(expression);
        self.deep -= 1;
        node
    }

    fn node_inside(&mut self, expression: &Expr) -> Option<Node> {
        match expression {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Ident(name) => self.name(name, None),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => Some(Node::List(self.nodes(&list.elements)?)),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Map(_) | Expr::Struct(_) => self.refuse(fault("records in `{…}` can't be written in expressions")),
            Expr::Unspecified => self.refuse(fault("this is not an expression")),
        }
    }

    /// All of them, or none where one is wrong; the others are looked at all the same.
    fn nodes(&mut self, expressions: &[cel::IdedExpr]) -> Option<Vec<Node>> {
        let nodes: Vec<Option<Node>> = expressions.iter().map(|one| self.node(&one.expr)).collect();
        nodes.into_iter().collect()
    }

    fn literal(&mut self, literal: &LiteralValue) -> Option<Node> {
        let value = match literal {
            LiteralValue::Null => Value::Null,
            LiteralValue::Boolean(truth) => Value::from(*truth.inner()),
            LiteralValue::Int(number) => Value::from(*number.inner()),
            LiteralValue::UInt(number) => Value::from(*number.inner()),
            LiteralValue::Double(number) => Value::from(*number.inner()),
            LiteralValue::String(text) => Value::from(text.inner()),
            LiteralValue::Bytes(_) => return self.refuse(fault("bytes can't be written in expressions")),
        };
        Some(Node::Literal(value))
    }

    /// A name that a path begins with, and the field behind it.
    fn name(&mut self, name: &str, field: Option<&str>) -> Option<Node> {
        if self.locals.iter().any(|local| local == name) {
            return Some(Node::Local(name.to_owned()));
        }
        if let Some(fault) = self.scope.fault(name, field) {
            return self.refuse(fault);
        }
        self.mentions.insert(name.to_owned());
        Some(Node::Name(name.to_owned()))
    }

    /// What a field is taken of.
    fn owner(&mut self, expression: &Expr, field: &str) -> Option<Node> {
        match expression {
            Expr::Ident(name) => self.name(name, Some(field)),
            other => self.node(other),
        }
    }

    fn select(&mut self, select: &SelectExpr) -> Option<Node> {
        let owner = self.owner(&select.operand.expr, &select.field)?;
        let field = Node::Field(Box::new(owner), select.field.clone());
        Some(if select.test { Node::Has(Box::new(field)) } else { field })
    }

    fn call(&mut self, call: &CallExpr) -> Option<Node> {
        if let (operators::INDEX, [owner, index]) = (call.func_name.as_str(), call.args.as_slice())
            && let Expr::Literal(LiteralValue::String(field)) = &index.expr
        {
            let owner = self.owner(&owner.expr, field.inner())?;
            return Some(Node::Field(Box::new(owner), field.inner().to_owned()));
        }
        let target = call.target.as_deref().map(|target| self.node(&target.expr));
        let arguments = self.nodes(&call.args);
        let arguments = match target {
            Some(target) => [vec![target?], arguments?].concat(),
            None => arguments?,
        };
        operation(&call.func_name, arguments)
            .or_else(|arguments| {
                let function = function(&call.func_name, call.target.is_some(), arguments.len())?;
                Ok(Node::Call(function, arguments))
            })
            .map_err(|fault| self.faults.push(fault))
            .ok()
    }

    fn comprehension(&mut self, written: &ComprehensionExpr) -> Option<Node> {
        if self.loops == LOOPS_DEEP_MAX {
            let message = format!("loops such as `exists` are nested more than {LOOPS_DEEP_MAX} deep");
            return self.refuse(fault(message).help("look at one list, and at one list in each of its items"));
        }
        let (range, begin) = (self.node(&written.iter_range.expr), self.node(&written.accu_init.expr));
        self.loops += 1;
        self.locals.extend([written.iter_var.clone(), written.accu_var.clone()]);
        let [goes_on, step] = [&written.loop_cond, &written.loop_step].map(|part| self.node(&part.expr));
        self.locals.truncate(self.locals.len() - 2);
        self.locals.push(written.accu_var.clone());
        let result = self.node(&written.result.expr);
        self.locals.pop();
        self.loops -= 1;
        Some(Node::Loop(Box::new(Loop {
            range: range?,
            item: written.iter_var.clone(),
            so_far: written.accu_var.clone(),
            begin: begin?,
            goes_on: goes_on?,
            step: step?,
            result: result?,
        })))
    }
}

/// What is written with signs; the values come back where it is something else.
fn operation(name: &str, values: Vec<Node>) -> Result<Node, Vec<Node>> {
    let values = match <[Node; 1]>::try_from(values) {
        Ok([one]) => {
            return match name {
                operators::LOGICAL_NOT => Ok(Node::Not(Box::new(one))),
                operators::NEGATE => Ok(Node::Negate(Box::new(one))),
                operators::NOT_STRICTLY_FALSE => Ok(Node::NotFalse(Box::new(one))),
                _ => Err(vec![one]),
            };
        }
        Err(values) => values,
    };
    let values = match <[Node; 2]>::try_from(values) {
        Ok(two) => {
            return match (name, operator(name)) {
                (_, Some(operator)) => Ok(Node::Binary(operator, Box::new(two))),
                (operators::LOGICAL_AND, _) => Ok(Node::And(Box::new(two))),
                (operators::LOGICAL_OR, _) => Ok(Node::Or(Box::new(two))),
                (operators::INDEX, _) => Ok(Node::Index(Box::new(two))),
                _ => Err(two.into()),
            };
        }
        Err(values) => values,
    };
    let three = <[Node; 3]>::try_from(values)?;
    if name == operators::CONDITIONAL { Ok(Node::Choice(Box::new(three))) } else { Err(three.into()) }
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        operators::EQUALS => Operator::Equal,
        operators::NOT_EQUALS => Operator::NotEqual,
        operators::LESS => Operator::Less,
        operators::LESS_EQUALS => Operator::LessOrEqual,
        operators::GREATER => Operator::Greater,
        operators::GREATER_EQUALS => Operator::GreaterOrEqual,
        operators::IN => Operator::In,
        operators::ADD => Operator::Add,
        operators::SUBSTRACT => Operator::Subtract,
        operators::MULTIPLY => Operator::Multiply,
        operators::DIVIDE => Operator::Divide,
        operators::MODULO => Operator::Remainder,
        _ => return None,
    })
}

/// The function of that name, called in this way. `count` is that of its values, the one before the point included.
fn function(name: &str, behind_a_point: bool, count: usize) -> Result<Function, Fault> {
    const LOOPS: [&str; 6] = ["has", "all", "exists", "exists_one", "map", "filter"];
    let Some(function) = Function::ALL.into_iter().find(|function| function.as_str() == name) else {
        if LOOPS.contains(&name) {
            return Err(fault(format!("`{name}` is not written in this way"))
                .help("for example: has(crm.balance), crm.all.exists(one, one.status == 'open')"));
        }
        let unknown = fault(format!("expressions have no function `{name}`"));
        let known = || Function::ALL.map(Function::as_str).into_iter().chain(LOOPS);
        return Err(match name {
            "matches" => unknown.help("there are no regular expressions here: use contains, startsWith or endsWith"),
            _ if name.starts_with("get") || matches!(name, "timestamp" | "duration") => {
                unknown.help("hours and days are what `schedule` is for")
            }
            _ => match nearest(name, known()) {
                Some(near) => unknown.help(format!("did you mean `{near}`?")),
                None => unknown.help(did_you_mean(name, known()).unwrap_or_default()),
            },
        });
    };
    let (fits, usage) = match function {
        Function::Size => (count == 1, "size(crm.all)"),
        Function::Int => (count == 1 && !behind_a_point, "int(crm.age)"),
        Function::Double => (count == 1 && !behind_a_point, "double(crm.balance)"),
        Function::Text => (count == 1 && !behind_a_point, "string(crm.id)"),
        Function::Contains => (count == 2 && behind_a_point, "crm.name.contains('GmbH')"),
        Function::StartsWith => (count == 2 && behind_a_point, "crm.name.startsWith('A')"),
        Function::EndsWith => (count == 2 && behind_a_point, "crm.mail.endsWith('@example.com')"),
    };
    if fits {
        return Ok(function);
    }
    Err(fault(format!("`{name}` is not called in this way")).help(format!("it is written {usage}")))
}
