//! Mistakes in files that a user wrote: what is wrong, where, and what helps.
//!
//! A problem is data. This module neither finds problems nor prints them, and it has nothing to do with errors of a
//! running server: those are typed in the module where they happen.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

macro_rules! codes {
    ($($name:ident = $text:literal $severity:ident $title:literal;)*) => {
        /// The stable name of one kind of mistake. A code never changes its meaning and is never used again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $title] $name,)* }

        impl Code {
            /// The code as it is printed, for example `R012`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// Whether rules with this mistake can be served.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }

            /// What is wrong, in a sentence.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }

            /// A page for people who write rules: what is wrong, a wrong example, the right one, what to do. Markdown.
            pub fn page(self) -> &'static str {
                match self { $(Code::$name => include_str!(concat!("problem/codes/", $text, ".md")),)* }
            }
        }

        /// Every code there is, in order.
        pub const CODES: &[Code] = &[$(Code::$name,)*];
    };
}

codes! {
    Directory = "R001" Error "The rule directory is missing, unreadable or holds no rule file.";
    File = "R002" Error "A file can't be read, is too large or is not UTF-8.";
    Syntax = "R010" Error "The file is not YAML.";
    DuplicateKey = "R011" Error "A key stands twice in one mapping.";
    UnknownKey = "R012" Error "A key that the language does not have.";
    MissingKey = "R013" Error "A key that must be there is not.";
    WrongType = "R014" Error "A value of another type than the key takes.";
    WrongValue = "R015" Error "A value of the right type that is not one of those allowed.";
    QuoteIt = "R016" Error "An unquoted number that YAML would change.";
    Misread = "R017" Warning "A text without quotes that other YAML readers take for a boolean, a number or a date.";
    Letters = "R018" Error "A character that can't be seen, or looks like another, in what has to be typed exactly.";
    DuplicateName = "R020" Error "Two things of one kind have the same name.";
    UnknownName = "R021" Error "A name that nothing defines.";
    Unused = "R022" Warning "Something is defined and never used.";
    ReservedName = "R023" Error "A name that the language keeps for itself.";
    NumberPattern = "R030" Error "A number pattern that can't be read or that no number can have.";
    Overlap = "R031" Warning "Two entries of one list stand for the same numbers.";
    NoSuchNumber = "R032" Warning "A number pattern that no number of any known country can have.";
    Schedule = "R033" Error "A schedule that can't be read or that no clock can tell.";
    Expression = "R034" Error "An expression that can't be read or can never hold.";
    WeakSecret = "R036" Warning "A secret that is short enough to be guessed.";
    NoAnswer = "R038" Error "A source that does not answer.";
    Source = "R040" Error "A source that can't be asked as it is written.";
    SourceFile = "R041" Error "A data file that is missing, outside the rule directory or not readable.";
    SourceColumn = "R042" Error "A column that the data file does not have.";
    SourceRows = "R043" Warning "Rows of a data file that no call can ever find.";
    JsonPath = "R044" Error "A JSONPath that can't be read.";
    PrivateAddress = "R045" Error "A source at a private or loopback address without `private: true`.";
    Timeout = "R046" Warning "A source may take longer than a decision may.";
    Secret = "R047" Error "An environment variable or secret file that does not exist.";
    ClearSecret = "R048" Warning "A secret that is written in the rules.";
    FullNumber = "R049" Warning "A row that shows the customer's whole number on outbound calls.";
    TemplateSyntax = "R050" Error "A template that can't be read.";
    UnknownHelper = "R051" Error "A helper that templates do not have.";
    TemplateName = "R052" Error "A name in a template that stands for nothing.";
    Forbidden = "R053" Error "A construct that templates may not use.";
    Link = "R054" Error "A link that is not safe to show.";
    CardRow = "R055" Error "A card row that the phone system would refuse.";
    MissingText = "R056" Error "A text that is missing, altogether or in a language.";
    HelperValue = "R057" Error "A helper's value that can't be right.";
    ManyRows = "R058" Warning "A card with more rows than a phone shows well.";
    NoTitle = "R059" Warning "A card that does not begin with its title.";
    NoRule = "R060" Error "The rule set has no rule.";
    DeadRule = "R061" Warning "A rule that never decides, because rules before it decide all of its calls.";
    ImpossibleRule = "R062" Warning "A rule that asks for what no call can have.";
    CatchAll = "R063" Warning "A rule for every call that is not the last one.";
    TwoEvents = "R064" Note "Rules of two events may both have a card for one call.";
    NotProved = "R065" Note "Whether a rule can ever decide was not worked out.";
    NeverAsked = "R066" Warning "A source that is never asked.";
    Circle = "R067" Error "Sources that wait for each other.";
    Unchecked = "R068" Warning "A source whose records may be somebody else's.";
    Statement = "R069" Error "An SQL statement that can't be asked.";
    TestEvent = "R070" Error "The event of a test can't be read.";
    DuplicateTest = "R071" Warning "Two tests in one file have the same name.";
    CanWrite = "R073" Warning "A database user who could write.";
    Allowance = "R080" Warning "A comment that allows a warning is unused, without reason or can't be read.";
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The rules can't take effect.
    Error,
    /// The rules can take effect; a person should look.
    Warning,
    /// Nothing is wrong; something that is good to know.
    Note,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// A file as it was read, kept for showing the line of a problem.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as the user would type it.
    pub path: String,
    /// The whole text; empty where the file could not be read.
    pub text: String,
}

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The bytes of the file that are meant; empty where the whole file is.
    pub span: Range<usize>,
}

