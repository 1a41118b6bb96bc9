//! How a source is asked: how long, how often, and what is kept of its answers.
//!
//! A question that is under way is one task, however many calls wait for it, and ends by itself: no call's end is the end
//! of another's answer. It knows no rule and no call, only questions; what a source is, it does not know either.

mod breaker;
mod budget;
mod care;
mod figures;
mod kept;
mod service;
#[cfg(test)]
mod tests;

pub use breaker::Phase;
pub use care::{Care, Keep};
pub use figures::Figures;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{SemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};

use super::{Failure, Question, Records, Source};
use kept::{Found, Kept, Key};
use service::{Answering, Outcome, Service, Times};

/// Questions that may wait for their turn, one a customer; a minute of calls of a busy phone system. Beyond that the source
/// would not come to them in time anyway.
const WAITING_MAX: usize = 1000;

/// Asks one source as its definition says. It lives as long as the definition stays the same, over reloads.
#[derive(Debug, Default)]
pub struct Asker {
    /// Nothing where the source is asked directly: its records are at hand.
    desk: Option<Arc<Desk>>,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub struct Said {
    /// The records, or why there are none to be had.
    pub said: Result<Arc<Records>, Failure>,
    /// Where the answer comes from.
    pub how: How,
    /// How often the source was asked for it, one time after the other.
    pub tries: u8,
    /// Whether it was asked a second time beside the first.
    pub hedged: bool,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The source was asked.
    Asked,
    /// An earlier answer, as good as new.
    Cache,
    /// An earlier answer, while a new one is fetched.
    Stale,
    /// From the question of another call that was under way.
    Shared,
    /// From nowhere yet: the question goes on, and its answer will be kept for the next call.
    Late,
    /// From nowhere: the source is not asked now.
    Refused,
}

impl How {
    /// Every way.
    pub const ALL: [How; 6] = [How::Asked, How::Cache, How::Stale, How::Shared, How::Late, How::Refused];

    /// The word in traces and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Asked => "asked",
            How::Cache => "cache",
            How::Stale => "stale",
            How::Shared => "shared",
            How::Late => "late",
            How::Refused => "refused",
        }
    }
}

impl Said {
    fn without_asking(said: Result<Arc<Records>, Failure>, how: How) -> Said {
        Said { said, how, tries: 0, hedged: false }
    }
}

impl Asker {
    /// Asks with care; `name` is the source's, for the log.
    pub fn new(name: &str, care: Care) -> Asker {
        let papers = Papers { kept: care.cache.map(Kept::new), under_way: HashMap::new() };
        let under_way_max = care.at_once + WAITING_MAX;
        let service = Service::new(name, care.clone());
        Asker { desk: Some(Arc::new(Desk { care, under_way_max, service, papers: Mutex::new(papers) })) }
    }

    /// Asks and waits until a time; what has not been said by then does not count.
    pub async fn ask(&self, source: &Arc<Source>, question: &Question, until: Instant) -> Said {
        if let Some(desk) = &self.desk {
            return desk.ask(source, question, until).await;
        }
        let said = match timeout_at(until, source.ask(question)).await {
            Ok(said) => said.map(Arc::new),
            Err(_) => Err(Failure::passing("it did not answer in time")),
        };
        Said { said, how: How::Asked, tries: 1, hedged: false }
    }

    /// Forgets what is kept about a customer; questions under way are answered, but not kept. How many answers that were.
    pub fn forget(&self, e164: &str) -> usize {
        let Some(desk) = &self.desk else { return 0 };
        let mut papers = locked(&desk.papers);
        papers.under_way.retain(|key, _| !key.is_about(e164));
        papers.kept.as_mut().map_or(0, |kept| kept.forget(e164))
    }

    /// What it counted; nothing where the source is asked directly.
    pub fn figures(&self) -> Option<Figures> {
        let desk = self.desk.as_ref()?;
        let papers = locked(&desk.papers);
        let (kept, bytes) = papers.kept.as_ref().map_or((0, 0), |kept| (kept.len(), kept.bytes()));
        Some(desk.service.counts.figures(desk.service.phase(), kept, bytes))
    }
}

/// Where the questions about one source meet.
#[derive(Debug)]
struct Desk {
    care: Care,
    under_way_max: usize,
    service: Service,
    papers: Mutex<Papers>,
}

/// What was answered, and what is being asked.
#[derive(Debug)]
struct Papers {
    kept: Option<Kept>,
    /// A question that is no longer here when its answer comes is one whose answer must not be kept.
    under_way: HashMap<Key, Arc<Errand>>,
}

impl Papers {
    /// Takes an errand off the list; `false` where it was no longer there.
    fn close(&mut self, key: &Key, errand: &Arc<Errand>) -> bool {
        let is_there = self.under_way.get(key).is_some_and(|known| Arc::ptr_eq(known, errand));
        if is_there {
            self.under_way.remove(key);
        }
        is_there
    }
}

/// A question under way: how far it is.
type Errand = watch::Sender<Progress>;

#[derive(Clone, Debug)]
enum Progress {
    /// For its turn.
    Waits,
    /// The source has been asked.
    Asked,
    Done(Outcome),
}

/// What a call finds when it comes with a question.
enum Case {
    Answered(Said),
    /// An answer that is given, and an errand that fetches a new one.
    Renewed(Said, Arc<Errand>),
    /// Somebody asks already.
    UnderWay(watch::Receiver<Progress>),
    New(Arc<Errand>, watch::Receiver<Progress>),
}

