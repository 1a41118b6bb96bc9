//! The bytes of a rule file → the same in its one layout.

use callcard::rules::{Loaded, Unformatted, format as lay_out};

use crate::{rules, world};

/// Any bytes. What is laid out is laid out for good, and means the same.
pub fn format(bytes: &[u8]) {
    let path = rules::written("format.yaml", bytes);
    let Ok(Some(after)) = lay_out(&path) else { return };
    let before = world::loaded(&path, false);
    let path = rules::written("format.yaml", after.as_bytes());
    match lay_out(&path) {
        Ok(None) => {}
        Ok(Some(again)) => panic!("laid out again it is another text:\n{after}\n---\n{again}"),
        Err(Unformatted::Problem(problem)) => panic!("it can't be read any more: {problem:?}\n{after}"),
        Err(Unformatted::Different) => panic!("it can't be laid out any more:\n{after}"),
    }
    let after = world::loaded(&path, false);
    assert_eq!(told(&before), told(&after), "another meaning");
}

/// What `check` says of it, places aside.
fn told(loaded: &Loaded) -> Vec<(&'static str, String)> {
    let mut told: Vec<_> =
        loaded.problems.iter().map(|problem| (problem.code.as_str(), problem.message.clone())).collect();
    told.sort();
    told
}
