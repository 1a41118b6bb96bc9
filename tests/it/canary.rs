//! Words that no output may hold: each number, name, token and body that a test uses is registered here.
//!
//! Every server of the run is checked against all of them when it ends, whatever its test is about: its log, what its admin
//! address says unless asked for all of it, and its files. What a command prints may be about a person, but has no secret.

use std::collections::BTreeSet;
use std::process::Output;
use std::sync::Mutex;

use serde_json::Value;

/// Digits that make a number recognisable however it is written; fewer could be part of a time.
const DIGITS: usize = 9;

static TEXTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static DIGIT_RUNS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A text that must not be logged. Shorter ones than four characters would be found anywhere.
pub fn text(text: &str) {
    assert!(text.chars().count() >= 4, "{text:?} is no canary");
    TEXTS.lock().unwrap().insert(text.to_owned());
}

/// A secret of ours: it is also in no file that is kept, and in nothing that a command prints.
pub fn secret(secret: &str) {
    text(secret);
    SECRETS.lock().unwrap().insert(secret.to_owned());
}

/// A secret in bytes.
pub fn secret_in(bytes: &[u8]) -> Option<String> {
    let secrets = SECRETS.lock().unwrap();
    secrets.iter().find(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes())).cloned()
}

/// A secret, or the digits of a number, in an answer about one delivery.
pub fn masked(detail: &str) -> Option<String> {
    let detail: Value = serde_json::from_str(detail).unwrap_or_default();
    let mut plain = String::new();
    leaves(&detail, &mut plain);
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let runs = DIGIT_RUNS.lock().unwrap();
    let number = plain.split('"').find(|text| runs.iter().any(|run| digits(text).contains(run.as_str())));
    secret_in(plain.as_bytes()).or_else(|| number.map(|text| format!("a number in {text} of {detail}")))
}

/// What a command printed, which has no secret in it.
pub fn printed(output: Output) -> Output {
    for bytes in [&output.stdout, &output.stderr] {
        assert_eq!(secret_in(bytes), None, "{}", String::from_utf8_lossy(bytes));
    }
    output
}

/// A telephone number that must not be logged, in whatever form.
pub fn number(number: &str) {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    match digits.len().checked_sub(DIGITS) {
        Some(from) => drop(DIGIT_RUNS.lock().unwrap().insert(digits[from..].to_owned())),
        // A service number; an extension is too short to be told from other numbers.
        None if digits.len() >= 7 => text(number),
        None => {}
    }
}

/// The numbers of a webhook.
pub fn numbers_of(event: &Value) {
    for key in ["caller_number", "callee_number"] {
        match &event["data"][key] {
            Value::String(text) => number(text),
            Value::Number(value) => number(&value.to_string()),
            _ => {}
        }
    }
}

/// What stands in a log and must not.
pub fn found_in(log: &[String]) -> Option<String> {
    let texts = TEXTS.lock().unwrap();
    let runs = DIGIT_RUNS.lock().unwrap();
    log.iter().find_map(|line| {
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        let mut plain = line.clone();
        if let Ok(json) = serde_json::from_str(line) {
            leaves(&json, &mut plain);
        }
        let text = texts.iter().find(|text| plain.contains(text.as_str()));
        let found = text.or_else(|| runs.iter().find(|run| digits.contains(run.as_str())))?;
        Some(format!("{found:?} in the line {line}"))
    })
}

/// The texts of a JSON line without their escapes.
fn leaves(json: &Value, plain: &mut String) {
    match json {
        Value::String(text) => {
            plain.push('\n');
            plain.push_str(text);
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, plain)),
        Value::Object(fields) => fields.values().for_each(|item| leaves(item, plain)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn a_canary_is_found_in_every_form() {
    number("+90 (999) 555-44 33");
    text("O\"Canary \\ x");
    for line in ["caller 0999 555 44 33", "%2B909995554433", r#"{"a": {"b": ["O\"Canary \\ x"]}}"#] {
        assert!(found_in(&[line.to_owned()]).is_some(), "{line}");
    }
    assert_eq!(found_in(&["+90 *** ** 33 at 2026-03-02T08:15:27Z".to_owned()]), None);
}
