//! Tests that stand beside the rules: an event, what the sources would say, and the decision that must come out.
//!
//! Only read here; `callcard test` runs them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::RuleSet;
use super::compile::duration;
use super::schema;
use super::yaml::{Document, Node};
use crate::event::{Event, EventKind};
use crate::problem::{Code, Place, Problem, SourceFile, did_you_mean};
use crate::source::{Record, Stub};

/// All tests of a rule set, in the order of the files.
pub type Cases = Vec<Case>;

/// What sources would say, by name.
pub type Given = Vec<(String, Stub)>;

/// An event file is a webhook's body, which is at most this large on the wire too.
const EVENT_BYTES_MAX: u64 = 256 * 1024;

/// One test.
#[derive(Clone, Debug)]
pub struct Case {
    /// What happens, in a sentence.
    pub name: String,
    /// Where it is written.
    pub place: Place,
    /// Its position in its file.
    pub index: usize,
    /// The event.
    pub event: Event,
    /// The account it comes from; the first one where it is not said.
    pub account: Option<String>,
    /// The start of the call, where it is not the event's own.
    pub at: Option<jiff::Timestamp>,
    /// What the sources would say.
    pub given: Given,
    /// What must come out.
    pub expected: Expected,
}

/// What a test expects. What is not named is not looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The rule that decides, or `none`.
    pub rule: Option<String>,
    /// The card.
    pub card: Option<ExpectedCard>,
}

/// What a test expects of the card.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedCard {
    /// No card is sent.
    None,
    /// The whole card.
    Whole(Vec<Value>),
    /// These rows, in this order, among others.
    Rows(Vec<Value>),
}

/// Reads the test files. Names of rules and sources are looked up in `rules` unless those are broken anyway.
pub(super) fn read(
    documents: &[Document],
    root: &Path,
    known: &[&str],
    rules: &RuleSet,
    problems: &mut Vec<Problem>,
) -> Cases {
    let rules = (!problems.iter().any(Problem::is_error)).then_some(rules);
    let mut cases = Cases::new();
    for document in documents {
        let findings = schema::TESTS.check(document);
        let broken = findings.iter().filter(|finding| finding.problem.is_error());
        let broken: Vec<String> = broken.map(|finding| finding.pointer.clone()).collect();
        problems.extend(findings.into_iter().map(|finding| finding.problem));
        let nodes = document.root.child("tests").map(Node::items).unwrap_or_default();
        for (index, node) in nodes.iter().enumerate() {
            let pointer = format!("/tests/{index}");
            let here = |broken: &String| *broken == pointer || broken.starts_with(&format!("{pointer}/"));
            if !broken.iter().any(here) {
                cases.extend(case(document, (index, node), root, known, rules, problems));
            }
        }
        twice(document, nodes, problems);
    }
    cases
}

/// Tests of one file with the same name: in a report nobody could tell which of them failed.
fn twice(document: &Document, nodes: &[Node], problems: &mut Vec<Problem>) {
    let mut first: BTreeMap<&str, Place> = BTreeMap::new();
    for (name, node) in nodes.iter().filter_map(|node| node.child("name")).filter_map(|node| Some((node.text()?, node)))
    {
        let place = document.place(&node.mark);
        if let Some(earlier) = first.get(name) {
            let message = format!("two tests are named `{name}`");
            let help = format!("the other one is at {}:{}", earlier.file.path, earlier.line);
            problems.push(Problem::new(Code::DuplicateTest, place, message).help(help));
        } else {
            first.insert(name, place);
        }
    }
}

fn case(
    document: &Document,
    (index, node): (usize, &Node),
    root: &Path,
    known: &[&str],
    rules: Option<&RuleSet>,
    problems: &mut Vec<Problem>,
) -> Option<Case> {
    let mut problem = |at: &Node, code: Code, message: String, help: Option<String>| {
        problems.push(Problem { help, ..Problem::new(code, document.place(&at.mark), message) });
    };
    let name = node.child("name")?;
    let event_node = node.child("event")?;
    let event = event(document, event_node, root).map_err(|message| {
        let help = "for example: {direction: inbound, caller_number: \"+905321234567\"}";
        problem(event_node, Code::TestEvent, message, Some(help.to_owned()));
    });
    let at = node.child("at").map(|at| {
        at.text().unwrap_or_default().parse::<jiff::Timestamp>().map_err(|_| {
            let message = format!("`{}` is not a time", at.text().unwrap_or_default());
            problem(at, Code::WrongValue, message, Some("for example: 2026-03-02T11:15:00+03:00".to_owned()));
        })
    });
    let expect = node.child("expect")?;
    let rule = expect.child("rule");
    if let (Some(_), Some(node), Some(text)) = (rules, rule, rule.and_then(Node::text))
        && text != "none"
        && !known.contains(&text)
    {
        let message = format!("no rule is named `{text}`");
        problem(node, Code::UnknownName, message, did_you_mean(text, known.iter().copied().chain(["none"])));
    }
    if let (Some(rules), Some(account)) = (rules, node.child("account")) {
        let (known, name) = (rules.account_names(), account.text().unwrap_or_default());
        if !known.contains(&name) {
            let help = did_you_mean(name, known.iter().copied());
            problem(account, Code::UnknownName, format!("no account is named `{name}`"), help);
        }
    }
    let sources = node.child("sources");
    for (key, _) in sources.into_iter().flat_map(Node::entries) {
        if let Some(rules) = rules.filter(|rules| rules.sources.iter().all(|source| *source.name != *key.name)) {
            let help = did_you_mean(&key.name, rules.sources.iter().map(|source| source.name.as_ref()))
                .or_else(|| Some("sources are defined under `sources`".to_owned()));
            let at = Node { kind: super::yaml::Kind::Null, mark: key.mark.clone() };
            problem(&at, Code::UnknownName, format!("no source is named `{}`", key.name), help);
        }
    }
    Some(Case {
        name: name.text()?.to_owned(),
        place: document.place(&name.mark),
        index,
        event: event.ok()?,
        account: node.child("account").and_then(Node::text).map(str::to_owned),
        at: at.transpose().ok()?,
        given: sources.map(|sources| given(&sources.to_json())).unwrap_or_default(),
        expected: Expected {
            rule: rule.and_then(Node::text).map(str::to_owned),
            card: expected_card(&expect.to_json()),
        },
    })
}

