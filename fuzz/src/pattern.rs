//! The text of a number pattern → intervals, beside a matcher that goes digit by digit.

use callcard::condition::{NumberSet, parse_pattern};

/// The pattern; behind a line break a number that is looked for in it.
pub fn pattern(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (pattern, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(set) = parse_pattern(pattern) else { return };
    assert!(set.covers(&set) && NumberSet::every().covers(&set), "{pattern}");
    let twice = NumberSet::union([set.clone(), set.clone()]);
    assert_eq!(twice, set, "{pattern}");
    let samples = set.samples(1_000).unwrap_or_default();
    assert!(samples.iter().all(|sample| set.contains_text(sample)), "{pattern}: {samples:?}");
    let asked = number(rest);
    for number in samples.iter().chain(&asked).chain(&neighbours(&samples)) {
        assert_eq!(set.contains_text(number), matches(pattern, number), "{number} in {pattern}");
    }
}

/// The digits of a text with its plus, as a call's number is written: `+905321234567` or `101`.
fn number(text: &str) -> Option<String> {
    let plus = if text.contains('+') { "+" } else { "" };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let length = if plus.is_empty() { 1..=6 } else { 1..=15 };
    length.contains(&digits.len()).then(|| format!("{plus}{digits}"))
}

/// The same numbers with one digit more, one less, and another last one.
fn neighbours(samples: &[String]) -> Vec<String> {
    let around = samples.iter().take(8).flat_map(|sample| {
        let shorter = &sample[..sample.len() - 1];
        [format!("{sample}0"), shorter.to_owned(), format!("{shorter}0"), format!("{shorter}9")]
    });
    around.filter_map(|text| number(&text)).collect()
}

/// Whether a number is meant by a pattern that can be read.
fn matches(pattern: &str, number: &str) -> bool {
    let (plus, digits) = of(number);
    if let Some((low, high)) = pattern.split_once("..") {
        let (low, high) = (plain(low), plain(high));
        let ends = (of(&low), of(&high));
        return plus == ends.0.0 && digits.len() == ends.0.1.len() && (ends.0.1..=ends.1.1).contains(&digits);
    }
    let pattern = plain(pattern);
    let (wants_plus, mut pattern) = of(&pattern);
    if pattern == "*" && !wants_plus {
        return true;
    }
    if plus != wants_plus {
        return false;
    }
    let mut digits = digits.chars();
    while let Some(wanted) = pattern.chars().next() {
        let length = match wanted {
            '*' => return true,
            '[' => pattern.find(']').expect("a class is closed") + 1,
            other => other.len_utf8(),
        };
        let (one, behind) = pattern.split_at(length);
        if !digits.next().is_some_and(|digit| is_meant(one, digit)) {
            return false;
        }
        pattern = behind;
    }
    digits.next().is_none()
}

fn of(number: &str) -> (bool, &str) {
    number.strip_prefix('+').map_or((false, number), |digits| (true, digits))
}

/// Whether a digit fits `7`, `X` or `[2-57]`.
fn is_meant(one: &str, digit: char) -> bool {
    let Some(class) = one.strip_prefix('[').and_then(|class| class.strip_suffix(']')) else {
        return one.eq_ignore_ascii_case("x") || one == digit.to_string();
    };
    let class: Vec<char> = class.chars().collect();
    let in_range = |part: &[char]| matches!(part, [low, '-', high] if (*low..=*high).contains(&digit));
    class.contains(&digit) || class.windows(3).any(in_range)
}

/// Without what does not count outside of classes.
fn plain(pattern: &str) -> String {
    let mut in_class = false;
    let mut kept = String::new();
    for character in pattern.chars() {
        in_class = match character {
            '[' => true,
            ']' => false,
            _ => in_class,
        };
        let counts = in_class || character.is_ascii_digit() || "xX*+[]".contains(character);
        kept.extend(counts.then_some(character));
    }
    kept
}
