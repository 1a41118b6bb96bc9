//! Where the records of a source come from: a question of its own, or other sources.
//!
//! Made by compiling; nothing here asks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::card::{Context, Renderer, Template};
use crate::expression::Expression;
use crate::problem::Place;
use crate::source::{Asker, Source};

/// A source with its name.
#[derive(Clone, Debug)]
pub struct NamedSource {
    /// Its name in templates and `needs`.
    pub name: Arc<str>,
    /// Where it is written.
    pub place: Place,
    /// Where its records come from.
    pub origin: Origin,
}

/// Where the records of a source come from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// It is asked itself.
    Asked(Asked),
    /// From other sources, by position in [`super::RuleSet::sources`]; the records of the earlier one are preferred.
    First(Vec<usize>),
}

/// A hash of a definition and of all that it takes from the environment.
pub(super) type Fingerprint = [u8; 32];

/// A source that is asked itself.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where to ask.
    pub source: Arc<Source>,
    /// How it is asked; over reloads the same one for the same definition.
    pub asker: Arc<Asker>,
    /// Tells this definition from others, also where only a secret of it changes.
    pub(super) fingerprint: Fingerprint,
    /// What has to be filled for each question.
    pub parameters: Vec<Filling>,
    /// The sources that its parameters mention, by position: it is asked after them.
    pub inputs: Vec<usize>,
    /// How long an answer may take, within the deadline of the decision.
    pub timeout: Option<Duration>,
}

/// A parameter of a source.
#[derive(Clone, Debug)]
pub struct Filling {
    /// What it is filled with.
    pub with: With,
    /// Whether the source is not asked where nothing is filled in.
    pub required: bool,
    /// What its text is then, where there is more than what is filled in.
    blank: Option<String>,
}

impl Filling {
    /// Makes one; `renderer` will fill it.
    pub(super) fn new(with: With, required: bool, renderer: &Renderer) -> Filling {
        let blank = match &with {
            With::Template(template) if template.is_text_and_values() => {
                template.fill(renderer, &Context::from(Value::Null)).ok()
            }
            _ => None,
        };
        Filling { with, required, blank }
    }

    /// What it stands for in these values; `None` where that is nothing and it is required.
    ///
    /// # Errors
    /// In words, where a limit was reached.
    pub fn fill(&self, renderer: &Renderer, values: &Context) -> Result<Option<Value>, String> {
        let value = match &self.with {
            With::Template(template) => Value::String(template.fill(renderer, values)?),
            With::Expression(expression) => expression.value(values.data())?,
        };
        Ok((!(self.required && self.is_nothing(&value))).then_some(value))
    }

    /// Whether nothing has been filled in; a list of nothing but that is nothing, too.
    fn is_nothing(&self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty() || self.blank.as_ref() == Some(text),
            Value::Array(items) => items.iter().all(|item| self.is_nothing(item)),
            _ => false,
        }
    }
}

/// What a parameter is filled with.
#[derive(Clone, Debug)]
pub enum With {
    /// A text.
    Template(Template),
    /// A value of any type.
    Expression(Expression),
}

impl Origin {
    /// The kind of the source, as it is written in the rules.
    pub fn kind(&self) -> &'static str {
        match self {
            Origin::Asked(asked) => asked.source.kind(),
            Origin::First(_) => "first",
        }
    }

    /// The sources that it waits for, by position: those it is made of, or those that its parameters mention.
    pub fn inputs(&self) -> &[usize] {
        match self {
            Origin::Asked(asked) => &asked.inputs,
            Origin::First(members) => members,
        }
    }
}

/// Sources and all that they wait for, by position.
pub(super) fn with_inputs(sources: &[NamedSource], of: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    let mut next: Vec<usize> = of.into_iter().collect();
    while let Some(source) = next.pop() {
        if all.insert(source) {
            next.extend(sources.get(source).into_iter().flat_map(|source| source.origin.inputs()));
        }
    }
    all
}

impl With {
    /// The names that it begins its paths with.
    pub fn mentions(&self) -> BTreeSet<&str> {
        match self {
            With::Template(template) => template.mentions().collect(),
            With::Expression(expression) => expression.mentions().iter().map(String::as_str).collect(),
        }
    }
}
