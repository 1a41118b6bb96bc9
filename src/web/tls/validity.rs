//! From when to when a certificate holds, read from its bytes (RFC 5280, section 4.1).
//!
//! It walks to the one field that the TLS library keeps to itself, and trusts no length on its way there. Anything else of a
//! certificate is that library's business.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its begin.
    pub not_before: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
}

impl Validity {
    /// Of a certificate in DER; `None` where it is none.
    pub(super) fn of(certificate: &[u8]) -> Option<Validity> {
        let (inside, _) = tagged(certificate, SEQUENCE)?;
        let (mut fields, _) = tagged(inside, SEQUENCE)?;
        if let Some((_, rest)) = tagged(fields, VERSION) {
            fields = rest;
        }
        // Serial number, algorithm of the signature, issuer.
        for _ in 0..3 {
            fields = element(fields)?.2;
        }
        let (times, _) = tagged(fields, SEQUENCE)?;
        let (not_before, rest) = time(times)?;
        Some(Validity { not_before, not_after: time(rest)?.0 })
    }
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Content and what follows, where the tag is this one.
fn tagged(bytes: &[u8], expected: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    (tag == expected).then_some((content, rest))
}

/// `YYMMDDHHMMSSZ` or, from the year 2050 on, `YYYYMMDDHHMMSSZ`.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let text = match tag {
        UTC_TIME => format!("{}{text}", if *content.first()? < b'5' { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    Some((time.to_zoned(TimeZone::UTC).ok()?.timestamp(), rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn both_ends_are_read_in_either_way_of_writing_a_year() {
        for (from, to) in [((1999, 12, 31), (2049, 6, 1)), ((2026, 1, 2), (2101, 3, 4))] {
            let mut parameters = CertificateParams::new(["calls.example.com".to_owned()]).unwrap();
            parameters.not_before = date_time_ymd(from.0, from.1, from.2);
            parameters.not_after = date_time_ymd(to.0, to.1, to.2);
            let certificate = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
            let validity = Validity::of(certificate.der()).unwrap();
            let day = |(year, month, day): (i32, u8, u8)| format!("{year}-{month:02}-{day:02}T00:00:00Z");
            assert_eq!(validity.not_before.to_string(), day(from));
            assert_eq!(validity.not_after.to_string(), day(to));
            for length in 0..200 {
                assert_eq!(Validity::of(&certificate.der()[..length]), None);
            }
        }
        assert_eq!(Validity::of(b"\x30\x84\xff\xff\xff\xff"), None);
    }
}
