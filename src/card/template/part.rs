//! A part of a text that is filled: a tag, or a whole text with blocks in it. It is read and checked for what it may use.
//!
//! Partials, decorators and raw blocks do not exist here: with them a template can abort the process. It is not filled here.

use std::collections::BTreeSet;

use handlebars::template::{HelperTemplate, Parameter, Subexpression, TemplateElement};
use handlebars::{Path, PathSeg, TemplateErrorReason};

use crate::card::{Names, helpers, literal};
use crate::expression::Scope;
use crate::problem::{Code, Fault, did_you_mean};

/// A part that can be filled. Equal parts of all cards are one.
#[derive(Debug)]
pub(in crate::card) struct Part {
    pub(super) compiled: handlebars::Template,
    /// The names that its paths begin with.
    pub(super) mentions: Box<[Box<str>]>,
    /// Whether any of it is written without escaping.
    pub(super) has_unescaped_value: bool,
}

impl Part {
    /// Reads it. `names` are those that its paths may begin with.
    pub(super) fn compile(text: &str, names: &Names) -> Result<Part, Vec<Fault>> {
        let mut compiled = handlebars::Template::compile(text).map_err(|error| vec![syntax_fault(&error)])?;
        let mut check = Check { names, mentions: BTreeSet::new(), faults: Vec::new() };
        check.elements(&compiled.elements, &mut Vec::new());
        if !check.faults.is_empty() {
            return Err(check.faults);
        }
        values_by_helper(&mut compiled);
        Ok(Part {
            compiled,
            mentions: check.mentions.into_iter().map(String::into_boxed_str).collect(),
            has_unescaped_value: text.contains("{{{") || text.contains("{{&"),
        })
    }
}

fn syntax_fault(error: &handlebars::TemplateError) -> Fault {
    let column = error.pos().map_or(0, |(_, column)| column);
    let message = match error.reason() {
        // What the parser expected is the names of its own rules.
        TemplateErrorReason::InvalidSyntax(_) => {
            format!("this is not a template: something is not closed or not allowed at character {column}")
        }
        reason => format!("this is not a template, at character {column}: {reason}"),
    };
    let help = "a value is written {{name}}, a block {{#if name}}…{{/if}}";
    Fault::new(Code::TemplateSyntax, "", message).help(help).at(column)
}

/// Lets `{{path}}` be written by the helper [`helpers::VALUE`]: the library itself would write `[object]`.
fn values_by_helper(template: &mut handlebars::Template) {
    // Only the places of run-time errors, which nobody sees.
    template.mapping = Vec::new();
    template.elements.shrink_to_fit();
    for element in &mut template.elements {
        match element {
            TemplateElement::HtmlExpression(call) | TemplateElement::Expression(call) if call.params.is_empty() => {
                let path = std::mem::replace(&mut call.name, Parameter::Name(helpers::VALUE.to_owned()));
                call.params = vec![path];
            }
            TemplateElement::HelperBlock(call) => {
                call.template.iter_mut().chain(&mut call.inverse).for_each(values_by_helper);
            }
            _ => {}
        }
    }
}

