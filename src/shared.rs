//! What stands in many rules and is made once: conditions, rows of cards, and parts of their texts.
//!
//! It remembers while rules are compiled; what is made belongs to the rules. It does not know what it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Texts that are remembered. A hundred thousand rules have mostly few; where they have more, to remember all of them would
/// take more memory than it saves.
const REMEMBERED_MAX: usize = 10_000;

/// Things by the texts that they are made from. A copy remembers nothing: under other names a text may mean something else.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    made: Mutex<HashMap<Box<str>, Arc<T>>>,
}

impl<T> Default for Shared<T> {
    fn default() -> Shared<T> {
        Shared { made: Mutex::default() }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared::default()
    }
}

impl<T> Shared<T> {
    /// The thing of this text; made now, unless it is remembered. What could not be made is not.
    pub(crate) fn get_or_make<E>(&self, text: &str, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let made = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made().get(text).map(Arc::clone);
        if let Some(thing) = known {
            return Ok(thing);
        }
        let thing = Arc::new(make()?);
        let mut made = made();
        if made.len() < REMEMBERED_MAX {
            made.insert(text.into(), Arc::clone(&thing));
        }
        Ok(thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_makes_one_thing_and_a_mistake_is_told_each_time() {
        let (shared, mut made) = (Shared::default(), 0);
        let mut get = |text: &str, thing| {
            shared.get_or_make(text, || {
                made += 1;
                thing
            })
        };
        let one = get("a", Ok(1)).unwrap();
        assert!(Arc::ptr_eq(&one, &get("a", Ok(2)).unwrap()));
        assert_eq!((get("b", Err("no")), get("b", Err("no"))), (Err("no"), Err("no")));
        assert_eq!(made, 3);
        assert!(shared.clone().made.into_inner().unwrap().is_empty());
    }

    #[test]
    fn what_is_remembered_has_an_end_and_what_is_not_is_made_again() {
        let shared = Shared::default();
        let get = |text: &str| shared.get_or_make(text, || Ok::<_, ()>(text.to_owned())).unwrap();
        (0..REMEMBERED_MAX).for_each(|number| drop(get(&number.to_string())));
        assert_eq!(Arc::strong_count(&get("0")), 2);
        assert_eq!((get("more").as_str(), Arc::strong_count(&get("more"))), ("more", 1));
    }
}
