//! Sources: what asking several of them at once adds to the slowest one, and what an answer from the cache costs.
//!
//! The sources are stand-ins that take some time; the way to them is the real one, from the decision to the source.

use std::sync::Arc;
use std::time::Duration;

use callcard::engine::Outcome;
use callcard::event::{CustomerNumber, Region};
use callcard::rules::Origin;
use callcard::source::{Asker, Care, How, Keep, Question, Record, Source, Stub};
use divan::Bencher;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::ratio::{hash_look_up, nanoseconds};
use crate::{call, decided, loaded};

const COUNTS: [usize; 3] = [1, 3, 10];

/// A quick web service. The timer of the runtime counts in milliseconds.
const SLOWEST: Duration = Duration::from_millis(20);

/// People whose answers are kept.
const PEOPLE: usize = 1_000;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn stand_in(after: Duration) -> Arc<Source> {
    let record = json!({"name": "Jane Doe"}).as_object().unwrap().clone();
    Arc::new(Source::stub(Stub { answer: Ok(vec![record]), after }))
}

fn question(person: usize) -> Question {
    let number = format!("+90532123{person:04}");
    Question {
        account: "hipcall".to_owned(),
        customer: CustomerNumber::parse(Some(&number), Region::default()),
        region: Region::default(),
        parameters: vec![Value::from(number)],
    }
}

/// The reference: the source itself is asked, by nobody in between.
fn slowest_source_alone() -> impl Fn() -> usize {
    let (runtime, source, question) = (runtime(), stand_in(SLOWEST), question(0));
    move || runtime.block_on(source.ask(&question)).unwrap().records.len()
}

/// A call whose rule needs so many sources, the last of which is the slowest.
fn decision(count: usize) -> impl Fn() -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..count).map(|index| format!("source{index}")).collect();
    let http =
        json!({"http": {"url": "https://crm.example.com/", "query": {"n": "{{customer.e164}}"}, "numbers": ["$.n"]}});
    let each = |value: Value| -> Record { names.iter().map(|name| (name.clone(), value.clone())).collect() };
    let rules = json!({"version": 1, "sources": each(http), "rules": [
        {"name": "known", "needs": each(json!("one")), "card": [{"type": "title", "text": "{{source0.name}}"}]},
    ]});
    std::fs::write(directory.path().join("rules.yaml"), rules.to_string()).unwrap();
    let mut rules = loaded(directory.path());
    for (index, source) in rules.sources.iter_mut().enumerate() {
        let Origin::Asked(asked) = &mut source.origin else { panic!("it is asked") };
        asked.source = stand_in(SLOWEST * u32::try_from(index + 1).unwrap() / u32::try_from(count).unwrap());
    }
    let call = call(json!({"caller_number": "0532 123 45 67"}));
    decided(rules, call)
}

/// An answer that is kept, asked for again.
fn cache_hit() -> impl FnMut() -> usize {
    let keep = Keep { fresh: Duration::from_secs(3600), ..Keep::default() };
    let asker = Asker::new("crm", Care { cache: Some(keep), ..Care::within(Duration::from_secs(10)) });
    let (runtime, source) = (runtime(), stand_in(Duration::ZERO));
    let questions: Vec<Question> = (0..PEOPLE).map(question).collect();
    let ask = move |question: &Question| {
        runtime.block_on(asker.ask(&source, question, Instant::now() + Duration::from_secs(1)))
    };
    questions.iter().for_each(|question| assert!(ask(question).said.is_ok()));
    let mut next = 0;
    move || {
        next = (next + 1) % PEOPLE;
        let said = ask(divan::black_box(&questions[next]));
        assert_eq!(said.how, How::Cache);
        said.said.unwrap().records.len()
    }
}

#[divan::bench]
fn the_slowest_source_alone(bencher: Bencher<'_, '_>) {
    bencher.bench_local(slowest_source_alone());
}

#[divan::bench(args = COUNTS)]
fn a_call_decided_with_sources(bencher: Bencher<'_, '_>, count: usize) {
    bencher.bench_local(decision(count));
}

#[divan::bench]
fn an_answer_from_the_cache(bencher: Bencher<'_, '_>) {
    bencher.bench_local(cache_hit());
}

/// Prints what several sources take beside the slowest one of them, and a cache hit beside a hash look-up.
pub fn ratios() {
    let alone = nanoseconds(slowest_source_alone());
    println!("\n{:<36} {:>12} {:>16}", "sources", "milliseconds", "× slowest alone");
    println!("{:<36} {:>12.2} {:>16.2}", "the slowest source alone", alone / 1e6, 1.0);
    for count in COUNTS {
        let figure = nanoseconds(decision(count));
        let what = format!("a call decided with {count} in parallel");
        println!("{what:<36} {:>12.2} {:>16.2}", figure / 1e6, figure / alone);
    }
    let (reference, hit) = (nanoseconds(hash_look_up()), nanoseconds(cache_hit()));
    println!("\n{:<36} {:>12} {:>16}", "cache", "nanoseconds", "× hash look-up");
    println!("{:<36} {reference:>12.0} {:>16.1}", "a hash look-up", 1.0);
    println!("{:<36} {hit:>12.0} {:>16.1}", "an answer from the cache", hit / reference);
}
