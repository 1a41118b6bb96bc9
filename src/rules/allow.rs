//! `# callcard: allow R061 because …` on the line above: a person has looked at a warning and means it.
//!
//! Comments are told by the YAML parser, so a `#` in a text is none. Only warnings and notes can be allowed. One that is
//! unused, gives no reason or can't be read is a problem itself.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use granit_parser::{Event, Parser, Placement};

use super::yaml::Document;
use crate::problem::{CODES, Code, Place, Problem, Severity, SourceFile, did_you_mean};

/// What such a comment begins with.
const MARK: &str = "callcard:";

/// What stands behind it, before the codes.
const VERB: &str = "allow";

/// What stands between the codes and the reason.
const BECAUSE: &str = "because";

/// How one is written.
const FORM: &str = "write it `# callcard: allow R022 because it is used from next week on`, on a line of its own above";

/// A problem that a comment allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The problem.
    pub problem: Problem,
    /// The reason as it is written; empty where there is none.
    pub reason: String,
}

impl Allowed {
    /// For other programs: the problem and its `reason`.
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = self.problem.to_json();
        if let Some(fields) = json.as_object_mut() {
            fields.insert("reason".to_owned(), self.reason.as_str().into());
        }
        json
    }
}

/// One code in one comment.
struct Allowance {
    code: Code,
    reason: String,
    place: Place,
    /// The line that it is about.
    line: usize,
    /// Or told already for another mistake.
    used: bool,
}

/// Takes the problems that comments allow out of `problems`, and adds those about the comments. `complete`: everything was
/// looked for, proofs too, so that a comment without its problem is unused.
pub(super) fn allow<'a>(
    documents: impl Iterator<Item = &'a Document>,
    complete: bool,
    problems: &mut Vec<Problem>,
) -> Vec<Allowed> {
    let mut allowances: Vec<Allowance> = Vec::new();
    let mut found = Vec::new();
    for document in documents.filter(|document| document.file.text.contains(MARK)) {
        comments(&document.file, &mut allowances, &mut found);
    }
    let mut at: BTreeMap<(&str, usize, &str), usize> = BTreeMap::new();
    let files: Vec<Arc<SourceFile>> = allowances.iter().map(|one| Arc::clone(&one.place.file)).collect();
    for (position, (one, file)) in allowances.iter().zip(&files).enumerate() {
        at.insert((&file.path, one.line, one.code.as_str()), position);
    }
    let mut allowed = Vec::new();
    let mut kept = Vec::with_capacity(problems.len());
    for problem in problems.drain(..) {
        let key = (problem.place.file.path.as_str(), problem.place.line, problem.code.as_str());
        match at.get(&key).and_then(|position| allowances.get_mut(*position)) {
            Some(one) => {
                one.used = true;
                allowed.push(Allowed { problem, reason: one.reason.clone() });
            }
            None => kept.push(problem),
        }
    }
    // Beside an error much is not looked for, so nothing can be said to be unused.
    if complete && !kept.iter().any(Problem::is_error) {
        found.extend(allowances.iter().filter(|one| !one.used).map(unused));
    }
    kept.append(&mut found);
    *problems = kept;
    allowed
}

fn unused(one: &Allowance) -> Problem {
    let code = one.code.as_str();
    let message = format!("`{code}` is allowed here, but line {} does not have it", one.line);
    Problem::new(Code::Allowance, one.place.clone(), message).help("take the comment out")
}

/// The comments of one file that are meant for us. One that the parser can't reach allows nothing.
fn comments(file: &Arc<SourceFile>, allowances: &mut Vec<Allowance>, found: &mut Vec<Problem>) {
    let options = granit_parser::options! { max_buffered_comment_events: usize::MAX };
    for event in Parser::new_from_str_with_options(&file.text, options) {
        let Ok((event, span)) = event else { return };
        let Event::Comment(text, placement) = event else { continue };
        let (true, Some(range)) = (text.trim_start().starts_with(MARK), span.byte_range()) else { continue };
        let comment = Comment { file, range, line: span.start.line(), column: span.start.col() + 1 };
        match comment.read(placement) {
            Ok(read) => {
                let (codes, reason, problems) = read;
                found.extend(problems);
                let line = next_line(&file.text, comment.line);
                allowances.extend(codes.into_iter().map(|(code, place)| Allowance {
                    code,
                    reason: reason.clone(),
                    place,
                    line,
                    used: reason.is_empty(),
                }));
            }
            Err(problem) => found.push(problem),
        }
    }
}

/// The first line behind this one that holds more than a comment.
fn next_line(text: &str, line: usize) -> usize {
    let holds_more = |text: &str| !text.trim_start().is_empty() && !text.trim_start().starts_with('#');
    let behind = text.lines().skip(line).position(holds_more);
    behind.map_or(line, |behind| line + behind + 1)
}

/// A comment that begins with [`MARK`].
struct Comment<'a> {
    file: &'a Arc<SourceFile>,
    range: Range<usize>,
    line: usize,
    column: usize,
}

/// Codes with their places, the reason, and what is wrong with the comment.
type Read = (Vec<(Code, Place)>, String, Vec<Problem>);

