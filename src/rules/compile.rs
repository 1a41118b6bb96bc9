//! Documents → [`RuleSet`]: names are resolved, patterns and templates compiled, files opened.
//!
//! Works on whatever the schema left whole, so that one run tells every problem. A part that the schema found broken is
//! left out here, but its name is known, so that nothing else is reported for it.

mod rule;
mod settings;

pub use settings::{DEFAULT_ACCOUNT, DEFAULT_API, DEFAULT_REQUESTS_PER_MINUTE, checked_api};

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::yaml::{Document, Node};
use super::{Defaults, Environment, NamedSource, RuleSet, lint, schema};
use crate::card::{CardTemplate, Flavour, Names, Renderer, Template, is_helper};
use crate::condition::Lists;
use crate::event::Region;
use crate::problem::{Code, Fault, Place, Problem};
use crate::source::{Reach, Source};

/// Names that every template knows.
const CALL_NAMES: [&str; 5] = ["call", "customer", "event", "line", "now"];

/// Fields of `call`. What the engine fills in has just these and those below.
pub const CALL_FIELDS: [&str; 8] =
    ["account", "callee_id", "callee_type", "direction", "event", "id", "started_at", "user_id"];

/// Fields of `customer`, and of `line` beside its `id`.
pub const NUMBER_FIELDS: [&str; 6] = ["country", "e164", "international", "kind", "national", "number"];

/// Compiles the documents of a rule set. The result is complete only where no error is among the problems.
pub(super) fn compile(
    documents: &[Document],
    root: &Path,
    environment: &Environment<'_>,
    problems: &mut Vec<Problem>,
) -> RuleSet {
    let mut broken = Vec::new();
    for (position, document) in documents.iter().enumerate() {
        for finding in schema::RULES.check(document) {
            broken.push((position, finding.pointer));
            problems.push(finding.problem);
        }
    }
    let mut compiler = Compiler { documents, broken, root, environment, problems };
    let (defaults, locale) = compiler.defaults();
    let renderer = Arc::new(Renderer::new(&locale));
    let accounts = compiler.accounts();
    let lists = compiler.lists(defaults.region);
    let sources = compiler.sources(&defaults);
    let names: Vec<Arc<str>> = compiler.entries("sources").iter().map(|entry| Arc::from(entry.name)).collect();
    let known = known_names(&sources, &names);
    let cards = compiler.cards(&known);
    let rules = compiler.rules(&Known { lists: &lists, sources: &names, names: &known, cards: &cards });
    let named: Vec<&str> = entries(documents, "accounts").iter().map(|entry| entry.name).collect();
    lint::accounts(documents, if named.is_empty() { &[DEFAULT_ACCOUNT] } else { &named }, problems);
    lint::unused(documents, &rules, &names, problems);
    RuleSet { revision: revision(documents), defaults, accounts, sources, rules: rules.into(), renderer }
}

/// The names that every template knows, with their fields.
fn call_names() -> Names {
    Names::default()
        .closed("call", CALL_FIELDS)
        .closed("customer", NUMBER_FIELDS)
        .closed("line", NUMBER_FIELDS.into_iter().chain(["id"]))
        .closed("now", [])
        .open("event")
}

/// The same and the sources. The fields of a table are its columns.
fn known_names(sources: &[NamedSource], all: &[Arc<str>]) -> Names {
    all.iter().fold(call_names(), |names, name| {
        let columns = sources.iter().find(|source| source.name == *name).and_then(|source| source.source.columns());
        match columns {
            Some(columns) => names.closed(name, columns.iter().map(String::as_str).chain(["count", "all"])),
            None => names.open(name),
        }
    })
}

/// A named value of a top-level mapping, in any file.
pub(super) struct Entry<'a> {
    pub(super) document: &'a Document,
    position: usize,
    pub(super) section: &'static str,
    pub(super) name: &'a str,
    node: &'a Node,
    pub(super) place: Place,
}

/// All entries of a section over all files, in the order of the files.
pub(super) fn entries<'a>(documents: &'a [Document], section: &'static str) -> Vec<Entry<'a>> {
    let mut found = Vec::new();
    for (position, document) in documents.iter().enumerate() {
        let Some(node) = document.root.child(section) else { continue };
        found.extend(node.entries().map(|(key, node)| Entry {
            document,
            position,
            section,
            name: &key.name,
            node,
            place: document.place(&key.mark),
        }));
    }
    found
}

/// A compiled card, by name; `None` where it could not be compiled.
type Cards = BTreeMap<String, Option<Arc<CardTemplate>>>;

/// What rules may refer to.
struct Known<'a> {
    lists: &'a Lists,
    sources: &'a [Arc<str>],
    names: &'a Names,
    cards: &'a Cards,
}

