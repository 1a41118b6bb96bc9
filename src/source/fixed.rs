//! Records that stand in the rules themselves (kind `static`), found by number.
//!
//! For a handful of people who are in no other place. They change with the rules; nothing is read besides.

use serde_json::Value;

use super::index::{Entry, NumberIndex};
use super::{Kind, Made, Reach, Record, Records, owner};
use crate::event::CustomerNumber;
use crate::problem::{Code, Fault, did_you_mean, nearest};

/// Records and where the numbers are.
#[derive(Clone, Debug)]
pub struct Fixed {
    records: Vec<Record>,
    /// Every field that a record has.
    columns: Vec<String>,
    index: NumberIndex,
}

pub(super) fn compile(definition: &Value, reach: &Reach<'_>) -> Result<Made, Vec<Fault>> {
    let list = |key: &str| definition.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let records: Vec<Record> = list("records").iter().filter_map(|record| record.as_object().cloned()).collect();
    let mut columns: Vec<String> = Vec::new();
    for field in records.iter().flat_map(|record| record.keys()) {
        if !columns.contains(field) {
            columns.push(field.clone());
        }
    }
    let mut faults = Vec::new();
    let names: Vec<&str> = list("numbers").iter().filter_map(Value::as_str).collect();
    for (position, name) in names.iter().enumerate() {
        if !columns.iter().any(|column| column == name) {
            let known = columns.iter().map(String::as_str);
            let message = format!("none of the records has a field `{name}`");
            let mut fault = Fault::new(Code::SourceColumn, format!("/numbers/{position}"), message);
            fault.help = did_you_mean(name, known.clone());
            faults.push(fault.meant(nearest(name, known)));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut entries = Vec::new();
    for (position, record) in records.iter().enumerate() {
        let before = entries.len();
        for text in names.iter().filter_map(|name| record.get(*name)).flat_map(owner::texts) {
            entries.extend(Entry::new(&CustomerNumber::parse(Some(&text), reach.region), position));
        }
        if entries.len() == before {
            let message = "this record has no readable number, so no call will find it";
            let help = "write numbers in quotes, with their country code or as they are dialled in `defaults.region`";
            faults.push(Fault::new(Code::SourceRows, format!("/records/{position}"), message).help(help));
        }
    }
    let fixed = Fixed { records, columns, index: NumberIndex::new(entries) };
    Ok(Made { kind: Kind::Static(fixed), parameters: Vec::new(), faults })
}

impl Fixed {
    /// Every field that a record has.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The records of this customer, in the order of the rules.
    pub(super) fn ask(&self, customer: &CustomerNumber) -> Records {
        let records = self.index.rows(customer).filter_map(|position| self.records.get(position).cloned());
        Records { records: records.take(super::RECORDS_MAX).collect(), dropped: 0 }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::Region;
    use crate::source::Network;

    fn compiled(definition: &Value) -> Result<(Fixed, Vec<Fault>), Vec<Fault>> {
        // An error means that another test has installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (here, network) = (std::path::Path::new("."), Network::new().unwrap());
        let reach = Reach {
            root: here,
            directory: here,
            expand: &|text, _| Ok(text.to_owned()),
            network: &network,
            accounts: &[],
            region: Region::default(),
            answer_within: std::time::Duration::from_secs(1),
        };
        compile(definition, &reach).map(|made| match made.kind {
            Kind::Static(fixed) => (fixed, made.faults),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn records_are_found_by_each_of_their_numbers_and_keep_their_types() {
        let jane =
            json!({"phone": "0532 123 45 67", "other": ["+902125550101", 905_321_234_567_u64], "vip": true, "age": 41});
        let john = json!({"phone": 905_321_234_567_u64, "name": "John"});
        let (fixed, faults) = compiled(&json!({"records": [jane, john], "numbers": ["phone", "other"]})).unwrap();
        let found = |number: &str| fixed.ask(&CustomerNumber::parse(Some(number), Region::default())).records;
        let records =
            |values: &[&Value]| values.iter().filter_map(|value| value.as_object().cloned()).collect::<Vec<_>>();
        assert_eq!(faults, []);
        assert_eq!(found("+905321234567"), records(&[&jane, &john]), "in their order, each once");
        assert_eq!(found("0212 555 01 01"), records(&[&jane]));
        assert_eq!(found("+905321234568"), []);
        assert_eq!(fixed.columns(), ["phone", "other", "vip", "age", "name"]);
    }

    #[test]
    fn a_record_that_no_call_finds_is_told_at_its_place() {
        let records = json!([{"phone": "+905321234567"}, {"phone": "ask her"}, {"name": "Jane"}, {"phone": null}]);
        let (_, faults) = compiled(&json!({"records": records, "numbers": ["phone"]})).unwrap();
        let told: Vec<(Code, &str)> = faults.iter().map(|fault| (fault.code, fault.pointer.as_str())).collect();
        assert_eq!(told, ["/records/1", "/records/2", "/records/3"].map(|pointer| (Code::SourceRows, pointer)));
    }
}
