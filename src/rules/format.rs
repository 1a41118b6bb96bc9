//! A rule or test file in its one layout.
//!
//! The layout is a library's work, and the library is not trusted: what it makes must hold the same values and, layout
//! aside, the same characters, comments included. No file is written here.

use std::path::Path;
use std::sync::Arc;

use pretty_yaml::config::{FormatOptions, LanguageOptions, LayoutOptions, LineBreak};

use super::file;
use super::yaml::Document;
use crate::problem::{Problem, SourceFile};

/// Longer lines are broken where YAML lets them. A rule with its card fits on a few.
const LINE_WIDTH: usize = 120;

/// The comment above a value that stays as it is written, a table of aligned rows for example.
const KEEP: &str = "callcard fmt: keep";

/// Why a file keeps its layout.
#[derive(Debug)]
pub enum Unformatted {
    /// It can't be read or is not YAML.
    Problem(Box<Problem>),
    /// The new layout would say something else.
    Different,
}

/// The file's text in its one layout; `None` where it has that already.
///
/// # Errors
/// [`Unformatted`], and the file is best left alone.
pub fn format(path: &Path) -> Result<Option<String>, Unformatted> {
    let problem = |problem| Unformatted::Problem(Box::new(problem));
    let file = file::read(path).map_err(problem)?;
    // First, since it knows limits: what is nested too deep would exhaust the library's stack.
    let mut before = Document::parse(&file).map_err(problem)?;
    // Of a key that stands twice nobody knows which one is meant.
    if let Some(twice) = before.problems.pop() {
        return Err(problem(twice));
    }
    let after = laid_out(&file.text).ok_or(Unformatted::Different)?;
    let file = Arc::new(SourceFile { path: file.path.clone(), text: after });
    let same_values = Document::parse(&file).is_ok_and(|after| after.root.to_json() == before.root.to_json());
    if !same_values || !written(&before.file.text).eq(written(&file.text)) {
        return Err(Unformatted::Different);
    }
    Ok((file.text != before.file.text).then(|| file.text.clone()))
}

fn laid_out(text: &str) -> Option<String> {
    let line_break = if text.contains("\r\n") { LineBreak::Crlf } else { LineBreak::Lf };
    let options = FormatOptions {
        layout: LayoutOptions { print_width: LINE_WIDTH, line_break, ..LayoutOptions::default() },
        language: LanguageOptions {
            brace_spacing: false,
            ignore_comment_directive: KEEP.to_owned(),
            ..LanguageOptions::default()
        },
    };
    pretty_yaml::format_text(text, &options).ok()
}

/// What is written, without that which only lays it out: blanks, commas, quotes and what escapes them.
fn written(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|character| !character.is_whitespace() && !matches!(character, ',' | '\'' | '"' | '\\'))
}
