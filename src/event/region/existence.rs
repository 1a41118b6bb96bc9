//! What the numbering plans say about a number that nobody has seen yet: may there be one?
//!
//! It agrees with [`crate::event::CustomerNumber`]: of a number that is called impossible here, no event makes one.

use rlibphonenumber::{NumberLengthType, PhoneNumber, PhoneNumberFormat};

/// Whether there may be a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existence {
    /// Its country has numbers of this length.
    Possible,
    /// No country has such a code.
    NoCountry,
    /// Its country has no number of this length.
    Length,
    /// With a zero that is left out abroad; this is the number.
    Trunk(String),
}

impl Existence {
    /// Of a number in international form: a plus and digits.
    pub fn of(e164: &str) -> Existence {
        let Ok(parsed) = PhoneNumber::parse(e164, None) else {
            // Nothing behind a code is a matter of length; the longest number there is tells a code from no code.
            let longest = format!("{e164:0<16}");
            return if PhoneNumber::parse(longest, None).is_ok() { Existence::Length } else { Existence::NoCountry };
        };
        if parsed.is_possible_with_reason() != Ok(NumberLengthType::IsPossible) {
            return Existence::Length;
        }
        match parsed.format_as(PhoneNumberFormat::E164) {
            same if same == e164 => Existence::Possible,
            other => Existence::Trunk(other.into_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CustomerNumber, Region};

    #[test]
    fn a_plan_knows_codes_lengths_and_zeros() {
        let cases = [
            ("+905321234567", Existence::Possible),
            ("+904440333", Existence::Possible),
            ("+390669812345", Existence::Possible),
            ("+999123456789", Existence::NoCountry),
            ("+999", Existence::NoCountry),
            ("+90532123456", Existence::Length),
            ("+90", Existence::Length),
            ("+9005321234567", Existence::Trunk("+905321234567".to_owned())),
        ];
        for (number, plan) in cases {
            assert_eq!(Existence::of(number), plan, "{number}");
            let made = CustomerNumber::parse(Some(number), Region::default());
            assert_eq!(made.e164() == Some(number), plan == Existence::Possible, "{number}");
        }
    }
}
