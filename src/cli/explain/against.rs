//! `callcard explain --event FILE --against DIR`: what other rules would have done, beside what these do.

use serde_json::{Value, json};

use crate::cli::out::{Colour, coloured};
use crate::engine::Explanation;
use crate::rules::aligned;

/// The two decisions as lines: `-` only the other rules, `+` only these.
pub(super) fn text(here: &Explanation, there: &Explanation) -> Vec<String> {
    let (other, own) = (decision(there), decision(here));
    if other == own {
        return vec![format!("the same: {}", own.join("; "))];
    }
    let mut lines = Vec::new();
    for (one, this) in aligned(&other, &own, |one, this| one == this) {
        let (one, this) = (one.and_then(|at| other.get(at)), this.and_then(|at| own.get(at)));
        if one == this {
            lines.extend(this.map(|line| format!("  {line}")));
            continue;
        }
        lines.extend(one.map(|line| coloured(&format!("- {line}"), Colour::Red)));
        lines.extend(this.map(|line| coloured(&format!("+ {line}"), Colour::Green)));
    }
    lines
}

fn decision(explanation: &Explanation) -> Vec<String> {
    let mut lines = vec![format!("rule {}", explanation.rule.as_deref().unwrap_or("none"))];
    lines.extend(explanation.no_card.iter().map(|why| format!("no card: {why}")));
    lines.extend(explanation.card.as_array().into_iter().flatten().map(Value::to_string));
    lines
}

pub(super) fn report(here: &Explanation, there: &Explanation) -> Value {
    let same = decision(here) == decision(there);
    json!({ "same": same, "here": here, "against": there })
}
