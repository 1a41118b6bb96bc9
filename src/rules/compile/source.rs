//! Sources: where each is asked, or which others it is made of.

use std::path::Path;
use std::sync::Arc;

use super::{CALL_NAMES, Compiler, Entry, call_names, duration, written};
use crate::card::{Flavour, Template, is_helper};
use crate::event::Region;
use crate::problem::{Code, Fault, did_you_mean, nearest};
use crate::rules::yaml::Node;
use crate::rules::{Asked, Defaults, NamedSource, Origin};
use crate::source::{Reach, Source};

impl Compiler<'_> {
    /// The sources; one that can't be compiled is left out, which no rule set with an error shows. `names` are those of
    /// all sources, in the order in which rules count them.
    pub(super) fn sources(&mut self, defaults: &Defaults, names: &[Arc<str>]) -> Vec<NamedSource> {
        let reserved =
            |name: &str| CALL_NAMES.contains(&name) || is_helper(name) || matches!(name, "this" | "as" | "else");
        let mut sources = Vec::new();
        for entry in self.usable("sources", reserved) {
            let mut faults = Vec::new();
            let origin = match entry.node.child("first") {
                Some(members) => self.first(&entry, members, names, &mut faults).map(Origin::First),
                None => self.asked(&entry, defaults, &mut faults).map(Origin::Asked),
            };
            sources.extend(origin.map(|origin| NamedSource {
                name: entry.name.into(),
                place: entry.place.clone(),
                origin,
            }));
            self.faults(entry.document, entry.node, faults);
        }
        sources
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
        for key in ["csv", "http", "timeout"] {
            if entry.node.key(key).is_some() {
                let message = format!("a source with `first` has no `{key}`");
                faults.push(
                    Fault::new(Code::Source, format!("/{key}"), message)
                        .help("it stands in the sources that `first` names"),
                );
            }
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
        Reach { root: self.root, directory, expand, network: self.environment.network, region }
    }

    /// A source that is asked itself.
    fn asked(&self, entry: &Entry<'_>, defaults: &Defaults, faults: &mut Vec<Fault>) -> Option<Asked> {
        let expand = |text: &str, unset: &str| self.environment.secrets.expand(text, unset);
        let reach = self.reach(entry, defaults.region, &expand);
        let timeout = entry.node.child("timeout").and_then(Node::text).and_then(duration);
        if timeout.is_some_and(|timeout| timeout > defaults.decide_within) {
            let message =
                format!("the decision is made within {}, before this time-out", written(defaults.decide_within));
            let fault = Fault::new(Code::Timeout, "/timeout", message);
            faults.push(fault.help("make it shorter than `defaults.decide_within`"));
        }
        let compiled = Source::compile(&entry.node.to_json(), &reach).map_err(|found| faults.extend(found)).ok()?;
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
        Some(Asked { source: compiled.source, parameters, timeout })
    }
}
