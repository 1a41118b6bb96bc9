//! Sources: where each is asked, or which others it is made of.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{CALL_NAMES, Compiler, Entry, care, duration, known_names, written};
use crate::card::{Flavour, Names, Renderer, Template, is_helper};
use crate::event::Region;
use crate::expression::Expression;
use crate::problem::{Code, Fault, did_you_mean, nearest};
use crate::rules::yaml::Node;
use crate::rules::{Asked, Defaults, Filling, Fingerprint, NamedSource, Origin, With};
use crate::source::{Asker, Form, Parameter, Reach, Source};

/// What a source's parameters are, before it is known what they may mention.
type Unfilled<'a> = (Entry<'a>, Vec<Parameter>);

impl<'a> Compiler<'a> {
    /// The sources; one that can't be compiled is left out, which no rule set with an error shows. `names` are those of
    /// all sources, in the order in which rules count them.
    pub(super) fn sources(&mut self, defaults: &Defaults, names: &[Arc<str>], renderer: &Renderer) -> Vec<NamedSource> {
        let reserved =
            |name: &str| CALL_NAMES.contains(&name) || is_helper(name) || matches!(name, "this" | "as" | "else");
        let mut sources = Vec::new();
        let mut unfilled: Vec<Unfilled<'a>> = Vec::new();
        for entry in self.usable("sources", reserved) {
            let mut faults = Vec::new();
            let made = match entry.node.child("first") {
                Some(members) => {
                    let members = self.first(&entry, members, names, &mut faults);
                    members.map(|members| (Origin::First(members), Vec::new()))
                }
                None => self
                    .asked(&entry, defaults, &mut faults)
                    .map(|(asked, parameters)| (Origin::Asked(asked), parameters)),
            };
            self.faults(entry.document, entry.node, faults);
            if let Some((origin, parameters)) = made {
                sources.push(NamedSource { name: entry.name.into(), place: entry.place.clone(), origin });
                unfilled.push((entry, parameters));
            }
        }
        self.fill(&mut sources, unfilled, names, renderer);
        self.circles(&sources, names);
        sources
    }

    /// Compiles what is filled in for each question: it may mention the call and other sources.
    fn fill(
        &mut self,
        sources: &mut [NamedSource],
        unfilled: Vec<Unfilled<'a>>,
        all: &[Arc<str>],
        renderer: &Renderer,
    ) {
        let known = known_names(sources, all);
        for (source, (entry, parameters)) in sources.iter_mut().zip(unfilled) {
            let Origin::Asked(asked) = &mut source.origin else { continue };
            let mut faults = Vec::new();
            let mut mentions = BTreeSet::new();
            for parameter in parameters {
                match with(&parameter, &known) {
                    Ok(with) => {
                        mentions.extend(with.mentions().into_iter().map(str::to_owned));
                        asked.parameters.push(Filling::new(with, parameter.required, renderer));
                    }
                    Err(found) => faults.extend(found.into_iter().map(|fault| fault.under(&parameter.pointer))),
                }
            }
            asked.inputs =
                all.iter().enumerate().filter(|(_, name)| mentions.contains(&***name)).map(|(at, _)| at).collect();
            if !asked.source.checks_numbers() && asked.inputs.is_empty() {
                let message =
                    "nothing checks whose records these are: a service that finds too much shows the wrong person";
                let help = "name the fields that hold a record's numbers under `numbers`";
                faults.push(Fault::new(Code::Unchecked, format!("/{}", asked.source.kind()), message).help(help));
            }
            self.faults(entry.document, entry.node, faults);
        }
    }

    /// Tells each circle of sources that wait for one another once, at the first of them.
    fn circles(&mut self, sources: &[NamedSource], all: &[Arc<str>]) {
        let inputs = |name: &str| {
            let source = sources.iter().find(|source| *source.name == *name);
            let inputs = source.map(|source| source.origin.inputs()).unwrap_or_default();
            inputs.iter().filter_map(|input| Some(all.get(*input)?.as_ref())).collect::<Vec<&str>>()
        };
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for source in sources {
            if told.contains(&*source.name) {
                continue;
            }
            if let Some(circle) = circle(&source.name, &inputs) {
                let path = circle.iter().chain(circle.first()).map(|name| format!("`{name}`")).collect::<Vec<_>>();
                let message = match path.as_slice() {
                    [own, _] => format!("{own} waits for itself: its parameters mention it"),
                    _ => format!("these sources wait for each other: {}", path.join(" → ")),
                };
                let help = Some("let one of them be asked without the other's answer".to_owned());
                told.extend(circle);
                self.problem(Code::Circle, source.place.clone(), message, help);
            }
        }
    }

