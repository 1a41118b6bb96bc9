//! One call, one decision: which rule, which card, and why.
//!
//! This is the page that shows what Callcard does. It has no clock, no file and no log of its own: the rules, the call
//! and the deadline come in, the decision with its trace goes out, and `check`, `test`, `explain` and `serve` get the
//! same one for the same call. Waiting uses tokio's time, which tests pause.

mod answers;
mod reach;
#[cfg(test)]
mod tests;
mod trace;
mod values;

pub use answers::Answer;
pub use reach::{Example, Reach, reach};
pub use trace::{Explanation, NeedStep, RuleSteps, SourceStep, Trace, Tried};
pub use values::of as values;

use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use crate::card::{Card, CardTemplate};
use crate::condition::Facts;
use crate::event::Call;
use crate::rules::{Rule, RuleSet};
use answers::{Answers, mentioned};

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The rule that decided.
    pub rule: Option<Arc<str>>,
    /// The revision of the rule set it stands in.
    pub revision: String,
    /// The card, or why there is none.
    pub outcome: Outcome,
    /// How it came to be.
    pub trace: Trace,
}

/// A card, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This card is to be sent.
    Card(Card),
    /// Nothing is to be sent.
    NoCard(NoCard),
    /// The finished card would be refused; the mistakes are named.
    Invalid(Vec<String>),
}

/// Why a decision has no card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCard {
    /// No rule has both its `when` and its `needs` hold.
    #[error("no rule holds for this call")]
    NoRule,
    /// The rule says `card: none`.
    #[error("the rule says `card: none`")]
    RuleSaysNone,
    /// Every row of the rule's card came out empty.
    #[error("every row was empty")]
    EveryRowEmpty,
}

/// Decides one call. What a source has not said by `deadline` does not count.
pub async fn decide(rules: &RuleSet, call: &Call, deadline: Instant) -> Decision {
    let values = values::of(call, &rules.defaults);
    let matched = matching(rules, &Facts::new(call, &values, &rules.defaults.time_zone));
    let mut answers = Answers::ask(rules, mentioned(&matched), call, values, deadline);
    let mut trace = Trace::default();
    let mut decision = (None, Outcome::NoCard(NoCard::NoRule));

    for rule in matched {
        let needs = answers.needs(rule).await;
        let holds = needs.iter().all(|need| need.holds);
        trace.tried.push(Tried { rule: Arc::clone(&rule.name), needs, holds });
        if holds {
            let outcome = match &rule.card {
                None => Outcome::NoCard(NoCard::RuleSaysNone),
                Some(card) => make(card, rule, answers.values(&rule.card_sources).await, &mut trace),
            };
            decision = (Some(Arc::clone(&rule.name)), outcome);
            break;
        }
    }
    trace.sources = answers.steps();
    Decision { rule: decision.0, revision: rules.revision.clone(), outcome: decision.1, trace }
}

/// Asks every source about a call, whether or not a rule would; in the order of the rule set. What is made of others is not
/// told: they are.
pub async fn ask_every_source(rules: &RuleSet, call: &Call, deadline: Instant) -> Vec<SourceStep> {
    let values = values::of(call, &rules.defaults);
    let mut answers = Answers::ask(rules, 0..rules.sources.len(), call, values, deadline);
    answers.wait_for_all().await;
    let mut steps = answers.steps();
    steps.retain(|step| step.kind != "first");
    steps
}

/// The rules whose `when` holds, up to the first one that needs nothing: it decides, whatever the sources say.
fn matching<'a>(rules: &'a RuleSet, facts: &Facts<'_>) -> Vec<&'a Rule> {
    let mut matching = Vec::new();
    for rule in rules.matching(facts) {
        matching.push(rule);
        if rule.needs.is_empty() {
            break;
        }
    }
    matching
}

/// Fills the card and checks it.
fn make(card: &CardTemplate, rule: &Rule, values: Value, trace: &mut Trace) -> Outcome {
    let filled = card.fill(&rule.renderer, values);
    trace.rows = filled.steps;
    if filled.rows.is_empty() {
        return Outcome::NoCard(NoCard::EveryRowEmpty);
    }
    Card::check(filled.rows).map_or_else(Outcome::Invalid, Outcome::Card)
}
