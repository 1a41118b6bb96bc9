//! A telephone number as it came from outside, read once and carefully.
//!
//! Phone systems send numbers with and without plus, with trunk zeros, as extensions and as words; [`CustomerNumber`] says
//! what each one is, and never fails. Two inputs are the same person if and only if their [`CustomerNumber::e164`] are equal:
//! nothing here compares endings. It asks nobody who owns a number.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, sync::OnceLock};

use rlibphonenumber::{NumberLengthType, PhoneNumber, PhoneNumberFormat, PhoneNumberType};

use super::{
    Kind, Region,
    dialled::{Dialled, Digits, EXTENSION_DIGITS_MAX, INTERNATIONAL_DIGITS_MIN},
};

/// A number and what is known of it. `Debug` prints it masked.
#[derive(Clone)]
pub struct CustomerNumber {
    received: Option<String>,
    region: Region,
    /// Read when somebody asks first: few rules ask for the line's number, and to read one takes as long as half a card.
    reading: OnceLock<Reading>,
}

#[derive(Clone)]
enum Reading {
    Full(FullNumber),
    /// The digits as dialled.
    Extension(String),
    Withheld,
    Unknown,
}

#[derive(Clone)]
struct FullNumber {
    e164: String,
    kind: Kind,
    country: Option<Region>,
    /// Kept so that the display forms are made only where a card shows them.
    parsed: PhoneNumber,
}

impl CustomerNumber {
    /// Reads a number; one without country code is read as in `region`.
    ///
    /// The national reading comes first, then the same digits as an international number. A plus is trusted unless that
    /// makes no valid number and the digits are one in `region`: the phone system writes `+4440333` for 444 0 333.
    pub fn parse(received: Option<&str>, region: Region) -> CustomerNumber {
        CustomerNumber { received: received.map(str::to_owned), region, reading: OnceLock::new() }
    }

    /// No number at all, and nobody who hid it: [`Kind::Unknown`] with nothing received.
    pub(super) fn absent() -> CustomerNumber {
        CustomerNumber { received: None, region: Region::default(), reading: Reading::Unknown.into() }
    }

    /// The text as received.
    pub fn received(&self) -> Option<&str> {
        self.received.as_deref()
    }

    /// The number's one canonical form, `+905438856301`.
    pub fn e164(&self) -> Option<&str> {
        self.full().map(|number| number.e164.as_str())
    }

    /// As written inside its country: `0543 885 63 01`.
    pub fn national(&self) -> Option<Cow<'_, str>> {
        self.full().map(|number| number.parsed.format_as(PhoneNumberFormat::National))
    }

    /// As written abroad: `+90 543 885 63 01`.
    pub fn international(&self) -> Option<Cow<'_, str>> {
        self.full().map(|number| number.parsed.format_as(PhoneNumberFormat::International))
    }

    /// Its country's two letters, `TR`; none for numbers of the whole world, such as +800.
    pub fn country(&self) -> Option<&str> {
        self.full()?.country.as_ref().map(Region::as_str)
    }

    /// What sort of number it is.
    pub fn kind(&self) -> Kind {
        match self.reading() {
            Reading::Full(number) => number.kind,
            Reading::Extension(_) => Kind::Extension,
            Reading::Withheld => Kind::Withheld,
            Reading::Unknown => Kind::Unknown,
        }
    }

    /// An extension's digits as dialled, `101`; none for other numbers.
    pub fn digits(&self) -> Option<&str> {
        match self.reading() {
            Reading::Extension(digits) => Some(digits),
            _ => None,
        }
    }

    /// For logs: at most the country code and the last two digits, `+90 *** ** 67`; otherwise the kind.
    pub fn masked(&self) -> String {
        let Some(number) = self.full() else { return self.kind().to_string() };
        let end = number.e164.len().saturating_sub(2);
        format!("+{} *** ** {}", number.parsed.country_code, number.e164.get(end..).unwrap_or_default())
    }

    fn reading(&self) -> &Reading {
        self.reading.get_or_init(|| Reading::of(self.received.as_deref().unwrap_or_default(), self.region))
    }

    fn full(&self) -> Option<&FullNumber> {
        match self.reading() {
            Reading::Full(number) => Some(number),
            _ => None,
        }
    }
}

impl fmt::Debug for CustomerNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomerNumber({}, {})", self.kind(), self.masked())
    }
}

