//! A text that is not YAML → one problem with the likely cause, at the place of the cause.
//!
//! A parser tells where it gave up; a person wants to know what to type. Nothing here decides whether a text is YAML.

mod line;

use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, StructureStyle};

use super::{ALIAS_EVENTS_MAX, DEPTH_MAX, Mark, NODES_MAX};
use crate::problem::{Code, Fix, Place, Problem, SourceFile};
use line::Lines;

/// What helps where no cause is likelier than another.
const GENERAL_HELP: &str = "look at quotes, brackets and indentation here and in the line above; a text that begins with \
                            `{`, `[`, `*`, `&`, `@`, `%` or holds `: ` needs quotes around it";

/// What is wrong, in words, before it has its place.
struct Cause {
    message: String,
    help: String,
    /// The bytes that are meant, where they are not those at which the parser stopped.
    at: Option<std::ops::Range<usize>>,
    fix: Option<Fix>,
}

impl Cause {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Cause {
        Cause { message: message.into(), help: help.into(), at: None, fix: None }
    }

    fn at(mut self, span: std::ops::Range<usize>) -> Cause {
        self.at = Some(span);
        self
    }

    fn fix(mut self, span: std::ops::Range<usize>, replacement: impl Into<String>) -> Cause {
        self.fix = Some(Fix { span, replacement: replacement.into() });
        self
    }
}

/// The problem of a text that the parser refused.
pub(super) fn problem(file: &Arc<SourceFile>, error: &serde_yaml::Error) -> Problem {
    use serde_yaml::Error;
    let error = error.without_snippet();
    let mark = error.location().map(|location| Mark::from_location(location, &file.text));
    let start = mark.as_ref().map_or(0, |mark| mark.span().start);
    let lines = Lines::new(&file.text, start);
    let cause = match error {
        _ if is_too_large(error) => Cause::new(
            format!(
                "the file has more than {DEPTH_MAX} levels, {NODES_MAX} values or {ALIAS_EVENTS_MAX} values from aliases"
            ),
            "a rule file needs about ten levels; write out what aliases repeat",
        ),
        Error::MultipleDocuments { .. } => {
            let cause = Cause::new("a second document begins here", "make a file of each; without `---` between them");
            match lines.line_before(|line| line.starts_with("---")) {
                Some(span) => cause.at(span.start..span.start + 3),
                None => cause,
            }
        }
        Error::UnknownAnchor { .. } => Cause::new(
            "no anchor in this file has this name",
            "a text that begins with `*` needs quotes around it; an alias needs its `&name` before it",
        ),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            Cause::new("`<<` takes a mapping, or a list of mappings", "for example: <<: *name, with `&name` before it")
        }
        Error::NonFiniteFloat { .. } => Cause::new("this is not a finite number", "put quotes around a text"),
        _ => lines.cause().or_else(|| scanned(file, &lines)).unwrap_or_else(|| {
            let text = error.to_string();
            // The place is told beside the message.
            let told = text.lines().next().unwrap_or_default().split(" at line ").next().unwrap_or_default().trim();
            Cause::new(format!("this is not YAML: {told}"), GENERAL_HELP)
        }),
    };
    let place = match (&cause.at, mark) {
        (Some(span), _) => placed(file, span.clone()),
        (None, Some(mark)) => mark.place(file),
        (None, None) => Place::whole(file),
    };
    let mut problem = Problem::new(Code::Syntax, place, cause.message).help(cause.help);
    problem.fix = cause.fix.map(Box::new);
    problem
}

fn placed(file: &Arc<SourceFile>, span: std::ops::Range<usize>) -> Place {
    let (line, column) = file.position(span.start);
    Place { file: Arc::clone(file), line, column, span }
}

fn is_too_large(error: &serde_yaml::Error) -> bool {
    use serde_yaml::Error;
    match error {
        Error::AliasError { error, .. } => is_too_large(error),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => true,
        _ => false,
    }
}

