//! The bytes of a table → the records of a customer.

use std::time::Duration;

use callcard::event::CustomerNumber;
use callcard::source::{Question, RECORDS_MAX, Reach, Source};
use serde_json::{Value, json};

use crate::{rules, world};

/// How tables may be laid out.
const LAYOUTS: [&str; 6] = [
    r#"{"numbers": ["phone"]}"#,
    r#"{"numbers": ["phone", "mobile"], "delimiter": ";"}"#,
    r#"{"numbers": ["phone"], "header": ["phone", "name"]}"#,
    r#"{"numbers": ["phone"], "encoding": "windows-1254"}"#,
    r#"{"numbers": ["phone"], "encoding": "utf-16"}"#,
    r#"{"numbers": ["phone"], "delimiter": "\t"}"#,
];

/// The first byte chooses the layout; the rest is the file.
pub fn csv(bytes: &[u8]) {
    let Some((first, table)) = bytes.split_first() else { return };
    let path = rules::written("table.csv", table);
    let mut layout: Value = serde_json::from_str(LAYOUTS[usize::from(*first) % LAYOUTS.len()]).expect("it is JSON");
    layout["file"] = json!("table.csv");
    let root = path.parent().expect("it is in a directory");
    let region = world::region("TR");
    let reach = Reach {
        root,
        directory: root,
        expand: &|text, _| Ok(text.to_owned()),
        network: world::network(),
        accounts: &[],
        region,
        answer_within: Duration::from_secs(1),
    };
    let Ok(compiled) = Source::compile(&json!({"csv": layout}), &reach) else { return };
    let source = compiled.source;
    let columns = source.columns().expect("a table has columns").to_vec();
    let runtime = world::paused();
    for number in ["+905321234567", "+442079460123", "101", "anonymous"] {
        let customer = CustomerNumber::parse(Some(number), region);
        let question = Question { account: "hipcall".to_owned(), customer, region, parameters: Vec::new() };
        let Ok(found) = runtime.block_on(source.ask(&question)) else { continue };
        assert!(found.records.len() <= RECORDS_MAX);
        for record in &found.records {
            assert!(record.keys().eq(&columns), "{record:?}");
            assert!(record.values().all(Value::is_string), "{record:?}");
            let numbers = ["phone", "mobile"].iter().filter_map(|column| record.get(*column)?.as_str());
            let e164 = question.customer.e164().expect("nobody is found without a number");
            assert!(names(numbers, e164), "{number} finds {record:?}");
        }
    }
}

/// Whether one of the texts is this number, alone or among several in one cell.
fn names<'a>(mut texts: impl Iterator<Item = &'a str>, e164: &str) -> bool {
    let region = world::region("TR");
    let is_it = |text: &str| CustomerNumber::parse(Some(text), region).e164() == Some(e164);
    texts.any(|text| is_it(text) || text.split([',', ';', '/', '|', '\n']).any(|part| is_it(part.trim())))
}