struct Compiler<'a> {
    documents: &'a [Document],
    /// Document and pointer of every value that the schema refused.
    broken: Vec<(usize, String)>,
    root: &'a Path,
    environment: &'a Environment<'a>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Compiler<'a> {
    fn is_broken(&self, document: usize, pointer: &str) -> bool {
        self.is_spoilt(document, pointer)
            || self.broken.iter().any(|(at, broken)| *at == document && is_inside(broken, pointer))
    }

    fn problem(&mut self, code: Code, place: Place, message: String, help: Option<String>) {
        self.problems.push(Problem { code, place, message, help });
    }

    /// Whether the schema refused the value itself or one around it: nothing more is told about what is in it.
    fn is_spoilt(&self, document: usize, pointer: &str) -> bool {
        self.broken.iter().any(|(at, broken)| *at == document && !broken.is_empty() && is_inside(pointer, broken))
    }

    /// Turns the faults of a tool into problems at their places below `node`.
    fn faults(&mut self, document: &Document, node: &Node, faults: Vec<Fault>) {
        for fault in faults {
            let at = node.at(&fault.pointer).unwrap_or(node);
            self.problem(fault.code, document.place(&at.mark), fault.message, fault.help);
        }
    }

    /// The entries of a section; names that stand twice are told once, at the later place.
    fn entries(&self, section: &'static str) -> Vec<Entry<'a>> {
        let mut seen = BTreeSet::new();
        entries(self.documents, section).into_iter().filter(|entry| seen.insert(entry.name)).collect()
    }

    /// The entries of a section that can be compiled.
    fn usable(&mut self, section: &'static str, reserved: impl Fn(&str) -> bool) -> Vec<Entry<'a>> {
        let mut usable = self.named(section, reserved);
        usable.retain(|entry| !self.is_broken(entry.position, &format!("/{section}/{}", entry.name)));
        usable
    }

    /// The entries of a section, after telling duplicate and reserved names.
    fn named(&mut self, section: &'static str, reserved: impl Fn(&str) -> bool) -> Vec<Entry<'a>> {
        let mut first: BTreeMap<&str, Place> = BTreeMap::new();
        let mut usable = Vec::new();
        for entry in entries(self.documents, section) {
            if let Some(earlier) = first.get(entry.name) {
                let message = format!("`{}` is defined twice under `{section}`", entry.name);
                let help = format!("the other one is at {}:{}", earlier.file.path, earlier.line);
                self.problem(Code::DuplicateName, entry.place, message, Some(help));
                continue;
            }
            first.insert(entry.name, entry.place.clone());
            if reserved(entry.name) {
                let message =
                    format!("`{}` can't be a name under `{section}`: the language uses it itself", entry.name);
                self.problem(Code::ReservedName, entry.place, message, Some("choose another name".to_owned()));
            } else {
                usable.push(entry);
            }
        }
        usable
    }

    fn lists(&mut self, region: Region) -> Lists {
        let mut lists = Lists::new(region);
        for entry in self.entries("lists") {
            lists.add(entry.name, &serde_json::Value::Null);
        }
        for entry in self.usable("lists", |_| false) {
            let faults = lists.add(entry.name, &entry.node.to_json());
            self.faults(entry.document, entry.node, faults);
        }
        lists
    }

    /// The sources; one that can't be compiled is left out, which no rule set with an error shows.
    fn sources(&mut self, defaults: &Defaults) -> Vec<NamedSource> {
        let mut sources = Vec::new();
        for entry in self.usable("sources", |name| {
            CALL_NAMES.contains(&name) || is_helper(name) || matches!(name, "this" | "as" | "else")
        }) {
            let expand = |text: &str, unset: &str| self.environment.secrets.expand(text, unset);
            let directory = Path::new(&entry.document.file.path).parent().unwrap_or(Path::new("."));
            let reach = Reach {
                root: self.root,
                directory,
                expand: &expand,
                network: self.environment.network,
                region: defaults.region,
            };
            let timeout = entry.node.child("timeout").and_then(Node::text).and_then(duration);
            let mut faults = Vec::new();
            if timeout.is_some_and(|timeout| timeout > defaults.decide_within) {
                let message =
                    format!("the decision is made within {}, before this time-out", written(defaults.decide_within));
                faults.push(
                    Fault::new(Code::Timeout, "/timeout", message)
                        .help("make it shorter than `defaults.decide_within`"),
                );
            }
            match Source::compile(&entry.node.to_json(), &reach) {
                Ok(compiled) => {
                    faults.extend(compiled.faults);
                    let names = call_names();
                    let mut parameters = Vec::new();
                    for parameter in compiled.parameters {
                        let flavour = if parameter.encoded { Flavour::Encoded } else { Flavour::Plain };
                        match Template::compile(&parameter.text, flavour, &names) {
                            Ok(template) => parameters.push(template),
                            Err(found) => faults.extend(found.into_iter().map(|fault| fault.under(&parameter.pointer))),
                        }
                    }
                    sources.push(NamedSource { name: entry.name.into(), source: compiled.source, parameters, timeout });
                }
                Err(found) => faults.extend(found),
            }
            self.faults(entry.document, entry.node, faults);
        }
        sources
    }

    fn cards(&mut self, names: &Names) -> Cards {
        let mut cards: Cards = self.entries("cards").iter().map(|entry| (entry.name.to_owned(), None)).collect();
        for entry in self.named("cards", |name| name == "none") {
            let card = self.card(entry.position, &format!("/cards/{}", entry.name), entry.node, names);
            cards.insert(entry.name.to_owned(), card);
        }
        cards
    }

    /// Compiles a card. One that the schema refused in part is no card, but its other rows are looked at all the same.
    fn card(&mut self, position: usize, pointer: &str, node: &Node, names: &Names) -> Option<Arc<CardTemplate>> {
        let document = self.documents.get(position)?;
        match CardTemplate::compile(&node.to_json(), names) {
            Ok(card) => (!self.is_broken(position, pointer)).then(|| Arc::new(card)),
            Err(mut faults) => {
                faults.retain(|fault| !self.is_spoilt(position, &format!("{pointer}{}", fault.pointer)));
                self.faults(document, node, faults);
                None
            }
        }
    }
}

/// Whether a JSON Pointer names the value of `outer` or one in it.
fn is_inside(pointer: &str, outer: &str) -> bool {
    pointer.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `900ms`, `2s`, `5m`, `1h`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (value, unit) = text.split_at(end);
    let value: u64 = value.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(value)),
        "s" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_secs(value * 60)),
        "h" => Some(Duration::from_secs(value * 3600)),
        _ => None,
    }
}

fn written(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn revision(documents: &[Document]) -> String {
    let mut hash = Sha256::new();
    for document in documents {
        for part in [&document.file.path, &document.file.text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
