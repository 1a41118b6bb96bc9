//! Numbers as phone systems send them, in several countries.

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
    let pieces =
        ["+", "00", "90", "543", "8856301", "(0)", "x", "ext", ";", "sip:", "@", "*", " ", "\0", "\u{0665}", "é", "0"];
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

#[test]
fn the_canonical_form_of_a_number_is_read_as_that_number() {
    // Five digits behind Germany's zero are possible. As +4953298 they would be read as 04953 298, somebody else's.
    check("DE", &[("+4953298", "fixed +494953298 DE"), ("053298", "extension 053298"), ("053229", "extension 053229")]);
    // With their zeros these are of a possible length; read again they have none.
    check("DE", &[("+86 00 123 45678", "unknown")]);
    check("TR", &[("9100 123 455678", "unknown")]);
}
