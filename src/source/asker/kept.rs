//! Answers that may be given again, for a while, and no more of them than there is room for.
//!
//! It asks nobody and has no clock: the time comes in. Failures are never kept.

use std::sync::Arc;

use lru::LruCache;
use serde_json::Value;
use tokio::time::Instant;

use super::Keep;
use crate::source::{Question, Records};

/// What an answer takes beside its records: the key twice over in the table, the times, the pointers.
const ENTRY_BYTES: usize = 256;

/// Which question an answer belongs to: the customer first, then the account and all parameters, as JSON. The source
/// itself is not in it: each has answers of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(String);

/// Answers of one source.
#[derive(Debug)]
pub(super) struct Kept {
    keep: Keep,
    answers: LruCache<Key, Answer>,
    bytes: usize,
}

#[derive(Debug)]
struct Answer {
    records: Arc<Records>,
    given_at: Instant,
    bytes: usize,
}

/// An answer that can still be given.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) records: Arc<Records>,
    /// It may be given while a new one is fetched.
    pub(super) is_stale: bool,
}

impl Key {
    pub(super) fn of(question: &Question) -> Key {
        let parts = (question.customer.e164(), &question.account, &question.parameters);
        // Values that came from JSON can always be written as JSON.
        Key(serde_json::to_string(&parts).unwrap_or_default())
    }

    /// Whether the question was about this customer.
    pub(super) fn is_about(&self, e164: &str) -> bool {
        let rest = self.0.strip_prefix("[\"").and_then(|rest| rest.strip_prefix(e164));
        rest.is_some_and(|rest| rest.starts_with('"'))
    }
}

impl Kept {
    pub(super) fn new(keep: Keep) -> Kept {
        Kept { keep, answers: LruCache::unbounded(), bytes: 0 }
    }

    pub(super) fn get(&mut self, key: &Key, now: Instant) -> Option<Found> {
        let answer = self.answers.get(key)?;
        let age = now.duration_since(answer.given_at);
        let (fresh, stale) = times(&self.keep, &answer.records);
        if age < fresh.max(stale) {
            return Some(Found { records: Arc::clone(&answer.records), is_stale: age >= fresh });
        }
        self.remove(key);
        None
    }

    /// Keeps an answer in place of an earlier one, and forgets those that were not wanted for the longest time.
    pub(super) fn put(&mut self, key: Key, records: Arc<Records>, now: Instant) {
        self.remove(&key);
        let (fresh, stale) = times(&self.keep, &records);
        let bytes = ENTRY_BYTES + key.0.len() + bytes_of(&records);
        if fresh.max(stale).is_zero() || bytes > self.keep.bytes {
            return;
        }
        self.bytes += bytes;
        self.answers.put(key, Answer { records, given_at: now, bytes });
        while self.answers.len() > self.keep.entries || self.bytes > self.keep.bytes || self.has_expired(now) {
            let Some((_, answer)) = self.answers.pop_lru() else { break };
            self.bytes -= answer.bytes;
        }
    }

    /// Forgets what it knows about a customer: how many answers.
    pub(super) fn forget(&mut self, e164: &str) -> usize {
        let keys: Vec<Key> =
            self.answers.iter().map(|(key, _)| key).filter(|key| key.is_about(e164)).cloned().collect();
        keys.iter().for_each(|key| self.remove(key));
        keys.len()
    }

    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn remove(&mut self, key: &Key) {
        if let Some(answer) = self.answers.pop(key) {
            self.bytes -= answer.bytes;
        }
    }

    /// Whether the answer that was not wanted for the longest time can't be given any more: people are not kept for nothing.
    fn has_expired(&self, now: Instant) -> bool {
        self.answers.peek_lru().is_some_and(|(_, answer)| {
            let (fresh, stale) = times(&self.keep, &answer.records);
            now.duration_since(answer.given_at) >= fresh.max(stale)
        })
    }
}

/// How long these records are fresh, and until when they may be given although they are not. That nobody was known is
/// never given when it is old: somebody may have entered the caller after the first call.
fn times(keep: &Keep, records: &Records) -> (std::time::Duration, std::time::Duration) {
    if records.records.is_empty() { (keep.none, keep.none) } else { (keep.fresh, keep.stale) }
}

/// About how much memory records take.
fn bytes_of(records: &Records) -> usize {
    records.records.iter().map(|record| record.iter().map(|(key, value)| field(key, value)).sum::<usize>()).sum()
}

/// A field has a name, a place in an index and a value.
fn field(key: &str, value: &Value) -> usize {
    size_of::<String>() + 2 * size_of::<usize>() + key.len() + bytes_of_value(value)
}

fn bytes_of_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(bytes_of_value).sum(),
            Value::Object(fields) => fields.iter().map(|(key, value)| field(key, value)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}
