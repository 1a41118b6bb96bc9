//! Problems for people: the source line with a caret, what is wrong, and what helps.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::problem::{Code, Problem, Severity};

/// The problem as it is shown on a terminal.
pub(super) fn shown(problem: &Problem, colour: bool) -> String {
    let level = match problem.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(problem.message.as_str()).id(problem.code.as_str());
    let file = &problem.place.file;
    // What is printed here ends up in the logs of CI, where a secret has no business.
    let mut group = if file.text.is_empty() || problem.code == Code::ClearSecret {
        let place = format!("{}:{}:{}", file.path, problem.place.line, problem.place.column);
        Group::with_title(title).element(annotate_snippets::Origin::path(place))
    } else {
        // Only the line: a file may be long, and may have many problems.
        let (line, span) = first_line(&file.text, problem.place.span.clone());
        let snippet = Snippet::source(line).line_start(problem.place.line).path(file.path.as_str());
        Group::with_title(title).element(snippet.annotation(AnnotationKind::Primary.span(span)))
    };
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&[group])
}

/// The line in which the span begins, and what of the span is in it: a mapping may be pages long, and its beginning is
/// enough to find it.
fn first_line(text: &str, span: std::ops::Range<usize>) -> (&str, std::ops::Range<usize>) {
    let at = text.floor_char_boundary(span.start);
    let (before, behind) = text.split_at(at);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let end = behind.find('\n').map_or(text.len(), |end| at + end);
    let line = text.get(start..end).unwrap_or_default();
    let meant = text.get(at..span.end.clamp(at, end)).unwrap_or_default().trim_end();
    (line, at - start..at - start + meant.len())
}

/// `2 errors, 1 warning and 3 notes`; nothing where there is no problem.
pub(super) fn counted(problems: &[Problem]) -> Option<String> {
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let found = problems.iter().filter(|problem| problem.code.severity() == severity).count();
        (found > 0).then(|| count(found, severity.as_str()))
    });
    let (last, before) = counts.iter().flatten().collect::<Vec<_>>().split_last().map(|(last, before)| {
        (last.to_string(), before.iter().map(|count| count.to_string()).collect::<Vec<_>>().join(", "))
    })?;
    Some(if before.is_empty() { last } else { format!("{before} and {last}") })
}

/// `1 rule`, `2 rules`.
pub(super) fn count(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::problem::{Place, SourceFile};

    #[test]
    fn problems_are_counted_by_how_bad_they_are() {
        let file = Arc::new(SourceFile { path: "main.yaml".to_owned(), text: String::new() });
        let of = |codes: &[Code]| {
            let problems: Vec<Problem> =
                codes.iter().map(|code| Problem::new(*code, Place::whole(&file), "")).collect();
            counted(&problems)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[Code::Unused]).as_deref(), Some("1 warning"));
        assert_eq!(of(&[Code::Unused, Code::Link, Code::Link]).as_deref(), Some("2 errors and 1 warning"));
    }
}