impl SourceFile {
    /// The line and the column of a byte, as in [`Place`].
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(..byte).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        (line, before.chars().rev().take_while(|character| *character != '\n').count() + 1)
    }
}

impl Place {
    /// The whole file: its first line and column.
    pub fn whole(file: &Arc<SourceFile>) -> Place {
        Place { file: Arc::clone(file), line: 1, column: 1, span: 0..0 }
    }
}

/// One mistake in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which kind of mistake.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// What is wrong, and what was expected; one line, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The edit that does it, where there is exactly one.
    pub fix: Option<Box<Fix>>,
}

/// An edit of the file that mends a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The bytes of the file that are replaced.
    pub span: Range<usize>,
    /// What takes their place: YAML as it is typed, quotes included.
    pub replacement: String,
}

impl Problem {
    /// A problem without help.
    pub fn new(code: Code, place: Place, message: impl Into<String>) -> Problem {
        Problem { code, place, message: message.into(), help: None, fix: None }
    }

    /// The same with help.
    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// The line and the column of a byte of its file; quick for one in its line.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let Place { file, line, column, span } = &self.place;
        match file.text.get(span.start..byte) {
            Some(between) if !between.contains('\n') => (*line, column + between.chars().count()),
            _ => file.position(byte),
        }
    }

    /// Whether it keeps the rules from taking effect.
    pub fn is_error(&self) -> bool {
        self.code.severity() == Severity::Error
    }

    /// For other programs: `code`, `severity`, `path`, `line`, `column`, `message`, `help`, `fix`.
    pub fn to_json(&self) -> serde_json::Value {
        let fix = self.fix.as_ref().map(|fix| {
            let (start, end) = (self.position(fix.span.start), self.position(fix.span.end));
            serde_json::json!({
                "line": start.0,
                "column": start.1,
                "end_line": end.0,
                "end_column": end.1,
                "replacement": fix.replacement,
            })
        });
        serde_json::json!({
            "code": self.code.as_str(),
            "severity": self.code.severity(),
            "path": self.place.file.path,
            "line": self.place.line,
            "column": self.place.column,
            "message": self.message,
            "help": self.help,
            "fix": fix,
        })
    }
}

/// A mistake inside a value, for tools that see the value and not the file it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which kind of mistake.
    pub code: Code,
    /// JSON Pointer (RFC 6901) from the value that the tool was given.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The text that was meant instead of the value, where there is exactly one.
    pub meant: Option<String>,
    /// The character of the value's text where the mistake was seen, from 1; nothing where the whole value is meant.
    pub character: Option<usize>,
}

impl Fault {
    /// A fault without help.
    pub fn new(code: Code, pointer: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { code, pointer: pointer.into(), message: message.into(), help: None, meant: None, character: None }
    }

    /// Whether it is about the value of this key, or something in it.
    pub fn is_under(&self, key: &str) -> bool {
        self.pointer.split('/').nth(1) == Some(key)
    }

    /// The same with the text that was meant instead of the value, if that is known.
    pub fn meant(mut self, text: Option<&str>) -> Fault {
        self.meant = text.map(str::to_owned);
        self
    }

    /// The same with help.
    pub fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }

    /// The same, seen at one character of the value's text, from 1.
    pub fn at(mut self, character: usize) -> Fault {
        self.character = Some(character);
        self
    }

    /// The same, seen from a value further out: `outer` is put before the pointer.
    pub fn under(mut self, outer: &str) -> Fault {
        self.pointer.insert_str(0, outer);
        self
    }
}

/// What helps with a secret that is not there; told where secrets are expanded.
pub const SECRET_HELP: &str = "secrets are written `${NAME}`, `${NAME:-default}` or `${file:PATH}`, and must be there";

/// The word of `known` that a person who typed `word` most likely meant, if any is near enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Jaro-Winkler similarity below which a suggestion would puzzle more than it helps.
    const SIMILARITY_MIN: f64 = 0.78;
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// A help text for a misspelt word: the nearest known one, else all of them.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    /// More words than this are no help.
    const LISTED_MAX: usize = 20;
    if let Some(near) = nearest(word, known.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<&str> = known.into_iter().collect();
    match all.len() {
        0 => None,
        1..=LISTED_MAX => Some(format!("known here: `{}`", all.join("`, `"))),
        more => Some(format!("{more} are known here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_kinds_of_mistake_share_a_code() {
        let mut seen: Vec<&str> = CODES.iter().map(|code| code.as_str()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), CODES.len());
    }

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_strange_one_does_not() {
        assert_eq!(nearest("custmer", ["customer", "card", "line"]), Some("customer"));
        assert_eq!(nearest("Direction", ["customer", "direction"]), Some("direction"));
        assert_eq!(nearest("zzz", ["customer", "direction"]), None);
        assert_eq!(did_you_mean("zzz", ["a", "b"]).as_deref(), Some("known here: `a`, `b`"));
    }
}
