//! Documents → [`RuleSet`]: names are resolved, patterns and templates compiled, files opened.
//!
//! Works on whatever the schema left whole, so that one run tells every problem. A part that the schema found broken is
//! left out here, but its name is known, so that nothing else is reported for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::yaml::{Document, Node};
use super::{Account, Accounts, Defaults, Environment, NamedSource, Need, Rule, RuleSet, lint, schema};
use crate::card::{CardTemplate, Flavour, Locale, Renderer, Template, is_helper};
use crate::condition::{Lists, When};
use crate::event::Region;
use crate::problem::{Code, Fault, Place, Problem, did_you_mean};
use crate::source::{Reach, Source};

/// Names that every template knows.
pub(super) const CALL_NAMES: [&str; 5] = ["call", "customer", "event", "line", "now"];

const DEFAULT_TIME_ZONE: &str = "Europe/Istanbul";
const DEFAULT_LANGUAGE: &str = "tr";
const DEFAULT_DECIDE_WITHIN: Duration = Duration::from_millis(1500);
const DEFAULT_SEND_WITHIN: Duration = Duration::from_secs(60);
const DEFAULT_API: &str = "https://use.hipcall.com.tr/api/v3";

/// What the phone system allows an account: 60 requests a minute.
pub(super) const DEFAULT_REQUESTS_PER_MINUTE: u32 = 60;

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
    let cards = compiler.cards(&names);
    let rules = compiler.rules(&lists, &names, &cards);
    lint::unused(documents, &rules, &names, problems);
    RuleSet { revision: revision(documents), defaults, accounts, sources, rules: rules.into(), renderer }
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
        let inside = |broken: &str, pointer: &str| {
            broken.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.broken.iter().any(|(at, broken)| {
            *at == document && (inside(broken, pointer) || inside(pointer, broken) && !broken.is_empty())
        })
    }

    fn problem(&mut self, code: Code, place: Place, message: String, help: Option<String>) {
        self.problems.push(Problem { code, place, message, help });
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

    /// The entries of a section that can be compiled, after telling duplicate and reserved names.
    fn usable(&mut self, section: &'static str, reserved: impl Fn(&str) -> bool) -> Vec<Entry<'a>> {
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
            } else if !self.is_broken(entry.position, &format!("/{section}/{}", entry.name)) {
                usable.push(entry);
            }
        }
        usable
    }

    fn defaults(&mut self) -> (Defaults, Locale) {
        let mut given: Option<(&Document, &Node)> = None;
        for document in self.documents {
            let Some(node) = document.root.child("defaults") else { continue };
            if let Some((first, _)) = given {
                let place =
                    document.root.key("defaults").map_or(Place::whole(&document.file), |key| document.place(&key.mark));
                let message = format!("`defaults` stand here and in {}", first.file.path);
                self.problem(Code::DuplicateName, place, message, Some("a rule set has them once".to_owned()));
            } else {
                given = Some((document, node));
            }
        }
        let text = |key: &str| given.and_then(|(_, node)| node.child(key)?.text());
        let time = |key: &str, default: Duration| text(key).and_then(duration).unwrap_or(default);
        let mut wrong = Vec::new();
        let region = text("region").map_or(Some(Region::default()), Region::parse).unwrap_or_else(|| {
            let message = format!("`{}` is not a country", text("region").unwrap_or_default());
            wrong.push(("region", message, "countries are written as in ISO 3166: TR, GB, DE"));
            Region::default()
        });
        let zone = text("time_zone").unwrap_or(DEFAULT_TIME_ZONE);
        let time_zone = jiff::tz::TimeZone::get(zone).unwrap_or_else(|_| {
            wrong.push((
                "time_zone",
                format!("`{zone}` is not a time zone"),
                "time zones are written as IANA does: Europe/Istanbul",
            ));
            jiff::tz::TimeZone::UTC
        });
        let tag = text("language").unwrap_or(DEFAULT_LANGUAGE);
        let language = tag.parse().unwrap_or_else(|_| {
            wrong.push((
                "language",
                format!("`{tag}` is not a language"),
                "languages are written as in BCP 47: tr, en, en-GB",
            ));
            icu_locale_core::LanguageIdentifier::UNKNOWN
        });
        for (key, message, help) in wrong {
            if let Some((document, node)) = given {
                let fault = Fault::new(Code::WrongValue, format!("/{key}"), message).help(help);
                self.faults(document, node, vec![fault]);
            }
        }
        let defaults = Defaults {
            region,
            time_zone,
            decide_within: time("decide_within", DEFAULT_DECIDE_WITHIN),
            send_within: time("send_within", DEFAULT_SEND_WITHIN),
        };
        (defaults, Locale { language, region })
    }

    fn accounts(&mut self) -> Vec<Account> {
        let mut accounts = Vec::new();
        let usable = self.usable("accounts", |_| false);
        let named = !usable.is_empty();
        for entry in usable {
            let mut faults = Vec::new();
            let mut value = |key: &str, default: &str, unset: &str| {
                let text = entry.node.child(key).and_then(Node::text).unwrap_or(default);
                self.environment.secrets.expand(text, unset).unwrap_or_else(|message| {
                    faults.push(Fault::new(Code::Secret, format!("/{key}"), message));
                    unset.to_owned()
                })
            };
            let api = value("api", DEFAULT_API, DEFAULT_API);
            let (token, webhook_secret) = (value("token", "", "unset"), value("webhook_secret", "", "unset"));
            match checked_api(&api) {
                Ok(api) => accounts.push(Account {
                    name: entry.name.to_owned(),
                    api,
                    token: token.into(),
                    webhook_secret: webhook_secret.into(),
                    requests_per_minute: entry
                        .node
                        .child("requests_per_minute")
                        .and_then(|node| u32::try_from(node.to_json().as_u64()?).ok())
                        .unwrap_or(DEFAULT_REQUESTS_PER_MINUTE),
                }),
                Err(message) => faults.push(Fault::new(Code::WrongValue, "/api", message)),
            }
            self.faults(entry.document, entry.node, faults);
        }
        match &self.environment.accounts {
            Accounts::Written(account) if !named => accounts.extend(account.clone()),
            Accounts::Written(_) => {}
            Accounts::Instead(other) if !named => accounts.push(other.clone()),
            Accounts::Instead(other) => {
                accounts =
                    accounts.into_iter().map(|account| Account { name: account.name, ..other.clone() }).collect();
            }
        }
        accounts
    }

    fn lists(&mut self, region: Region) -> Lists {
        let mut lists = Lists::new(region);
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
                    let names = CALL_NAMES.iter().map(|name| (*name).to_owned()).collect();
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

    fn cards(&mut self, sources: &[Arc<str>]) -> Cards {
        let mut cards: Cards = self.entries("cards").iter().map(|entry| (entry.name.to_owned(), None)).collect();
        for entry in self.usable("cards", |name| name == "none") {
            let card = self.card(entry.document, entry.node, sources);
            cards.insert(entry.name.to_owned(), card);
        }
        cards
    }

    fn card(&mut self, document: &Document, node: &Node, sources: &[Arc<str>]) -> Option<Arc<CardTemplate>> {
        let names = CALL_NAMES
            .iter()
            .map(|name| (*name).to_owned())
            .chain(sources.iter().map(|name| name.to_string()))
            .collect();
        match CardTemplate::compile(&node.to_json(), &names) {
            Ok(card) => Some(Arc::new(card)),
            Err(faults) => {
                self.faults(document, node, faults);
                None
            }
        }
    }

    fn rules(&mut self, lists: &Lists, sources: &[Arc<str>], cards: &Cards) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut names: BTreeMap<String, Place> = BTreeMap::new();
        let mut written = 0;
        for (position, document) in self.documents.iter().enumerate() {
            let nodes = document.root.child("rules").map(Node::items).unwrap_or_default();
            written += nodes.len();
            for (index, node) in nodes.iter().enumerate() {
                if let Some((name, name_node)) = node.child("name").and_then(|name| Some((name.text()?, name))) {
                    let place = document.place(&name_node.mark);
                    if let Some(earlier) = names.insert(name.to_lowercase(), place.clone()) {
                        let message = format!("two rules are named `{name}`");
                        let help = format!("the other one is at {}:{}", earlier.file.path, earlier.line);
                        self.problem(Code::DuplicateName, place, message, Some(help));
                    }
                }
                if !self.is_broken(position, &format!("/rules/{index}")) {
                    rules.extend(self.rule(document, node, lists, sources, cards));
                }
            }
        }
        if let (0, Some(document)) = (written, self.documents.first()) {
            let help = "a rule is written `- {name: everybody, card: […]}` under `rules`".to_owned();
            self.problem(Code::NoRule, Place::whole(&document.file), "the rule set has no rule".to_owned(), Some(help));
        }
        rules
    }

    fn rule(
        &mut self,
        document: &Document,
        node: &Node,
        lists: &Lists,
        sources: &[Arc<str>],
        cards: &Cards,
    ) -> Option<Rule> {
        let name = node.child("name")?;
        let when_node = node.child("when");
        let when = When::compile(when_node.map(Node::to_json).as_ref(), lists)
            .map_err(|faults| self.faults(document, when_node.unwrap_or(node), faults));
        let needs = self.needs(document, node, sources);
        let card_node = node.child("card")?;
        let card = match card_node.text() {
            Some("none") => None,
            Some(named) => match cards.get(named) {
                Some(card) => Some(card.clone()?),
                None => {
                    let message = format!("no card is named `{named}`");
                    let help = did_you_mean(named, cards.keys().map(String::as_str).chain(["none"]));
                    self.problem(Code::UnknownName, document.place(&card_node.mark), message, help);
                    return None;
                }
            },
            None => Some(self.card(document, card_node, sources)?),
        };
        let mentioned = card.as_deref().map(CardTemplate::mentions);
        let card_sources = sources
            .iter()
            .enumerate()
            .filter(|(_, name)| mentioned.is_some_and(|mentioned| mentioned.contains(name.as_ref())))
            .map(|(position, _)| position)
            .collect();
        let (place, name) = (document.place(&name.mark), name.text()?.into());
        Some(Rule { name, place, when: when.ok()?, needs: needs?, card, card_sources })
    }

    fn needs(&mut self, document: &Document, rule: &Node, sources: &[Arc<str>]) -> Option<Vec<(usize, Need)>> {
        let mut needs = Some(Vec::new());
        for (key, node) in rule.child("needs").into_iter().flat_map(Node::entries) {
            let position = sources.iter().position(|name| **name == *key.name);
            match (position, node.text().and_then(Need::parse)) {
                (Some(position), Some(need)) => {
                    if let Some(needs) = &mut needs {
                        needs.push((position, need));
                    }
                }
                _ => {
                    let message = format!("no source is named `{}`", key.name);
                    let help = did_you_mean(&key.name, sources.iter().map(|name| name.as_ref()))
                        .or_else(|| Some("sources are defined under `sources`".to_owned()));
                    self.problem(Code::UnknownName, document.place(&key.mark), message, help);
                    needs = None;
                }
            }
        }
        needs
    }
}

/// The base of a card API, without slash at the end.
///
/// # Errors
/// In words, where it is not such a URL.
pub fn checked_api(text: &str) -> Result<String, String> {
    let api = text.trim_end_matches('/');
    let url = reqwest::Url::parse(api).map_err(|_| format!("`{text}` is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("`{text}` is not an http or https URL"));
    }
    if !api.ends_with("/api/v3") {
        return Err(format!("`{text}` does not end in /api/v3"));
    }
    Ok(api.to_owned())
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
