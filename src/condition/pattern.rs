//! The text of a number pattern → the set of numbers it stands for.
//!
//! A pattern is not a regular expression: it is always a finite union of number intervals, so that sets can be compared
//! and a rule that can never match can be proved to be one.

use std::ops::RangeInclusive;

use super::interval_set::Interval;
use super::number_set::{DIGITS_MAX, NumberSet};

/// Intervals that one pattern may need: `+90 5XX 123 XX X1` needs a thousand for each free digit before a fixed one.
const INTERVALS_MAX: usize = 10_000;

/// Digits that a number inside the house may have: extensions and short codes such as 112.
const LOCAL_DIGITS_MAX: usize = 6;

/// Why a text is not a number pattern.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing is left without blanks, dashes and brackets.
    #[error("a number pattern must have at least one digit, `X`, class or `*`")]
    Empty,
    /// A character that patterns do not have.
    #[error("`{0}` has no meaning in a number pattern")]
    Character(char),
    /// `*` stands for the rest, so nothing can follow it.
    #[error("`*` stands for the rest of the number and must come last")]
    StarNotLast,
    /// A `[` without its `]`, or nothing readable between them.
    #[error("a class is written `[2-5]` or `[135]`")]
    Class,
    /// Country codes are 1 to 9 first.
    #[error("no country code begins with 0")]
    ZeroAfterPlus,
    /// More digits than a number can have.
    #[error("no number has more than {DIGITS_MAX} digits after the plus (ITU-T E.164)")]
    TooLong,
    /// A long number without plus: a country code is missing.
    #[error("a number pattern is written in international form, with a plus and the country code")]
    NotInternational,
    /// The ends of `A..B` are not plain numbers of one length in rising order.
    #[error("{0}")]
    Range(&'static str),
    /// Too many free digits in front of fixed ones.
    #[error("the pattern needs more than {INTERVALS_MAX} number intervals; put the free digits last")]
    TooManyIntervals,
}

/// Reads a pattern: `+90*`, `+44 20 7946 0XXX`, `+90 5[34]2 …`, `+492215550000..+492215550999`, `1XX` for extensions.
///
/// # Errors
/// What is wrong with the text; see [`PatternError`].
pub fn parse(text: &str) -> Result<NumberSet, PatternError> {
    match text.split_once("..") {
        Some((low, high)) => range(low, high),
        None => single(text),
    }
}

fn range(low: &str, high: &str) -> Result<NumberSet, PatternError> {
    let ends = (Positions::read(low)?, Positions::read(high)?);
    let (Some(low), Some(high)) = (ends.0.value(), ends.1.value()) else {
        return Err(PatternError::Range("both ends of a range are whole numbers, without `X`, class or `*`"));
    };
    if (ends.0.plus, ends.0.digits.len()) != (ends.1.plus, ends.1.digits.len()) {
        return Err(PatternError::Range("both ends of a range must have the same number of digits"));
    }
    if low > high {
        return Err(PatternError::Range("the first end of a range must not be greater than the second"));
    }
    Ok(NumberSet::from_intervals(vec![Interval::of_numbers(ends.0.plus, ends.0.digits.len(), low, high)]))
}

fn single(text: &str) -> Result<NumberSet, PatternError> {
    let positions = Positions::read(text)?;
    if !positions.star {
        return Ok(NumberSet::from_intervals(positions.intervals(0..=0)?));
    }
    if positions.digits.is_empty() && !positions.plus {
        return Ok(NumberSet::every());
    }
    let longest = if positions.plus { DIGITS_MAX } else { LOCAL_DIGITS_MAX };
    Ok(NumberSet::from_intervals(positions.intervals(0..=longest.saturating_sub(positions.digits.len()))?))
}

/// A pattern digit by digit: for each position the digits that may stand there, as a bit set.
struct Positions {
    plus: bool,
    digits: Vec<u16>,
    star: bool,
}

const ANY_DIGIT: u16 = 0b11_1111_1111;

impl Positions {
    fn read(text: &str) -> Result<Positions, PatternError> {
        let text = text.trim();
        let (plus, rest) = match text.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut positions = Positions { plus, digits: Vec::new(), star: false };
        let mut characters = rest.chars();
        while let Some(character) = characters.next() {
            if positions.star && !is_filler(character) {
                return Err(PatternError::StarNotLast);
            }
            match character {
                filler if is_filler(filler) => {}
                'X' | 'x' => positions.digits.push(ANY_DIGIT),
                '*' => positions.star = true,
                '[' => positions.digits.push(class(&mut characters)?),
                digit => match digit.to_digit(10) {
                    Some(value) => positions.digits.push(1 << value),
                    None => return Err(PatternError::Character(digit)),
                },
            }
        }
        positions.checked()
    }

    fn checked(self) -> Result<Positions, PatternError> {
        if self.digits.is_empty() && !self.star {
            return Err(PatternError::Empty);
        }
        if self.plus && self.digits.first() == Some(&1) {
            return Err(PatternError::ZeroAfterPlus);
        }
        if self.digits.len() > DIGITS_MAX {
            return Err(PatternError::TooLong);
        }
        if !self.plus && self.digits.len() > LOCAL_DIGITS_MAX {
            return Err(PatternError::NotInternational);
        }
        Ok(self)
    }

    /// The number, where every position is one digit.
    fn value(&self) -> Option<u64> {
        if self.star {
            return None;
        }
        self.digits.iter().try_fold(0_u64, |value, digits| {
            (digits.count_ones() == 1).then(|| value * 10 + u64::from(digits.trailing_zeros()))
        })
    }

