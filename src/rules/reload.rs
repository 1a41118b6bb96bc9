//! The rules in force, and how new ones take their place.
//!
//! All fallible work is done beside the running rules; then one pointer is swapped. A bad edit changes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Environment, Loaded, RuleSet, load};
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
            Some(rules) => {
                self.rules.store(Arc::new(rules));
                Ok(problems)
            }
            None => Err(Rejected(problems)),
        }
    }
}
