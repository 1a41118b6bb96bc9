//! What is written correctly and still can't be meant.

use super::compile::entries;
use super::yaml::{Document, Node};
use super::{NamedSource, Origin, Rule};
use crate::problem::{Code, Problem, did_you_mean};

/// Sources, cards, lists and schedules that nothing uses.
pub(super) fn unused(documents: &[Document], rules: &[Rule], sources: &[NamedSource], problems: &mut Vec<Problem>) {
    // A rule that did not compile would make everything it uses look unused.
    if problems.iter().any(Problem::is_error) {
        return;
    }
    let mut used: Vec<usize> = rules
        .iter()
        .flat_map(|rule| rule.needs.iter().map(|(source, _)| *source).chain(rule.card_sources.iter().copied()))
        .collect();
    for source in used.clone() {
        if let Some(Origin::First(members)) = sources.get(source).map(|source| &source.origin) {
            used.extend(members);
        }
    }
    let asked = |name: &str| {
        let position = sources.iter().position(|source| *source.name == *name);
        position.is_some_and(|position| used.contains(&position))
    };
    let rule_nodes = || documents.iter().filter_map(|document| document.root.child("rules")).flat_map(Node::items);
    let shown = |name: &str| rule_nodes().any(|rule| rule.child("card").and_then(Node::text) == Some(name));
    let named = |path: &'static [&'static str]| {
        move |name: &str| rule_nodes().any(|rule| rule.child("when").is_some_and(|when| names(when, path, name)))
    };
    let (listed, scheduled) = (named(&["customer", "in"]), named(&["schedule"]));
    for (section, is_used) in
        [("sources", &asked as &dyn Fn(&str) -> bool), ("cards", &shown), ("lists", &listed), ("schedules", &scheduled)]
    {
        for entry in entries(documents, section).into_iter().filter(|entry| !is_used(entry.name)) {
            let message = format!("`{}` under `{}` is never used", entry.name, entry.section);
            problems.push(Problem::new(Code::Unused, entry.place, message).help("use it in a rule or take it out"));
        }
    }
}

/// Accounts in a `when` that the rules do not have. Where they have none, the account of the environment is `known`.
pub(super) fn accounts(documents: &[Document], known: &[&str], problems: &mut Vec<Problem>) {
    for document in documents {
        for rule in document.root.child("rules").map(Node::items).unwrap_or_default() {
            let mut named = Vec::new();
            rule.child("when").into_iter().for_each(|when| named_accounts(when, &mut named));
            for (node, name) in named.into_iter().filter(|(_, name)| !known.contains(name)) {
                let message = format!("no account is named `{name}`");
                let help = did_you_mean(name, known.iter().copied());
                let place = document.place(&node.mark);
                problems.push(Problem { help, ..Problem::new(Code::UnknownName, place, message) });
            }
        }
    }
}

fn named_accounts<'a>(when: &'a Node, named: &mut Vec<(&'a Node, &'a str)>) {
    if let Some(account) = when.child("account") {
        let one = account.text().map(|_| account);
        named.extend(one.into_iter().chain(account.items()).filter_map(|node| Some((node, node.text()?))));
    }
    when.child("not").into_iter().for_each(|block| named_accounts(block, named));
    when.child("any").into_iter().flat_map(Node::items).for_each(|block| named_accounts(block, named));
}

/// Whether the value at the path, such as `customer: {in: …}`, is or has the name, in the block or in one inside it.
pub(super) fn names(when: &Node, path: &[&str], name: &str) -> bool {
    let value = path.iter().try_fold(when, |node, key| node.child(key));
    value.is_some_and(|value| value.text() == Some(name) || value.items().iter().any(|item| item.text() == Some(name)))
        || when.child("not").is_some_and(|block| names(block, path, name))
        || when.child("any").is_some_and(|blocks| blocks.items().iter().any(|block| names(block, path, name)))
}
