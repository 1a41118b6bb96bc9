//! How a source is asked: how long, how often, and what is kept of its answers.
//!
//! It knows no rule and no call, only questions; what a source is, it does not know either.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::{Failure, Question, Records, Source};

/// Asks one source as its definition says. It lives as long as the definition stays the same, over reloads.
#[derive(Debug, Default)]
pub struct Asker {}

/// What came of a question.
#[derive(Clone, Debug)]
pub struct Said {
    /// The records, or why there are none to be had.
    pub said: Result<Arc<Records>, Failure>,
    /// Where the answer comes from.
    pub how: How,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The source was asked.
    Asked,
}

impl How {
    /// The word in a trace.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Asked => "asked",
        }
    }
}

impl Asker {
    /// Asks and waits until a time; what has not been said by then does not count.
    pub async fn ask(self: &Arc<Self>, source: &Arc<Source>, question: &Question, until: Instant) -> Said {
        let said = match timeout_at(until, source.ask(question)).await {
            Ok(said) => said.map(Arc::new),
            Err(_) => Err(Failure::passing("it did not answer in time")),
        };
        Said { said, how: How::Asked }
    }
}
