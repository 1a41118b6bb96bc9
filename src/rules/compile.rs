//! Documents → [`RuleSet`]: names are resolved, patterns and templates compiled, files opened.
//!
//! Works on whatever the schema left whole, so that one run tells every problem. A part that the schema found broken is
//! left out here, but its name is known, so that nothing else is reported for it.

mod access;
mod broken;
mod care;
mod named;
mod rule;
mod settings;
mod source;

pub(super) use named::BeforeSources;
pub use settings::{DEFAULT_ACCOUNT, DEFAULT_API, DEFAULT_REQUESTS_PER_MINUTE, checked_api, checked_date};

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use broken::Broken;
use settings::Texts;

use super::matcher::Matcher;
use super::yaml::{Document, Node};
use super::{Account, Environment, NamedSource, Origin, RuleSet, lint, schema};
use crate::card::{CardTemplate, Locale, Names, Renderer};
use crate::condition::{Lists, Made, Schedules, Vocabulary};
use crate::problem::{Code, Fault, Place, Problem};
use crate::source::AccountApi;

/// Names that every template knows.
const CALL_NAMES: [&str; 5] = ["call", "customer", "event", "line", "now"];

/// Fields of `call`. What the engine fills in has just these and those below.
pub const CALL_FIELDS: [&str; 8] =
    ["account", "callee_id", "callee_type", "direction", "event", "id", "started_at", "user_id"];

/// Fields of `customer`, and of `line` beside its `id`.
pub const NUMBER_FIELDS: [&str; 6] = ["country", "e164", "international", "kind", "national", "number"];

/// What `customer` has besides, for asking about it: the digits behind the country code.
pub const SIGNIFICANT: &str = "significant";

/// And the ways in which its number may be written somewhere else.
pub const VARIANTS: &str = "variants";

/// What the rules of a set were compiled with, for compiling some of them again.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) lists: Lists,
    pub(super) schedules: Schedules,
    pub(super) sources: Vec<Arc<str>>,
    pub(super) names: Names,
}

/// Compiles the documents of a rule set. The result is complete only where no error is among the problems.
pub(super) fn compile(
    documents: &[Document],
    root: &Path,
    environment: &Environment<'_>,
    problems: &mut Vec<Problem>,
) -> (RuleSet, Kept) {
    let mut broken = Broken::default();
    for (position, document) in documents.iter().enumerate() {
        for finding in schema::RULES.check(document) {
            if finding.problem.is_error() {
                broken.add(position, finding.pointer);
            }
            problems.push(finding.problem);
        }
    }
    let (hides_names, before) = (broken.hides_names(), problems.len());
    let mut compiler =
        Compiler { documents, broken, root, renderers: BTreeMap::new(), environment, apis: Vec::new(), problems };
    let (defaults, locale) = compiler.defaults();
    let texts = compiler.texts();
    let place = entries(documents, "texts").first().map(|entry| entry.place.clone());
    let renderer = compiler.renderer(&locale, &texts, place);
    let accounts = compiler.accounts();
    compiler.apis = accounts.iter().map(Account::api).collect();
    let lists = compiler.lists(defaults.region);
    let schedules = compiler.schedules(defaults.region);
    let names: Vec<Arc<str>> = compiler.entries("sources").iter().map(|entry| Arc::from(entry.name)).collect();
    let sources = compiler.sources(&defaults, &names, &renderer);
    let known = settings::with_texts(known_names(&sources, &names), &texts);
    let cards = compiler.cards(&known);
    let rules = compiler.rules(&Known {
        when: Vocabulary {
            lists: &lists,
            schedules: &schedules,
            names: &BeforeSources { sources: &names },
            made: &Made::default(),
        },
        sources: &names,
        names: &known,
        cards: &cards,
        locale: &locale,
        texts: &texts,
    });
    let named: Vec<&str> = entries(documents, "accounts").iter().map(|entry| entry.name).collect();
    let named: &[&str] = if named.is_empty() { &[DEFAULT_ACCOUNT] } else { &named };
    lint::accounts(documents, named, problems);
    lint::unused(documents, &rules, &sources, problems);
    lint::secrets_in_clear(documents, problems);
    let matcher = Arc::new(Matcher::new(named, &rules));
    lint::whole_numbers(documents, &rules, matcher.space(), problems);
    if hides_names {
        let mut position = 0;
        problems.retain(|problem| {
            position += 1;
            position <= before || !super::is_about_a_name(problem)
        });
    }
    let rules =
        RuleSet { revision: revision(documents), defaults, accounts, sources, rules: rules.into(), matcher, renderer };
    (rules, Kept { lists, schedules, sources: names, names: known })
}

/// The names that every template knows, with their fields.
fn call_names() -> Names {
    Names::default()
        .closed("call", CALL_FIELDS)
        .closed("customer", NUMBER_FIELDS.into_iter().chain([SIGNIFICANT, VARIANTS]))
        .all_texts("customer", &[VARIANTS])
        .closed("line", NUMBER_FIELDS.into_iter().chain(["id"]))
        .closed("now", [])
        .open("event")
}

