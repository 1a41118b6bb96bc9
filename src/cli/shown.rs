//! Cards and explanations for a terminal.

use serde_json::Value;

use super::out::{Colour, coloured};
use crate::card::{RowOutcome, RowStep};
use crate::condition::Step;
use crate::engine::{Explanation, RuleSteps, SourceStep};

/// A card as the agent sees it, one line a row.
pub(super) fn card(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |row: &Value, key: &str| match row.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let widest = rows.iter().map(|row| text(row, "label").chars().count()).max().unwrap_or_default();
    let bar = coloured("┃", Colour::Green);
    rows.iter()
        .map(|row| {
            let link =
                row.get("link").and_then(Value::as_str).map(|link| coloured(&format!("  ↗ {link}"), Colour::Dim));
            let link = link.unwrap_or_default();
            if row.get("type").and_then(Value::as_str) == Some("title") {
                return format!("{bar} {}{link}", coloured(&text(row, "text"), Colour::Bold));
            }
            let label = text(row, "label");
            let gap = " ".repeat(widest - label.chars().count());
            let value =
                if row.get("user_id").is_some() { format!("user {}", text(row, "user_id")) } else { text(row, "text") };
            let label = if widest == 0 { String::new() } else { format!("{}{gap}  ", coloured(&label, Colour::Dim)) };
            format!("{bar} {label}{value}{link}")
        })
        .collect()
}

/// A decision with every rule and every condition.
pub(super) fn explanation(explanation: &Explanation) -> Vec<String> {
    let at = |pointer: &str| match explanation.call.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => "–".to_owned(),
        Some(other) => other.to_string(),
    };
    let mut lines = vec![
        format!(
            "call      {} {} {} at {}",
            at("/call/id"),
            at("/call/direction"),
            at("/call/event"),
            at("/call/started_at")
        ),
        format!(
            "customer  {} ({}, {}), received as {}",
            at("/customer/international"),
            at("/customer/country"),
            at("/customer/kind"),
            at("/customer/number")
        ),
        format!("line      {} id {}", at("/line/international"), at("/line/id")),
        String::new(),
        format!("rules     revision {}", explanation.revision),
    ];
    lines.extend(explanation.rules.iter().flat_map(rule));
    if explanation.rule.is_none() {
        lines.push("  no rule decides".to_owned());
    }
    lines.push(String::new());
    lines.push("sources".to_owned());
    lines.extend(sources(&explanation.sources));
    if !explanation.rows.is_empty() {
        lines.push(String::new());
        lines.push("rows".to_owned());
        lines.extend(explanation.rows.iter().map(row));
    }
    lines.push(String::new());
    match &explanation.no_card {
        Some(why) => lines.push(format!("no card   {why}")),
        None => {
            lines.push("card".to_owned());
            lines.extend(card(&explanation.card).into_iter().map(|line| format!("  {line}")));
        }
    }
    lines
}

fn mark(holds: bool) -> String {
    if holds { coloured("✓", Colour::Green) } else { coloured("✗", Colour::Red) }
}

fn rule(rule: &RuleSteps) -> Vec<String> {
    let decided = if rule.decided { "  decides" } else { "" };
    let name = if rule.decided { coloured(&rule.rule, Colour::Bold) } else { rule.rule.to_string() };
    let holds = rule.matches && rule.needs.iter().all(|need| need.holds);
    let mut lines = vec![format!("  {} {name}{decided}  {}", mark(holds), coloured(&rule.place, Colour::Dim))];
    lines.extend(steps(&rule.when, 6));
    lines.extend(
        rule.needs
            .iter()
            .map(|need| format!("      {} needs {}: {} – {}", mark(need.holds), need.source, need.needed, need.found)),
    );
    lines
}

fn steps(steps_of: &[Step], indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for step in steps_of {
        let blank = " ".repeat(indent);
        lines.push(format!("{blank}{} {}: {} – {}", mark(step.holds), step.key, step.wanted, step.found));
        for block in &step.inner {
            lines.extend(steps(block, indent + 4));
        }
    }
    lines
}

fn sources(steps: &[SourceStep]) -> Vec<String> {
    if steps.is_empty() {
        return vec!["  none was needed".to_owned()];
    }
    steps
        .iter()
        .map(|step| {
            let dropped =
                if step.dropped > 0 { format!(", {} dropped: not this number", step.dropped) } else { String::new() };
            let why = step.why.as_ref().or(step.unasked.as_ref());
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            format!("  {step} ({}, {} records{dropped}){why}", step.kind, step.count)
        })
        .collect()
}

fn row(step: &RowStep) -> String {
    let outcome = match &step.outcome {
        RowOutcome::Shown => "shown".to_owned(),
        RowOutcome::NotAskedFor => match &step.why {
            Some(why) => format!("left out: {why}"),
            None => "left out: what `show` names is absent, empty or false".to_owned(),
        },
        RowOutcome::Empty => "left out: its text is empty".to_owned(),
        RowOutcome::NoRecord => "left out: there is no record".to_owned(),
        RowOutcome::Failed(why) => format!("left out: {why}"),
    };
    let links: String = step.left_out.iter().map(|left_out| format!("; without {left_out}")).collect();
    format!("  {} {outcome}{links}", step.row)
}