    /// A source that is made of others: their positions.
    fn first(
        &self,
        entry: &Entry<'_>,
        members: &Node,
        names: &[Arc<str>],
        faults: &mut Vec<Fault>,
    ) -> Option<Vec<usize>> {
        let before = faults.len();
        for (key, _) in entry.node.entries().filter(|(key, _)| *key.name != *"first") {
            let key = &key.name;
            let message = format!("a source with `first` has no `{key}`");
            faults.push(
                Fault::new(Code::Source, format!("/{key}"), message)
                    .help("it stands in the sources that `first` names"),
            );
        }
        let is_first = |name: &str| {
            self.entries("sources").iter().any(|entry| entry.name == name && entry.node.child("first").is_some())
        };
        let mut positions = Vec::new();
        for (index, member) in members.items().iter().enumerate() {
            let name = member.text().unwrap_or_default();
            let pointer = format!("/first/{index}");
            match names.iter().position(|known| **known == *name) {
                Some(_) if is_first(name) => faults.push(
                    Fault::new(Code::Source, pointer, format!("`{name}` is made of other sources itself"))
                        .help("name those sources here"),
                ),
                Some(position) => positions.push(position),
                None => {
                    let mut fault = Fault::new(Code::UnknownName, pointer, format!("no source is named `{name}`"));
                    fault.help = did_you_mean(name, names.iter().map(|name| name.as_ref()));
                    faults.push(fault.meant(nearest(name, names.iter().map(|name| name.as_ref()))));
                }
            }
        }
        (faults.len() == before).then_some(positions)
    }

    /// What the definition of an entry may reach.
    pub(super) fn reach<'r>(
        &'r self,
        entry: &'r Entry<'_>,
        region: Region,
        expand: &'r dyn Fn(&str, &str) -> Result<String, String>,
    ) -> Reach<'r> {
        let directory = Path::new(&entry.document.file.path).parent().unwrap_or(Path::new("."));
        let answer_within = Duration::from_secs(10);
        let (network, accounts) = (self.environment.network, self.apis.as_slice());
        Reach { root: self.root, directory, expand, network, accounts, region, answer_within }
    }

    /// A source that is asked itself, and what is to be filled in for each question.
    fn asked(
        &self,
        entry: &Entry<'_>,
        defaults: &Defaults,
        faults: &mut Vec<Fault>,
    ) -> Option<(Asked, Vec<Parameter>)> {
        let expanded = RefCell::new(Vec::new());
        let expand = |text: &str, unset: &str| {
            let text = self.environment.secrets.expand(text, unset)?;
            expanded.borrow_mut().push(text.clone());
            Ok(text)
        };
        let timeout = entry.node.child("timeout").and_then(Node::text).and_then(duration);
        if timeout.is_some_and(|timeout| timeout > defaults.decide_within) {
            let message =
                format!("the decision is made within {}, before this time-out", written(defaults.decide_within));
            let fault = Fault::new(Code::Timeout, "/timeout", message);
            faults.push(fault.help("make it shorter than `defaults.decide_within`"));
        }
        let within = timeout.unwrap_or(defaults.decide_within);
        let mut care = care::care(entry.node, within);
        let reach = Reach { answer_within: care.answer_within, ..self.reach(entry, defaults.region, &expand) };
        let definition = entry.node.to_json();
        let compiled = Source::compile(&definition, &reach).map_err(|found| faults.extend(found)).ok()?;
        faults.extend(compiled.faults);
        if let (None, Some(at_once)) = (entry.node.child("at_once"), compiled.source.default_at_once()) {
            care.at_once = at_once;
        }
        faults.extend(care::faults(entry.node, &compiled.source, &care, within));
        let fingerprint = fingerprint(entry.name, &definition, &reach, &expanded.borrow());
        let source = Arc::new(compiled.source);
        let asker = Arc::new(if source.is_at_hand() { Asker::default() } else { Asker::new(entry.name, care) });
        let (parameters, inputs) = (Vec::new(), Vec::new());
        Some((Asked { source, asker, fingerprint, parameters, inputs, timeout }, compiled.parameters))
    }
}

/// Two sources with the same one are the same: what is written, where, and what the environment adds to it.
fn fingerprint(name: &str, definition: &Value, reach: &Reach<'_>, expanded: &[String]) -> Fingerprint {
    let (directory, region) = (reach.directory.to_string_lossy(), reach.region.to_string());
    let (definition, within) = (definition.to_string(), reach.answer_within.as_millis().to_string());
    let mut hash = Sha256::new();
    let parts = [name, &definition, &directory, &region, &within];
    let limits: Vec<String> = reach.accounts.iter().map(|api| api.requests_per_minute.to_string()).collect();
    let accounts =
        reach.accounts.iter().flat_map(|api| [api.account.as_str(), api.api.as_str(), api.token.expose_secret()]);
    let accounts = accounts.chain(limits.iter().map(String::as_str));
    for part in parts.into_iter().chain(expanded.iter().map(String::as_str)).chain(accounts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// What a parameter is filled with.
fn with(parameter: &Parameter, names: &Names) -> Result<With, Vec<Fault>> {
    let template = |flavour| Template::compile(&parameter.text, flavour, names).map(With::Template);
    match parameter.form {
        Form::Text => template(Flavour::Plain),
        Form::Encoded => template(Flavour::Encoded),
        Form::Expression => Expression::compile(&parameter.text, names).map(With::Expression),
    }
}

/// The shortest way from a source back to itself.
fn circle<'n>(name: &'n str, inputs: &dyn Fn(&str) -> Vec<&'n str>) -> Option<Vec<&'n str>> {
    let mut next = VecDeque::from([vec![name]]);
    let mut seen = BTreeSet::new();
    while let Some(path) = next.pop_front() {
        for input in path.last().map(|last| inputs(last)).unwrap_or_default() {
            if input == name {
                return Some(path);
            }
            if seen.insert(input) {
                next.push_back([path.as_slice(), &[input]].concat());
            }
        }
    }
    None
}
