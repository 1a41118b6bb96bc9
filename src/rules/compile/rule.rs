//! Rules: their names, what they need, and which card they show.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cards, Compiler};
use crate::card::CardTemplate;
use crate::condition::{Lists, When};
use crate::problem::{Code, Place, did_you_mean};
use crate::rules::yaml::{Document, Node};
use crate::rules::{Need, Rule};

impl Compiler<'_> {
    pub(super) fn rules(&mut self, lists: &Lists, sources: &[Arc<str>], cards: &Cards) -> Vec<Rule> {
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
