//! Small changes of the rules, as a person makes them by mistake: tests that are worth something notice each of them.
//!
//! A mutation is planned on the parsed files and compiled by the functions that compile rules, but only the part that it
//! changes: no file is read again. Of those that no test notices, a proof tells some that none could. It runs no test.

mod bound;
mod effect;
mod when;

use std::cell::OnceCell;
use std::sync::Arc;

use serde_json::Value;

use super::compile::BeforeSources;
use super::lint::names;
use super::proof::Prover;
use super::yaml::edit::Edit;
use super::yaml::{Document, Node};
use super::{Need, Rule, RuleSet, Written};
use crate::card::CardTemplate;
use crate::condition::{Made, Vocabulary, When};
use crate::problem::Place;
use when::WhenChange;

/// More mutants than this take minutes and are read by nobody.
pub const MUTANTS_MAX: usize = 10_000;

/// Lines of a diff; of a rule that is gone the first ones are enough.
const DIFF_LINES_MAX: usize = 8;

/// A change of the rules that is not compiled yet.
#[derive(Debug)]
pub struct Mutation {
    /// What is different, in words.
    pub what: String,
    /// Where.
    pub place: Place,
    /// The changed lines of the file, `- ` before and `+ ` after.
    pub diff: Vec<String>,
    how: How,
}

/// What a rule set can be turned into.
pub struct Mutator<'a> {
    written: &'a Written,
    rules: &'a RuleSet,
    /// Only made where a mutant survives.
    proof: OnceCell<Prover<'a>>,
}

#[derive(Debug)]
enum How {
    Removed(usize),
    Swapped(usize),
    When(usize, WhenChange),
    Needs(usize, Vec<(usize, Need)>),
    /// The list of this name, with another pattern at a pointer.
    List(String, String, String),
    /// The schedule of this name.
    Schedule(String, String),
    /// The rules that show the card, and its rows.
    Card(Vec<usize>, Value),
}

/// What is different in a mutant. Rules are named by position in [`RuleSet::rules`].
#[derive(Debug)]
pub enum Change {
    /// The rule is gone.
    Removed(usize),
    /// The rule stands behind its neighbour.
    Swapped(usize),
    /// Rules have another `when` or other `needs`.
    Rewritten(Vec<(usize, Rule)>),
    /// Rules show another card.
    Card(Vec<usize>, Arc<CardTemplate>),
}

impl<'a> Mutator<'a> {
    /// For a rule set without problems.
    pub fn new(written: &'a Written, rules: &'a RuleSet) -> Mutator<'a> {
        Mutator { written, rules, proof: OnceCell::new() }
    }

    /// All mutations: rule by rule, then the lists, then the cards. Where there are more than [`MUTANTS_MAX`], there is
    /// one more than that.
    pub fn mutations(&self) -> Vec<Mutation> {
        let mut plan = Plan { written: self.written, rules: &self.rules.rules, found: Vec::new() };
        let documents = self.written.rules.iter();
        let lists = documents.filter_map(|document| Some((document, document.root.child("rules")?)));
        let nodes =
            lists.flat_map(|(document, list)| (0..list.items().len()).map(move |index| (document, list, index)));
        for (position, (document, list, index)) in nodes.enumerate() {
            if plan.found.len() > MUTANTS_MAX {
                break;
            }
            plan.rule(position, document, list, index);
        }
        plan.lists();
        plan.cards();
        plan.found
    }

    /// Compiles a mutant; nothing where it would be refused.
    pub fn compile(&self, mutation: &Mutation) -> Option<Change> {
        let rule = |position: usize| self.rules.rules.get(position);
        let kept = &self.written.kept;
        let scope = BeforeSources { sources: &kept.sources };
        // With another list or schedule the same text makes another condition.
        let made = Made::default();
        let known = Vocabulary { lists: &kept.lists, schedules: &kept.schedules, names: &scope, made: &made };
        let with_when = |position: usize, when: Option<&Value>, known| {
            Some((position, Rule { when: When::compile(when, known).ok()?, ..rule(position)?.clone() }))
        };
        // All rules whose `when` has this name at this place.
        let that_name = |path: &[&str], name: &str, known| {
            let whens = self.written.rules().map(|(_, rule)| rule.child("when")).enumerate();
            let naming = whens.filter_map(|(position, when)| Some((position, when?)));
            let naming = naming.filter(|(_, when)| names(when, path, name));
            let changed = naming.map(|(position, when)| with_when(position, Some(&when.to_json()), known));
            changed.collect::<Option<_>>().map(Change::Rewritten)
        };
        match &mutation.how {
            How::Removed(position) => Some(Change::Removed(*position)),
            How::Swapped(position) => Some(Change::Swapped(*position)),
            How::When(position, change) => {
                let (_, rule) = self.written.rules().nth(*position)?;
                let when = change.apply(rule.child("when")?.to_json());
                Some(Change::Rewritten(vec![with_when(*position, when.as_ref(), known)?]))
            }
            How::Needs(position, needs) => {
                Some(Change::Rewritten(vec![(*position, Rule { needs: needs.clone(), ..rule(*position)?.clone() })]))
            }
            How::List(name, pointer, pattern) => {
                let list = |document: &Document| document.root.child("lists")?.child(name).map(Node::to_json);
                let mut patterns = self.written.rules.iter().find_map(list)?;
                *patterns.pointer_mut(pointer)? = pattern.as_str().into();
                let mut lists = kept.lists.clone();
                let is_read = lists.add(name, &patterns).is_empty();
                is_read.then(|| that_name(&["customer", "in"], name, Vocabulary { lists: &lists, ..known }))?
            }
            How::Schedule(name, text) => {
                let mut schedules = kept.schedules.clone();
                schedules.add(name, text).ok()?;
                that_name(&["schedule"], name, Vocabulary { schedules: &schedules, ..known })
            }
            How::Card(users, rows) => {
                let card = CardTemplate::compile(rows, &kept.names).ok()?;
                Some(Change::Card(users.clone(), Arc::new(card)))
            }
        }
    }

    /// Whether it is proved that the mutant decides as the rules do, so that no test could notice it.
    pub fn is_without_effect(&self, change: &Change) -> bool {
        let new = || Prover::new(&self.rules.rules, self.rules.matcher.space(), self.rules.sources.len());
        effect::is_none(self.proof.get_or_init(new), &self.rules.rules, change)
    }
}

