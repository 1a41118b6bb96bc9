//! Problems for people: the source line with a caret, what is wrong, and what helps.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::problem::{Problem, Severity};

/// The problem as it is shown on a terminal.
pub(super) fn shown(problem: &Problem, colour: bool) -> String {
    let level = match problem.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str()).id(problem.code.as_str());
    let file = &problem.place.file;
    let mut group = if file.text.is_empty() {
        let place = format!("{}:{}:{}", file.path, problem.place.line, problem.place.column);
        Group::with_title(title).element(annotate_snippets::Origin::path(place))
    } else {
        let span = first_line(&file.text, problem.place.span.clone());
        let snippet = Snippet::source(file.text.as_str()).path(file.path.as_str());
        Group::with_title(title).element(snippet.annotation(AnnotationKind::Primary.span(span)))
    };
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

/// A mapping may be pages long; its first line is enough to find it.
fn first_line(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let start = span.start.min(text.len());
    let meant = text.get(start..span.end.min(text.len())).unwrap_or_default();
    let length = meant.find('\n').unwrap_or(meant.len());
    start..start + meant.get(..length).unwrap_or_default().trim_end().len()
}

/// `2 errors and 1 warning`; nothing where there is no problem.
pub(super) fn counted(problems: &[Problem]) -> Option<String> {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    match (errors, warnings) {
        (0, 0) => None,
        (errors, 0) => Some(count(errors, "error")),
        (0, warnings) => Some(count(warnings, "warning")),
        (errors, warnings) => Some(format!("{} and {}", count(errors, "error"), count(warnings, "warning"))),
    }
}

/// `1 rule`, `2 rules`.
pub(super) fn count(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
