//! One text with `{{…}}` in it: read, checked for what it may use, and filled.
//!
//! A template is a leaf of a card or a parameter of a source, never a whole document, so what it is filled with can't
//! change the shape of anything. Partials, decorators and raw blocks do not exist here: with them a template can abort
//! the process. It knows no record and no rule.

mod blank;
mod direct;
mod shown;

use std::collections::BTreeSet;

use handlebars::template::{HelperTemplate, Parameter, Subexpression, TemplateElement};
use handlebars::{Context, Output, Path, PathSeg, RenderContext, Renderable, TemplateErrorReason};

use super::helpers::{self, Renderer};
use super::{Names, literal};
use crate::expression::Scope;
use crate::problem::{Code, Fault, did_you_mean};

/// A longer text is not a card's row.
const TEMPLATE_BYTES_MAX: usize = 4 * 1024;

/// Blocks inside blocks. The parser and the renderer recurse; DESIGN: at most 8 deep.
const BLOCKS_DEEP_MAX: usize = 8;

/// Brackets inside brackets; `{{{` counts three.
const BRACKETS_DEEP_MAX: usize = 16;

/// `{{else}}` in one text: a chain of `{{else if}}` nests as blocks do.
const ELSE_MAX: usize = 16;

/// What one filled text may grow to before it is cut for the card anyway.
const FILLED_BYTES_MAX: usize = 16 * 1024;

/// Pieces written while one text is filled: bounds `each` inside `each`.
const STEPS_MAX: usize = 10_000;

/// How what `{{…}}` stands for is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// As it is: text of a card, values of a query.
    Plain,
    /// Percent-encoded (RFC 3986, unreserved characters stay): links and URL paths.
    Encoded,
    /// The same, but a plus stays: `tel:` links.
    Telephone,
}

/// A text that can be filled.
#[derive(Clone, Debug)]
pub struct Template {
    compiled: handlebars::Template,
    flavour: Flavour,
    mentions: BTreeSet<String>,
    text: String,
}

impl Template {
    /// Reads a text. `names` are those that its paths may begin with.
    ///
    /// # Errors
    /// Every mistake in the text, each as a fault without pointer.
    pub fn compile(text: &str, flavour: Flavour, names: &Names) -> Result<Template, Vec<Fault>> {
        bounded(text).map_err(|fault| vec![fault])?;
        let mut compiled = handlebars::Template::compile(text).map_err(|error| vec![syntax_fault(&error)])?;
        let mut check = Check { names, mentions: BTreeSet::new(), faults: Vec::new() };
        check.elements(&compiled.elements, &mut Vec::new());
        if check.faults.is_empty() {
            values_by_helper(&mut compiled);
            Ok(Template { compiled, flavour, mentions: check.mentions, text: text.to_owned() })
        } else {
            Err(check.faults)
        }
    }

    /// The names that its paths begin with.
    pub fn mentions(&self) -> &BTreeSet<String> {
        &self.mentions
    }

    /// The text in front of the first `{{`.
    pub fn literal_head(&self) -> &str {
        match self.compiled.elements.first() {
            Some(TemplateElement::RawString(text)) => text,
            _ => "",
        }
    }

    /// Whether there is nothing to fill in.
    pub fn is_literal(&self) -> bool {
        self.compiled.elements.iter().all(|element| matches!(element, TemplateElement::RawString(_)))
    }

    /// Whether it is exactly one `{{{…}}}`.
    pub fn is_one_unescaped_value(&self) -> bool {
        matches!(self.compiled.elements.as_slice(), [TemplateElement::HtmlExpression(_)])
    }

