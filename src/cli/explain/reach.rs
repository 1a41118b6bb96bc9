//! `callcard explain --reach RULE`: a call that the rule decides, written as a test; or why there is none.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::Format;
use crate::cli::{Ended, out};
use crate::engine::{Example, Reach, reach};
use crate::problem::did_you_mean;
use crate::rules::{Rule, RuleSet};

pub(super) async fn run(rules: &RuleSet, name: &str, format: Format) -> Result<Ended> {
    let Some(position) = rules.rules.iter().position(|rule| *rule.name == *name) else {
        let help = did_you_mean(name, rules.rules.iter().map(|rule| rule.name.as_ref())).unwrap_or_default();
        bail!("no rule is named `{name}`: {help}");
    };
    let found = reach(rules, position).await;
    match format {
        Format::Json => out::line(&serde_json::to_string_pretty(&report(rules, name, &found))?),
        Format::Text => text(rules, name, &found).iter().for_each(|line| out::line(line)),
    }
    Ok(if matches!(found, Reach::By(_)) { Ended::Fine } else { Ended::Wrong })
}

fn text(rules: &RuleSet, name: &str, found: &Reach) -> Vec<String> {
    match found {
        Reach::By(example) => test(rules, name, example),
        Reach::Covered(covering) => {
            let mut lines = vec![format!("`{name}` never decides. These rules before it decide all of its calls:")];
            let place = |rule: &Rule| format!("  {}  {}:{}", rule.name, rule.place.file.path, rule.place.line);
            lines.extend(covering.iter().filter_map(|at| rules.rules.get(*at)).map(place));
            lines
        }
        Reach::Impossible => vec![format!("`{name}` never decides: no call has what it asks for (R062)")],
        Reach::NotFound => {
            vec![format!("no call was found that `{name}` decides, and nothing proves that there is none")]
        }
    }
}

/// The example as an entry of a `*.test.yaml`, which may be pasted there.
fn test(rules: &RuleSet, name: &str, example: &Example) -> Vec<String> {
    let mut lines = vec![
        format!("- name: {}", scalar(&format!("a call that reaches {name}"))),
        format!("  event: {}", flow(&Value::Object(example.event.clone()))),
    ];
    if rules.accounts.len() > 1 {
        lines.push(format!("  account: {}", scalar(&example.account)));
    }
    lines.push(format!("  at: {}", at(rules, example)));
    if !example.said.is_empty() {
        let said: Vec<String> =
            example.said.iter().map(|(name, count)| format!("{}: {}", scalar(name), records(*count))).collect();
        lines.push(format!("  sources: {{{}}}", said.join(", ")));
    }
    lines.push(format!("  expect: {{rule: {}}}", scalar(name)));
    lines
}

/// The start of the call, as the clocks of the rules' time zone show it.
fn at(rules: &RuleSet, example: &Example) -> String {
    let offset = rules.defaults.time_zone.to_offset(example.at);
    example.at.display_with_offset(offset).to_string()
}

fn records(count: Option<usize>) -> String {
    count.map_or_else(|| "failed".to_owned(), |count| flow(&vec![json!({}); count].into()))
}

/// A value as YAML on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{}: {}", scalar(key), flow(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A text as YAML: in quotes unless it is a plain word.
fn scalar(text: &str) -> String {
    let is_word = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || matches!(one, '_' | '-' | ' '))
        && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n")
        && !text.ends_with(' ');
    if is_word { text.to_owned() } else { Value::from(text).to_string() }
}

fn report(rules: &RuleSet, name: &str, found: &Reach) -> Value {
    match found {
        Reach::By(example) => json!({
            "rule": name,
            "reached": true,
            "event": example.event,
            "account": example.account,
            "at": at(rules, example),
            "sources": example.said.iter().map(|(source, count)| (source.clone(), match count {
                Some(count) => vec![json!({}); *count].into(),
                None => Value::from("failed"),
            })).collect::<serde_json::Map<String, Value>>(),
        }),
        Reach::Covered(covering) => {
            let names = covering.iter().filter_map(|at| rules.rules.get(*at)).map(|rule| rule.name.as_ref());
            json!({ "rule": name, "reached": false, "decided_by": names.collect::<Vec<&str>>() })
        }
        Reach::Impossible => json!({ "rule": name, "reached": false, "decided_by": [] }),
        Reach::NotFound => json!({ "rule": name, "reached": null }),
    }
}
