//! Where a key would be known that is unknown where it stands: further in, further out, or in one other place.
//!
//! Only whole words: a typing mistake is not looked for here.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use super::Schema;

/// Mappings inside mappings that are looked through; the language has six.
const LEVELS_MAX: usize = 8;

impl Schema {
    /// What to say about a key that is known further in or further out. `schema_path` is that of the keyword that refused
    /// it, `pointer` that of the mapping in which it stands.
    pub(super) fn belongs(&self, schema_path: &str, pointer: &str, name: &str) -> Option<String> {
        let own = self.beside(schema_path)?;
        if let [path, ..] = self.below(own, name).as_slice() {
            return Some(format!("`{name}` belongs {path}"));
        }
        // A row of another type has other keys, and they stand where this one does.
        if schema_path.contains("/then/") {
            return None;
        }
        self.further_out(pointer, name).map(|beside| format!("`{name}` belongs further out, beside `{beside}`"))
    }

    /// The one other place in the language where the key is known.
    pub(super) fn known_elsewhere(&self, schema_path: &str, name: &str) -> Option<String> {
        match self.below(&self.value, name).as_slice() {
            [path] if !schema_path.contains("/then/") => Some(format!("`{name}` is known {path}")),
            _ => None,
        }
    }

    /// The places below a schema at which the key is known, the nearest first.
    fn below(&self, schema: &Value, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = VecDeque::from([(schema, String::new(), 0)]);
        while let Some((schema, path, level)) = next.pop_front() {
            let schema = self.resolved(schema);
            if level > LEVELS_MAX || !seen.insert(std::ptr::from_ref(schema)) {
                continue;
            }
            let keys = schema.get("properties").and_then(Value::as_object);
            if level > 0 && keys.is_some_and(|keys| keys.contains_key(name)) {
                found.push(match path.strip_suffix("[]") {
                    Some(list) => format!("in an item of `{list}`"),
                    None => format!("under `{path}`"),
                });
            }
            let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            next.extend(keys.into_iter().flatten().map(|(key, schema)| (schema, inner(key), level + 1)));
            let named = schema.get("additionalProperties").filter(|schema| schema.is_object());
            next.extend(named.map(|schema| (schema, inner("NAME"), level + 1)));
            next.extend(schema.get("items").map(|schema| (schema, format!("{path}[]"), level + 1)));
        }
        found
    }

    /// The key on the way in, in the nearest mapping around that knows `name`.
    fn further_out<'a>(&self, pointer: &'a str, name: &str) -> Option<&'a str> {
        let mut schema = self.resolved(&self.value);
        let mut found = None;
        for segment in pointer.split('/').skip(1) {
            let keys = schema.get("properties");
            if keys.is_some_and(|keys| keys.get(name).is_some()) {
                found = Some(segment);
            }
            let inner = keys.and_then(|keys| keys.get(segment)).or_else(|| schema.get("items"));
            schema = self.resolved(inner.or_else(|| schema.get("additionalProperties"))?);
        }
        found
    }

    /// The schema that a `$ref` names, or the schema itself.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema.get("$ref").and_then(Value::as_str);
        reference.and_then(|reference| self.value.pointer(reference.trim_start_matches('#'))).unwrap_or(schema)
    }
}