impl Desk {
    async fn ask<A: Answering>(self: &Arc<Self>, source: &Arc<A>, question: &Question, until: Instant) -> Said {
        let (key, now) = (Key::of(question), Instant::now());
        let end = now + self.care.answer_within;
        let begin = |key, errand, times| {
            tokio::spawn(Arc::clone(self).run(Arc::clone(source), question.clone(), key, errand, times));
        };
        let said = match self.look_up(&key, now) {
            Case::Answered(said) => said,
            Case::Renewed(said, errand) => {
                begin(key, errand, Times { wanted_until: now, end });
                said
            }
            Case::UnderWay(progress) => self.wait(progress, until, How::Shared).await,
            Case::New(errand, progress) => {
                begin(key, errand, Times { wanted_until: until.min(end), end });
                self.wait(progress, until, How::Asked).await
            }
        };
        self.service.counts.question(said.how);
        said
    }

    /// What there is already, or a new errand, which has to be run then.
    fn look_up(&self, key: &Key, now: Instant) -> Case {
        let mut papers = locked(&self.papers);
        let found = papers.kept.as_mut().and_then(|kept| kept.get(key, now));
        let under_way = papers.under_way.get(key).map(|errand| errand.subscribe());
        let refusal = || self.service.refusal(now).or_else(|| self.crowded(&papers));
        let told = match (found, under_way) {
            (Some(Found { records, is_stale: false }), _) => {
                return Case::Answered(Said::without_asking(Ok(records), How::Cache));
            }
            (Some(Found { records, .. }), under_way) => {
                let said = Said::without_asking(Ok(records), How::Stale);
                if under_way.is_some() || refusal().is_some() {
                    return Case::Answered(said);
                }
                Some(said)
            }
            (None, Some(progress)) => return Case::UnderWay(progress),
            (None, None) => match refusal() {
                Some(refusal) => {
                    return Case::Answered(Said::without_asking(Err(Failure::unsent(refusal)), How::Refused));
                }
                None => None,
            },
        };
        let (errand, progress) = watch::channel(Progress::Waits);
        let errand = Arc::new(errand);
        papers.under_way.insert(key.clone(), Arc::clone(&errand));
        match told {
            Some(said) => Case::Renewed(said, errand),
            None => Case::New(errand, progress),
        }
    }

    fn crowded(&self, papers: &Papers) -> Option<String> {
        let is_crowded = papers.under_way.len() >= self.under_way_max;
        is_crowded.then(|| format!("{WAITING_MAX} questions are waiting for it"))
    }

    /// Waits for an errand, and takes its answer.
    async fn wait(&self, mut progress: watch::Receiver<Progress>, until: Instant, how: How) -> Said {
        let is_done = |progress: &Progress| matches!(progress, Progress::Done(_));
        let is_over = timeout_at(until, progress.wait_for(is_done)).await.is_err();
        let (failure, how) = match &*progress.borrow() {
            Progress::Done(Outcome { said, tries, hedged }) => {
                let how = if *tries == 0 { How::Refused } else { how };
                return Said { said: said.clone(), how, tries: *tries, hedged: *hedged };
            }
            Progress::Waits if is_over => (Failure::unsent(self.service.turn_did_not_come()), How::Refused),
            Progress::Asked if is_over => {
                let how = if self.care.cache.is_some() { How::Late } else { how };
                (Failure::passing("it did not answer in time"), how)
            }
            Progress::Waits | Progress::Asked => (Failure::unsent("the question was given up"), how),
        };
        Said { said: Err(failure), how, tries: 1, hedged: false }
    }

    /// Waits for an errand's turn. `None` where nobody wants the answer any more: an answer that a call gets anyway is
    /// renewed at once or not at all, and a call that has gone leaves its place to others.
    async fn turn(
        &self,
        key: &Key,
        errand: &Arc<Errand>,
        times: Times,
    ) -> Option<Result<SemaphorePermit<'_>, Failure>> {
        let mut turn = pin!(self.service.turn(times));
        loop {
            tokio::select! {
                biased;
                turn = &mut turn => return Some(turn),
                () = errand.closed() => {}
            }
            // Under this lock nobody can come to want it.
            let mut papers = locked(&self.papers);
            if errand.receiver_count() == 0 {
                papers.close(key, errand);
                return None;
            }
        }
    }

    /// Runs an errand to its end.
    async fn run<A: Answering>(
        self: Arc<Self>,
        source: Arc<A>,
        question: Question,
        key: Key,
        errand: Arc<Errand>,
        times: Times,
    ) {
        let outcome = match self.turn(&key, &errand, times).await {
            None => return,
            Some(Err(failure)) => Outcome { said: Err(failure), tries: 0, hedged: false },
            Some(Ok(_place)) => {
                errand.send_replace(Progress::Asked);
                self.service.ask(&*source, &question, times).await
            }
        };
        let mut papers = locked(&self.papers);
        if papers.close(&key, &errand)
            && let (Some(kept), Ok(records)) = (&mut papers.kept, &outcome.said)
        {
            kept.put(key, Arc::clone(records), Instant::now());
        }
        drop(papers);
        errand.send_replace(Progress::Done(outcome));
    }
}

/// A lock that holds plain values: whoever panicked with it left them whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