impl Reading {
    fn of(received: &str, region: Region) -> Reading {
        let digits = match Dialled::read(received) {
            Dialled::Digits(digits) => digits,
            Dialled::Nothing => return Reading::Withheld,
            Dialled::Unreadable => return Reading::Unknown,
        };
        match full_number(&digits, region) {
            Some(number) => Reading::Full(number),
            None if !digits.plus && digits.all.len() <= EXTENSION_DIGITS_MAX => Reading::Extension(digits.all),
            None => Reading::Unknown,
        }
    }
}

/// The first reading that a numbering plan knows, or else an international one of a possible length.
fn full_number(digits: &Digits, region: Region) -> Option<FullNumber> {
    // With its `(0)` first: most plans know that zero as their own, and in Italy it belongs to the number.
    let tries = || [Some(&digits.all), digits.without_bracketed_zero.as_ref()].into_iter().flatten();
    let known = tries().find_map(|all| valid(digits.plus, all, region));
    known.or_else(|| tries().rev().find_map(|all| possible(digits.plus, all, region).filter(|it| it.is_itself(region))))
}

fn valid(plus: bool, digits: &str, region: Region) -> Option<FullNumber> {
    let national = || FullNumber::valid(PhoneNumber::parse(digits, Some(region.plan())).ok()?);
    let international = |digits: &str| FullNumber::valid(with_plus(digits)?);
    if plus {
        return international(digits).or_else(national);
    }
    national().or_else(|| match digits.strip_prefix("00") {
        Some(digits) => international(digits),
        // A plus is not guessed for a few digits: six can be a number in Austria, but an extension is likelier.
        None if digits.len() <= EXTENSION_DIGITS_MAX => None,
        None => international(digits),
    })
}

/// Digits that no plan knows, perhaps not yet: those said to be international, a national number with its zero, and what
/// is too long to be anything but an international number without its plus. Other digits may be anything.
fn possible(plus: bool, digits: &str, region: Region) -> Option<FullNumber> {
    let parsed = match digits.strip_prefix("00") {
        Some(international) if !plus => with_plus(international),
        None if !plus && digits.starts_with('0') => PhoneNumber::parse(digits, Some(region.plan())).ok(),
        None if !plus && digits.len() < INTERNATIONAL_DIGITS_MIN => None,
        _ => with_plus(digits),
    };
    FullNumber::possible(parsed?)
}

fn with_plus(digits: &str) -> Option<PhoneNumber> {
    PhoneNumber::parse(format!("+{digits}"), None).ok()
}

impl FullNumber {
    /// A number that its numbering plan knows.
    fn valid(parsed: PhoneNumber) -> Option<FullNumber> {
        let kind = match parsed.get_type() {
            // The library's word for "in no plan".
            PhoneNumberType::Unknown => return None,
            PhoneNumberType::FixedLine => Kind::Fixed,
            PhoneNumberType::Mobile => Kind::Mobile,
            PhoneNumberType::FixedLineOrMobile => Kind::MobileOrFixed,
            PhoneNumberType::TollFree => Kind::TollFree,
            PhoneNumberType::PremiumRate => Kind::Premium,
            PhoneNumberType::VoIP => Kind::Voip,
            PhoneNumberType::UAN | PhoneNumberType::SharedCost | PhoneNumberType::VoiceMail => Kind::Service,
            PhoneNumberType::PersonalNumber | PhoneNumberType::Pager => Kind::Unknown,
        };
        Some(FullNumber::of(parsed, kind))
    }

    /// A number of a length that its country has: the plans compiled in may be older than the number.
    fn possible(parsed: PhoneNumber) -> Option<FullNumber> {
        let possible = parsed.is_possible_with_reason() == Ok(NumberLengthType::IsPossible);
        possible.then(|| FullNumber::of(parsed, Kind::Unknown))
    }

    /// Whether its canonical form is read as itself, and not as a number of the region, or as one without its zeros.
    fn is_itself(&self, region: Region) -> bool {
        let read = |digits: &str| valid(true, digits, region).or_else(|| possible(true, digits, region));
        self.e164.strip_prefix('+').and_then(read).is_some_and(|again| again.e164 == self.e164)
    }

    fn of(parsed: PhoneNumber, kind: Kind) -> FullNumber {
        FullNumber {
            e164: parsed.format_as(PhoneNumberFormat::E164).into_owned(),
            kind,
            country: parsed.get_region_code().and_then(Region::of_plan),
            parsed,
        }
    }
}
