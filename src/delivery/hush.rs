//! Saying something loudly, but not a thousand times.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Keys that are remembered; further ones share the silence of the fullest moment.
const KEYS_MAX: usize = 1_000;

/// Lets one message a key through in each interval and counts the others.
#[derive(Debug)]
pub struct Hush {
    every: Duration,
    said: Mutex<HashMap<String, (Instant, u64)>>,
}

impl Hush {
    /// One message in `every` for each key.
    pub fn new(every: Duration) -> Hush {
        Hush { every, said: Mutex::default() }
    }

    /// Whether to say it now: the number of those that were kept silent before it.
    pub fn say(&self, key: &str, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = said.len() >= KEYS_MAX;
        match said.get_mut(key) {
            Some((at, silenced)) if now.duration_since(*at) < self.every => {
                *silenced += 1;
                None
            }
            Some((at, silenced)) => {
                *at = now;
                Some(std::mem::take(silenced))
            }
            None if !is_full => {
                said.insert(key.to_owned(), (now, 0));
                Some(0)
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_an_interval_and_the_others_are_counted() {
        let hush = Hush::new(Duration::from_secs(60));
        let start = Instant::now();
        assert_eq!(hush.say("a", start), Some(0));
        assert_eq!(hush.say("a", start + Duration::from_secs(1)), None);
        assert_eq!(hush.say("a", start + Duration::from_secs(59)), None);
        assert_eq!(hush.say("b", start + Duration::from_secs(59)), Some(0));
        assert_eq!(hush.say("a", start + Duration::from_secs(60)), Some(2));
    }
}
