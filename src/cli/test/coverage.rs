//! `test --coverage`: the rules, conditions, needs and rows that no test reached.
//!
//! What counts: each rule decides; each condition that is written down is true and is false; each need is met and is not,
//! for a call that the rule is about; each row is shown, and is left out where sources decide that. A condition or a need
//! counts as seen also where an earlier rule has decided, else the last of several rules could never be covered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::run::{Ran, Suite};
use crate::card::RowOutcome;
use crate::cli::out::{Colour, coloured};
use crate::condition::Step;
use crate::problem::Place;
use crate::rules::{Document, Node, Rule};

/// The kinds of what is covered, as they are printed.
const KINDS: [&str; 4] = ["rules", "conditions", "needs", "rows"];

/// What tests reached and what they did not.
pub(super) struct Coverage {
    items: Vec<Item>,
}

/// Something that a test can reach.
struct Item {
    kind: &'static str,
    place: Place,
    /// What is missing, where nothing has reached it.
    missing: String,
    is_covered: bool,
}

impl Coverage {
    pub(super) fn of(suites: &[Suite], runtime: &Runtime) -> Coverage {
        let mut coverage = Coverage { items: Vec::new() };
        for suite in suites {
            let mut of_suite = Coverage { items: Vec::new() };
            of_suite.add(suite, runtime);
            let key = |place: &Place| (place.file.path.clone(), place.line, place.column);
            of_suite.items.sort_by_cached_key(|item| key(&item.place));
            coverage.items.append(&mut of_suite.items);
        }
        coverage
    }

    /// Whether fewer than so many in a hundred are covered.
    pub(super) fn is_below(&self, percent: f64) -> bool {
        self.percent(None) < percent
    }

    /// In words: `92.3%`, rounded down, so that only all of them are `100.0%`.
    pub(super) fn in_words(&self) -> String {
        format!("{:.1}%", (self.percent(None) * 10.0).floor() / 10.0)
    }

    fn counts(&self, kind: Option<&str>) -> (usize, usize) {
        let counted = || self.items.iter().filter(|item| kind.is_none_or(|kind| item.kind == kind));
        (counted().filter(|item| item.is_covered).count(), counted().count())
    }

    fn percent(&self, kind: Option<&str>) -> f64 {
        match self.counts(kind) {
            (_, 0) => 100.0,
            (covered, all) => 100.0 * covered as f64 / all as f64,
        }
    }

