//! Test files with what came out in place of what was expected.
//!
//! Only values that differ are changed, in the text: comments, quotes and layout of everything else stay. What a test does
//! not look at it is not made to look at: one without `card` gets none, a row under `rows` keeps its keys. Writes no file.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::yaml::edit::{Edit, apply};
use super::yaml::write::{Quotes, entry, flow, quoted};
use super::yaml::{Document, Node};
use super::{Case, Written, aligned, is_part_of};
use crate::problem::{Place, SourceFile};

/// The decision about a test's event.
#[derive(Clone, Debug)]
pub struct CameOut<'a> {
    /// The rule that decides.
    pub rule: Option<&'a str>,
    /// The rows of the card; none where there is no card.
    pub rows: &'a [Value],
}

/// A test file that is to be written anew.
#[derive(Debug)]
pub struct Updated {
    /// The path of the file.
    pub path: String,
    /// What it held when it was read.
    pub before: String,
    /// What it is to hold.
    pub after: String,
}

/// What becomes of one expected row.
enum Step {
    Keep(usize),
    Change(usize, Value),
    Drop(usize),
    Add(Value),
}

impl Written {
    /// The files of these tests with other expectations, and, in words, what can't be changed without changing anything
    /// else. Files in which nothing has to be changed are left out.
    pub fn updated(&self, came_out: &[(&Case, CameOut<'_>)]) -> (Vec<Updated>, Vec<String>) {
        let mut refused = Vec::new();
        let mut all = Vec::new();
        for document in &self.tests {
            let here = came_out.iter().filter(|(case, _)| case.place.file.path == document.file.path);
            let here: Vec<_> = here.map(|(case, came_out)| (case.index, came_out)).collect();
            let before = &document.file.text;
            match updated(document, &here, &mut refused) {
                Ok(after) if after == *before => {}
                Ok(after) => all.push(Updated { path: document.file.path.clone(), before: before.clone(), after }),
                Err(why) => refused.push(format!("{}: {why}", document.file.path)),
            }
        }
        (all, refused)
    }
}

fn updated(
    document: &Document,
    came_out: &[(usize, &CameOut<'_>)],
    refused: &mut Vec<String>,
) -> Result<String, String> {
    let mut meant = document.root.to_json();
    let mut edits = Vec::new();
    for (index, came_out) in came_out {
        let pointer = format!("/tests/{index}/expect");
        let (Some(expect), Some(Value::Object(value))) = (document.root.at(&pointer), meant.pointer_mut(&pointer))
        else {
            continue;
        };
        let mut update = Update { document, expect, value: value.clone(), edits: Vec::new() };
        update.rule(came_out);
        if update.card(came_out).is_some() {
            *value = update.value;
            edits.append(&mut update.edits);
        } else {
            let place = document.place(&expect.mark);
            refused.push(format!("{}:{}: these rows can't be changed where they stand", place.file.path, place.line));
        }
    }
    let text = apply(&document.file.text, edits)?;
    // Whatever the layout was: what was not meant to change has not changed.
    let file = Arc::new(SourceFile { path: document.file.path.clone(), text });
    match Document::parse(&file) {
        Ok(read) if read.root.to_json() == meant => Ok(file.text.clone()),
        _ => Err("its layout does not let the expectations be changed alone".to_owned()),
    }
}

/// One test's `expect` on its way: the value it is to have, and the changes of the text.
struct Update<'a> {
    document: &'a Document,
    expect: &'a Node,
    value: Map<String, Value>,
    edits: Vec<Edit>,
}

impl Update<'_> {
    fn rule(&mut self, came_out: &CameOut<'_>) {
        let rule = came_out.rule.unwrap_or("none");
        if let Some(node) = self.expect.child("rule").filter(|node| node.text() != Some(rule)) {
            self.value.insert("rule".to_owned(), rule.into());
            self.replace(node, &Value::from(rule));
        }
    }

    /// Nothing where it can't be done.
    fn card(&mut self, came_out: &CameOut<'_>) -> Option<()> {
        let (key, list) = match (self.expect.key("card"), self.expect.key("rows")) {
            (Some(key), _) => (key, self.expect.child("card")?),
            (None, Some(key)) => (key, self.expect.child("rows")?),
            (None, None) => return Some(()),
        };
        let rows = came_out.rows;
        if list.text().is_some() {
            return if rows.is_empty() {
                Some(())
            } else {
                self.whole_card(&self.document.place(&key.mark), list, rows)
            };
        }
        if rows.is_empty() {
            // The rows go with the key: `rows:` can't be `none`.
            let span = self.document.place(&key.mark).span.start..self.document.extent(list).end;
            self.value.shift_remove(key.name.as_ref());
            self.value.insert("card".to_owned(), "none".into());
            self.edits.push(Edit::new(span, "card: none"));
            return Some(());
        }
        let old: Vec<Value> = list.items().iter().map(Node::to_json).collect();
        let steps = if *key.name == *"card" { whole(&old, rows) } else { some(&old, rows)? };
        let new = steps.iter().filter_map(|step| match step {
            Step::Keep(at) => old.get(*at).cloned(),
            Step::Change(_, row) | Step::Add(row) => Some(row.clone()),
            Step::Drop(_) => None,
        });
        self.value.insert(key.name.to_string(), new.collect());
        self.list(list, &steps)
    }

    /// Rows in place of `none`, which stands behind the key.
    fn whole_card(&mut self, key: &Place, none: &Node, rows: &[Value]) -> Option<()> {
        self.value.insert("card".to_owned(), rows.to_vec().into());
        let extent = self.document.extent(none);
        if self.document.is_flow(self.expect) {
            self.edits.push(Edit::new(extent, flow(&Value::from(rows.to_vec()))));
            return Some(());
        }
        let (newline, blanks) = (self.document.newline(), " ".repeat(key.column + 1));
        let lines: String = rows.iter().map(|row| format!("{newline}{blanks}- {}", flow(row))).collect();
        self.edits.push(Edit::new(key.span.end + 1..extent.end, lines));
        Some(())
    }

    /// Changes the rows of a list that is there.
    fn list(&mut self, list: &Node, steps: &[Step]) -> Option<()> {
        if self.document.is_alias(list) {
            return None;
        }
        let mut last = None;
        let mut dropped: Option<Range<usize>> = None;
        for step in steps {
            match step {
                Step::Drop(at) => {
                    let from = dropped.take().map_or(*at, |dropped| dropped.start);
                    dropped = Some(from..at + 1);
                    continue;
                }
                Step::Keep(at) => last = Some(*at),
                Step::Change(at, row) => {
                    last = Some(*at);
                    self.row(list.items().get(*at)?, row)?;
                }
                Step::Add(row) => self.add_row(list, last, row)?,
            }
            if let Some(positions) = dropped.take() {
                self.edits.push(self.document.without_items(list, positions)?);
            }
        }
        if let Some(positions) = dropped {
            self.edits.push(self.document.without_items(list, positions)?);
        }
        Some(())
    }

    /// Changes the keys of a row that differ.
    fn row(&mut self, node: &Node, row: &Value) -> Option<()> {
        let (old, new) = (node.to_json(), row.as_object()?);
        let old = old.as_object()?;
        if self.document.is_alias(node) {
            return None;
        }
        let is_flow = self.document.is_flow(node);
        let gone: Vec<&String> = old.keys().filter(|key| !new.contains_key(*key)).collect();
        let added: Vec<_> = new.iter().filter(|(key, _)| !old.contains_key(*key)).collect();
        let last = node.entries().filter(|(key, _)| new.contains_key(key.name.as_ref())).last();
        let first_goes = node.entries().next().is_some_and(|(key, _)| !new.contains_key(key.name.as_ref()));
        let (Some((_, last)), false) = (last, gone.len() > 1 && (is_flow || first_goes)) else {
            let new = self.row_text(node, new);
            self.edits.push(Edit::new(self.document.extent(node), new));
            return Some(());
        };
        for (key, value) in new.iter().filter(|(key, value)| old.get(*key).is_some_and(|old| old != *value)) {
            self.replace(node.child(key)?, value);
        }
        for key in gone {
            self.edits.push(self.document.without_entry(node, key)?);
        }
        let end = self.document.extent(last).end;
        let (at, separator) = match is_flow {
            true => (end, ", ".to_owned()),
            false => (self.document.line_end(end), format!("{}{}", self.document.newline(), self.blanks(node))),
        };
        let text: String = added.into_iter().map(|added| format!("{separator}{}", entry(added))).collect();
        self.edits.push(Edit::new(at..at, text));
        Some(())
    }

    /// A row written as the one it stands beside or instead of.
    fn row_text(&self, beside: &Node, row: &Map<String, Value>) -> String {
        if self.document.is_flow(beside) || self.document.is_alias(beside) {
            return flow(&Value::Object(row.clone()));
        }
        let (newline, blanks) = (self.document.newline(), self.blanks(beside));
        row.iter().map(entry).collect::<Vec<_>>().join(&format!("{newline}{blanks}"))
    }

    /// As many blanks as stand in front of a value.
    fn blanks(&self, node: &Node) -> String {
        " ".repeat(self.document.place(&node.mark).column - 1)
    }

    /// Puts a row behind another one, or first.
    fn add_row(&mut self, list: &Node, behind: Option<usize>, row: &Value) -> Option<()> {
        let beside = list.items().get(behind.unwrap_or_default())?;
        let text = self.row_text(beside, row.as_object()?);
        let extent = self.document.extent(beside);
        let flow = self.document.is_flow(list);
        let before = self.document.before(extent.start);
        let newline = self.document.newline();
        let line_end = self.document.line_end(extent.end);
        let next_line = line_end + newline.len();
        let (at, text) = match behind {
            Some(_) if flow => (extent.end, format!(", {text}")),
            None if flow => (extent.start, format!("{text}, ")),
            _ if before.trim() != "-" => return None,
            Some(_) if next_line > self.document.file.text.len() => (line_end, format!("{newline}{before}{text}")),
            Some(_) => (next_line, format!("{before}{text}{newline}")),
            None => (extent.start - before.len(), format!("{before}{text}{newline}")),
        };
        self.edits.push(Edit::new(at..at, text));
        Some(())
    }

    /// Another scalar, quoted as the one that stood there.
    fn replace(&mut self, node: &Node, value: &Value) {
        let quotes = Quotes::of(self.document.typed(&node.mark));
        let text = match value {
            Value::String(text) if node.text().is_some() => quoted(text, quotes),
            other => flow(other),
        };
        self.edits.push(Edit::new(self.document.extent(node), text));
    }
}

/// The whole card: rows that are the same stay, the others are changed one by one.
fn whole(old: &[Value], rows: &[Value]) -> Vec<Step> {
    let step = |(at, new): (Option<usize>, Option<usize>)| match (at, new.and_then(|new| rows.get(new))) {
        (Some(at), Some(row)) if old.get(at) == Some(row) => Some(Step::Keep(at)),
        (Some(at), Some(row)) => Some(Step::Change(at, row.clone())),
        (Some(at), None) => Some(Step::Drop(at)),
        (None, row) => row.cloned().map(Step::Add),
    };
    aligned(old, rows, |old, row| old == row).into_iter().filter_map(step).collect()
}

/// Some rows of the card: those it does not have are given the values of the row in their place, for the keys they name.
fn some(old: &[Value], rows: &[Value]) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for pair in aligned(old, rows, is_part_of) {
        match (pair.0, pair.1.and_then(|new| rows.get(new))) {
            (Some(at), Some(row)) if is_part_of(old.get(at)?, row) => steps.push(Step::Keep(at)),
            (Some(at), Some(row)) => {
                let named = old.get(at)?.as_object()?;
                let part: Map<String, Value> =
                    named.keys().filter_map(|key| Some((key.clone(), row.get(key)?.clone()))).collect();
                if part.is_empty() {
                    return None;
                }
                steps.push(Step::Change(at, part.into()));
            }
            (Some(at), None) => steps.push(Step::Drop(at)),
            (None, _) => {}
        }
    }
    Some(steps)
}
