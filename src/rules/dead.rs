//! What proofs say about rules, told as problems: rules that never decide, rules that no call satisfies, a rule for every
//! call with others behind it, and rules of two events that may meet in one call.
//!
//! It asks the prover about rules without any error, and knows where each is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compile::entries;
use super::proof::{Prover, Verdict};
use super::yaml::{Document, Node};
use super::{Rule, RuleSet};
use crate::condition::{
    CALLEE_ID, CALLEE_KIND, CUSTOMER, Cell, EVENT, IntervalSet, USER, WEEK, doubts_of_when, event_ordinal,
    international,
};
use crate::event::EventKind;
use crate::problem::{Code, Place, Problem};

/// Names of covering rules that a message lists.
const NAMES_MAX: usize = 5;

/// Pairs of rules of two events that are compared.
const PAIRS_MAX: usize = 10_000;

/// Everything that can be proved of the rules.
pub(super) fn problems(documents: &[Document], rule_set: &RuleSet) -> Vec<Problem> {
    let (rules, prover) = (&rule_set.rules, rule_set.prover());
    let written = |document| rule_nodes(document).iter().map(move |node| (document, node));
    let nodes: Vec<(&Document, &Node)> = documents.iter().flat_map(written).collect();
    let mut found = Vec::new();
    let mut given_up: Vec<&Rule> = Vec::new();
    let mut decides: Vec<bool> = Vec::with_capacity(rules.len());
    // How many rules a rule alone makes dead, by its position.
    let mut covers: BTreeMap<usize, usize> = BTreeMap::new();
    for (position, rule) in rules.iter().enumerate() {
        let verdict = prover.verdict(position);
        if let Verdict::Covered(covering) = &verdict
            && let [alone] = covering.as_slice()
        {
            *covers.entry(*alone).or_default() += 1;
        }
        decides.push(matches!(verdict, Verdict::Alive | Verdict::Unknown));
        match verdict {
            Verdict::Alive => {}
            Verdict::Unknown => given_up.push(rule),
            Verdict::Impossible => found.extend(impossible(nodes.get(position), rule, &prover.contradiction(rule))),
            Verdict::Covered(covering) => found.push(covered(rules, rule, &covering)),
        }
    }
    found.extend(catch_alls(rules, &covers));
    found.extend(two_events(rules, &prover));
    found.extend(never_asked(documents, rule_set, &prover, &decides));
    if let Some(first) = given_up.first() {
        let message = match given_up.len() {
            1 => format!("whether `{}` can ever decide was not worked out: that takes too many steps", first.name),
            more => format!("whether `{}` and {} more can ever decide was not worked out", first.name, more - 1),
        };
        let help = "`callcard test --coverage` shows whether a test reaches it";
        found.push(Problem::new(Code::NotProved, first.place.clone(), message).help(help));
    }
    found
}

/// A rule behind others that decide all of its calls.
fn covered(rules: &[Rule], rule: &Rule, covering: &[usize]) -> Problem {
    let names: Vec<String> = covering
        .iter()
        .take(NAMES_MAX)
        .filter_map(|at| rules.get(*at))
        .map(|rule| format!("`{}` ({}:{})", rule.name, rule.place.file.path, rule.place.line))
        .collect();
    let more = covering.len().saturating_sub(NAMES_MAX);
    let names = match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    };
    let verb = if covering.len() == 1 { "decides" } else { "together decide" };
    let message = format!("`{}` never decides: {names} before it {verb} every call it is about", rule.name);
    Problem::new(Code::DeadRule, rule.place.clone(), message)
        .help("the first rule that holds decides: put it before them, or make them ask for more")
}

