//! A telephone number as it came from outside, read once and carefully.
//!
//! Phone systems send numbers with and without plus, with trunk zeros, as extensions and as words; [`CustomerNumber`] says
//! what each one is, and never fails. Two inputs are the same person if and only if their [`CustomerNumber::e164`] are equal:
//! nothing here compares endings. It asks nobody who owns a number.

use std::{borrow::Cow, fmt};

use rlibphonenumber::{NumberLengthType, PhoneNumber, PhoneNumberFormat, PhoneNumberType};

use super::{
    Kind, Region,
    dialled::{Dialled, Digits, EXTENSION_DIGITS_MAX, INTERNATIONAL_DIGITS_MIN},
};

/// A number and what is known of it. `Debug` prints it masked.
#[derive(Clone)]
pub struct CustomerNumber {
    received: Option<String>,
    reading: Reading,
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
        CustomerNumber {
            received: received.map(str::to_owned),
            reading: Reading::of(received.unwrap_or_default(), region),
        }
    }

    /// No number at all, and nobody who hid it: [`Kind::Unknown`] with nothing received.
    pub(super) fn absent() -> CustomerNumber {
        CustomerNumber { received: None, reading: Reading::Unknown }
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
        match &self.reading {
            Reading::Full(number) => number.kind,
            Reading::Extension(_) => Kind::Extension,
            Reading::Withheld => Kind::Withheld,
            Reading::Unknown => Kind::Unknown,
        }
    }

    /// An extension's digits as dialled, `101`; none for other numbers.
    pub fn digits(&self) -> Option<&str> {
        match &self.reading {
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

    fn full(&self) -> Option<&FullNumber> {
        match &self.reading {
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
    let valid = tries().find_map(|all| valid(digits.plus, all, region));
    valid.or_else(|| tries().rev().find_map(|all| possible(digits.plus, all, region)))
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

    fn of(parsed: PhoneNumber, kind: Kind) -> FullNumber {
        FullNumber {
            e164: parsed.format_as(PhoneNumberFormat::E164).into_owned(),
            kind,
            country: parsed.get_region_code().and_then(Region::of_plan),
            parsed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(received: &str, region: &str) -> CustomerNumber {
        CustomerNumber::parse(Some(received), Region::parse(region).unwrap())
    }

    /// `kind e164 country`, or `kind digits`.
    fn summary(number: &CustomerNumber) -> String {
        let shown = [number.e164(), number.country(), number.digits()];
        shown.into_iter().flatten().fold(number.kind().to_string(), |line, part| format!("{line} {part}"))
    }

    fn check(region: &str, cases: &[(&str, &str)]) {
        for (received, want) in cases {
            let got = parse(received, region);
            assert_eq!(summary(&got), *want, "{received:?} in {region}");
            assert_eq!(got.received(), Some(*received));
        }
    }

    #[test]
    fn a_turkish_number_is_one_number_however_it_is_written() {
        let mobile = [
            "905438856301",
            "05438856301",
            "5438856301",
            "0090 (543) 885 63 01",
            "+90 (0) 543 885 63 01",
            "+905438856301",
            "90 (0) 543 885 63 01",
            "0090 (0) 543 885 63 01",
            "+05438856301",
            "+00905438856301",
            "00905438856301",
            "tel:+90-543-885-63-01",
            "sip:905438856301@pbx.example.com",
            "+905438856301;ext=12",
            "+905438856301 x12",
            "\u{ff0b}\u{ff19}\u{ff10} 543 885 63 01",
            "\u{0660}543\u{0668}\u{0668}\u{0665}6301",
            "'+905438856301'",
        ];
        check("TR", &mobile.map(|received| (received, "mobile +905438856301 TR")));
        check("TR", &["4440333", "444 0 333", "+4440333", "+904440333"].map(|text| (text, "service +904440333 TR")));
        check("TR", &[("0258 244 00 32", "fixed +902582440032 TR"), ("0800 123 45 67", "toll_free +908001234567 TR")]);
        check("TR", &[("0900 123 45 67", "premium +909001234567 TR"), ("0850 123 45 67", "voip +908501234567 TR")]);
    }

    #[test]
    fn a_short_number_is_an_extension() {
        let short = ["101", "1042", "112", "1", "123456", "0101", "00101", "1-0-1"];
        for received in short {
            let digits = received.replace('-', "");
            check("TR", &[(received, &format!("extension {digits}"))]);
        }
        check("TR", &[("+101", "unknown"), ("1234567", "unknown"), ("sip:101@pbx", "extension 101")]);
        // As +431110 and +981000 these would be numbers; a plus is not guessed for so few digits.
        check("TR", &[("431110", "extension 431110"), ("+431110", "fixed +431110 AT")]);
    }

    #[test]
    fn a_hidden_number_is_withheld() {
        let words = ["anonymous", "Unknown", "RESTRICTED", "unavailable", "private", "withheld", "blocked"];
        let forms = ["<anonymous>", "\"Anonymous\"", " 'private' ", "sip:anonymous@anonymous.invalid", "tel:unknown"];
        let nothing = ["", "   ", "\0", "-", "+", "()", "0", "0000", "+0", "<>", "\u{1f600}"];
        for received in words.iter().chain(&forms).chain(&nothing) {
            check("TR", &[(received, "withheld")]);
        }
        let got = CustomerNumber::parse(None, Region::parse("TR").unwrap());
        assert_eq!((got.kind(), got.received(), got.e164()), (Kind::Withheld, None, None));
    }

    #[test]
    fn what_is_no_number_is_unknown() {
        let long = "+90543885630".repeat(6);
        for received in [
            "Jane Doe",
            "1-800-FLOWERS",
            "anonymous caller",
            "Bilinmeyen",
            "05438856301 Jane",
            "sip:jane@example.com",
            "*78",
            "+90543*****01",
            "+9",
            "+999123456789",
            "12345678901234567890",
            "0543 885 63 01 / 0532 123 45 67",
            "{{x}}",
            "O\"Brien \\",
            &long,
        ] {
            check("TR", &[(received, "unknown")]);
        }
    }

    #[test]
    fn a_foreign_number_is_found_without_its_plus() {
        check(
            "TR",
            &[
                ("442045205757", "fixed +442045205757 GB"),
                ("12025550123", "mobile_or_fixed +12025550123 US"),
                ("14165550123", "mobile_or_fixed +14165550123 CA"),
                ("4915112345678", "mobile +4915112345678 DE"),
                ("00492215550000", "fixed +492215550000 DE"),
                ("390236618300", "fixed +390236618300 IT"),
                ("+39 (0) 2 3661 8300", "fixed +390236618300 IT"),
                ("33142685300", "fixed +33142685300 FR"),
                ("74957856000", "fixed +74957856000 RU"),
                ("2250707123456", "mobile +2250707123456 CI"),
                ("+80012345678", "toll_free +80012345678"),
            ],
        );
        check("DE", &[("0221 5550000", "fixed +492215550000 DE"), ("+905438856301", "mobile +905438856301 TR")]);
        check(
            "US",
            &[("011 90 543 885 63 01", "mobile +905438856301 TR"), ("0044 20 4520 5757", "fixed +442045205757 GB")],
        );
        check("IT", &[("02 3661 8300", "fixed +390236618300 IT"), ("347 123 4567", "mobile +393471234567 IT")]);
    }

    #[test]
    fn an_international_number_that_no_plan_knows_yet_is_kept() {
        check(
            "TR",
            &[
                ("+905999999999", "unknown +905999999999 TR"),
                ("00905999999999", "unknown +905999999999 TR"),
                ("905999999999", "unknown +905999999999 TR"),
                ("447700900123", "unknown +447700900123"),
                ("+36 (0) 1 234 5678", "fixed +3612345678 HU"),
                ("+36 (0) 39 999 999", "unknown +3639999999 HU"),
                ("+19995550123", "unknown +19995550123"),
            ],
        );
        check("GB", &[("07700 900123", "unknown +447700900123"), ("7700900123", "unknown")]);
        // Of a length for local calls only, so it is nobody's international number.
        check("FR", &[("+4440333", "unknown")]);
    }

    #[test]
    fn a_number_is_shown_as_its_country_writes_it() {
        let got = parse("905438856301", "TR");
        assert_eq!(got.national().as_deref(), Some("0543 885 63 01"));
        assert_eq!(got.international().as_deref(), Some("+90 543 885 63 01"));
        assert_eq!(parse("4440333", "TR").national().as_deref(), Some("444 0 333"));
        assert_eq!(parse("390236618300", "TR").international().as_deref(), Some("+39 02 3661 8300"));
        for received in ["101", "anonymous", "Jane"] {
            let got = parse(received, "TR");
            assert_eq!((got.national(), got.international(), got.country()), (None, None, None), "{received}");
        }
    }

    #[test]
    fn a_log_shows_at_most_the_country_code_and_two_digits() {
        for (received, want) in [
            ("+905321234567", "+90 *** ** 67"),
            ("+12025550123", "+1 *** ** 23"),
            ("4440333", "+90 *** ** 33"),
            ("101", "extension"),
            ("anonymous", "withheld"),
            ("Jane", "unknown"),
        ] {
            let got = parse(received, "TR");
            assert_eq!(got.masked(), want);
            assert_eq!(format!("{got:?}"), format!("CustomerNumber({}, {want})", got.kind()));
        }
    }

    #[test]
    fn no_text_makes_reading_or_showing_fail() {
        let pieces = [
            "+", "00", "90", "543", "8856301", "(0)", "x", "ext", ";", "sip:", "@", "*", " ", "\0", "\u{0665}", "é",
            "0",
        ];
        let mut state = 7_u32;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..8 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(pieces[(state >> 16) as usize % pieces.len()]);
            }
            let got = parse(&text, "TR");
            let shown = (got.national().is_some(), got.international().is_some(), got.e164().is_some());
            assert!(matches!(shown, (true, true, true) | (false, false, false)), "{text:?}");
        }
    }
}
