//! The requests of one connection: which are arriving, which are whole, and until when the next one has to come.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::places::{Closed, Place};

/// The head of the first request must be here in this time. The phone system gives up after 5 to 15 s.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection is kept for a further request, whose head must be here by then. Proxies reuse connections for up to
/// 60 s (nginx, AWS); one that were closed in the moment of its reuse would lose a webhook.
const IDLE_MAX: Duration = Duration::from_secs(75);

/// Between two looks at a connection that has a request under way.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// All requests of a connection.
pub(super) struct Requests {
    place: Place,
    state: Mutex<State>,
}

struct State {
    /// Whose head is here and whose answer is not.
    open: usize,
    /// Those among them whose body is here too.
    whole: usize,
    /// None had its head here yet.
    is_first: bool,
    /// When the connection began, or the last answer was made.
    since: Instant,
}

/// A request whose head is here.
pub(super) struct Open {
    requests: Arc<Requests>,
    stage: Mutex<Stage>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Arriving,
    Whole,
    Answered,
}

/// Dropped when the answer is made, or will never be.
pub(super) struct Answered(pub(super) Arc<Open>);

/// A body that tells when it is here.
pub(super) struct Arriving {
    body: Incoming,
    open: Arc<Open>,
}

impl Requests {
    pub(super) fn new(place: Place) -> Requests {
        let state = State { open: 0, whole: 0, is_first: true, since: Instant::now() };
        Requests { place, state: Mutex::new(state) }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A further request has its head here.
    pub(super) fn open(self: &Arc<Self>) -> Arc<Open> {
        let mut state = self.state();
        state.open += 1;
        state.is_first = false;
        Arc::new(Open { requests: Arc::clone(self), stage: Mutex::new(Stage::Arriving) })
    }

    /// When to look again whether the connection is late.
    pub(super) fn deadline(&self) -> Instant {
        let state = self.state();
        match (state.open, state.is_first) {
            (0, true) => state.since + FIRST_REQUEST_WITHIN,
            (0, false) => state.since + IDLE_MAX,
            _ => Instant::now() + LOOK_EVERY,
        }
    }

    /// What it is late with, if it is.
    pub(super) fn late(&self) -> Option<Closed> {
        let is_late = self.deadline() <= Instant::now();
        is_late.then(|| if self.state().is_first { Closed::NoRequest } else { Closed::Idle })
    }

    /// Since when there is no whole request under way; `None` where there is one.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.whole == 0).then_some(state.since)
    }
}

impl Open {
    /// From one stage to the next; the one before.
    fn turn(&self, to: Stage) -> Stage {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage == Stage::Answered { Stage::Answered } else { std::mem::replace(&mut *stage, to) }
    }

    fn arrived(&self) {
        if self.turn(Stage::Whole) == Stage::Arriving {
            self.requests.state().whole += 1;
            self.requests.place.begin();
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        let was_whole = self.0.turn(Stage::Answered) == Stage::Whole;
        let requests = &self.0.requests;
        let mut state = requests.state();
        state.open -= 1;
        state.whole -= usize::from(was_whole);
        state.since = Instant::now();
        drop(state);
        if was_whole {
            requests.place.end();
        }
    }
}

impl Arriving {
    pub(super) fn new(body: Incoming, open: Arc<Open>) -> Arriving {
        if body.is_end_stream() {
            open.arrived();
        }
        Arriving { body, open }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.open.arrived();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
