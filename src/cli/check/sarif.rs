//! Problems as SARIF 2.1.0, which code scanning services and editors read: one run, a rule for each code that occurs.
//! What a comment allows is among the results, too, as suppressed.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::cli::place::{Region, seen_from, whole, working_directory};
use crate::problem::{Code, Fix, Problem};
use crate::rules::Allowed;

/// Where validators and editors find the schema.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What is escaped in the path of a URI: everything but what RFC 3986 calls unreserved, and the slash.
const NOT_IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The whole log.
pub(super) fn log(problems: &[Problem], allowed: &[Allowed]) -> Value {
    let reasons = allowed.iter().map(|allowed| (&allowed.problem, Some(allowed.reason.as_str())));
    let found: Vec<_> = problems.iter().map(|problem| (problem, None)).chain(reasons).collect();
    let mut codes: Vec<Code> = found.iter().map(|(problem, _)| problem.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let here = working_directory();
    let rules: Vec<Value> = codes.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = found.iter().map(|(problem, reason)| result(problem, *reason, &codes, &here)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "callcard", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    let first = code.page().split("\n\n").next().unwrap_or_default().replace('\n', " ");
    json!({
        "id": code.as_str(),
        "shortDescription": {"text": code.title()},
        "fullDescription": {"text": first},
        "help": {"text": code.page(), "markdown": code.page()},
        "defaultConfiguration": {"level": code.severity()},
    })
}

/// `reason`: why a comment allows it. Either all results of a run have `suppressions` or none has (3.27.23).
fn result(problem: &Problem, reason: Option<&str>, codes: &[Code], here: &Path) -> Value {
    let help = problem.help.iter().map(String::as_str);
    let text: Vec<&str> = [problem.message.as_str()].into_iter().chain(help).collect();
    let Region { line, column, end } = Region::of(&problem.place);
    let mut region = json!({"startLine": line, "startColumn": column});
    if let (Some(region), Some((end_line, end_column))) = (region.as_object_mut(), end) {
        region.insert("endLine".to_owned(), end_line.into());
        region.insert("endColumn".to_owned(), end_column.into());
    }
    let suppressions = reason.map(|reason| json!({"kind": "inSource", "justification": reason}));
    let mut result = json!({
        "ruleId": problem.code.as_str(),
        "ruleIndex": codes.iter().position(|code| *code == problem.code),
        "level": problem.code.severity(),
        "message": {"text": message(&text.join("\n"))},
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": uri(&problem.place.file.path, here)}, "region": region},
        }],
        "suppressions": suppressions.into_iter().collect::<Vec<_>>(),
    });
    if let (Some(result), Some(fix)) = (result.as_object_mut(), &problem.fix) {
        result.insert("fixes".to_owned(), json!([edit(problem, fix, here)]));
    }
    result
}

/// One edit; what helps is its description.
fn edit(problem: &Problem, fix: &Fix, here: &Path) -> Value {
    let file = &problem.place.file;
    let ((line, column), (end_line, end_column)) = (problem.position(fix.span.start), problem.position(fix.span.end));
    let region = json!({"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column});
    json!({
        "description": {"text": message(problem.help.as_deref().unwrap_or(&problem.message))},
        "artifactChanges": [{
            "artifactLocation": {"uri": uri(&file.path, here)},
            "replacements": [{"deletedRegion": region, "insertedContent": {"text": fix.replacement}}],
        }],
    })
}

/// Braces stand twice in a message, since `{0}` would be a placeholder (SARIF 2.1.0, 3.11.5).
fn message(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// Relative to the working directory for files below it, a whole `file:` URI for others.
fn uri(path: &str, here: &Path) -> String {
    let encoded = |path: &str| utf8_percent_encode(path, NOT_IN_A_PATH).to_string();
    match seen_from(here, path) {
        Some(path) => encoded(&path),
        None => {
            let path = whole(path).to_string_lossy().replace('\\', "/");
            format!("file:///{}", encoded(path.trim_start_matches('/')))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri_that_means_it_and_nothing_else() {
        let here = working_directory();
        assert_eq!(uri("rules/main.yaml", &here), "rules/main.yaml");
        assert_eq!(uri("./rules/a b/50%#ü?.yaml", &here), "rules/a%20b/50%25%23%C3%BC%3F.yaml");
        assert_eq!(uri("c:x.yaml", &here), "c%3Ax.yaml", "no scheme");
        assert_eq!(uri("/nowhere/a b.yaml", &here), "file:///nowhere/a%20b.yaml");
    }

    #[test]
    fn a_template_in_a_message_is_no_placeholder() {
        assert_eq!(message("write {{name}} or {0}"), "write {{{{name}}}} or {{0}}");
    }
}
