//! Annotations of GitHub workflows: lines of output that GitHub shows beside the line of the file they are about.
//!
//! The format is that of "Workflow commands for GitHub Actions"; the escapes are those of the toolkit (`@actions/core`).

use std::path::PathBuf;

use super::place::{Region, seen_from, working_directory};
use super::settings;
use crate::problem::{Place, Problem, Severity};

/// A problem as an annotation: the code is its title, the help stands below the message.
pub(super) fn of_problem(problem: &Problem) -> String {
    let help = problem.help.iter().map(String::as_str);
    let text: Vec<&str> = [problem.message.as_str()].into_iter().chain(help).collect();
    annotation(problem.code.severity(), &problem.place, problem.code.as_str(), &text.join("\n"))
}

/// `::error file=…,line=…,endLine=…,col=…,endColumn=…,title=…::text`.
///
/// GitHub shows an annotation below its last line and takes columns only within one line: it ends with the first line.
pub(super) fn annotation(severity: Severity, place: &Place, title: &str, text: &str) -> String {
    let Region { line, column, end } = Region::first_line(place);
    let mut properties = format!("file={},line={line}", property(&path(&place.file.path)));
    if let Some((end_line, end_column)) = end {
        properties.push_str(&format!(",endLine={end_line},col={column},endColumn={end_column}"));
    } else {
        properties.push_str(&format!(",col={column}"));
    }
    format!("::{} {properties},title={}::{}", command(severity), property(title), message(text))
}

/// GitHub has its own word for a note.
fn command(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "notice",
        other => other.as_str(),
    }
}

/// The path from the top of the repository, also where a step works in a directory below it.
fn path(path: &str) -> String {
    let workspace = settings::variable("GITHUB_WORKSPACE").filter(|directory| !directory.is_empty());
    let workspace = workspace.and_then(|directory| seen_from(&PathBuf::from(directory), path));
    workspace.or_else(|| seen_from(&working_directory(), path)).unwrap_or_else(|| path.to_owned())
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_a_notice() {
        let commands = [Severity::Error, Severity::Warning, Severity::Note].map(command);
        assert_eq!(commands, ["error", "warning", "notice"]);
    }

    #[test]
    fn what_would_end_a_message_or_a_property_is_escaped() {
        assert_eq!(message("50% of:\r\na, b::c"), "50%25 of:%0D%0Aa, b::c");
        assert_eq!(property("50% of:\r\na, b"), "50%25 of%3A%0D%0Aa%2C b");
        assert_eq!(property("%2C"), "%252C", "what looks like an escape stays what it is");
    }
}
