//! What the sources say about one call: all are asked at once, each once, within one deadline.
//!
//! A rule waits only for the sources it needs, so a slow source costs nothing to a rule that does not mention it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::trace::{NeedStep, SourceStep};
use crate::card::Context;
use crate::event::Call;
use crate::rules::{Asked, Origin, Rule, RuleSet};
use crate::source::{How, Question, Records};

/// What one source said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The records, or why there is no answer.
    pub said: Result<Arc<Records>, String>,
    /// When the question began; nothing where the source was not asked, or is made of others.
    pub begun: Option<Instant>,
    /// How long it took; nothing where the source was not asked.
    pub took: Option<Duration>,
    /// Where the answer comes from; nothing where the source was not asked, or is made of others.
    pub how: Option<How>,
    /// How often the source was asked for it, one time after the other.
    pub tries: u8,
    /// Whether it was asked a second time beside the first.
    pub hedged: bool,
    /// Why the source was not asked.
    pub unasked: Option<String>,
}

impl Answer {
    /// How many records; `None` where the source failed.
    pub fn count(&self) -> Option<usize> {
        self.said.as_ref().ok().map(|records| records.records.len())
    }

    /// An answer without records that nobody gave.
    fn nothing() -> Answer {
        Answer { said: Ok(Arc::default()), begun: None, took: None, how: None, tries: 0, hedged: false, unasked: None }
    }

    fn unasked(said: Result<Arc<Records>, String>, why: String) -> Answer {
        Answer { said, unasked: Some(why), ..Answer::nothing() }
    }
}

/// Questions under way and answers so far.
pub(super) struct Answers<'a> {
    rules: &'a RuleSet,
    call: &'a Call,
    /// What every template knows of the call.
    context: Context,
    deadline: Instant,
    pending: FuturesUnordered<BoxFuture<'a, (usize, Answer)>>,
    /// Sources that wait for others.
    waiting: Vec<usize>,
    /// By position in the rule set's sources.
    done: Vec<Option<Answer>>,
}

/// What is to be done about a source.
enum Turn {
    /// Others have to answer first.
    Wait,
    /// Its answer is known without a question.
    Known(Answer),
    /// It can be asked this.
    Ask(Question),
}