    fn missing(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| !item.is_covered)
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |name: &str, kind: Option<&str>| {
            let (covered, all) = self.counts(kind);
            format!("  {name:<10} {covered} of {all}")
        };
        let mut lines = vec![coloured("coverage", Colour::Bold)];
        lines.extend(KINDS.iter().map(|kind| line(kind, Some(kind))));
        lines.push(format!("{}, {}", line("all", None), self.in_words()));
        lines.extend(
            self.missing().map(|item| format!("  {}  {}", coloured(&at(&item.place), Colour::Dim), item.missing)),
        );
        lines
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let counted = |kind: Option<&str>| {
            let (covered, all) = self.counts(kind);
            json!({"covered": covered, "all": all})
        };
        let missing: Vec<Value> = self
            .missing()
            .map(|item| {
                let Place { file, line, column, .. } = &item.place;
                json!({"kind": item.kind, "path": file.path, "line": line, "column": column, "message": item.missing})
            })
            .collect();
        let (covered, all) = self.counts(None);
        let kinds: BTreeMap<&str, Value> = KINDS.into_iter().map(|kind| (kind, counted(Some(kind)))).collect();
        json!({"covered": covered, "all": all, "percent": self.percent(None), "kinds": kinds, "missing": missing})
    }

    fn add(&mut self, suite: &Suite, runtime: &Runtime) {
        let said: Vec<_> = suite.ran.iter().map(|ran| ran.said(&suite.rules, runtime)).collect();
        let mut cards = BTreeSet::new();
        for (rule, (document, node)) in suite.rules.rules.iter().zip(suite.written.rules()) {
            let decided = suite.ran.iter().any(|ran| ran.decision.rule.as_ref() == Some(&rule.name));
            self.push("rules", rule.place.clone(), format!("rule `{}` never decided", rule.name), decided);
            if let Some(when) = node.child("when") {
                self.conditions(rule, document, when, &suite.ran);
            }
            self.needs(rule, document, node, suite, &said);
            let named = node.child("card").and_then(Node::text);
            if named.is_none_or(|named| cards.insert(named)) {
                self.rows(rule, (document, node), named, suite);
            }
        }
    }

    fn push(&mut self, kind: &'static str, place: Place, missing: String, is_covered: bool) {
        self.items.push(Item { kind, place, missing, is_covered });
    }

    fn conditions(&mut self, rule: &Rule, document: &Document, when: &Node, ran: &[Ran]) {
        let mut seen = BTreeMap::new();
        for ran in ran {
            see(&ran.conditions(&rule.when), when, "", &mut seen);
        }
        let mut written = Vec::new();
        list(document, when, "", &mut written);
        for (pointer, name, place) in written {
            let (was_true, was_false) = seen.get(&pointer).copied().unwrap_or_default();
            let missing = |what: &str| format!("condition `{name}` of rule `{}` was never {what}", rule.name);
            self.push("conditions", place.clone(), missing("true"), was_true);
            self.push("conditions", place, missing("false"), was_false);
        }
    }

    fn needs(&mut self, rule: &Rule, document: &Document, node: &Node, suite: &Suite, said: &[Vec<Option<usize>>]) {
        let entries = node.child("needs").into_iter().flat_map(Node::entries);
        for ((source, need), (key, _)) in rule.needs.iter().zip(entries) {
            let about = suite.ran.iter().zip(said).filter(|(ran, _)| ran.is_about(&rule.when));
            let answers: Vec<Option<usize>> = about.map(|(_, said)| said.get(*source).copied().flatten()).collect();
            let place = document.place(&key.mark);
            let missing =
                |what: &str| format!("need `{}: {}` of rule `{}` was {what}", key.name, need.as_str(), rule.name);
            let met = answers.iter().any(|answer| need.holds(*answer));
            self.push("needs", place.clone(), missing("never met"), met);
            self.push("needs", place, missing("never unmet"), answers.iter().any(|answer| !need.holds(*answer)));
        }
    }

    fn rows(&mut self, rule: &Rule, (document, node): (&Document, &Node), named: Option<&str>, suite: &Suite) {
        let written = named.map_or_else(|| Some((document, node.child("card")?)), |name| suite.written.card(name));
        let (Some(card), Some((document, list))) = (&rule.card, written) else { return };
        let list = list.child("card").unwrap_or(list);
        let what = named.map_or_else(|| format!("the card of rule `{}`", rule.name), |name| format!("card `{name}`"));
        let users: BTreeSet<&str> = match named {
            Some(_) => suite
                .rules
                .rules
                .iter()
                .filter(|other| other.card.as_ref().is_some_and(|other| std::sync::Arc::ptr_eq(other, card)))
                .map(|rule| rule.name.as_ref())
                .collect(),
            None => [rule.name.as_ref()].into(),
        };
        let decided = |ran: &&Ran| ran.decision.rule.as_deref().is_some_and(|rule| users.contains(rule));
        let steps: Vec<_> = suite.ran.iter().filter(decided).flat_map(|ran| &ran.decision.trace.rows).collect();
        let is_source = |name: &str| suite.rules.sources.iter().any(|source| *source.name == *name);
        for (index, (row, is_conditional)) in list.items().iter().zip(card.conditional_rows(is_source)).enumerate() {
            let of_row = || steps.iter().filter(|step| step.row == index + 1);
            let place = document.place(&row.mark);
            let missing = |how: &str| format!("row {} of {what} was never {how}", index + 1);
            let shown = of_row().any(|step| step.outcome == RowOutcome::Shown);
            self.push("rows", place.clone(), missing("shown"), shown);
            if is_conditional {
                let left_out = of_row().any(|step| step.outcome != RowOutcome::Shown);
                self.push("rows", place, missing("left out"), left_out);
            }
        }
    }
}

/// `path:line:column`.
pub(super) fn at(place: &Place) -> String {
    format!("{}:{}:{}", place.file.path, place.line, place.column)
}

/// The conditions of a block as they are written, those inside `any` and `not` behind the one they stand in.
fn list(document: &Document, block: &Node, pointer: &str, found: &mut Vec<(String, String, Place)>) {
    for (key, node) in block.entries() {
        let here = format!("{pointer}/{}", key.name);
        found.push((here.clone(), key.name.to_string(), document.place(&key.mark)));
        for (pointer, block) in blocks(&key.name, node, &here) {
            list(document, block, &pointer, found);
        }
    }
}

/// Notes for each written condition whether it was true and whether it was false. Those that are only implied have no key.
fn see(steps: &[Step], block: &Node, pointer: &str, seen: &mut BTreeMap<String, (bool, bool)>) {
    for (step, node) in steps.iter().filter_map(|step| Some((step, block.child(step.key)?))) {
        let here = format!("{pointer}/{}", step.key);
        for ((pointer, block), steps) in blocks(step.key, node, &here).into_iter().zip(&step.inner) {
            see(steps, block, &pointer, seen);
        }
        let (was_true, was_false) = seen.entry(here).or_default();
        *was_true |= step.holds;
        *was_false |= !step.holds;
    }
}

/// The blocks of `any` and `not`, with their pointers.
fn blocks<'a>(name: &str, node: &'a Node, pointer: &str) -> Vec<(String, &'a Node)> {
    match name {
        "any" => node.items().iter().enumerate().map(|(index, block)| (format!("{pointer}/{index}"), block)).collect(),
        "not" => vec![(pointer.to_owned(), node)],
        _ => Vec::new(),
    }
}
