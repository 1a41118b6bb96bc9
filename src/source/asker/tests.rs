//! Questions in paused time, to a stand-in that answers as it is told. Nothing here sleeps for real.

mod bounds;
mod breaker;
mod cache;
mod flight;
mod tries;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};

use super::service::Answering;
use super::{Asker, Care, Desk, How, Keep, Said};
use crate::event::{CustomerNumber, Region};
use crate::source::{Failure, Question, Records};

const JANE: &str = "+905321234567";

/// A source that says something else each time; it counts the requests, and those that are under way.
struct Fake {
    reply: Box<dyn Fn(usize) -> Reply + Send + Sync>,
    asked: AtomicUsize,
    under_way: AtomicUsize,
    under_way_most: AtomicUsize,
}

/// What it says, and after which time.
struct Reply(Duration, Result<Records, Failure>);

/// Counts a request that has ended, or was dropped.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Fake {
    /// One that makes its answers from how often it was asked before.
    fn new(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Arc<Fake> {
        let count = || AtomicUsize::new(0);
        Arc::new(Fake { reply: Box::new(reply), asked: count(), under_way: count(), under_way_most: count() })
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

impl Answering for Fake {
    async fn answer(&self, _: &Question) -> Result<Records, Failure> {
        let under_way = self.under_way.fetch_add(1, SeqCst) + 1;
        let _guard = UnderWay(&self.under_way);
        self.under_way_most.fetch_max(under_way, SeqCst);
        let Reply(after, said) = (self.reply)(self.asked.fetch_add(1, SeqCst));
        if !after.is_zero() {
            sleep(after).await;
        }
        said
    }
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn records(values: &Value) -> Records {
    let records = values.as_array().unwrap().iter().map(|record| record.as_object().unwrap().clone()).collect();
    Records { records, dropped: 0 }
}

/// One record that says how often the source had been asked.
fn numbered(count: usize) -> Result<Records, Failure> {
    Ok(records(&json!([{ "answer": count }])))
}

fn down() -> Result<Records, Failure> {
    Err(Failure::passing("it is down"))
}

fn question_of(number: &str) -> Question {
    Question {
        account: "hipcall".to_owned(),
        customer: CustomerNumber::parse(Some(number), Region::default()),
        region: Region::default(),
        parameters: vec![json!(number)],
    }
}

/// One of many people.
fn person(index: usize) -> Question {
    question_of(&format!("+90532123{index:04}"))
}

/// Without second tries, so that requests can be counted; a second for an answer.
fn plain() -> Care {
    Care { retry: false, ..Care::within(seconds(1)) }
}

/// The same with a cache: the question may go on for ten seconds.
fn keeping() -> Care {
    let keep = Keep { fresh: seconds(300), none: seconds(30), stale: seconds(3600), ..Keep::default() };
    Care { retry: false, cache: Some(keep), ..Care::within(seconds(10)) }
}

fn desk(care: Care) -> Arc<Desk> {
    Arc::clone(Asker::new("crm", care).desk.as_ref().unwrap())
}

/// Asks and waits a second at most.
async fn ask(desk: &Arc<Desk>, fake: &Arc<Fake>, question: &Question) -> Said {
    desk.ask(fake, question, Instant::now() + seconds(1)).await
}

/// The same as a call of its own.
fn call(desk: &Arc<Desk>, fake: &Arc<Fake>, question: Question, within: Duration) -> JoinHandle<Said> {
    let (desk, fake) = (Arc::clone(desk), Arc::clone(fake));
    tokio::spawn(async move { desk.ask(&fake, &question, Instant::now() + within).await })
}

/// Lets everything run that can run without the clock going on.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Where the answer came from, and which it was: the number in its record, nothing where it has none.
fn told(said: &Said) -> (How, Result<Option<u64>, String>) {
    let answer = said.said.as_ref().map(|records| records.records.first().and_then(|record| record["answer"].as_u64()));
    (said.how, answer.map_err(|failure| failure.why.clone()))
}
