//! Ranges of numbers whose ends are moved by one, and hours that begin or end a minute earlier or later, written as before.

use crate::rules::yaml::edit::Edit;
use crate::rules::yaml::write::{Quotes, quoted};
use crate::rules::yaml::{Document, Kind, Node};

/// A text with another bound.
pub(super) struct Moved {
    /// How it is written now.
    pub(super) text: String,
    /// How it was written.
    instead: String,
    /// The change in the file; nothing where an alias stands there.
    pub(super) edit: Option<Edit>,
}

impl Moved {
    /// In words.
    pub(super) fn what(&self) -> String {
        format!("with `{}` instead of `{}`", self.text, self.instead)
    }
}

/// Every text, in a list too, with each of its bounds moved. With the pointer of each text, which begins with `pointer`.
pub(super) fn moved<'a>(
    document: &Document,
    node: &'a Node,
    pointer: &str,
    bounds: fn(&str) -> Vec<String>,
) -> Vec<(String, &'a Node, Moved)> {
    match &node.kind {
        Kind::Text(text) => {
            let typed = document.typed(&node.mark);
            let moved = |other: String| {
                let now = match typed.contains(text.as_ref()) {
                    true => typed.replacen(text.as_ref(), &other, 1),
                    false => quoted(&other, Quotes::of(typed)),
                };
                let edit = (!document.is_alias(node)).then(|| Edit::new(document.extent(node), now.trim_end()));
                (pointer.to_owned(), node, Moved { text: other, instead: text.to_string(), edit })
            };
            bounds(text).into_iter().map(moved).collect()
        }
        Kind::List(items) => {
            let each = |(index, item)| self::moved(document, item, &format!("{pointer}/{index}"), bounds);
            items.iter().enumerate().flat_map(each).collect()
        }
        _ => Vec::new(),
    }
}

/// `10..19` → `09..19`, `11..19`, `10..18`, `10..20`.
pub(super) fn ranges(pattern: &str) -> Vec<String> {
    let Some((low, high)) = pattern.split_once("..") else { return Vec::new() };
    let lows = [neighbour(low, false), neighbour(low, true)].into_iter().flatten().map(|low| format!("{low}..{high}"));
    let highs = [neighbour(high, false), neighbour(high, true)].into_iter().flatten();
    lows.chain(highs.map(|high| format!("{low}..{high}"))).collect()
}

/// The number one lower or higher, with as many digits and its blanks where they were.
fn neighbour(number: &str, up: bool) -> Option<String> {
    let (end, turned) = if up { ('9', '0') } else { ('0', '9') };
    let mut characters: Vec<char> = number.chars().collect();
    for digit in characters.iter_mut().rev().filter(|character| character.is_ascii_digit()) {
        if *digit == end {
            *digit = turned;
            continue;
        }
        let value = digit.to_digit(10)?;
        *digit = char::from_digit(if up { value + 1 } else { value - 1 }, 10)?;
        return Some(characters.into_iter().collect());
    }
    None
}

/// `Mo 09:00-18:00` → `Mo 08:59-18:00`, `Mo 09:01-18:00`, `Mo 09:00-17:59`, `Mo 09:00-18:01`.
pub(super) fn times(hours: &str) -> Vec<String> {
    /// The last time that hours may have: they may end on the day after.
    const LAST: u32 = 48 * 60;
    let mut moved = Vec::new();
    for (colon, _) in hours.match_indices(':') {
        let digits =
            |range: std::ops::Range<usize>| hours.get(range).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let Some(start) = colon.checked_sub(2) else { continue };
        let (Some(hour), Some(minute)) = (digits(start..colon), digits(colon + 1..colon + 3)) else { continue };
        let (Ok(hour), Ok(minute)) = (hour.parse::<u32>(), minute.parse::<u32>()) else { continue };
        let time = 60 * hour + minute;
        for other in [time.checked_sub(1), Some(time + 1)].into_iter().flatten().filter(|other| *other <= LAST) {
            let (before, behind) = (hours.get(..start), hours.get(colon + 3..));
            let (before, behind) = (before.unwrap_or_default(), behind.unwrap_or_default());
            moved.push(format!("{before}{:02}:{:02}{behind}", other / 60, other % 60));
        }
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_of_a_range_moves_both_ways_and_keeps_its_blanks() {
        assert_eq!(
            ranges("+90 1 09 .. +90 1 20"),
            ["+90 1 08 .. +90 1 20", "+90 1 10 .. +90 1 20", "+90 1 09 .. +90 1 19", "+90 1 09 .. +90 1 21",]
        );
        assert_eq!(ranges("00..99"), ["01..99", "00..98"], "no digit more");
        assert_eq!(ranges("+90*"), Vec::<String>::new());
    }

    #[test]
    fn hours_begin_and_end_a_minute_earlier_and_later() {
        assert_eq!(
            times("Mo 09:00-24:00; PH off"),
            ["Mo 08:59-24:00; PH off", "Mo 09:01-24:00; PH off", "Mo 09:00-23:59; PH off", "Mo 09:00-24:01; PH off",]
        );
        assert_eq!(times("00:00-01:00").first().map(String::as_str), Some("00:01-01:00"), "not before the day");
        assert_eq!(times("office"), Vec::<String>::new());
    }
}