/// The event of a test: a file, a whole body, or the keys of `data`.
fn event(document: &Document, node: &Node, root: &Path) -> Result<Event, String> {
    let body = match node.child("file").and_then(Node::text) {
        Some(path) => read_event(path, &document.file, root)?,
        None if node.child("data").is_some() => node.to_json().to_string().into_bytes(),
        None => {
            let mut data = Map::from_iter([("uuid".to_owned(), Value::from("test"))]);
            data.extend(
                node.entries()
                    .filter(|(key, _)| *key.name != *"event")
                    .map(|(key, node)| (key.name.to_string(), node.to_json())),
            );
            let kind = node.child("event").and_then(Node::text).unwrap_or("call_init");
            json!({ "event": kind, "data": data }).to_string().into_bytes()
        }
    };
    let event = Event::parse(&body).map_err(|error| match node.child("file").and_then(Node::text) {
        Some(path) => format!("`{path}`: {error}"),
        None => error.to_string(),
    })?;
    match (&event.kind, &event.call_id) {
        (EventKind::Other(_), _) | (_, None) => Err(format!("`{}` is not an event about a call", event.kind)),
        _ => Ok(event),
    }
}

fn read_event(path: &str, test: &SourceFile, root: &Path) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| format!("`{path}` can't be read: {error}");
    let full = Path::new(&test.path).parent().unwrap_or(Path::new(".")).join(path).canonicalize().map_err(told)?;
    if !full.starts_with(root.canonicalize().map_err(told)?) {
        return Err(format!("`{path}` lies outside the rule directory"));
    }
    if std::fs::metadata(&full).map_err(told)?.len() > EVENT_BYTES_MAX {
        return Err(format!("`{path}` has more than {EVENT_BYTES_MAX} bytes"));
    }
    std::fs::read(&full).map_err(told)
}

fn expected_card(expect: &Value) -> Option<ExpectedCard> {
    let rows = |value: &Value| value.as_array().cloned().unwrap_or_default();
    match (expect.get("card"), expect.get("rows")) {
        (Some(Value::String(_)), _) => Some(ExpectedCard::None),
        (Some(card), _) => Some(ExpectedCard::Whole(rows(card))),
        (None, Some(some)) => Some(ExpectedCard::Rows(rows(some))),
        (None, None) => None,
    }
}

/// `{crm: [{…}], erp: failed, slow: {after: 2s, records: […]}}` → stubs.
fn given(sources: &Value) -> Given {
    let entries = sources.as_object().into_iter().flatten();
    entries.map(|(name, said)| (name.clone(), stub(said))).collect()
}

fn stub(said: &Value) -> Stub {
    let records = |value: Option<&Value>| -> Vec<Record> {
        value.and_then(Value::as_array).into_iter().flatten().filter_map(|record| record.as_object().cloned()).collect()
    };
    let fails = said.is_string() || said.get("failed").and_then(Value::as_bool).unwrap_or_default();
    let list = if said.is_array() { Some(said) } else { said.get("records") };
    Stub {
        answer: if fails { Err("it is said to fail".to_owned()) } else { Ok(records(list)) },
        after: said.get("after").and_then(Value::as_str).and_then(duration).unwrap_or(Duration::ZERO),
    }
}

/// Reads a file with what sources would say, for `explain --records`: the `sources` of a test, in YAML or JSON.
///
/// # Errors
/// What is wrong with the file.
pub fn records_from_yaml(path: &str, text: String, rules: &RuleSet) -> Result<Given, Problem> {
    let file = Arc::new(SourceFile { path: path.to_owned(), text });
    let mut document = Document::parse(&file)?;
    if let Some(problem) = document.problems.pop() {
        return Err(problem);
    }
    if let Some(finding) = schema::RECORDS.check(&document).into_iter().find(|finding| finding.problem.is_error()) {
        return Err(finding.problem);
    }
    let known = || rules.sources.iter().map(|source| source.name.as_ref());
    if let Some((key, _)) = document.root.entries().find(|(key, _)| known().all(|name| *name != *key.name)) {
        let message = format!("no source is named `{}`", key.name);
        let help = did_you_mean(&key.name, known().collect::<Vec<_>>());
        return Err(Problem { help, ..Problem::new(Code::UnknownName, document.place(&key.mark), message) });
    }
    Ok(given(&document.root.to_json()))
}
