//! A rule set as it is written, beside the one that was compiled: for those who test the tests or rewrite them.
//!
//! Holds the parsed files; what is done with them is its users' business.

use super::compile::Kept;
use super::yaml::{Document, Node};

/// The files of a rule set, parsed.
#[derive(Debug)]
pub struct Written {
    pub(super) rules: Vec<Document>,
    pub(super) tests: Vec<Document>,
    pub(super) kept: Kept,
}

impl Written {
    /// The rules of all files with the files they stand in, in the order of [`super::RuleSet::rules`].
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&Document, &Node)> {
        self.rules.iter().flat_map(|document| {
            document.root.child("rules").map(Node::items).unwrap_or_default().iter().map(move |node| (document, node))
        })
    }

    /// A card by its name, with the file it stands in.
    pub(crate) fn card(&self, name: &str) -> Option<(&Document, &Node)> {
        self.rules.iter().find_map(|document| Some((document, document.root.child("cards")?.child(name)?)))
    }
}
