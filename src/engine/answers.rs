//! What the sources say about one call: all are asked at once, each once, within one deadline.
//!
//! A rule waits only for the sources it needs, so a slow source costs nothing to a rule that does not mention it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::card::Context;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use super::trace::{NeedStep, SourceStep};
use crate::card::Renderer;
use crate::event::Call;
use crate::rules::{Asked, Origin, Rule, RuleSet};
use crate::source::{Question, Records};

/// What one source said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The records, or why there is no answer.
    pub said: Result<Records, String>,
    /// How long it took; nothing where the source was not asked.
    pub took: Option<Duration>,
}

impl Answer {
    /// How many records; `None` where the source failed.
    pub fn count(&self) -> Option<usize> {
        self.said.as_ref().ok().map(|records| records.records.len())
    }
}

/// Questions under way and answers so far.
pub(super) struct Answers<'a> {
    pending: FuturesUnordered<BoxFuture<'a, (usize, Answer)>>,
    /// By position in the rule set's sources.
    done: Vec<Option<Answer>>,
}

impl<'a> Answers<'a> {
    /// Asks sources, by position. A call without a customer's number asks nobody: whatever came back would be about
    /// somebody else.
    pub(super) fn ask(
        rules: &'a RuleSet,
        sources: impl IntoIterator<Item = usize>,
        call: &'a Call,
        values: &Value,
        deadline: Instant,
    ) -> Answers<'a> {
        let mut answers = Answers { pending: FuturesUnordered::new(), done: vec![None; rules.sources.len()] };
        for position in sources {
            let Some(Origin::Asked(source)) = rules.sources.get(position).map(|source| &source.origin) else {
                continue;
            };
            if call.customer.e164().is_none() {
                answers.put(position, Answer { said: Ok(Records::default()), took: None });
                continue;
            }
            let parameters = fill(source, &rules.renderer, values);
            let region = rules.defaults.region;
            answers.pending.push(Box::pin(async move {
                let begun = Instant::now();
                let until = source.timeout.map_or(deadline, |timeout| deadline.min(begun + timeout));
                let said = match parameters {
                    Ok(parameters) => {
                        let question = Question { customer: &call.customer, region, parameters: &parameters };
                        let answer = timeout_at(until, source.source.ask(question)).await;
                        answer.unwrap_or_else(|_| Err("it did not answer in time".to_owned()))
                    }
                    Err(why) => Err(why),
                };
                (position, Answer { said, took: Some(begun.elapsed()) })
            }));
        }
        answers
    }

    fn put(&mut self, position: usize, answer: Answer) {
        if let Some(slot) = self.done.get_mut(position) {
            *slot = Some(answer);
        }
    }

    /// Waits for one source; `None` where it was not asked.
    async fn wait(&mut self, position: usize, rules: &RuleSet) -> Option<&Answer> {
        let members: Vec<usize> = rules.members(position).collect();
        if members.is_empty() {
            return self.wait_asked(position).await;
        }
        let mut first = Answer { said: Ok(Records::default()), took: None };
        for member in members {
            let Some(answer) = self.wait_asked(member).await else { continue };
            let took = first.took.max(answer.took);
            // Where one failed and no other has a record, nobody can say that there is none.
            if answer.count().is_none_or(|count| count > 0) {
                first = answer.clone();
            }
            first.took = took;
            if first.count().is_some_and(|count| count > 0) {
                break;
            }
        }
        self.put(position, first);
        self.done.get(position)?.as_ref()
    }

    async fn wait_asked(&mut self, position: usize) -> Option<&Answer> {
        while self.done.get(position).is_some_and(Option::is_none) {
            match self.pending.next().await {
                Some((answered, answer)) => self.put(answered, answer),
                None => break,
            }
        }
        self.done.get(position)?.as_ref()
    }

    /// The needs of a rule with their answers, up to the first that does not hold.
    pub(super) async fn needs(&mut self, rule: &Rule, rules: &RuleSet) -> Vec<NeedStep> {
        let mut steps = Vec::with_capacity(rule.needs.len());
        for (position, need) in &rule.needs {
            let count = self.wait(*position, rules).await.and_then(Answer::count);
            let holds = need.holds(count);
            let source = rules.sources.get(*position).map(|source| source.name.to_string()).unwrap_or_default();
            steps.push(NeedStep { source, needed: need.as_str(), found: outcome(count), holds });
            if !holds {
                break;
            }
        }
        steps
    }

    /// Adds what sources said to the values of a template: the first record's fields, `count` and `all`.
    pub(super) async fn add_to(&mut self, values: &mut Value, sources: &[usize], rules: &RuleSet) {
        for position in sources {
            let Some(source) = rules.sources.get(*position) else { continue };
            let said = self.wait(*position, rules).await.and_then(|answer| answer.said.as_ref().ok());
            let mut fields = Map::new();
            // Of a source that failed nothing is known: a count of 0 would claim that it knows of nothing.
            if let Some(Records { records, .. }) = said {
                fields = records.first().cloned().unwrap_or_default();
                fields.insert("count".to_owned(), Value::from(records.len()));
                fields.insert("all".to_owned(), records.iter().cloned().map(Value::Object).collect());
            }
            if let Some(values) = values.as_object_mut() {
                values.insert(source.name.to_string(), Value::Object(fields));
            }
        }
    }

    /// Waits for every source that was asked.
    pub(super) async fn wait_for_all(&mut self) {
        while let Some((position, answer)) = self.pending.next().await {
            self.put(position, answer);
        }
    }

    /// What every source said that the decision waited for, in the order of the rule set.
    pub(super) fn steps(&self, rules: &RuleSet) -> Vec<SourceStep> {
        let answered = rules.sources.iter().zip(&self.done);
        answered.filter_map(|(source, answer)| Some(SourceStep::of(source, answer.as_ref()?))).collect()
    }
}

/// The sources that rules mention, by position.
pub(super) fn mentioned(rules: &RuleSet, matched: &[&Rule]) -> BTreeSet<usize> {
    let of_rule = |rule: &&Rule| {
        let needed = rule.needs.iter().map(|(source, _)| *source);
        needed.chain(rule.card_sources.iter().copied()).collect::<Vec<_>>()
    };
    matched.iter().flat_map(of_rule).flat_map(|source| rules.members(source).chain([source])).collect()
}

/// The outcome of a source in the words of `needs`.
pub(super) fn outcome(count: Option<usize>) -> &'static str {
    match count {
        None => "failed",
        Some(0) => "none",
        Some(1) => "one",
        Some(_) => "many",
    }
}

fn fill(source: &Asked, renderer: &Renderer, values: &Value) -> Result<Vec<String>, String> {
    if source.parameters.is_empty() {
        return Ok(Vec::new());
    }
    let context = Context::from(values.clone());
    source.parameters.iter().map(|parameter| parameter.fill(renderer, &context)).collect()
}
