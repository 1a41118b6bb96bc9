//! What the schema refused, so that nothing else is told about it.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::problem::nearest;

/// Top-level keys under which names are defined that others use.
const NAMING: [&str; 6] = ["accounts", "cards", "lists", "schedules", "sources", "texts"];

/// Documents by position, with the pointers (RFC 6901) of the values in them that the schema refused.
#[derive(Debug, Default)]
pub(super) struct Broken {
    pointers: BTreeSet<(usize, String)>,
}

impl Broken {
    pub(super) fn add(&mut self, document: usize, pointer: String) {
        self.pointers.insert((document, pointer));
    }

    /// Whether the schema refused the value, one around it or one in it.
    pub(super) fn is_broken(&self, document: usize, pointer: &str) -> bool {
        let inside = (document, format!("{pointer}/"));
        let mut behind = self.pointers.range((Bound::Included(&inside), Bound::Unbounded));
        let holds = behind.next().is_some_and(|(at, broken)| *at == document && broken.starts_with(&inside.1));
        holds || self.is_spoilt(document, pointer)
    }

    /// Whether the schema refused the value itself or one around it: nothing more is told about what is in it.
    pub(super) fn is_spoilt(&self, document: usize, pointer: &str) -> bool {
        if self.pointers.is_empty() {
            return false;
        }
        let ends = pointer.match_indices('/').map(|(at, _)| at).skip(1).chain([pointer.len()]);
        ends.filter_map(|end| pointer.get(..end))
            .any(|outer| !outer.is_empty() && self.pointers.contains(&(document, outer.to_owned())))
    }

    /// Whether names may be defined where nobody can tell: in a section that is none, or under one that is misspelt.
    pub(super) fn hides_names(&self) -> bool {
        self.sections().any(|section| section.is_empty() || NAMING.contains(&section))
    }

    /// The same of rules.
    pub(super) fn hides_rules(&self) -> bool {
        self.sections().any(|section| section.is_empty() || section == "rules")
    }

    /// Sections that the schema refused as a whole, by the name that was most likely meant; empty for a whole file.
    fn sections(&self) -> impl Iterator<Item = &str> {
        let outermost = self.pointers.iter().map(|(_, pointer)| pointer.trim_start_matches('/'));
        let outermost = outermost.filter(|pointer| !pointer.contains('/'));
        outermost.map(|section| nearest(section, NAMING.into_iter().chain(["rules"])).unwrap_or(section))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(pointers: &[&str]) -> Broken {
        let mut broken = Broken::default();
        pointers.iter().for_each(|pointer| broken.add(1, (*pointer).to_owned()));
        broken
    }

    #[test]
    fn a_value_is_broken_by_what_is_around_it_and_in_it() {
        let broken = broken(&["/rules/1/when/line", "/rules/1/when-not", "/cards/a"]);
        assert!(broken.is_broken(1, "/rules/1") && broken.is_broken(1, "/rules/1/when"));
        assert!(broken.is_broken(1, "/rules/1/when/line/0") && broken.is_broken(1, "/cards/a"));
        assert!(
            !broken.is_broken(1, "/rules/10")
                && !broken.is_broken(1, "/rules/1/card")
                && !broken.is_broken(0, "/rules/1")
        );
        assert!(broken.is_spoilt(1, "/rules/1/when/line/0") && !broken.is_spoilt(1, "/rules/1/when"));
    }

    #[test]
    fn names_are_hidden_by_a_section_that_is_none() {
        for hides in ["", "/sources", "/crads", "/list"] {
            assert!(broken(&[hides]).hides_names(), "{hides}");
        }
        for tells in ["/version", "/defaults", "/rules", "/rulez", "/sources/crm", "/defaults/region"] {
            assert!(!broken(&[tells]).hides_names(), "{tells}");
        }
        assert!(broken(&["/rulez"]).hides_rules() && !broken(&["/rules/0"]).hides_rules());
    }
}