    /// Whether it has neither blocks nor helpers: only text and values.
    pub fn is_text_and_values(&self) -> bool {
        self.compiled.elements.iter().all(|element| match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => true,
            TemplateElement::HtmlExpression(call) | TemplateElement::Expression(call) => {
                matches!(&call.name, Parameter::Name(name) if name == helpers::VALUE)
            }
            _ => false,
        })
    }

    /// Whether any part of it is written without escaping.
    pub fn has_unescaped_value(&self) -> bool {
        self.text.contains("{{{") || self.text.contains("{{&")
    }

    /// Fills it.
    ///
    /// # Errors
    /// In words, where a limit was reached; a missing value is an empty text, not an error.
    pub fn fill(&self, renderer: &Renderer, context: &Context) -> Result<String, String> {
        if let Some(text) = direct::fill(&self.compiled.elements, self.flavour, renderer, context.data()) {
            return Ok(text);
        }
        self.fill_by_library(renderer, context)
    }

    /// Fills it by Handlebars itself, which knows every construct.
    fn fill_by_library(&self, renderer: &Renderer, context: &Context) -> Result<String, String> {
        let mut output = Limited::default();
        let mut state = RenderContext::new(None);
        let registry = renderer.registry(self.flavour);
        match self.compiled.render(registry, context, &mut state, &mut output) {
            Ok(()) => Ok(output.text),
            Err(_) if output.steps > STEPS_MAX => Err(format!("the text took more than {STEPS_MAX} steps")),
            Err(_) if output.text.len() >= FILLED_BYTES_MAX => {
                Err(format!("the text grew beyond {FILLED_BYTES_MAX} bytes"))
            }
            Err(error) => Err(error.reason().to_string()),
        }
    }
}

/// Refuses, before the recursive parser sees it, what could exhaust the stack.
fn bounded(text: &str) -> Result<(), Fault> {
    let forbidden =
        |message: String| Err(Fault::new(Code::Forbidden, "", message).help("make it simpler, or several rows of it"));
    if text.len() > TEMPLATE_BYTES_MAX {
        return forbidden(format!("a template has at most {TEMPLATE_BYTES_MAX} bytes; this one has {}", text.len()));
    }
    if text.contains("{{{{") {
        return forbidden("raw blocks `{{{{…}}}}` are not part of templates here".to_owned());
    }
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    let (mut blocks, mut blocks_deepest, mut elses) = (0_usize, 0_usize, 0_usize);
    for tag in text.split("{{").skip(1) {
        let tag = tag.trim_start_matches(['{', '~']).trim_start();
        match tag.chars().next() {
            Some('#' | '^') => blocks += 1,
            Some('/') => blocks = blocks.saturating_sub(1),
            _ if tag.starts_with("else") => elses += 1,
            _ => {}
        }
        blocks_deepest = blocks_deepest.max(blocks);
    }
    if deepest > BRACKETS_DEEP_MAX {
        return forbidden(format!("brackets are nested more than {BRACKETS_DEEP_MAX} deep"));
    }
    if blocks_deepest > BLOCKS_DEEP_MAX {
        return forbidden(format!("blocks are nested more than {BLOCKS_DEEP_MAX} deep"));
    }
    if elses > ELSE_MAX {
        return forbidden(format!("one text has at most {ELSE_MAX} times `else`"));
    }
    Ok(())
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
    for element in &mut template.elements {
        match element {
            TemplateElement::HtmlExpression(call) | TemplateElement::Expression(call) if call.params.is_empty() => {
                let path = std::mem::replace(&mut call.name, Parameter::Name(helpers::VALUE.to_owned()));
                call.params.push(path);
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

fn name_of(parameter: &Parameter) -> String {
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

/// An output that stops a template which grows or runs without end.
#[derive(Default)]
struct Limited {
    text: String,
    steps: usize,
}

impl Output for Limited {
    fn write(&mut self, piece: &str) -> Result<(), std::io::Error> {
        self.steps += 1;
        if self.steps > STEPS_MAX || self.text.len() >= FILLED_BYTES_MAX {
            return Err(std::io::Error::other("limit"));
        }
        let room = FILLED_BYTES_MAX - self.text.len();
        self.text.push_str(piece.get(..piece.floor_char_boundary(room)).unwrap_or(piece));
        Ok(())
    }
}
