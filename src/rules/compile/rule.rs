//! Rules: their names, what they need, and which card they show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Compiler, Known};
use crate::card::{Locale, Renderer};
use crate::condition::{When, doubts_of_when};
use crate::problem::{Code, Fault, Place, Problem, did_you_mean, nearest};
use crate::rules::yaml::{Document, Node};
use crate::rules::{Need, Rule};

impl Compiler<'_> {
    pub(super) fn rules(&mut self, known: &Known<'_>) -> Vec<Rule> {
        let nodes = |document: &Document| document.root.child("rules").map_or(0, |rules| rules.items().len());
        let mut rules: Vec<Rule> = Vec::with_capacity(self.documents.iter().map(nodes).sum());
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
                let rule = self.rule(position, &format!("/rules/{index}"), node, known);
                rules.extend(rule.filter(|_| !self.is_broken(position, &format!("/rules/{index}"))));
            }
        }
        // Where the schema refused `rules` or a whole file, there may well be rules.
        let hidden = self.broken.hides_rules();
        if let (0, false, Some(document)) = (written, hidden, self.documents.first()) {
            let help = "a rule is written `- {name: everybody, card: […]}` under `rules`".to_owned();
            self.problem(Code::NoRule, Place::whole(&document.file), "the rule set has no rule".to_owned(), Some(help));
        }
        rules
    }

    /// Compiles a rule. Of one that the schema refused in part, the other parts are looked at all the same.
    fn rule(&mut self, position: usize, pointer: &str, node: &Node, known: &Known<'_>) -> Option<Rule> {
        let document = self.documents.get(position)?;
        let when_node = node.child("when");
        let written = when_node.map(Node::to_json);
        self.faults(document, when_node.unwrap_or(node), written.as_ref().map(doubts_of_when).unwrap_or_default());
        let when = When::compile(written.as_ref(), known.when).map_err(|mut faults| {
            faults.retain(|fault| !self.is_spoilt(position, &format!("{pointer}/when{}", fault.pointer)));
            self.faults(document, when_node.unwrap_or(node), faults);
        });
        let needs = self.needs(document, node, known.sources);
        let card_node = node.child("card")?;
        let card_pointer = format!("{pointer}/card");
        if card_node.text().is_none() && self.is_spoilt(position, &card_pointer) {
            return None;
        }
        let card = match card_node.text() {
            Some("none") => None,
            Some(named) => match known.cards.get(named) {
                Some(card) => Some(card.clone()?),
                None => {
                    let message = format!("no card is named `{named}`");
                    let cards = || known.cards.keys().map(String::as_str).chain(["none"]);
                    let mut fault = Fault::new(Code::UnknownName, "", message).meant(nearest(named, cards()));
                    fault.help = did_you_mean(named, cards().collect::<Vec<_>>());
                    self.faults(document, card_node, vec![fault]);
                    return None;
                }
            },
            None => Some(self.card(position, &card_pointer, card_node, known.names)?),
        };
        let mentioned: BTreeSet<&str> = card.iter().flat_map(|card| card.mentions()).collect();
        let card_sources = known
            .sources
            .iter()
            .enumerate()
            .filter(|(_, name)| mentioned.contains(name.as_ref()))
            .map(|(position, _)| position)
            .collect();
        let name = node.child("name")?;
        let renderer = self.language(document, node, known);
        let (place, name) = (document.place(&name.mark), name.text()?.into());
        Some(Rule { name, place, when: when.ok()?, needs: needs?, card, card_sources, renderer })
    }

    /// The renderer of the rule's own language, or that of the rule set.
    fn language(&mut self, document: &Document, rule: &Node, known: &Known<'_>) -> Arc<Renderer> {
        let Some((node, tag)) = rule.child("language").and_then(|node| Some((node, node.text()?))) else {
            return self.renderer(known.locale, known.texts, None);
        };
        let place = document.place(&node.mark);
        match tag.parse() {
            Ok(language) => self.renderer(&Locale { language, ..known.locale.clone() }, known.texts, Some(place)),
            Err(_) => {
                let help = "languages are written as in BCP 47: tr, en, en-GB".to_owned();
                self.problem(Code::WrongValue, place, format!("`{tag}` is not a language"), Some(help));
                self.renderer(known.locale, known.texts, None)
            }
        }
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
                (Some(_), None) => needs = None,
                (None, _) => {
                    let message = format!("no source is named `{}`", key.name);
                    let known = || sources.iter().map(|name| name.as_ref());
                    let help = did_you_mean(&key.name, known().collect::<Vec<_>>())
                        .or_else(|| Some("sources are defined under `sources`".to_owned()));
                    let fix = nearest(&key.name, known()).and_then(|near| document.fix(&key.mark, near));
                    let problem = Problem::new(Code::UnknownName, document.place(&key.mark), message);
                    self.problems.push(Problem { help, fix, ..problem });
                    needs = None;
                }
            }
        }
        needs
    }
}