impl Comment<'_> {
    fn read(&self, placement: Placement) -> Result<Read, Problem> {
        let whole = self.file.text.get(self.range.clone()).unwrap_or_default();
        let written = whole.find(MARK).and_then(|at| whole.get(at + MARK.len()..)).unwrap_or_default().trim();
        let Some(rest) = written.strip_prefix(VERB).filter(|rest| rest.starts_with(char::is_whitespace)) else {
            return Err(self.problem(whole, format!("behind `{MARK}` stands `{VERB}` with codes and a reason"), FORM));
        };
        if placement == Placement::Right {
            let message = "a comment behind a value allows nothing".to_owned();
            return Err(self.problem(whole, message, FORM));
        }
        let mut words = rest.split_whitespace();
        let codes: Vec<&str> = words.by_ref().take_while(|word| *word != BECAUSE).collect();
        let reason = words.collect::<Vec<_>>().join(" ");
        let mut problems = Vec::new();
        if !reason.contains(char::is_alphanumeric) {
            problems.push(self.problem(whole, "this gives no reason".to_owned(), FORM));
        }
        let mut allowed = Vec::new();
        for word in codes.iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty()) {
            match known(word) {
                Ok(code) => allowed.push((code, self.place(word))),
                Err((message, help)) => problems.push(self.problem(word, message, &help)),
            }
        }
        if allowed.is_empty() && problems.is_empty() {
            problems.push(self.problem(whole, "this names no code".to_owned(), FORM));
        }
        Ok((allowed, reason, problems))
    }

    fn problem(&self, part: &str, message: String, help: &str) -> Problem {
        Problem::new(Code::Allowance, self.place(part), message).help(help)
    }

    /// Where a part of the comment stands.
    fn place(&self, part: &str) -> Place {
        let whole = self.file.text.get(self.range.clone()).unwrap_or_default();
        let at = whole.find(part).unwrap_or_default();
        let before = whole.get(..at).unwrap_or_default().chars().count();
        let start = self.range.start + at;
        Place {
            file: Arc::clone(self.file),
            line: self.line,
            column: self.column + before,
            span: start..start + part.len(),
        }
    }
}

/// The code of that name, if it can be allowed; else why not, and what helps.
fn known(word: &str) -> Result<Code, (String, String)> {
    let Some(code) = CODES.iter().find(|code| code.as_str() == word) else {
        let help = did_you_mean(word, CODES.iter().map(|code| code.as_str())).unwrap_or_default();
        return Err((format!("no code is named `{word}`"), help));
    };
    if code.severity() == Severity::Error {
        let message = format!("`{word}` is an error, and only warnings can be allowed");
        return Err((message, "mend it; rules with an error can't take effect".to_owned()));
    }
    if *code == Code::Allowance {
        return Err((format!("`{word}` itself can't be allowed"), "mend or take out the comment".to_owned()));
    }
    Ok(*code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of the file that a comment is about, with code and reason; and the messages about comments.
    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let file = Arc::new(SourceFile { path: "a.yaml".to_owned(), text: text.to_owned() });
        let (mut allowances, mut found) = (Vec::new(), Vec::new());
        comments(&file, &mut allowances, &mut found);
        let told = allowances.iter().map(|one| format!("{} {} {}", one.line, one.code.as_str(), one.reason)).collect();
        let place = |problem: &Problem| format!("{}:{}", problem.place.line, problem.place.column);
        (told, found.iter().map(|problem| format!("{} {}", place(problem), problem.message)).collect())
    }

    #[test]
    fn a_comment_is_about_the_next_line_that_is_none() {
        let text = "# callcard: allow R022, R043 because of tomorrow\n\n# more\na: 1\n";
        assert_eq!(read(text).0, ["4 R022 of tomorrow", "4 R043 of tomorrow"]);
        let below = "a:\n  # callcard: allow R022 because x\n  # callcard: allow R046 because y\n  b: 1\n";
        assert_eq!(read(below).0, ["4 R022 x", "4 R046 y"]);
    }

    #[test]
    fn a_text_that_looks_like_a_comment_is_a_text() {
        let texts = [
            "a: |\n  # callcard: allow R022 because x\n  b\n",
            "a: >-\n\n  # callcard: allow R022 because x\n",
            "a: \"x\n  # callcard: allow R022 because x\n  y\"\n",
            "a: 'x\n  # callcard: allow R022 because x'\n",
        ];
        for text in texts {
            assert_eq!(read(text), (Vec::new(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn a_comment_with_a_mistake_is_told_at_its_place() {
        let message = |text: &str| read(text).1;
        assert_eq!(message("# callcard: allow R022\na: 1\n"), ["1:1 this gives no reason"]);
        assert_eq!(message("# callcard: allow R022 because -\na: 1\n"), ["1:1 this gives no reason"]);
        assert_eq!(message("# callcard: allow because x\na: 1\n"), ["1:1 this names no code"]);
        assert_eq!(
            message("# callcard: R022\na: 1\n"),
            ["1:1 behind `callcard:` stands `allow` with codes and a reason"]
        );
        assert_eq!(message("#callcard: allow R022, R999 because x\na: 1\n"), ["1:24 no code is named `R999`"]);
        assert_eq!(
            message("a: 1\n  # callcard: allow R021 because x\n"),
            ["2:21 `R021` is an error, and only warnings can be allowed"]
        );
        assert_eq!(message("a: 1 # callcard: allow R022 because x\n"), ["1:6 a comment behind a value allows nothing"]);
        assert_eq!(message("# callcard: allow R080 because x\na: 1\n"), ["1:19 `R080` itself can't be allowed"]);
    }

    #[test]
    fn many_comments_in_a_row_are_read() {
        let text = format!("{}# callcard: allow R022 because x\na: 1\n", "# x\n".repeat(1000));
        assert_eq!(read(&text).0, ["1002 R022 x"]);
    }
}
