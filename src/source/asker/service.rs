//! One question put to the source itself: when its turn comes, once more after a failure, a second time beside the first.
//!
//! Whoever waits for the answer, and whether it is kept, is not known here. The end of the question is part of each step:
//! nothing here goes on beyond it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::breaker::{Breaker, Pass, Phase, Verdict};
use super::budget::{Hedges, Pace};
use super::figures::Counts;
use super::{Care, locked};
use crate::source::{Again, Failure, Question, Records, Source};

/// Before a second try: as long as a server takes to give a connection to another worker.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// What can be asked: a source, or a stand-in of tests that answers differently each time.
pub(super) trait Answering: Send + Sync + 'static {
    fn answer(&self, question: &Question) -> impl Future<Output = Result<Records, Failure>> + Send;
}

impl Answering for Source {
    fn answer(&self, question: &Question) -> impl Future<Output = Result<Records, Failure>> + Send {
        self.ask(question)
    }
}

/// The way to one source, which all questions share.
#[derive(Debug)]
pub(super) struct Service {
    name: String,
    care: Care,
    slots: Semaphore,
    breaker: Mutex<Breaker>,
    pace: Option<Mutex<Pace>>,
    hedges: Mutex<Hedges>,
    pub(super) counts: Counts,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) said: Result<Arc<Records>, Failure>,
    pub(super) tries: u8,
    pub(super) hedged: bool,
}

/// Until when something is of use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The call that asks waits until then; a background question has nobody, and all its time.
    pub(super) wanted_until: Instant,
    /// The question is ended then.
    pub(super) end: Instant,
}

impl Service {
    pub(super) fn new(name: &str, care: Care) -> Service {
        Service {
            name: name.to_owned(),
            slots: Semaphore::new(care.at_once),
            breaker: Mutex::new(Breaker::new(care.failures, care.pause)),
            pace: care.per_minute.map(|per_minute| Mutex::new(Pace::new(per_minute))),
            hedges: Mutex::new(Hedges::new()),
            counts: Counts::new(),
            care,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        locked(&self.breaker).phase(Instant::now())
    }

    /// Why it is not worth beginning a question now.
    pub(super) fn refusal(&self, now: Instant) -> Option<String> {
        locked(&self.breaker).refusal(now)
    }

    /// Waits for a free place, and for the pace. Dropping the future gives the place back.
    pub(super) async fn turn(&self, times: Times) -> Result<SemaphorePermit<'_>, Failure> {
        let place = timeout_at(times.end, self.slots.acquire()).await;
        let place = place.ok().and_then(Result::ok).ok_or_else(|| Failure::unsent(self.turn_did_not_come()))?;
        let at = self.keep_pace(Instant::now(), times.wanted_until).map_err(|wait| {
            let per_minute = self.care.per_minute.unwrap_or_default();
            let wait = wait.as_millis();
            Failure::unsent(format!("its turn would come in {wait} ms (`per_minute: {per_minute}`)"))
        })?;
        // Even a sleep that is over takes a tick of the clock.
        if at > Instant::now() {
            sleep_until(at).await;
        }
        Ok(place)
    }

    /// Why a question that was not asked in its time has no answer.
    pub(super) fn turn_did_not_come(&self) -> String {
        format!("its turn did not come in time (`at_once: {}`)", self.care.at_once)
    }

    /// When a request may be sent; the error is how long it would have to wait.
    fn keep_pace(&self, now: Instant, until: Instant) -> Result<Instant, Duration> {
        self.pace.as_ref().map_or(Ok(now), |pace| locked(pace).reserve(now, until))
    }

    /// Asks, in one or two tries; in none where the breaker does not let it through.
    pub(super) async fn ask<A: Answering>(&self, source: &A, question: &Question, times: Times) -> Outcome {
        let pass = match self.admit() {
            Ok(pass) => pass,
            Err(refusal) => return Outcome { said: Err(Failure::unsent(refusal)), tries: 0, hedged: false },
        };
        locked(&self.hedges).question();
        let mut hedged = false;
        let (mut said, mut tries) =
            (self.try_once(source, question, times.end, pass, self.care.hedge, &mut hedged).await, 1);
        if let Err(failure) = &said
            && let Some(at) = self.second_try(failure, times.wanted_until)
        {
            sleep_until(at).await;
            if let Ok(pass) = self.admit() {
                self.counts.retried.fetch_add(1, Relaxed);
                said = self.try_once(source, question, times.end, pass, None, &mut hedged).await;
                tries = 2;
            }
        }
        Outcome { said: said.map(Arc::new), tries, hedged }
    }

