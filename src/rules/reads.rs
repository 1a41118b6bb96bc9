//! The files that a rule set reads beside its own: tables of lists and sources, events of tests, mounted secrets.
//!
//! Only their paths, as the rules name them; whether they are there is not looked at.

use std::path::{Component, Path, PathBuf};

use super::Written;
use super::yaml::{Document, Node};

/// What a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A list takes its numbers from it, once.
    List,
    /// A source has its records in it, and looks by itself whether it has changed.
    Table,
    /// A test begins with it.
    Event,
    /// A secret is in it.
    Secret,
}

/// Every file with its use; some may stand twice.
pub(super) fn of(written: &Written) -> Vec<(Use, PathBuf)> {
    let mut found = Vec::new();
    for document in &written.rules {
        let entries = |section| document.root.child(section).into_iter().flat_map(Node::entries);
        let tables = entries("sources").map(|(_, node)| (Use::Table, node.at("/csv/file")));
        let lists = entries("lists").map(|(_, node)| (Use::List, node.child("csv")));
        found.extend(tables.chain(lists).filter_map(|(kind, node)| Some((kind, beside(document, node?.text()?)))));
        found.extend(secrets(&document.file.text).map(|path| (Use::Secret, PathBuf::from(path))));
    }
    for document in &written.tests {
        let tests = document.root.child("tests").map(Node::items).unwrap_or_default();
        let events = tests.iter().filter_map(|test| test.at("/event/file")?.text());
        found.extend(events.map(|path| (Use::Event, beside(document, path))));
    }
    found
}

/// A path is relative to the file that names it.
fn beside(document: &Document, path: &str) -> PathBuf {
    clear(&Path::new(&document.file.path).parent().unwrap_or(Path::new("")).join(path))
}

/// The path without `..` behind a name, so that two ways to one file are the same.
pub(super) fn clear(path: &Path) -> PathBuf {
    let mut clear = PathBuf::new();
    for component in path.components() {
        let leads_back = component == Component::ParentDir;
        if !(leads_back && matches!(clear.components().next_back(), Some(Component::Normal(_))) && clear.pop()) {
            clear.push(component);
        }
    }
    clear
}

fn secrets(text: &str) -> impl Iterator<Item = &str> {
    text.split("${file:").skip(1).filter_map(|behind| Some(behind.split_once('}')?.0))
}