/// A rule whose own parts exclude each other. Where one pattern is to blame, that is told of the pattern (R032).
fn impossible(node: Option<&(&Document, &Node)>, rule: &Rule, keys: &[&'static str]) -> Option<Problem> {
    let when = node.and_then(|(_, node)| node.child("when")).map(Node::to_json);
    let doubts = when.as_ref().map(doubts_of_when).unwrap_or_default();
    let blames = |key: &str| doubts.iter().any(|doubt| doubt.code == Code::NoSuchNumber && doubt.is_under(key));
    if matches!(keys, [one] if blames(one)) {
        return None;
    }
    let place = node.and_then(|(document, node)| key_place(document, node, keys)).unwrap_or_else(|| rule.place.clone());
    let message = match keys {
        [one] => format!("no call can have what `{one}` of `{}` asks for", rule.name),
        [one, two] => format!("`{one}` and `{two}` of `{}` exclude each other: no call can have both", rule.name),
        _ => format!("no call can have everything that `{}` asks for", rule.name),
    };
    let help = match keys {
        _ if keys.contains(&"needs") => {
            "a caller without a full number is looked up nowhere: every source then has `none`"
        }
        _ => "in a `when` every key must hold; to let one of several be enough, use a list or `any`",
    };
    Some(Problem::new(Code::ImpossibleRule, place, message).help(help))
}

fn rule_nodes(document: &Document) -> &[Node] {
    document.root.child("rules").map(Node::items).unwrap_or_default()
}

/// The last of the keys that is written in the rule: the one that excludes those before it.
fn key_place(document: &Document, rule: &Node, keys: &[&str]) -> Option<Place> {
    let key = |key: &&str| match *key {
        "needs" => rule.key("needs"),
        key => rule.child("when").and_then(|when| when.key(key)),
    };
    keys.iter().rev().find_map(key).map(|key| document.place(&key.mark))
}

/// Rules that alone decide every call of later ones without asking for anything.
fn catch_alls(rules: &[Rule], covers: &BTreeMap<usize, usize>) -> Vec<Problem> {
    let asks_nothing = |rule: &Rule| rule.needs.is_empty() && rule.when.is_empty();
    let told = covers.iter().filter_map(|(position, dead)| Some((position, dead, rules.get(*position)?)));
    told.filter(|(.., rule)| asks_nothing(rule))
        .map(|(position, dead, rule)| {
            let message = match (*dead, rules.len() - position - 1) {
                (1, _) => format!("`{}` is for every call, so that one rule after it never decides", rule.name),
                (dead, rest) if dead == rest => {
                    format!("`{}` is for every call, so that none of the {rest} rules after it ever decides", rule.name)
                }
                (dead, _) => {
                    format!("`{}` is for every call, so that {dead} of the rules after it never decide", rule.name)
                }
            };
            Problem::new(Code::CatchAll, rule.place.clone(), message).help("put it last")
        })
        .collect()
}

/// Sources that only rules mention for whose calls nobody is asked. Of a rule that never decides enough is told.
fn never_asked(documents: &[Document], rule_set: &RuleSet, prover: &Prover<'_>, decides: &[bool]) -> Vec<Problem> {
    let full = international();
    let asks = |rule: &Rule| {
        let area = prover.area(rule);
        let is_asked = |cell: &Cell| cell.with(CUSTOMER, &full).is_some_and(|cell| prover.is_possible(&cell));
        area.is_none_or(|cells| cells.iter().any(is_asked))
    };
    let mut mentioned = vec![false; rule_set.sources.len()];
    let mut asked = mentioned.clone();
    for (rule, _) in rule_set.rules.iter().zip(decides).filter(|(_, decides)| **decides) {
        let of_rule = rule.needs.iter().map(|(source, _)| *source).chain(rule.card_sources.iter().copied());
        let of_rule = rule_set.with_inputs(of_rule);
        let asks = of_rule.iter().any(|source| asked.get(*source) == Some(&false)) && asks(rule);
        for source in of_rule {
            mentioned.get_mut(source).into_iter().for_each(|mentioned| *mentioned = true);
            asked.get_mut(source).into_iter().for_each(|asked| *asked |= asks);
        }
    }
    let never = rule_set
        .sources
        .iter()
        .zip(mentioned.iter().zip(&asked))
        .filter(|(_, (mentioned, asked))| **mentioned && !**asked);
    let names: Vec<&str> = never.map(|(source, _)| source.name.as_ref()).collect();
    let told = entries(documents, "sources").into_iter().filter(|entry| names.contains(&entry.name));
    told.map(|entry| {
        let message =
            format!("`{}` is never asked: no rule that mentions it is about a caller with a full number", entry.name);
        Problem::new(Code::NeverAsked, entry.place, message)
            .help("take it out of the card, or mention it in a rule for callers with a number")
    })
    .collect()
}

/// A rule of `call_bridged` beside one of `call_init` that may both have a card for one call.
fn two_events(rules: &[Rule], prover: &Prover<'_>) -> Option<Problem> {
    let of = |event: &EventKind| -> Vec<(&Rule, Vec<Cell>)> {
        let at = IntervalSet::of([event_ordinal(event)]);
        let about = |rule: &Rule| {
            let area = prover.area(rule).unwrap_or_default();
            let cells: Vec<Cell> = area.iter().filter_map(|cell| cell.with(EVENT, &at)).collect();
            cells.into_iter().map(whole_call).collect::<Vec<Cell>>()
        };
        let with_card = rules.iter().filter(|rule| rule.card.is_some());
        with_card.map(|rule| (rule, about(rule))).filter(|(_, cells)| !cells.is_empty()).collect()
    };
    let bridged = of(&EventKind::CallBridged);
    if bridged.is_empty() {
        return None;
    }
    let first = of(&EventKind::CallInit);
    let pairs = bridged.iter().flat_map(|late| first.iter().map(move |early| (early, late))).take(PAIRS_MAX);
    let meet = |one: &[Cell], two: &[Cell]| one.iter().any(|one| two.iter().any(|two| one.intersection(two).is_some()));
    let ((early, _), (late, _)) = pairs.into_iter().find(|((_, one), (_, two))| meet(one, two))?;
    let message = if Arc::ptr_eq(&early.name, &late.name) {
        format!("`{}` decides at call_init and at call_bridged", late.name)
    } else {
        format!(
            "one call may have a card from `{}` at call_init and one from `{}` at call_bridged",
            early.name, late.name
        )
    };
    let help = "a call gets one card: that of the first event whose decision is a card; what comes later is not sent";
    Some(Problem::new(Code::TwoEvents, late.place.clone(), message).help(help))
}

/// What is the same at every event of a call: not who answers, and not what a source says by then.
fn whole_call(cell: Cell) -> Cell {
    let lasts = |dimension| dimension <= WEEK && ![EVENT, CALLEE_KIND, CALLEE_ID, USER].contains(&dimension);
    let sides = cell.sides().iter().filter(|(dimension, _)| lasts(*dimension));
    sides.fold(Cell::everything(), |kept, (dimension, set)| kept.with(*dimension, set).unwrap_or(kept))
}
