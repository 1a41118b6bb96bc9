//! Number patterns that can be read and still can't be meant: two that overlap in one list, and such as no number has.
//!
//! Only warnings: a set of numbers is the same with them, and the numbering plans compiled in may be older than a number.

use serde_json::Value;

use super::number_set::overlaps;
use super::{NumberSet, pattern};
use crate::event::Existence;
use crate::problem::{Code, Fault};

/// Intervals of one pattern that are looked at; one with more is believed.
const INTERVALS_MAX: usize = 64;

/// What is doubtful in a `when`.
pub fn doubts_of_when(when: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, value) in when.as_object().into_iter().flatten() {
        let found = match (key.as_str(), value) {
            ("customer", Value::Object(parts)) => {
                parts.get("number").map(doubts).into_iter().flatten().map(|fault| fault.under("/number")).collect()
            }
            ("customer" | "line", value) => doubts(value),
            ("not", block) => doubts_of_when(block),
            ("any", Value::Array(blocks)) => {
                let of_each = blocks.iter().enumerate();
                of_each
                    .flat_map(|(at, block)| {
                        doubts_of_when(block).into_iter().map(move |fault| fault.under(&format!("/{at}")))
                    })
                    .collect()
            }
            _ => Vec::new(),
        };
        faults.extend(found.into_iter().map(|fault| fault.under(&format!("/{key}"))));
    }
    faults
}

/// What is doubtful in a number pattern or a list of them.
pub fn doubts(patterns: &Value) -> Vec<Fault> {
    let (items, is_list) = match patterns {
        Value::Array(items) => (items.as_slice(), true),
        one => (std::slice::from_ref(one), false),
    };
    let pointer = |at: usize| if is_list { format!("/{at}") } else { String::new() };
    let mut read = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let Some(text) = item.as_str() else { continue };
        if let Ok(set) = pattern::parse(text) {
            read.push((at, text, set));
        }
    }
    let mut faults: Vec<Fault> =
        read.iter().filter_map(|(at, text, set)| impossible(text, set, pointer(*at))).collect();
    let sets: Vec<&NumberSet> = read.iter().map(|(_, _, set)| set).collect();
    for (earlier, later) in overlaps(&sets) {
        if let (Some(earlier), Some((at, text, set))) = (read.get(earlier), read.get(later)) {
            faults.push(overlap(earlier, text, set, pointer(*at)));
        }
    }
    faults
}

fn overlap(earlier: &(usize, &str, NumberSet), text: &str, set: &NumberSet, pointer: String) -> Fault {
    let (at, other, others) = (earlier.0 + 1, earlier.1, &earlier.2);
    let message = if set == others {
        format!("`{text}` stands for the same numbers as entry {at} of the list, `{other}`")
    } else if others.covers(set) {
        format!("`{text}` is part of entry {at} of the list, `{other}`")
    } else if set.covers(others) {
        format!("entry {at} of the list, `{other}`, is part of `{text}`")
    } else {
        format!("`{text}` has numbers in common with entry {at} of the list, `{other}`")
    };
    Fault::new(Code::Overlap, pointer, message).help("take out what is said twice")
}

/// Sets that hold a number without plus are believed: what is inside the house is up to the house.
fn impossible(text: &str, set: &NumberSet, pointer: String) -> Option<Fault> {
    let samples = set.samples(INTERVALS_MAX)?;
    // Most numbers have as many digits as these: they are asked for first.
    let mut likely: Vec<&String> = samples.iter().collect();
    likely.sort_by_key(|number| number.len().abs_diff("+905321234567".len()));
    if samples.is_empty() || likely.into_iter().any(|number| Existence::of(number) == Existence::Possible) {
        return None;
    }
    let fault = |message: String| Fault::new(Code::NoSuchNumber, pointer.clone(), message);
    // The longest numbers of a pattern with `*` say most about it.
    Some(match Existence::of(samples.last()?) {
        Existence::NoCountry => fault(format!("no country has a code with which `{text}` begins"))
            .help("write the country code behind the plus: +90 532 …"),
        Existence::Trunk(number) => {
            let fault = fault(format!("no number is `{text}`: the 0 behind the country code is left out"));
            match samples.as_slice() {
                [_] => fault.help(format!("in international form it is \"{number}\"")).meant(Some(&number)),
                _ => fault.help("leave out the 0 behind the country code"),
            }
        }
        _ => fault(format!("no number with this country code has as many digits as `{text}`"))
            .help("count the digits; X is one digit, `*` at the end any number of them"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(patterns: Value) -> Vec<String> {
        doubts(&patterns)
            .into_iter()
            .map(|fault| format!("{} {} {}", fault.pointer, fault.code.as_str(), fault.message))
            .collect()
    }

    #[test]
    fn an_overlap_is_told_at_the_later_entry_with_both() {
        assert_eq!(told(json!(["+90*", "+90 532*"])), ["/1 R031 `+90 532*` is part of entry 1 of the list, `+90*`"]);
        assert_eq!(told(json!(["+90 532*", "+90*"])), ["/1 R031 entry 1 of the list, `+90 532*`, is part of `+90*`"]);
        assert_eq!(
            told(json!(["+90 532 123 45 67", 5, "+905321234567"])),
            ["/2 R031 `+905321234567` stands for the same numbers as entry 1 of the list, `+90 532 123 45 67`"]
        );
        assert_eq!(told(json!(["+902165550000..+902165550999", "+902165550500..+902165551999"])).len(), 1, "in common");
        assert_eq!(told(json!(["+90 532*", "+90 533*", "101", "1XXX"])), [""; 0]);
    }

    #[test]
    fn a_pattern_of_a_number_that_nobody_can_have_is_told() {
        let code = |pattern: &str| told(json!(pattern)).iter().map(|told| told[1..5].to_owned()).collect::<String>();
        for pattern in ["+999*", "+999123", "+9053", "+90 532 123 45 6", "+90 0532 123 45 67"] {
            assert_eq!(code(pattern), "R032", "{pattern}");
        }
        for pattern in
            ["+90*", "*", "+*", "+9*", "+9X*", "+90 532 123 45 67", "+39 06 698 12345", "1XX", "+90 444 0 333"]
        {
            assert_eq!(code(pattern), "", "{pattern}");
        }
    }
}