/// Walks a template and collects what it mentions and what it may not.
struct Check<'a> {
    names: &'a Names,
    mentions: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl Check<'_> {
    /// `locals`: the block parameters in force; one entry, empty or not, for each `each` around.
    fn elements(&mut self, elements: &[TemplateElement], locals: &mut Vec<Vec<String>>) {
        for element in elements {
            match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
                TemplateElement::HtmlExpression(call) | TemplateElement::Expression(call) => {
                    self.expression(call, locals)
                }
                TemplateElement::HelperBlock(call) => self.block(call, locals),
                TemplateElement::PartialExpression(_) | TemplateElement::PartialBlock(_) => {
                    self.forbid("partials `{{> …}}`", "reuse is done with `cards`");
                }
                TemplateElement::DecoratorExpression(_) | TemplateElement::DecoratorBlock(_) => {
                    self.forbid("decorators `{{* …}}`", "write the text where it is needed");
                }
                _ => self.forbid("this construct", "paths, `if`, `unless`, `each` and the helpers are"),
            }
        }
    }

    fn forbid(&mut self, what: &str, help: &str) {
        self.faults.push(Fault::new(Code::Forbidden, "", format!("{what} may not be used in a template")).help(help));
    }

    fn expression(&mut self, call: &HelperTemplate, locals: &mut Vec<Vec<String>>) {
        let name = name_of(&call.name);
        if call.params.is_empty() && call.hash.is_empty() && !helpers::is_helper(&name) {
            return self.parameter(&call.name, locals);
        }
        self.call(&name, call, locals);
    }

    fn call(&mut self, name: &str, call: &HelperTemplate, locals: &mut Vec<Vec<String>>) {
        match helpers::arguments(name) {
            Some(expected) if expected.contains(&call.params.len()) && call.hash.is_empty() => {}
            Some(expected) => self.faults.push(
                Fault::new(
                    Code::TemplateSyntax,
                    "",
                    format!("the helper `{name}` takes {}, not {}", helpers::counted(&expected), call.params.len()),
                )
                .help(format!("for example: {{{{{}}}}}", helpers::example(name))),
            ),
            None => {
                let mut fault = Fault::new(Code::UnknownHelper, "", format!("no helper is named `{name}`"));
                fault.help = did_you_mean(name, helpers::NAMES.iter().copied());
                self.faults.push(fault);
            }
        }
        if name == "t" {
            return match call.params.first() {
                Some(Parameter::Literal(serde_json::Value::String(key))) => {
                    self.faults.extend(self.names.text_fault(key))
                }
                _ => self.forbid("a text whose key is not written out", "write {{t \"company\"}}"),
            };
        }
        for (position, parameter) in call.params.iter().enumerate() {
            if let Parameter::Literal(value) = parameter {
                self.faults.extend(literal::fault(name, position, value));
            }
            self.parameter(parameter, locals);
        }
    }

    fn block(&mut self, call: &HelperTemplate, locals: &mut Vec<Vec<String>>) {
        let name = name_of(&call.name);
        if !matches!(name.as_str(), "if" | "unless" | "each") {
            return self.forbid(&format!("the block `{{{{#{name}}}}}`"), "the blocks are `if`, `unless` and `each`");
        }
        if call.params.len() != 1 || !call.hash.is_empty() {
            self.faults.push(
                Fault::new(Code::TemplateSyntax, "", format!("`{name}` takes exactly one value"))
                    .help(format!("for example: {{{{#{name} crm.company}}}}…{{{{/{name}}}}}")),
            );
        }
        for parameter in &call.params {
            self.parameter(parameter, locals);
        }
        let inside = name == "each";
        if inside {
            locals.push(block_parameters(call));
        }
        if let Some(template) = &call.template {
            self.elements(&template.elements, locals);
        }
        if inside {
            locals.pop();
        }
        if let Some(inverse) = &call.inverse {
            self.elements(&inverse.elements, locals);
        }
    }

    fn parameter(&mut self, parameter: &Parameter, locals: &mut Vec<Vec<String>>) {
        match parameter {
            Parameter::Literal(_) => {}
            Parameter::Name(name) => self.name(name, None, locals),
            Parameter::Path(Path::Local((_, name, raw))) => {
                if locals.is_empty() || !matches!(name.as_str(), "index" | "key" | "first" | "last") {
                    self.unknown(raw);
                }
            }
            Parameter::Path(Path::Relative((segments, raw))) => {
                let mut named = segments.iter().filter_map(|segment| match segment {
                    PathSeg::Named(name) => Some(name.as_str()),
                    _ => None,
                });
                match (named.next(), named.next()) {
                    (Some(first), field) => self.name(first, field, locals),
                    (None, _) if locals.is_empty() => self.unknown(raw),
                    (None, _) => {}
                }
            }
            Parameter::Subexpression(inner) => self.subexpression(inner, locals),
            _ => self.forbid("this parameter", "paths, texts, numbers and helpers are"),
        }
    }

    fn subexpression(&mut self, inner: &Subexpression, locals: &mut Vec<Vec<String>>) {
        match inner.element.as_ref() {
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                self.call(&name_of(&call.name), call, locals);
            }
            _ => self.forbid("this construct", "inside brackets stands a helper with its values"),
        }
    }

    /// A path that begins with `first`. Inside `each` the fields of the item can't be known, only names from outside.
    fn name(&mut self, first: &str, field: Option<&str>, locals: &[Vec<String>]) {
        if locals.is_empty() {
            self.faults.extend(self.names.fault(first, field));
        }
        if self.names.contains(first) {
            self.mentions.insert(first.to_owned());
        }
    }

    fn unknown(&mut self, name: &str) {
        self.faults.extend(self.names.fault(name, None));
    }
}

pub(super) fn name_of(parameter: &Parameter) -> String {
    match parameter {
        Parameter::Name(name) => name.clone(),
        Parameter::Path(Path::Relative((_, raw)) | Path::Local((_, _, raw))) => raw.clone(),
        _ => String::new(),
    }
}

fn block_parameters(call: &HelperTemplate) -> Vec<String> {
    match &call.block_param {
        Some(handlebars::template::BlockParam::Single(one)) => vec![name_of(one)],
        Some(handlebars::template::BlockParam::Pair((one, two))) => vec![name_of(one), name_of(two)],
        _ => Vec::new(),
    }
}
