//! A JSON tree with something to fill in at its leaves.
//!
//! What is filled in becomes a value of the tree, whatever it holds: no text of JSON is ever pasted together.

use serde_json::Value;

use super::Text;

/// A value of the tree.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// A text, filled or as it is written.
    Text(Text),
    /// A number, a boolean or nothing, as it is written.
    Value(Value),
    /// The value of an expression, by the position of the parameter.
    Filled(usize),
    /// A list.
    List(Vec<Tree>),
    /// A mapping.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// The value that it is with these parameters.
    pub(super) fn filled(&self, parameters: &[Value]) -> Value {
        match self {
            Tree::Text(text) => Value::from(text.filled(parameters)),
            Tree::Value(value) => value.clone(),
            Tree::Filled(position) => parameters.get(*position).cloned().unwrap_or_default(),
            Tree::List(items) => items.iter().map(|item| item.filled(parameters)).collect(),
            Tree::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.filled(parameters))).collect())
            }
        }
    }
}
