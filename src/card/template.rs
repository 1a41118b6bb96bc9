//! One text with `{{…}}` in it: read, checked for what it may use, and filled.
//!
//! A template is a leaf of a card or a parameter of a source, never a whole document, so what it is filled with can't
//! change the shape of anything. It takes little room: there may be a hundred thousand cards. It knows no record and no
//! rule.

mod blank;
mod direct;
mod part;
mod pieces;
mod shown;

use std::sync::Arc;

use handlebars::template::{Parameter, TemplateElement};
use handlebars::{Context, Output, RenderContext, Renderable};

use super::Names;
use super::helpers::{self, Renderer};
use crate::problem::{Code, Fault};
pub(in crate::card) use part::Part;
use part::name_of;

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
    /// One behind the other they are the text.
    pieces: Box<[Piece]>,
    flavour: Flavour,
}

#[derive(Clone, Debug)]
enum Piece {
    /// Written as it is.
    Text(Box<str>),
    Part(Arc<Part>),
}

impl Template {
    /// Reads a text. `names` are those that its paths may begin with.
    ///
    /// # Errors
    /// Every mistake in the text, each as a fault without pointer.
    pub fn compile(text: &str, flavour: Flavour, names: &Names) -> Result<Template, Vec<Fault>> {
        bounded(text).map_err(|fault| vec![fault])?;
        let part = |text: &str| names.parts.get_or_make(text, || Part::compile(text, names)).map(Piece::Part);
        let pieces = pieces::of(text).and_then(|pieces| {
            let piece =
                |(text, is_tag): (&str, bool)| if is_tag { part(text).ok() } else { Some(Piece::Text(text.into())) };
            pieces.into_iter().map(piece).collect()
        });
        // A mistake is told of the whole text.
        let pieces = pieces.map_or_else(|| part(text).map(|whole| [whole].into()), Ok)?;
        Ok(Template { pieces, flavour })
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Part(part) => Some(part.as_ref()),
        })
    }

    /// The names that its paths begin with; one may stand there several times.
    pub fn mentions(&self) -> impl Iterator<Item = &str> {
        self.parts().flat_map(|part| part.mentions.iter().map(AsRef::as_ref))
    }

    /// The text in front of the first `{{`.
    pub fn literal_head(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            Some(Piece::Part(part)) => match part.compiled.elements.first() {
                Some(TemplateElement::RawString(text)) => text,
                _ => "",
            },
            None => "",
        }
    }

    /// Whether there is nothing to fill in.
    pub fn is_literal(&self) -> bool {
        let is_text = |element: &TemplateElement| matches!(element, TemplateElement::RawString(_));
        self.parts().all(|part| part.compiled.elements.iter().all(is_text))
    }

    /// Whether it is exactly one `{{{…}}}`.
    pub fn is_one_unescaped_value(&self) -> bool {
        match &*self.pieces {
            [Piece::Part(part)] => matches!(part.compiled.elements.as_slice(), [TemplateElement::HtmlExpression(_)]),
            _ => false,
        }
    }

    /// Whether it has neither blocks nor helpers: only text and values.
    pub fn is_text_and_values(&self) -> bool {
        let mut elements = self.parts().flat_map(|part| &part.compiled.elements);
        elements.all(|element| match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => true,
            TemplateElement::HtmlExpression(call) | TemplateElement::Expression(call) => {
                matches!(&call.name, Parameter::Name(name) if name == helpers::VALUE)
            }
            _ => false,
        })
    }

    /// Whether any part of it is written without escaping.
    pub fn has_unescaped_value(&self) -> bool {
        self.parts().any(|part| part.has_unescaped_value)
    }

    /// Fills it.
    ///
    /// # Errors
    /// In words, where a limit was reached; a missing value is an empty text, not an error.
    pub fn fill(&self, renderer: &Renderer, context: &Context) -> Result<String, String> {
        if let Some(text) = direct::fill(&self.pieces, self.flavour, renderer, context.data()) {
            return Ok(text);
        }
        self.fill_by_library(renderer, context)
    }

    /// Fills it by Handlebars itself, which knows every construct.
    fn fill_by_library(&self, renderer: &Renderer, context: &Context) -> Result<String, String> {
        let mut output = Limited::default();
        let mut state = RenderContext::new(None);
        let registry = renderer.registry(self.flavour);
        let filled = self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => Ok(output.write(text)?),
            Piece::Part(part) => part.compiled.render(registry, context, &mut state, &mut output),
        });
        match filled {
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
