//! Results of tests as JUnit XML, as CI servers read it: a suite a file, a case a test.
//!
//! There is no standard; this is valid against the schema that Jenkins publishes (`junit-10.xsd` of its xUnit plugin),
//! which GitLab's and GitHub's readers take, too. It has no line of a test: that begins the text of a failure. Times are 0:
//! tests run in virtual time, and the same tests give the same file.

use std::path::PathBuf;

use super::run::Ran;
use crate::cli::place::{seen_from, working_directory};

/// The whole file.
pub(super) fn xml(ran: &[&Ran]) -> String {
    let mut text =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"callcard\" {}>\n", counts(ran));
    let here = working_directory();
    for suite in ran.chunk_by(|one, other| one.case.place.file.path == other.case.place.file.path) {
        let path = suite.first().map(|ran| ran.case.place.file.path.as_str()).unwrap_or_default();
        let path = seen_from(&here, path).unwrap_or_else(|| path.to_owned());
        text.push_str(&format!("  <testsuite name=\"{0}\" file=\"{0}\" {1}>\n", escaped(&path), counts(suite)));
        suite.iter().for_each(|ran| text.push_str(&case(ran, &path)));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>");
    text
}

fn counts(ran: &[&Ran]) -> String {
    let failed = ran.iter().filter(|ran| ran.failed()).count();
    format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"0\"", ran.len())
}

fn case(ran: &Ran, path: &str) -> String {
    let attributes = format!("classname=\"{}\" name=\"{}\" time=\"0\"", escaped(&class(path)), escaped(&ran.case.name));
    let Some(message) = message(&ran.differences) else { return format!("    <testcase {attributes}/>\n") };
    format!(
        "    <testcase {attributes}>\n      <failure message=\"{}\" type=\"difference\">{}:{}\n{}</failure>\n    </testcase>\n",
        escaped(&message),
        escaped(path),
        ran.case.place.line,
        escaped(&ran.differences.join("\n")).replace("&#10;", "\n")
    )
}

/// The first difference in one line: below `card:` that is the first row that differs.
fn message(differences: &[String]) -> Option<String> {
    let (first, rest) = differences.split_first()?;
    let row = rest.iter().map(|line| line.trim_start()).find(|line| line.starts_with(['-', '+']));
    Some(match row.filter(|_| first.ends_with(':')) {
        Some(row) => format!("{first} {row}"),
        None => first.clone(),
    })
}

/// `rules/main.test.yaml` is `rules.main`: readers split the name of a class at its dots.
fn class(path: &str) -> String {
    let path = PathBuf::from(path).with_extension("").with_extension("");
    let parts = path.iter().map(|part| part.to_string_lossy().replace('.', "_"));
    parts.filter(|part| part != "/").collect::<Vec<_>>().join(".")
}

/// Text for an attribute or an element. A character that XML 1.0 can't hold becomes `�`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_gets_no_character_that_means_something_or_that_it_can_not_hold() {
        assert_eq!(escaped("a < b && \"c\" > 'd'"), "a &lt; b &amp;&amp; &quot;c&quot; &gt; &apos;d&apos;");
        assert_eq!(escaped("\u{1b}[31m\0\u{ffff} ü😀"), "\u{fffd}[31m\u{fffd}\u{fffd} ü😀");
        assert_eq!(escaped("a\tb\r\nc"), "a&#9;b&#13;&#10;c", "an attribute would make blanks of them");
    }

    #[test]
    fn a_message_is_one_line_that_says_something() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(message(&lines(&["rule: expected `a`", "card:", "  - 1"])).as_deref(), Some("rule: expected `a`"));
        assert_eq!(message(&lines(&["card:", "    1", "  - 2", "  + 3"])).as_deref(), Some("card: - 2"));
        assert_eq!(message(&[]), None);
    }

    #[test]
    fn a_class_has_a_dot_only_between_its_parts() {
        assert_eq!(class("rules/main.test.yaml"), "rules.main");
        assert_eq!(class("rules.d/germany/vip.test.yml"), "rules_d.germany.vip");
        assert_eq!(class("/srv/rules/main.test.yaml"), "srv.rules.main");
    }
}
