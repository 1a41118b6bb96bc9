//! `test --mutants`: makes small changes to the rules and tells those that no test notices.
//!
//! Of the tests only those are run that a change can concern, and of the rules only those that are about the test's call:
//! the others are proved to make no difference, and a thousand mutants take seconds.

#[cfg(test)]
mod tests;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::coverage::at;
use super::run::{Ran, Suite};
use crate::cli::out::{self, Colour, coloured};
use crate::cli::problems::count;
use crate::problem::Place;
use crate::rules::{Change, MUTANTS_MAX, Mutation, Mutator, Rule, RuleSet};

/// Mutants between two signs of life on a terminal.
const PROGRESS_EVERY: usize = 50;

/// What became of the mutants.
#[derive(Default)]
pub(super) struct Mutants {
    noticed: usize,
    survivors: Vec<Mutation>,
    is_cut: bool,
}

impl Mutants {
    /// Makes them all and lets the tests judge. All tests have passed with the rules as they are.
    pub(super) fn of(suites: &[Suite], runtime: &Runtime) -> Mutants {
        let mut mutants = Mutants::default();
        for suite in suites {
            let watchers: Vec<_> = suite.ran.iter().map(|ran| Watcher::new(ran, &suite.rules)).collect();
            let mutator = Mutator::new(&suite.written, &suite.rules);
            let mut mutations = mutator.mutations();
            mutants.is_cut |= mutations.len() > MUTANTS_MAX;
            mutations.truncate(MUTANTS_MAX);
            let planned = mutations.len();
            for (index, mutation) in mutations.into_iter().enumerate() {
                if index % PROGRESS_EVERY == 0 {
                    out::progress(&format!("{index} of {planned} mutants"));
                }
                let Some(change) = mutator.compile(&mutation) else { continue };
                if watchers.iter().any(|watcher| watcher.notices(&change, &suite.rules.rules, runtime)) {
                    mutants.noticed += 1;
                } else if !mutator.is_without_effect(&change) {
                    mutants.survivors.push(mutation);
                }
            }
        }
        out::progress("");
        mutants
    }

    /// How many no test notices.
    pub(super) fn surviving(&self) -> usize {
        self.survivors.len()
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for mutation in &self.survivors {
            lines.push(format!(
                "{} {}  {}",
                coloured("SURVIVES", Colour::Red),
                mutation.what,
                coloured(&at(&mutation.place), Colour::Dim)
            ));
            lines.extend(mutation.diff.iter().map(|line| {
                let colour = match line.chars().next() {
                    Some('-') => Colour::Red,
                    Some('+') => Colour::Green,
                    _ => Colour::Dim,
                };
                format!("     {}", coloured(line, colour))
            }));
        }
        let made = count(self.noticed + self.surviving(), "mutant");
        lines.push(format!("{made}: {} noticed, {} survived", self.noticed, self.surviving()));
        if self.is_cut {
            lines.push(format!("there are more: only the first {MUTANTS_MAX} of a rule directory are made"));
        }
        lines
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let survivor = |mutation: &Mutation| {
            let Place { file, line, column, .. } = &mutation.place;
            json!({"what": mutation.what, "path": file.path, "line": line, "column": column, "diff": mutation.diff})
        };
        json!({
            "noticed": self.noticed,
            "survivors": self.survivors.iter().map(survivor).collect::<Vec<_>>(),
            "is_cut": self.is_cut,
        })
    }
}

/// A test that looks at mutants.
struct Watcher<'a> {
    ran: &'a Ran,
    /// The rule set with this test's records and without rules.
    stubbed: RuleSet,
    /// The rules that are about the test's call, by position: only they can decide about it.
    about: Vec<usize>,
    /// The one that decides.
    decides: Option<usize>,
}

impl<'a> Watcher<'a> {
    fn new(ran: &'a Ran, rules: &RuleSet) -> Watcher<'a> {
        let about = rules.rules.iter().enumerate().filter(|(_, rule)| ran.is_about(&rule.when));
        let decides = rules.rules.iter().position(|rule| Some(&rule.name) == ran.decision.rule.as_ref());
        Watcher {
            ran,
            stubbed: rules.with_rules(Vec::new()).with_stubs(&ran.case.given),
            about: about.map(|(position, _)| position).collect(),
            decides,
        }
    }

    fn notices(&self, change: &Change, rules: &[Rule], runtime: &Runtime) -> bool {
        let Some(rules) = self.changed(change, rules) else { return false };
        !self.ran.again(&self.stubbed.with_rules(rules), runtime).is_empty()
    }

    /// The changed rules that are about the test's call; nothing where the decision is proved to be the same.
    fn changed(&self, change: &Change, rules: &[Rule]) -> Option<Vec<Rule>> {
        let decides = |position: usize| self.decides == Some(position);
        let mut about = self.about.clone();
        match change {
            // A rule that does not decide is one that did not hold, or that stands behind the one that does.
            Change::Removed(position) => {
                if !decides(*position) {
                    return None;
                }
                about.retain(|other| other != position);
            }
            // The same holds for the rule that goes behind its neighbour.
            Change::Swapped(position) => {
                let at = about.iter().position(|other| other == position)?;
                if !decides(*position) || about.get(at + 1) != Some(&(position + 1)) {
                    return None;
                }
                about.swap(at, at + 1);
            }
            Change::Card(users, _) => {
                if !users.iter().any(|user| decides(*user)) {
                    return None;
                }
            }
            Change::Rewritten(changed) => return self.rewritten(changed, rules),
        }
        let rule = |position: usize| {
            let rule = rules.get(position)?.clone();
            Some(match change {
                Change::Card(users, card) if users.contains(&position) => Rule { card: Some(card.clone()), ..rule },
                _ => rule,
            })
        };
        Some(about.into_iter().filter_map(rule).collect())
    }

    fn rewritten(&self, changed: &[(usize, Rule)], rules: &[Rule]) -> Option<Vec<Rule>> {
        let mut about = self.about.clone();
        let mut concerns = false;
        for (position, rule) in changed {
            let (was, is) = (about.contains(position), self.ran.is_about(&rule.when));
            let needs_differ = || rules.get(*position).is_none_or(|before| before.needs != rule.needs);
            // What stands behind the rule that decides is not looked at.
            let is_behind = self.decides.is_some_and(|decides| decides < *position);
            concerns |= !is_behind && (was != is || is && needs_differ());
            about.retain(|other| other != position);
            if is {
                about.push(*position);
            }
        }
        about.sort_unstable();
        let rule = |position: usize| {
            let other = changed.iter().find(|(other, _)| *other == position).map(|(_, rule)| rule);
            other.or_else(|| rules.get(position)).cloned()
        };
        concerns.then(|| about.into_iter().filter_map(rule).collect())
    }
}