/// Mutations found so far.
struct Plan<'a> {
    written: &'a Written,
    rules: &'a [Rule],
    found: Vec<Mutation>,
}

impl Plan<'_> {
    /// `edit` is the change in the text; where it can't be made there, only the first line is shown.
    fn add(&mut self, document: &Document, node: &Node, what: String, edit: Option<Edit>, how: How) {
        let diff = match edit {
            Some(edit) => document.diff(&edit),
            None => vec![format!("- {}", document.line(node))],
        };
        self.add_diff(document, node, what, diff, how);
    }

    fn add_diff(&mut self, document: &Document, node: &Node, what: String, mut diff: Vec<String>, how: How) {
        if diff.len() > DIFF_LINES_MAX {
            diff.truncate(DIFF_LINES_MAX);
            diff.push("  …".to_owned());
        }
        if self.found.len() <= MUTANTS_MAX {
            self.found.push(Mutation { what, place: document.place(&node.mark), diff, how });
        }
    }

    /// The mutations of a rule: `position` in the rule set, `index` in its file.
    fn rule(&mut self, position: usize, document: &Document, list: &Node, index: usize) {
        let (Some(rule), Some(node)) = (self.rules.get(position), list.items().get(index)) else { return };
        let name = rule.name.as_ref();
        if self.rules.len() > 1 {
            let edit = document.without_items(list, index..index + 1);
            self.add(document, node, format!("without rule `{name}`"), edit, How::Removed(position));
        }
        if let (Some(next_node), Some(next)) = (list.items().get(index + 1), self.rules.get(position + 1)) {
            let what = format!("rule `{name}` behind `{}`", next.name);
            let (first, second) = (document.line(node), document.line(next_node));
            let diff = vec![format!("- {first}"), format!("  {second}"), format!("+ {first}")];
            self.add_diff(document, node, what, diff, How::Swapped(position));
        }
        if document.is_alias(node) {
            return;
        }
        if let Some(when) = node.child("when") {
            for found in when::mutations(document, node, when) {
                let what = format!("rule `{name}` {}", found.what);
                self.add(document, found.node, what, found.edit, How::When(position, found.change));
            }
        }
        self.needs(position, rule, document, node);
        if let Some(card) = node.child("card").filter(|card| card.text().is_none()) {
            self.card(document, card, &format!("the card of rule `{name}`"), vec![position]);
        }
    }

    fn needs(&mut self, position: usize, rule: &Rule, document: &Document, node: &Node) {
        let Some(needs) = node.child("needs").filter(|needs| !document.is_alias(needs)) else { return };
        for (index, (key, value)) in needs.entries().enumerate() {
            let Some(need) = value.text().and_then(Need::parse) else { continue };
            let mut dropped = rule.needs.clone();
            dropped.remove(index);
            let edit = match dropped.as_slice() {
                [] => document.without_entry(node, "needs"),
                _ => document.without_entry(needs, &key.name),
            };
            let what = format!("rule `{}` without its need `{}: {}`", rule.name, key.name, need.as_str());
            self.add(document, value, what, edit, How::Needs(position, dropped));
            let other = neighbour(need);
            let mut changed = rule.needs.clone();
            changed.iter_mut().skip(index).take(1).for_each(|(_, need)| *need = other);
            let edit = (!document.is_alias(value)).then(|| Edit::new(document.extent(value), other.as_str()));
            let (name, source) = (&rule.name, &key.name);
            let what = format!("rule `{name}` needs `{source}: {}` instead of `{}`", other.as_str(), need.as_str());
            self.add(document, value, what, edit, How::Needs(position, changed));
        }
    }

    fn lists(&mut self) {
        for document in &self.written.rules {
            for (key, list) in document.root.child("lists").into_iter().flat_map(Node::entries) {
                for (pointer, node, moved) in bound::moved(document, list, "", bound::ranges) {
                    let what = format!("list `{}` {}", key.name, moved.what());
                    let how = How::List(key.name.to_string(), pointer, moved.text);
                    self.add(document, node, what, moved.edit, how);
                }
            }
            for (key, schedule) in document.root.child("schedules").into_iter().flat_map(Node::entries) {
                for (_, node, moved) in bound::moved(document, schedule, "", bound::times) {
                    let what = format!("schedule `{}` {}", key.name, moved.what());
                    self.add(document, node, what, moved.edit, How::Schedule(key.name.to_string(), moved.text));
                }
            }
        }
    }

    fn cards(&mut self) {
        for document in &self.written.rules {
            for (key, card) in document.root.child("cards").into_iter().flat_map(Node::entries) {
                let shows = |node: &Node| node.child("card").and_then(Node::text) == Some(&key.name);
                let users: Vec<usize> = self
                    .written
                    .rules()
                    .enumerate()
                    .filter(|(_, (_, node))| shows(node))
                    .map(|(position, _)| position)
                    .collect();
                if !users.is_empty() {
                    self.card(document, card, &format!("card `{}`", key.name), users);
                }
            }
        }
    }

    /// Rows that are gone, and other numbers of rows for records.
    fn card(&mut self, document: &Document, card: &Node, named: &str, users: Vec<usize>) {
        let (rows, pointer) = card.child("card").map_or((card, ""), |rows| (rows, "/card"));
        if document.is_alias(card) || document.is_alias(rows) {
            return;
        }
        let value = card.to_json();
        let changed = |change: &dyn Fn(&mut Vec<Value>)| {
            let mut value = value.clone();
            value.pointer_mut(pointer).and_then(Value::as_array_mut).map(change)?;
            Some(value)
        };
        for (index, row) in rows.items().iter().enumerate() {
            let remove = |rows: &mut Vec<Value>| drop(rows.remove(index));
            if let Some(without) = changed(&remove) {
                let edit = document.without_items(rows, index..index + 1);
                let what = format!("{named} without row {}", index + 1);
                self.add(document, row, what, edit, How::Card(users.clone(), without));
            }
            let Some((node, at_most)) = row.child("at_most").and_then(|node| Some((node, node.to_json().as_u64()?)))
            else {
                continue;
            };
            for other in [at_most.saturating_sub(1), at_most.saturating_add(1)].into_iter().filter(|other| *other > 0) {
                let set = |rows: &mut Vec<Value>| {
                    let row = rows.get_mut(index).and_then(Value::as_object_mut);
                    row.map(|row| row.insert("at_most".to_owned(), other.into()));
                };
                let Some(value) = changed(&set) else { continue };
                let edit = Edit::new(document.extent(node), other.to_string());
                let what = format!("row {} of {named} with `at_most: {other}` instead of {at_most}", index + 1);
                self.add(document, node, what, Some(edit), How::Card(users.clone(), value));
            }
        }
    }
}

/// What is most easily written instead of a need.
fn neighbour(need: Need) -> Need {
    match need {
        Need::One | Need::Many => Need::Some,
        Need::Some => Need::One,
        Need::None => Need::Failed,
        Need::Failed => Need::None,
    }
}
