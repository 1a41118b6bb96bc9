//! How a source is to be asked: the keys beside its kind.
//!
//! Their shapes have been checked against the schema; here they are put together, and compared with what the source is.

use std::time::Duration;

use super::{duration, written};
use crate::problem::{Code, Fault};
use crate::rules::yaml::Node;
use crate::source::{Care, Keep, Source};

/// The keys that only mean something where somebody else is asked.
const KEYS: [&str; 6] = ["at_once", "breaker", "cache", "hedge", "per_minute", "retry"];

/// A question whose answer will be kept may go on for this long, after the call has been decided without it. Even a slow
/// service is then quick for the next call of the same person.
const LATE_ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How the source is to be asked. `within` is the time that it has to answer a call.
pub(super) fn care(definition: &Node, within: Duration) -> Care {
    let cache = definition.child("cache").map(keep);
    let mut care = Care::within(if cache.is_some() { within.max(LATE_ANSWER_WITHIN) } else { within });
    care.cache = cache;
    care.per_minute = number(definition, "per_minute").and_then(|number| u32::try_from(number).ok());
    care.hedge = time(definition, "hedge");
    if let Some(at_once) = number(definition, "at_once") {
        care.at_once = at_once;
    }
    if let Some(retry) = definition.child("retry").and_then(|node| node.to_json().as_bool()) {
        care.retry = retry;
    }
    if let Some(breaker) = definition.child("breaker") {
        care.failures =
            number(breaker, "failures").and_then(|number| u32::try_from(number).ok()).unwrap_or(care.failures);
        care.pause = time(breaker, "pause").unwrap_or(care.pause);
    }
    care
}

fn keep(cache: &Node) -> Keep {
    let bounds = Keep::default();
    Keep {
        fresh: time(cache, "fresh").unwrap_or_default(),
        none: time(cache, "none").unwrap_or_default(),
        stale: time(cache, "stale").unwrap_or_default(),
        entries: number(cache, "entries").unwrap_or(bounds.entries),
        bytes: number(cache, "megabytes").map_or(bounds.bytes, |megabytes| megabytes * 1024 * 1024),
    }
}

fn time(node: &Node, key: &str) -> Option<Duration> {
    duration(node.child(key)?.text()?)
}

fn number(node: &Node, key: &str) -> Option<usize> {
    usize::try_from(node.child(key)?.to_json().as_u64()?).ok()
}

/// What can't be meant.
pub(super) fn faults(definition: &Node, source: &Source, care: &Care, within: Duration) -> Vec<Fault> {
    let fault = |pointer: &str, message: String, help: &str| Fault::new(Code::Source, pointer, message).help(help);
    if source.is_at_hand() {
        let keys = KEYS.iter().filter(|key| definition.child(key).is_some());
        let kind = source.kind();
        return keys
            .map(|key| {
                let message = format!("a source with `{kind}` has no `{key}`");
                fault(&format!("/{key}"), message, "leave it out: its records are at hand, nobody is asked for them")
            })
            .collect();
    }
    let mut faults = Vec::new();
    if let Some(Keep { fresh, stale, .. }) = care.cache
        && definition.child("cache").is_some_and(|cache| cache.child("stale").is_some())
        && stale <= fresh
    {
        let message = format!("an answer is fresh for {}, and `stale` begins after that", written(fresh));
        faults.push(fault("/cache/stale", message, "make it longer than `fresh`: both count from the answer"));
    }
    match care.hedge {
        Some(_) if !source.may_be_hedged() => {
            let message = "a second request is sent only where asking changes nothing: to `http` with GET".to_owned();
            faults.push(fault("/hedge", message, "leave `hedge` out"));
        }
        Some(hedge) if hedge >= within => {
            let (within, hedge) = (written(within), written(hedge));
            let message = format!("an answer counts within {within}: a second request after {hedge} is of no use");
            faults.push(fault("/hedge", message, "make it shorter than `timeout`"));
        }
        _ => {}
    }
    faults
}