/// The cause by the kind of error that the scanner gives; nothing where the text is YAML, but not one that we take.
fn scanned(file: &Arc<SourceFile>, lines: &Lines<'_>) -> Option<Cause> {
    let mut open = Vec::new();
    for event in Parser::new_from_str(&file.text) {
        match event {
            Ok((Event::MappingStart(StructureStyle::Flow, ..), span)) => open.push(('{', '}', span.byte_range())),
            Ok((Event::SequenceStart(StructureStyle::Flow, ..), span)) => open.push(('[', ']', span.byte_range())),
            // Block ones, too, so that each end takes its own beginning.
            Ok((Event::MappingStart(..) | Event::SequenceStart(..), _)) => open.push((' ', ' ', None)),
            Ok((Event::MappingEnd | Event::SequenceEnd, _)) => {
                open.pop();
            }
            Ok(_) => {}
            Err(error) => {
                let bracket = open.iter().rev().find_map(|(begin, end, span)| Some((*begin, *end, span.clone()?)));
                return of_kind(error.kind(), lines)
                    .or_else(|| bracket.and_then(|open| of_bracket(error.kind(), open, lines)));
            }
        }
    }
    Some(Cause::new("a key must be a text", "put quotes around it; a text that begins with `{` or `[` needs them"))
}

/// A bracket that is not closed: told where it is opened, unless that is in the line where the parser stopped.
fn of_bracket(kind: &ErrorKind, open: (char, char, std::ops::Range<usize>), lines: &Lines<'_>) -> Option<Cause> {
    use ErrorKind as Kind;
    let (begin, end, span) = open;
    match kind {
        Kind::ExpectedFlowMappingSeparator | Kind::ExpectedFlowSequenceSeparator if lines.holds(span.start) => {
            let help = "put a comma between two entries, and quotes around a text with `,`, `:`, `[` or `{` in it";
            Some(Cause::new(format!("a comma or `{end}` is missing before this"), help))
        }
        Kind::ExpectedFlowMappingSeparator
        | Kind::ExpectedFlowSequenceSeparator
        | Kind::UnexpectedEofFlowMapping
        | Kind::UnexpectedEofImplicitFlowMapping
        | Kind::UnexpectedEofFlowSequence
        | Kind::UnclosedFlowCollection { .. }
        | Kind::BlockEntryInFlowCollection => {
            let message = format!("the `{begin}` that stands here is not closed, or a comma is missing behind it");
            Some(Cause::new(message, format!("close it with `{end}`")).at(span))
        }
        _ => None,
    }
}

fn of_kind(kind: &ErrorKind, lines: &Lines<'_>) -> Option<Cause> {
    use ErrorKind as Kind;
    let cause = match kind {
        Kind::UnclosedQuotedScalar | Kind::DocumentIndicatorInQuotedScalar => {
            Cause::new("the quote that stands here is never closed", "write the same quote at the end of the text")
        }
        Kind::InvalidTrailingSingleQuotedScalar => Cause::new(
            "the text in single quotes has ended before this",
            "write a single quote inside twice (''), or put the text in double quotes",
        ),
        Kind::InvalidTrailingDoubleQuotedScalar => Cause::new(
            "the text in double quotes has ended before this",
            "write a double quote inside as \\\", or put the text in single quotes",
        ),
        Kind::UnknownQuotedScalarEscape | Kind::InvalidQuotedScalarHexEscape | Kind::InvalidUnicodeEscape => {
            Cause::new(
                "a backslash in double quotes begins an escape, and this one is none",
                "write `\\\\` for a backslash, or put the text in single quotes",
            )
        }
        Kind::UnexpectedCharacter { character } if character.is_control() => Cause::new(
            format!("the control character U+{:04X} may not stand in YAML", u32::from(*character)),
            "take it out",
        ),
        Kind::UnexpectedCharacter { character } => {
            Cause::new(format!("a text can't begin with `{character}`"), "put quotes around the text")
        }
        Kind::MissingAnchorOrAliasName => Cause::new(
            "`*` begins an alias and `&` an anchor, and the name is missing",
            "a text that begins with `*` or `&` needs quotes around it",
        ),
        Kind::MismatchedFlowCollectionEnd { open, close } => Cause::new(
            format!("the `{open}` that stands here is closed by `{close}`"),
            "close brackets in the opposite order",
        ),
        Kind::MisplacedFlowCollectionEnd => Cause::new("this bracket closes nothing", "take it out, or open it before"),
        Kind::UndeclaredTagHandle => {
            Cause::new("`!` begins a tag", "a text that begins with `!` needs quotes around it")
        }
        Kind::ExpectedBlockMappingKey | Kind::ExpectedBlockSequenceEntry | Kind::InvalidIndentation => {
            lines.indentation()
        }
        _ => return None,
    };
    Some(cause)
}
