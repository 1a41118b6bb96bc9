//! What is written correctly and still can't be meant.

use super::compile::entries;
use super::yaml::{Document, Node};
use super::{NamedSource, Origin, Rule};
use crate::problem::{Code, Problem, did_you_mean};

/// Sources, cards and lists that nothing uses.
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
    let named = |name: &str| rule_nodes().any(|rule| rule.child("when").is_some_and(|when| names_list(when, name)));
    for (section, is_used) in [("sources", &asked as &dyn Fn(&str) -> bool), ("cards", &shown), ("lists", &named)] {
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

/// Whether a `customer: {in: …}` anywhere in the block names the list.
fn names_list(when: &Node, name: &str) -> bool {
    let in_customer = when
        .child("customer")
        .and_then(|customer| customer.child("in"))
        .is_some_and(|lists| lists.text() == Some(name) || lists.items().iter().any(|item| item.text() == Some(name)));
    in_customer
        || when.child("not").is_some_and(|block| names_list(block, name))
        || when.child("any").is_some_and(|blocks| blocks.items().iter().any(|block| names_list(block, name)))
}
