//! How a decision came to be, for people who ask why.
//!
//! The trace that every decision carries holds no number, no name and no value of a record, so it can be stored and
//! logged. [`Explanation`] adds what each condition saw, which does show the call's numbers: it is for a terminal.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::answers::{Answer, outcome};
use super::{Decision, Outcome};
use crate::card::RowStep;
use crate::condition::{Facts, Step};
use crate::event::Call;
use crate::rules::{NamedSource, RuleSet};
use crate::source::How;

/// What happened on the way to a decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Trace {
    /// The rules whose `when` holds, in order, up to the one that decided.
    pub tried: Vec<Tried>,
    /// The sources that were waited for.
    pub sources: Vec<SourceStep>,
    /// The rows of the card's template.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowStep>,
}

/// A rule whose `when` holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// Its name.
    pub rule: Arc<str>,
    /// Its needs, up to the first that does not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<NeedStep>,
    /// Whether all hold, so that it decided.
    pub holds: bool,
}

/// One need with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NeedStep {
    /// The source.
    pub source: Arc<str>,
    /// What the rule needs.
    pub needed: &'static str,
    /// What the source said: `one`, `many`, `none` or `failed`.
    pub found: &'static str,
    /// The answer.
    pub holds: bool,
}

/// What one source said. It is read again from a stored trace, when a card went out with a later attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceStep {
    /// Its name.
    pub source: Arc<str>,
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// `one`, `many`, `none` or `failed`.
    pub found: Cow<'static, str>,
    /// How many records.
    pub count: usize,
    /// How many were dropped because their numbers are somebody else's.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: usize,
    /// When the question began; not part of the trace that is kept.
    #[serde(skip)]
    pub begun: Option<Instant>,
    /// How long it took; absent where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
    /// Where the answer comes from, unless the source was simply asked: `cache`, `stale`, `shared`, `late`, `refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<Cow<'static, str>>,
    /// How often it was asked, where a second try was needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u8>,
    /// Whether it was asked a second time beside the first, because that took long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hedged: bool,
    /// Why it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unasked: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl SourceStep {
    pub(super) fn of(source: &NamedSource, answer: &Answer) -> SourceStep {
        SourceStep {
            source: Arc::clone(&source.name),
            kind: source.origin.kind().into(),
            found: outcome(answer.count()).into(),
            count: answer.count().unwrap_or_default(),
            dropped: answer.said.as_ref().map(|records| records.dropped).unwrap_or_default(),
            begun: answer.begun,
            milliseconds: answer.took.map(|took| (took.as_secs_f64() * 1e6).round() / 1e3),
            how: answer.how.filter(|how| *how != How::Asked).map(|how| how.as_str().into()),
            tries: Some(answer.tries).filter(|tries| *tries > 1),
            hedged: answer.hedged,
            unasked: answer.unasked.clone(),
            why: answer.said.as_ref().err().cloned(),
        }
    }
}

impl std::fmt::Display for SourceStep {
    /// For a log line: `crm one 12 ms`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.source, self.found)?;
        match self.milliseconds {
            Some(milliseconds) => write!(formatter, " {milliseconds:.1} ms")?,
            None => formatter.write_str(" not asked")?,
        }
        self.how.iter().try_for_each(|how| write!(formatter, " ({how})"))
    }
}

/// A decision with every rule and every condition.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The call as it was understood.
    pub call: Value,
    /// The revision of the rule set.
    pub revision: String,
    /// Every rule, in order, up to and with the one that decided.
    pub rules: Vec<RuleSteps>,
    /// The sources.
    pub sources: Vec<SourceStep>,
    /// The rows of the card's template.
    pub rows: Vec<RowStep>,
    /// The rule that decided.
    pub rule: Option<Arc<str>>,
    /// The card's rows; `null` where there is none.
    pub card: Value,
    /// Why there is no card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_card: Option<String>,
}

/// One rule of an explanation.
#[derive(Clone, Debug, Serialize)]
pub struct RuleSteps {
    /// Its name.
    pub rule: Arc<str>,
    /// Where it is written: `path:line`.
    pub place: String,
    /// Its conditions.
    pub when: Vec<Step>,
    /// Whether all hold.
    pub matches: bool,
    /// Its needs, where it was tried.
    pub needs: Vec<NeedStep>,
    /// Whether it decided.
    pub decided: bool,
}

impl Explanation {
    /// Asks every rule again, condition by condition, and puts it beside the decision.
    pub fn new(rules: &RuleSet, call: &Call, decision: &Decision) -> Explanation {
        let values = super::values::of(call, &rules.defaults);
        let facts = Facts::new(call, &values, &rules.defaults.time_zone);
        let mut steps = Vec::new();
        for rule in rules.rules.iter() {
            let tried = decision.trace.tried.iter().find(|tried| tried.rule == rule.name);
            let decided = decision.rule.as_ref() == Some(&rule.name);
            steps.push(RuleSteps {
                rule: Arc::clone(&rule.name),
                place: format!("{}:{}", rule.place.file.path, rule.place.line),
                when: rule.when.explain(&facts),
                matches: rule.when.holds(&facts),
                needs: tried.map(|tried| tried.needs.clone()).unwrap_or_default(),
                decided,
            });
            if decided {
                break;
            }
        }
        Explanation {
            call: super::values::described(call, &rules.defaults),
            revision: decision.revision.clone(),
            rules: steps,
            sources: decision.trace.sources.clone(),
            rows: decision.trace.rows.clone(),
            rule: decision.rule.clone(),
            card: match &decision.outcome {
                Outcome::Card(card) => card.rows().clone(),
                _ => Value::Null,
            },
            no_card: decision.outcome.why_no_card(),
        }
    }
}

impl Outcome {
    /// Why there is no card, in words.
    pub fn why_no_card(&self) -> Option<String> {
        match self {
            Outcome::Card(_) => None,
            Outcome::NoCard(why) => Some(why.to_string()),
            Outcome::Invalid(mistakes) => Some(format!("the finished card would be refused: {}", mistakes.join("; "))),
        }
    }
}
