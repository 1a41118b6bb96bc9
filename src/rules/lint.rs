//! What is written correctly and still can't be meant.

mod secrets;

pub(super) use secrets::in_clear as secrets_in_clear;

use std::collections::{BTreeMap, BTreeSet};

use super::compile::entries;
use super::yaml::{Document, Node};
use super::{NamedSource, Rule, with_inputs};
use crate::condition::{Bound, DIRECTION, Space, direction_ordinal};
use crate::event::Direction;
use crate::problem::{Code, Problem, did_you_mean, nearest};

/// Sources, cards, lists and schedules that nothing uses.
pub(super) fn unused(documents: &[Document], rules: &[Rule], sources: &[NamedSource], problems: &mut Vec<Problem>) {
    // A rule that did not compile would make everything it uses look unused.
    if problems.iter().any(Problem::is_error) {
        return;
    }
    let mentioned = rules
        .iter()
        .flat_map(|rule| rule.needs.iter().map(|(source, _)| *source).chain(rule.card_sources.iter().copied()));
    let asked: BTreeSet<&str> = with_inputs(sources, mentioned)
        .into_iter()
        .filter_map(|source| Some(sources.get(source)?.name.as_ref()))
        .collect();
    let (mut shown, mut listed, mut scheduled) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for rule in documents.iter().filter_map(|document| document.root.child("rules")).flat_map(Node::items) {
        shown.extend(rule.child("card").and_then(Node::text));
        if let Some(when) = rule.child("when") {
            named(when, &["customer", "in"], &mut listed);
            named(when, &["schedule"], &mut scheduled);
        }
    }
    for (section, used) in [("sources", &asked), ("cards", &shown), ("lists", &listed), ("schedules", &scheduled)] {
        for entry in entries(documents, section).into_iter().filter(|entry| !used.contains(entry.name)) {
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
                let fix = nearest(name, known.iter().copied()).and_then(|near| document.fix(&node.mark, near));
                let place = document.place(&node.mark);
                problems.push(Problem { help, fix, ..Problem::new(Code::UnknownName, place, message) });
            }
        }
    }
}

/// Rows that show the customer's whole number in a card that may be sent for an outbound call: the call may be masked,
/// and nothing in the event says so. Each row is told once, with the first such rule.
pub(super) fn whole_numbers(documents: &[Document], rules: &[Rule], space: &Space, problems: &mut Vec<Problem>) {
    let compiled: BTreeMap<&str, &Rule> = rules.iter().map(|rule| (rule.name.as_ref(), rule)).collect();
    let cards: BTreeMap<&str, (&Document, &Node)> =
        entries(documents, "cards").into_iter().map(|entry| (entry.name, (entry.document, entry.node))).collect();
    let mut told = BTreeSet::new();
    for document in documents {
        for node in document.root.child("rules").map(Node::items).unwrap_or_default() {
            let rule = node.child("name").and_then(Node::text).and_then(|name| compiled.get(name));
            let Some((rule, card)) = rule.and_then(|rule| Some((rule, rule.card.as_ref()?))) else { continue };
            let written = node.child("card").map(|card| (document, card));
            let named = written.and_then(|(_, card)| cards.get(card.text()?).copied());
            let Some((document, card_node)) = named.or(written) else { continue };
            let rows = card.whole_numbers();
            if rows.is_empty() || !is_outbound(rule, space) {
                continue;
            }
            for row in rows.iter().filter_map(|pointer| card_node.at(pointer)) {
                let place = document.place(&row.mark);
                if told.insert((place.file.path.clone(), place.span.start)) {
                    let message = format!(
                        "this row shows the whole number also in outbound calls (rule `{}`), which may be masked",
                        rule.name
                    );
                    let help = "write {{mask customer.e164}}, or `direction: inbound` in the rule; where no call is masked, \
                                `# callcard: allow R049 because …`";
                    problems.push(Problem::new(Code::FullNumber, place, message).help(help));
                }
            }
        }
    }
}

/// Whether the rule may be about an outbound call; yes, where that takes too long to tell.
fn is_outbound(rule: &Rule, space: &Space) -> bool {
    let outbound = direction_ordinal(Some(Direction::Outbound));
    let area = rule.when.area(space, Bound::Above);
    area.is_none_or(|cells| cells.iter().any(|cell| cell.get(DIRECTION).is_none_or(|set| set.contains(outbound))))
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

/// Every name at the path, in the block and in those inside it.
fn named<'a>(when: &'a Node, path: &[&str], found: &mut BTreeSet<&'a str>) {
    if let Some(value) = path.iter().try_fold(when, |node, key| node.child(key)) {
        found.extend([value].into_iter().chain(value.items()).filter_map(Node::text));
    }
    when.child("not").into_iter().for_each(|block| named(block, path, found));
    when.child("any").into_iter().flat_map(Node::items).for_each(|block| named(block, path, found));
}
