//! The order of a source's records: `order_by: name`, `order_by: updated_at desc`, `order_by: properties.createdate`.
//!
//! It does not drop or change a record. Without it they stay as they were answered.

use std::cmp::Ordering;

use serde_json::Value;

use super::Record;
use crate::problem::{Code, Fault, did_you_mean};

/// A field to sort by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    field: String,
    descending: bool,
}

impl Order {
    /// Reads `name` or `name desc`.
    pub(super) fn by(text: &str) -> Order {
        match text.strip_suffix(" desc") {
            Some(field) => Order { field: field.trim_end().to_owned(), descending: true },
            None => Order { field: text.strip_suffix(" asc").unwrap_or(text).trim_end().to_owned(), descending: false },
        }
    }

    /// What is wrong with it, where the records have just these fields.
    pub(super) fn fault(&self, columns: &[String]) -> Option<Fault> {
        if columns.contains(&self.field) {
            return None;
        }
        let mut fault = Fault::new(Code::SourceColumn, "", format!("no record has a field `{}`", self.field));
        fault.help = did_you_mean(&self.field, columns.iter().map(String::as_str));
        Some(fault)
    }

    /// Sorts; records that are equal in the field keep their order, and those without it come last.
    pub(super) fn sort(&self, records: &mut [Record]) {
        records.sort_by(|one, other| {
            let [one, other] = [one, other].map(|record| self.value(record).filter(|value| !value.is_null()));
            match (one, other) {
                (Some(one), Some(other)) if self.descending => compare(other, one),
                (Some(one), Some(other)) => compare(one, other),
                (one, other) => other.is_some().cmp(&one.is_some()),
            }
        });
    }

    /// The field's value; a field inside a field is `properties.createdate`.
    fn value<'a>(&self, record: &'a Record) -> Option<&'a Value> {
        record.get(&self.field).or_else(|| {
            let (first, rest) = self.field.split_once('.')?;
            rest.split('.').try_fold(record.get(first)?, |value, name| value.get(name))
        })
    }
}

/// Numbers by their size, also where they are written as texts; everything else by its text.
fn compare(one: &Value, other: &Value) -> Ordering {
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        // A total order: every number before every text.
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => text(one).cmp(&text(other)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sorted(by: &str, values: &[Value]) -> Vec<Value> {
        let record = |value: &Value| json!({ "at": value }).as_object().unwrap().clone();
        let mut records: Vec<Record> = values.iter().map(record).collect();
        Order::by(by).sort(&mut records);
        records.into_iter().map(|record| record["at"].clone()).collect()
    }

    #[test]
    fn numbers_are_sorted_by_size_and_what_is_absent_comes_last_in_both_directions() {
        let values = [json!(10), json!(null), json!("9"), json!(-1.5), json!("b"), json!("a")];
        assert_eq!(sorted("at", &values), [json!(-1.5), json!("9"), json!(10), json!("a"), json!("b"), json!(null)]);
        assert_eq!(
            sorted("at desc", &values),
            [json!("b"), json!("a"), json!(10), json!("9"), json!(-1.5), json!(null)]
        );
        assert_eq!(sorted("other asc", &values), values, "equal records stay as they were answered");
        let nested = [json!({"on": {"day": 2}}), json!({"on": {"day": 1}}), json!({})];
        assert_eq!(sorted("at.on.day", &nested), [nested[1].clone(), nested[0].clone(), nested[2].clone()]);
    }
}
