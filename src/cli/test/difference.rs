//! What came out of a test beside what was expected, in lines.
//!
//! Compares and writes words; colours are the printer's.

use serde_json::{Map, Value};

use crate::engine::{Decision, Outcome};
use crate::rules::{Case, ExpectedCard, aligned, is_part_of};

/// What came out differently; nothing where the test passes.
pub(super) fn differences(case: &Case, decision: &Decision) -> Vec<String> {
    let mut lines = Vec::new();
    let rule = decision.rule.as_deref().unwrap_or("none");
    if let Some(expected) = case.expected.rule.as_deref().filter(|expected| *expected != rule) {
        lines.push(format!("rule: expected `{expected}`, but `{rule}` decides"));
    }
    let rows = rows(&decision.outcome);
    match &case.expected.card {
        None => {}
        Some(ExpectedCard::None) if rows.is_empty() => {}
        Some(ExpectedCard::None) => {
            lines.push("card: expected none".to_owned());
            lines.extend(rows.iter().map(|row| format!("  + {row}")));
        }
        Some(ExpectedCard::Whole(expected)) if expected == rows => {}
        Some(ExpectedCard::Whole(expected)) => lines.extend(difference(expected, rows)),
        Some(ExpectedCard::Rows(expected)) => lines.extend(missing(expected, rows)),
    }
    let is_expected = matches!(case.expected.card, None | Some(ExpectedCard::None));
    if let (true, Some(why)) = (!lines.is_empty() || !is_expected && rows.is_empty(), decision.outcome.why_no_card()) {
        lines.push(format!("no card: {why}"));
    }
    lines
}

/// The rows that came out; none where there is no card.
pub(super) fn rows(outcome: &Outcome) -> &[Value] {
    match outcome {
        Outcome::Card(card) => card.rows().as_array().map(Vec::as_slice).unwrap_or_default(),
        _ => &[],
    }
}

/// Two cards row by row: `-` expected, `+` came out.
fn difference(expected: &[Value], rows: &[Value]) -> Vec<String> {
    let mut lines = vec!["card:".to_owned()];
    for (one, other) in aligned(expected, rows, |one, other| one == other) {
        let (one, other) = (one.and_then(|at| expected.get(at)), other.and_then(|at| rows.get(at)));
        match (one, other) {
            (Some(one), Some(other)) if one == other => lines.push(format!("    {other}")),
            (one, other) => lines.extend(
                one.zip(other).and_then(|(one, other)| one_key(one, other)).unwrap_or_else(|| both(one, other)),
            ),
        }
    }
    lines
}

fn both(one: Option<&Value>, other: Option<&Value>) -> Vec<String> {
    let lines = [one.map(|one| format!("  - {one}")), other.map(|other| format!("  + {other}"))];
    lines.into_iter().flatten().collect()
}

/// The two values of the only key in which two rows differ, below what they share. Nothing where they differ in more.
fn one_key(one: &Value, other: &Value) -> Option<Vec<String>> {
    let (one, other) = (one.as_object()?, other.as_object()?);
    let differ = |key: &&String| one.get(*key) != other.get(*key);
    let only_other = other.keys().filter(|key| !one.contains_key(*key));
    let mut differing = one.keys().chain(only_other).filter(differ);
    let (key, None) = (differing.next()?, differing.next()) else { return None };
    let shared: Map<String, Value> =
        one.iter().filter(|(shared, _)| *shared != key).map(|(key, value)| (key.clone(), value.clone())).collect();
    let line = |mark: char, row: &Map<String, Value>| {
        Some(format!("  {mark} {}: {}", Value::from(key.as_str()), row.get(key)?))
    };
    let values = [line('-', one), line('+', other)].into_iter().flatten();
    Some([format!("    {}", Value::from(shared))].into_iter().chain(values).collect())
}

/// Expected rows that the card does not have, each behind the one before it.
fn missing(expected: &[Value], rows: &[Value]) -> Vec<String> {
    let mut rest = rows.iter();
    let missing: Vec<&Value> = expected.iter().filter(|expected| !rest.any(|row| is_part_of(expected, row))).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["rows that the card does not have, in this order:".to_owned()];
    lines.extend(missing.iter().map(|row| format!("  - {row}")));
    lines.push("the card:".to_owned());
    lines.extend(rows.iter().map(|row| format!("  + {row}")));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_that_differs_in_one_key_shows_that_key() {
        let expected = [json!({"type": "title", "text": "A"}), json!({"type": "shortText", "label": "B", "text": "C"})];
        let rows = [json!({"type": "title", "text": "A"}), json!({"type": "shortText", "label": "B", "text": "D"})];
        assert_eq!(
            difference(&expected, &rows),
            [
                "card:",
                r#"    {"type":"title","text":"A"}"#,
                r#"    {"type":"shortText","label":"B"}"#,
                r#"  - "text": "C""#,
                r#"  + "text": "D""#,
            ]
        );
        let link = [json!({"type": "title", "text": "A", "link": "https://a.b"})];
        assert_eq!(
            difference(&link, &expected[..1]),
            ["card:", r#"    {"type":"title","text":"A"}"#, r#"  - "link": "https://a.b""#,]
        );
    }

    #[test]
    fn a_row_too_much_does_not_shift_the_others() {
        let (one, two) = (json!({"type": "title", "text": "A"}), json!({"type": "title", "text": "B"}));
        let lines = difference(&[one.clone(), two.clone()], &[json!({"x": 1}), one, two]);
        assert_eq!(lines.iter().filter(|line| line.starts_with("  +")).count(), 1, "{lines:?}");
        assert!(!lines.iter().any(|line| line.starts_with("  -")), "{lines:?}");
    }
}
