//! A `when` with one condition less, one negated, or a range that is another one.

use serde_json::{Map, Value, json};

use super::bound;
use crate::rules::yaml::edit::Edit;
use crate::rules::yaml::write::{entry, flow};
use crate::rules::yaml::{Document, Node};

/// A mutation of a `when`.
pub(super) struct Found<'a> {
    pub(super) node: &'a Node,
    /// What is different, behind the name of the rule.
    pub(super) what: String,
    pub(super) edit: Option<Edit>,
    pub(super) change: WhenChange,
}

/// What is changed in a `when`. Pointers begin at the `when`.
#[derive(Debug)]
pub(super) enum WhenChange {
    /// A key of the mapping is gone.
    Drop(String, String),
    /// A key of the block stands under `not`.
    Negate(String, String),
    /// An item of the list is gone.
    DropItem(String, usize),
    /// Another text.
    Set(String, String),
}

impl WhenChange {
    /// The changed `when`; nothing where the rule has none any more.
    pub(super) fn apply(&self, mut when: Value) -> Option<Value> {
        let (WhenChange::Drop(pointer, _)
        | WhenChange::Negate(pointer, _)
        | WhenChange::DropItem(pointer, _)
        | WhenChange::Set(pointer, _)) = self;
        let value = when.pointer_mut(pointer)?;
        match (self, value) {
            (WhenChange::Drop(_, key), Value::Object(map)) => drop(map.shift_remove(key)),
            (WhenChange::DropItem(_, index), Value::Array(items)) if *index < items.len() => drop(items.remove(*index)),
            (WhenChange::Set(_, text), value) => *value = text.as_str().into(),
            (WhenChange::Negate(_, key), Value::Object(block)) => {
                let one = Value::Object(block.shift_remove_entry(key).into_iter().collect());
                let not = match block.shift_remove("not") {
                    Some(also) => json!({"any": [also, one]}),
                    None => one,
                };
                block.insert("not".to_owned(), not);
            }
            _ => {}
        }
        let is_empty = when.as_object().is_some_and(Map::is_empty);
        (!is_empty).then_some(when)
    }
}

/// All mutations of a rule's `when`.
pub(super) fn mutations<'a>(document: &'a Document, rule: &'a Node, when: &'a Node) -> Vec<Found<'a>> {
    let mut walk = Walk { document, rule, found: Vec::new() };
    walk.block(when, "");
    walk.found
}

struct Walk<'a> {
    document: &'a Document,
    rule: &'a Node,
    found: Vec<Found<'a>>,
}

impl<'a> Walk<'a> {
    fn add(&mut self, node: &'a Node, what: String, edit: Option<Edit>, change: WhenChange) {
        self.found.push(Found { node, what, edit, change });
    }

    /// Conditions of a block; `pointer` is where it stands in the `when`. The only one of a `not` is not negated: that is
    /// the same as `not` negated.
    fn block(&mut self, block: &'a Node, pointer: &str) {
        if self.document.is_alias(block) {
            return;
        }
        for (key, node) in block.entries() {
            let name = key.name.as_ref();
            if !(pointer.is_empty() && name == "direction" && is_any_direction(&node.to_json())) {
                self.drop_condition(block, pointer, name, node);
            }
            if !(pointer.ends_with("/not") && block.entries().count() == 1) {
                self.negate(block, pointer, name, node);
            }
            let here = format!("{pointer}/{name}");
            match name {
                "any" => self.blocks(node, &here),
                "not" => self.block(node, &here),
                "customer" | "callee" => self.parts(node, &here, name),
                _ => {}
            }
            match name {
                "customer" | "line" => self.bounds(node, &here, bound::ranges),
                "schedule" => self.bounds(node, &here, bound::times),
                _ => {}
            }
        }
    }

    /// Ranges of numbers, also in the `number` of a customer, or hours.
    fn bounds(&mut self, node: &'a Node, pointer: &str, bounds: fn(&str) -> Vec<String>) {
        let numbers = node.child("number").map(|number| (number, format!("{pointer}/number")));
        for (node, pointer) in numbers.into_iter().chain([(node, pointer.to_owned())]) {
            for (pointer, node, moved) in bound::moved(self.document, node, &pointer, bounds) {
                self.add(node, moved.what(), moved.edit, WhenChange::Set(pointer, moved.text));
            }
        }
    }

    fn drop_condition(&mut self, block: &'a Node, pointer: &str, name: &str, node: &'a Node) {
        let edit = match (block.entries().count(), pointer) {
            (1, "") => self.document.without_entry(self.rule, "when"),
            // An empty block always holds: that is the same as without what it stands in.
            (1, _) => return,
            _ => self.document.without_entry(block, name),
        };
        let change = WhenChange::Drop(pointer.to_owned(), name.to_owned());
        self.add(node, format!("without its condition `{name}`"), edit, change);
    }

    fn negate(&mut self, block: &'a Node, pointer: &str, name: &str, node: &'a Node) {
        let edit = match (name == "not" || block.key("not").is_none(), block.key(name)) {
            (true, Some(key)) if !self.document.is_alias(node) => {
                let span = self.document.place(&key.mark).span.start..self.document.extent(node).end;
                Edit::new(span, format!("not: {{{}}}", entry((&name.to_owned(), &node.to_json()))))
            }
            _ => {
                let negated = WhenChange::Negate(String::new(), name.to_owned()).apply(block.to_json());
                Edit::new(self.document.extent(block), flow(&negated.unwrap_or_default()))
            }
        };
        let change = WhenChange::Negate(pointer.to_owned(), name.to_owned());
        self.add(node, format!("with its condition `{name}` negated"), Some(edit), change);
    }

    /// The blocks of `any`: one less of several, and what is in each.
    fn blocks(&mut self, list: &'a Node, pointer: &str) {
        for (index, block) in list.items().iter().enumerate() {
            if list.items().len() > 1 {
                let edit = self.document.without_items(list, index..index + 1);
                let what = format!("without block {} of `any`", index + 1);
                self.add(block, what, edit, WhenChange::DropItem(pointer.to_owned(), index));
            }
            self.block(block, &format!("{pointer}/{index}"));
        }
    }

    /// The parts of a condition that is a mapping: one less of several.
    fn parts(&mut self, condition: &'a Node, pointer: &str, of: &str) {
        if condition.entries().count() < 2 {
            return;
        }
        for (key, node) in condition.entries() {
            let edit = self.document.without_entry(condition, &key.name);
            let what = format!("without `{}` of its condition `{of}`", key.name);
            self.add(node, what, edit, WhenChange::Drop(pointer.to_owned(), key.name.to_string()));
        }
    }
}

/// Without a direction a rule is about inbound and outbound calls, too.
fn is_any_direction(directions: &Value) -> bool {
    let has = |name: &str| directions.as_array().is_some_and(|all| all.iter().any(|one| one == name));
    has("inbound") && has("outbound") && !has("internal")
}