    fn admit(&self) -> Result<Pass, String> {
        self.watched(|breaker| breaker.admit(Instant::now()))
    }

    /// When it is asked once more, if that may help and somebody will still be waiting.
    fn second_try(&self, failure: &Failure, wanted_until: Instant) -> Option<Instant> {
        let now = Instant::now();
        let at = now + RETRY_PAUSE;
        let is_of_use = self.care.retry && failure.again == Again::Soon && at < wanted_until;
        if !is_of_use || self.phase() != Phase::Closed {
            return None;
        }
        Some(self.keep_pace(now, wanted_until).ok()?.max(at))
    }

    /// One try; the breaker is told what came of it.
    async fn try_once<A: Answering>(
        &self,
        source: &A,
        question: &Question,
        end: Instant,
        pass: Pass,
        hedge: Option<Duration>,
        hedged: &mut bool,
    ) -> Result<Records, Failure> {
        let begun = Instant::now();
        let request = AssertUnwindSafe(self.request(source, question, hedge, hedged)).catch_unwind();
        let said = match timeout_at(end, request).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => {
                tracing::error!(source.name = self.name, "source {} broke off: a defect of the program", self.name);
                Err(Failure::unsent("it broke off: a defect of the program"))
            }
            Err(_) => Err(Failure::passing("it did not answer in time")),
        };
        self.judge(pass, &said);
        self.counts.seconds.observe(begun.elapsed().as_secs_f64());
        said
    }

    /// One request, or two: the first answer counts.
    async fn request<A: Answering>(
        &self,
        source: &A,
        question: &Question,
        hedge: Option<Duration>,
        hedged: &mut bool,
    ) -> Result<Records, Failure> {
        let mut first = pin!(source.answer(question));
        let Some(hedge) = hedge else { return first.await };
        if let Ok(said) = timeout(hedge, &mut first).await {
            return said;
        }
        let Some(_place) = self.place_for_hedge() else { return first.await };
        *hedged = true;
        self.counts.hedged.fetch_add(1, Relaxed);
        match select(first, pin!(source.answer(question))).await {
            Either::Left((Ok(records), _)) | Either::Right((Ok(records), _)) => Ok(records),
            Either::Left((Err(_), second)) => second.await,
            Either::Right((Err(_), first)) => first.await,
        }
    }

    /// Whether a second request may be sent at once: it counts as one under way, and as one a minute.
    fn place_for_hedge(&self) -> Option<SemaphorePermit<'_>> {
        let (place, now) = (self.slots.try_acquire().ok()?, Instant::now());
        let may = self.phase() == Phase::Closed && locked(&self.hedges).take() && self.keep_pace(now, now).is_ok();
        may.then_some(place)
    }

    fn judge(&self, pass: Pass, said: &Result<Records, Failure>) {
        let verdict = match said.as_ref().map_err(|failure| failure.again) {
            Ok(_) => Verdict::Answered,
            Err(Again::Soon | Again::No) => Verdict::Failed,
            Err(Again::After(time)) => Verdict::LeaveAlone(time),
            Err(Again::Unsent) => Verdict::Nothing,
        };
        let counter = if said.is_ok() { &self.counts.answered } else { &self.counts.failed };
        counter.fetch_add(1, Relaxed);
        self.watched(|breaker| breaker.record(pass, verdict, Instant::now()));
    }

    /// Does something with the breaker, and logs where that changed its state.
    fn watched<T>(&self, change: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker = locked(&self.breaker);
        let before = breaker.state();
        let changed = change(&mut breaker);
        let (after, refusal) = (breaker.state(), breaker.refusal(Instant::now()));
        drop(breaker);
        let (name, state) = (&self.name, after.as_str());
        match after {
            _ if after == before => {}
            Phase::Open => {
                let why = refusal.unwrap_or_default();
                tracing::warn!(source.name = name, breaker = state, "source {name}: {why}");
            }
            Phase::HalfOpen => tracing::info!(source.name = name, breaker = state, "source {name} is tried again"),
            Phase::Closed => tracing::info!(source.name = name, breaker = state, "source {name} answers again"),
        }
        changed
    }
}
