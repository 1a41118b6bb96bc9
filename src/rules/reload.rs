//! The rules in force, and how new ones take their place.
//!
//! All fallible work is done beside the running rules; then one pointer is swapped. A bad edit changes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Environment, Loaded, Origin, RuleSet, load};
use crate::problem::Problem;

/// The rules in force.
#[derive(Debug)]
pub struct Live {
    rules: ArcSwap<RuleSet>,
    path: PathBuf,
}

/// New rules that did not take effect; the ones in force stay.
#[derive(Debug)]
pub struct Rejected(pub Vec<Problem>);

impl Live {
    /// Loads a rule directory for the first time. The problems that come with it are warnings.
    ///
    /// # Errors
    /// Every problem, where one is an error.
    pub fn start(path: PathBuf, environment: &Environment<'_>) -> Result<(Live, Vec<Problem>), Rejected> {
        let Loaded { rules, problems, .. } = load(&path, environment);
        match rules {
            Some(rules) => Ok((Live { rules: ArcSwap::from_pointee(rules), path }, problems)),
            None => Err(Rejected(problems)),
        }
    }

    /// The rules in force now. A call keeps what it got until it ends.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.rules.load_full()
    }

    /// Loads the directory again and swaps; the problems that come with it are warnings.
    ///
    /// # Errors
    /// Every problem, where one is an error. The rules in force stay.
    pub fn reload(&self, environment: &Environment<'_>) -> Result<Vec<Problem>, Rejected> {
        let Loaded { rules, problems, .. } = load(&self.path, environment);
        match rules {
            Some(mut rules) => {
                keep_what_is_known(&mut rules, &self.rules());
                self.rules.store(Arc::new(rules));
                Ok(problems)
            }
            None => Err(Rejected(problems)),
        }
    }
}

/// A source whose definition is the same goes on with its connections and with what is known of it: earlier answers, and
/// whether it is worth asking. A table has been read anew, and stays so.
fn keep_what_is_known(rules: &mut RuleSet, before: &RuleSet) {
    for source in &mut rules.sources {
        let Origin::Asked(asked) = &mut source.origin else { continue };
        let known = before.sources.iter().find_map(|known| match &known.origin {
            Origin::Asked(known) if known.fingerprint == asked.fingerprint => Some(known),
            _ => None,
        });
        if let Some(known) = known {
            asked.asker = Arc::clone(&known.asker);
            if !asked.source.is_at_hand() {
                asked.source = Arc::clone(&known.source);
            }
        }
    }
}