/// The same and the sources. The fields of a table are its columns.
fn known_names(sources: &[NamedSource], all: &[Arc<str>]) -> Names {
    all.iter().fold(call_names(), |names, name| match columns(sources, all, name) {
        Some(columns) => {
            let names = names.closed(name, columns.into_iter().chain(["count", "all"]));
            if has_only_texts(sources, all, name) { names.all_texts(name, &["count", "all"]) } else { names }
        }
        None => names.open(name),
    })
}

/// Whether its records come from tables alone.
fn has_only_texts(sources: &[NamedSource], all: &[Arc<str>], name: &str) -> bool {
    let source = sources.iter().find(|source| *source.name == *name);
    source.is_some_and(|source| match &source.origin {
        Origin::Asked(asked) => asked.source.has_only_texts(),
        Origin::First(members) => {
            members.iter().all(|member| all.get(*member).is_some_and(|name| has_only_texts(sources, all, name)))
        }
    })
}

/// The fields of a source's records, where they are known: those of its table, or of all tables that it is made of.
fn columns<'a>(sources: &'a [NamedSource], all: &[Arc<str>], name: &str) -> Option<Vec<&'a str>> {
    match &sources.iter().find(|source| *source.name == *name)?.origin {
        Origin::Asked(asked) => Some(asked.source.columns()?.iter().map(String::as_str).collect()),
        Origin::First(members) => {
            let of_each: Option<Vec<_>> =
                members.iter().map(|member| columns(sources, all, all.get(*member)?)).collect();
            Some(of_each?.concat())
        }
    }
}

/// A named value of a top-level mapping, in any file.
pub(super) struct Entry<'a> {
    pub(super) document: &'a Document,
    position: usize,
    pub(super) section: &'static str,
    pub(super) name: &'a str,
    pub(super) node: &'a Node,
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
    when: Vocabulary<'a>,
    sources: &'a [Arc<str>],
    names: &'a Names,
    cards: &'a Cards,
    locale: &'a Locale,
    texts: &'a Texts,
}

struct Compiler<'a> {
    documents: &'a [Document],
    /// Document and pointer of every value that the schema refused.
    broken: Broken,
    root: &'a Path,
    /// By language.
    renderers: BTreeMap<String, Arc<Renderer>>,
    environment: &'a Environment<'a>,
    /// Those of the accounts, for sources that ask them.
    apis: Vec<AccountApi>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Compiler<'a> {
    fn is_broken(&self, document: usize, pointer: &str) -> bool {
        self.broken.is_broken(document, pointer)
    }

    fn problem(&mut self, code: Code, place: Place, message: String, help: Option<String>) {
        self.problems.push(Problem { help, ..Problem::new(code, place, message) });
    }

    /// Whether the schema refused the value itself or one around it: nothing more is told about what is in it.
    fn is_spoilt(&self, document: usize, pointer: &str) -> bool {
        self.broken.is_spoilt(document, pointer)
    }

    /// Turns the faults of a tool into problems at their places below `node`.
    fn faults(&mut self, document: &Document, node: &Node, faults: Vec<Fault>) {
        for fault in faults {
            let at = node.at(&fault.pointer).unwrap_or(node);
            let fix = fault.meant.and_then(|meant| document.fix(&at.mark, &meant));
            let place = match fault.character {
                Some(character) => document.place_in(at, character),
                None => document.place(&at.mark),
            };
            let problem = Problem::new(fault.code, place, fault.message);
            self.problems.push(Problem { help: fault.help, fix, ..problem });
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
        let mut first: BTreeMap<String, (&str, Place)> = BTreeMap::new();
        let mut usable = Vec::new();
        for entry in entries(self.documents, section) {
            if let Some((name, earlier)) = first.get(&entry.name.to_lowercase()) {
                let message = if *name == entry.name {
                    format!("`{}` is defined twice under `{section}`", entry.name)
                } else {
                    format!("`{}` and `{name}` under `{section}` differ only in capital letters", entry.name)
                };
                let help = format!("the other one is at {}:{}", earlier.file.path, earlier.line);
                self.problem(Code::DuplicateName, entry.place, message, Some(help));
                continue;
            }
            first.insert(entry.name.to_lowercase(), (entry.name, entry.place.clone()));
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
            Ok(card) if !self.is_broken(position, pointer) => {
                self.faults(document, node, card.advice());
                Some(Arc::new(card))
            }
            Ok(_) => None,
            Err(mut faults) => {
                faults.retain(|fault| !self.is_spoilt(position, &format!("{pointer}{}", fault.pointer)));
                self.faults(document, node, faults);
                None
            }
        }
    }
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
    let milliseconds = duration.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.into_iter().find(|(_, unit)| milliseconds > 0 && milliseconds.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", milliseconds / unit),
        None => format!("{milliseconds}ms"),
    }
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