    /// The intervals of all numbers that have these positions and then so many digits of any value.
    fn intervals(&self, free: RangeInclusive<usize>) -> Result<Vec<Interval>, PatternError> {
        let trailing = self.digits.iter().rev().take_while(|digits| **digits == ANY_DIGIT).count();
        let fixed = self.digits.len() - trailing;
        // Most patterns begin with a number, which is one head.
        let single = |digits: &&u16| digits.count_ones() == 1;
        let number = self.digits.iter().take(fixed).take_while(single);
        let value = number.clone().fold(0, |value, digits| value * 10 + u64::from(digits.trailing_zeros()));
        let mut heads: Vec<(u64, u64)> = vec![(value, value)];
        for (position, digits) in self.digits.iter().enumerate().take(fixed).skip(number.count()) {
            let runs = runs(*digits);
            let last = position + 1 == fixed;
            let mut next = Vec::new();
            for (low, _) in heads {
                if last {
                    next.extend(runs.iter().map(|(from, to)| (low * 10 + from, low * 10 + to)));
                } else {
                    next.extend(
                        runs.iter()
                            .flat_map(|(from, to)| *from..=*to)
                            .map(|digit| (low * 10 + digit, low * 10 + digit)),
                    );
                }
            }
            if next.len() > INTERVALS_MAX {
                return Err(PatternError::TooManyIntervals);
            }
            heads = next;
        }
        let of_length = |free: usize| {
            let scale = 10_u64.pow(u32::try_from(trailing + free).unwrap_or_default());
            let length = self.digits.len() + free;
            heads.iter().map(move |(low, high)| {
                Interval::of_numbers(self.plus, length, low * scale, high * scale + (scale - 1))
            })
        };
        Ok(free.flat_map(of_length).collect())
    }
}

fn is_filler(character: char) -> bool {
    character.is_whitespace() || matches!(character, '-' | '(' | ')' | '.' | '/' | '\u{2010}'..='\u{2015}')
}

/// The digits of a class, behind its `[`.
fn class(characters: &mut std::str::Chars<'_>) -> Result<u16, PatternError> {
    let mut digits = 0;
    let mut before: Option<u32> = None;
    let mut dash = false;
    for character in characters.by_ref() {
        match (character, character.to_digit(10)) {
            (']', _) if !dash && digits != 0 => return Ok(digits),
            ('-', _) if before.is_some() && !dash => dash = true,
            (_, Some(digit)) => {
                let from = if dash { before.unwrap_or(digit) } else { digit };
                if from > digit {
                    return Err(PatternError::Class);
                }
                digits |= (from..=digit).fold(0, |set, value| set | (1 << value));
                before = (!dash).then_some(digit);
                dash = false;
            }
            _ => return Err(PatternError::Class),
        }
    }
    Err(PatternError::Class)
}

/// The runs of neighbouring digits in a set.
fn runs(digits: u16) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for digit in (0..10).filter(|digit| digits & (1 << digit) != 0) {
        match runs.last_mut() {
            Some((_, to)) if *to + 1 == digit => *to = digit,
            _ => runs.push((digit, digit)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(pattern: &str, number: &str) -> bool {
        parse(pattern).unwrap().contains_text(number)
    }

    #[test]
    fn a_star_is_the_rest_and_needs_no_more_digits() {
        assert!(holds("+90*", "+905321234567"));
        assert!(holds("+90*", "+90"));
        assert!(!holds("+90*", "+9"));
        assert!(!holds("+90*", "+915321234567"));
        assert!(holds("*", "+15551234567") && holds("*", "101"));
        assert!(holds("+*", "+15551234567") && !holds("+*", "101"));
    }

    #[test]
    fn an_x_is_exactly_one_digit() {
        assert!(holds("+44 20 7946 0XXX", "+442079460123"));
        assert!(!holds("+44 20 7946 0XXX", "+44207946012"));
        assert!(!holds("+44 20 7946 0XXX", "+4420794601234"));
        assert!(holds("+90 (5X2) 123-45-67", "+905321234567"));
        assert!(!holds("+90 (5X2) 123-45-67", "+905331234567"));
    }

    #[test]
    fn a_class_is_one_digit_of_several() {
        assert!(holds("+90 5[3-4]2*", "+905321234567") && holds("+90 5[3-4]2*", "+905421234567"));
        assert!(!holds("+90 5[3-4]2*", "+905521234567"));
        assert!(holds("+90 [246-8]*", "+902") && holds("+90 [246-8]*", "+907") && !holds("+90 [246-8]*", "+905"));
    }

    #[test]
    fn a_range_holds_both_ends() {
        let range = "+492215550000..+492215550999";
        assert!(holds(range, "+492215550000") && holds(range, "+492215550999"));
        assert!(!holds(range, "+492215551000") && !holds(range, "+49221555000"));
    }

    #[test]
    fn a_pattern_without_plus_is_an_extension() {
        assert!(holds("1XX", "101") && !holds("1XX", "+101") && !holds("1XX", "1010"));
    }

    #[test]
    fn mistakes_have_their_own_names() {
        let mistakes = [
            ("", PatternError::Empty),
            ("+90a", PatternError::Character('a')),
            ("+90*1", PatternError::StarNotLast),
            ("+90[", PatternError::Class),
            ("+90[]", PatternError::Class),
            ("+90[5-2]", PatternError::Class),
            ("+0532*", PatternError::ZeroAfterPlus),
            ("+1234567890123456", PatternError::TooLong),
            ("05321234567", PatternError::NotInternational),
            ("+90 X1X1X1X1X1X1", PatternError::TooManyIntervals),
        ];
        for (text, error) in mistakes {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        for text in ["+901..+9012", "+902..+901", "+90X..+909", "+901..902", "+90*..+91*"] {
            assert!(matches!(parse(text), Err(PatternError::Range(_))), "{text}");
        }
    }
}