impl<'a> Answers<'a> {
    /// Asks sources, by position, and those that they wait for. A call without a customer's number asks nobody: whatever
    /// came back would be about somebody else.
    pub(super) fn ask(
        rules: &'a RuleSet,
        sources: impl IntoIterator<Item = usize>,
        call: &'a Call,
        values: Value,
        deadline: Instant,
    ) -> Answers<'a> {
        let mut answers = Answers {
            rules,
            call,
            context: Context::from(values),
            deadline,
            pending: FuturesUnordered::new(),
            waiting: rules.with_inputs(sources).into_iter().collect(),
            done: vec![None; rules.sources.len()],
        };
        answers.go_on();
        answers
    }

    /// Asks every source that need not wait any longer; each answer may free others.
    fn go_on(&mut self) {
        loop {
            let waiting = std::mem::take(&mut self.waiting);
            let before = waiting.len();
            for position in waiting {
                match self.turn(position) {
                    Turn::Wait => self.waiting.push(position),
                    Turn::Known(answer) => self.put(position, answer),
                    Turn::Ask(question) => self.begin(position, question),
                }
            }
            if self.waiting.len() == before {
                break;
            }
        }
    }

    fn turn(&self, position: usize) -> Turn {
        let rules = self.rules;
        match rules.sources.get(position).map(|source| &source.origin) {
            Some(Origin::First(members)) => self.first_of(members).map_or(Turn::Wait, Turn::Known),
            Some(Origin::Asked(asked)) => self.turn_of_asked(asked),
            None => Turn::Wait,
        }
    }

    /// The answer of a source that is made of others, as soon as no earlier one can change it.
    fn first_of(&self, members: &[usize]) -> Option<Answer> {
        let mut first = Answer::nothing();
        for member in members {
            let answer = self.done.get(*member)?.as_ref()?;
            let took = first.took.max(answer.took);
            // Where one failed and no other has a record, nobody can say that there is none.
            if answer.count().is_none_or(|count| count > 0) {
                first = Answer { said: answer.said.clone(), ..Answer::nothing() };
            }
            first.took = took;
            if first.count().is_some_and(|count| count > 0) {
                break;
            }
        }
        Some(first)
    }

    fn turn_of_asked(&self, asked: &Asked) -> Turn {
        if self.call.customer.e164().is_none() {
            return Turn::Known(Answer::unasked(Ok(Arc::default()), "the call has no customer's number".to_owned()));
        }
        for input in &asked.inputs {
            let Some(answer) = self.done.get(*input).and_then(Option::as_ref) else { return Turn::Wait };
            let name = self.rules.sources.get(*input).map(|source| source.name.as_ref()).unwrap_or_default();
            // A question about one of several people may be about the wrong one.
            match answer.count() {
                Some(1) => {}
                Some(0) => {
                    return Turn::Known(Answer::unasked(Ok(Arc::default()), format!("`{name}` has no record")));
                }
                Some(count) => {
                    return Turn::Known(Answer::unasked(Ok(Arc::default()), format!("`{name}` has {count} records")));
                }
                None => {
                    let why = format!("`{name}` failed, on which it depends");
                    return Turn::Known(Answer::unasked(Err(why.clone()), why));
                }
            }
        }
        match self.filled(asked) {
            Ok(Some(parameters)) => Turn::Ask(Question {
                account: self.call.account.clone(),
                customer: self.call.customer.clone(),
                region: self.rules.defaults.region,
                parameters,
            }),
            Ok(None) => Turn::Known(Answer::unasked(Ok(Arc::default()), "a parameter is empty".to_owned())),
            Err(why) => Turn::Known(Answer::unasked(Err(why.clone()), why)),
        }
    }

    /// The parameters of a question; `None` where a required one is empty.
    fn filled(&self, asked: &Asked) -> Result<Option<Vec<Value>>, String> {
        let renderer = &self.rules.renderer;
        if asked.parameters.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let own = (!asked.inputs.is_empty()).then(|| {
            let mut values = self.context.data().clone();
            asked.inputs.iter().for_each(|input| self.add(&mut values, *input));
            Context::from(values)
        });
        let context = own.as_ref().unwrap_or(&self.context);
        asked.parameters.iter().map(|parameter| parameter.fill(renderer, context)).collect()
    }

    fn begin(&mut self, position: usize, question: Question) {
        let rules = self.rules;
        let Some(Origin::Asked(asked)) = rules.sources.get(position).map(|source| &source.origin) else { return };
        let begun = Instant::now();
        let until = asked.timeout.map_or(self.deadline, |timeout| self.deadline.min(begun + timeout));
        self.pending.push(Box::pin(async move {
            let said = asked.asker.ask(&asked.source, &question, until).await;
            let answer = Answer {
                said: said.said.map_err(|failure| failure.why),
                begun: Some(begun),
                took: Some(begun.elapsed()),
                how: Some(said.how),
                tries: said.tries,
                hedged: said.hedged,
                unasked: None,
            };
            (position, answer)
        }));
    }

    fn put(&mut self, position: usize, answer: Answer) {
        if let Some(slot) = self.done.get_mut(position) {
            *slot = Some(answer);
        }
    }

    /// Waits for the next answer; `false` where none is to come.
    async fn next(&mut self) -> bool {
        let Some((position, answer)) = self.pending.next().await else { return false };
        self.put(position, answer);
        self.go_on();
        true
    }

    /// Waits for one source; `None` where it was not asked.
    async fn wait(&mut self, position: usize) -> Option<&Answer> {
        while self.done.get(position).is_some_and(Option::is_none) {
            if !self.next().await {
                break;
            }
        }
        self.done.get(position)?.as_ref()
    }

    /// The needs of a rule with their answers, up to the first that does not hold.
    pub(super) async fn needs(&mut self, rule: &Rule) -> Vec<NeedStep> {
        let mut steps = Vec::with_capacity(rule.needs.len());
        for (position, need) in &rule.needs {
            let count = self.wait(*position).await.and_then(Answer::count);
            let holds = need.holds(count);
            let source = self.rules.sources.get(*position).map(|source| Arc::clone(&source.name)).unwrap_or_default();
            steps.push(NeedStep { source, needed: need.as_str(), found: outcome(count), holds });
            if !holds {
                break;
            }
        }
        steps
    }

    /// The values of a template: those of the call, and what these sources said. Can be had once.
    pub(super) async fn values(&mut self, sources: &[usize]) -> Value {
        for position in sources {
            self.wait(*position).await;
        }
        let mut values = std::mem::take(self.context.data_mut());
        sources.iter().for_each(|position| self.add(&mut values, *position));
        values
    }

    /// Adds what a source said: the first record's fields, `count` and `all`.
    fn add(&self, values: &mut Value, position: usize) {
        let Some(source) = self.rules.sources.get(position) else { return };
        let said = self.done.get(position).and_then(Option::as_ref).and_then(|answer| answer.said.as_ref().ok());
        let mut fields = Map::new();
        // Of a source that failed nothing is known: a count of 0 would claim that it knows of nothing.
        if let Some(records) = said {
            let records = &records.records;
            let first = records.first();
            fields = Map::with_capacity(first.map_or(0, Map::len) + 2);
            fields.extend(first.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
            fields.insert("count".to_owned(), Value::from(records.len()));
            let all = || records.iter().cloned().map(Value::Object).collect();
            fields.insert("all".to_owned(), if self.rules.defaults.costly.records { all() } else { Value::Null });
        }
        if let Some(values) = values.as_object_mut() {
            values.insert(source.name.to_string(), Value::Object(fields));
        }
    }

    /// Waits for every source that was asked.
    pub(super) async fn wait_for_all(&mut self) {
        while self.next().await {}
    }

    /// What every source said that the decision waited for, in the order of the rule set.
    pub(super) fn steps(&self) -> Vec<SourceStep> {
        let answered = self.rules.sources.iter().zip(&self.done);
        answered.filter_map(|(source, answer)| Some(SourceStep::of(source, answer.as_ref()?))).collect()
    }
}

/// The sources that rules mention, by position.
pub(super) fn mentioned<'a>(matched: &'a [&'a Rule]) -> impl Iterator<Item = usize> + 'a {
    matched.iter().flat_map(|rule| {
        let needed = rule.needs.iter().map(|(source, _)| *source);
        needed.chain(rule.card_sources.iter().copied())
    })
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
