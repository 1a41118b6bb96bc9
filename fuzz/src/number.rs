//! A text and a country → a telephone number.

use callcard::event::{CustomerNumber, Kind, Region};

use crate::world;

/// Countries with unlike plans: trunk zeros, none, an Italian zero, a shared country code, mobile digits that come and go.
const REGIONS: [&str; 12] = ["TR", "DE", "US", "GB", "IT", "FR", "AR", "MX", "BR", "RU", "CI", "SM"];

/// The first byte chooses the country; the rest is what was received.
pub fn number(bytes: &[u8]) {
    let Some((first, text)) = bytes.split_first() else { return };
    let region = world::region(REGIONS[usize::from(*first) % REGIONS.len()]);
    let received = String::from_utf8_lossy(text);
    let number = CustomerNumber::parse(Some(&received), region);
    assert_eq!(number.received(), Some(received.as_ref()));
    holds(&number, region);
}

/// What holds of every number.
pub fn holds(number: &CustomerNumber, region: Region) {
    let shown = format!("{number:?}");
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
    assert!(digits(&shown) <= 5, "more than country code and two digits: {shown}");
    let Some(e164) = number.e164() else {
        assert!(matches!(number.kind(), Kind::Extension | Kind::Withheld | Kind::Unknown));
        assert_eq!(number.kind() == Kind::Extension, number.digits().is_some());
        assert!(number.digits().is_none_or(|all| digits(all) == all.len() && (1..=6).contains(&all.len())));
        return assert!(number.variants(region).is_empty() && number.international().is_none());
    };
    let plain = e164.strip_prefix('+').expect("it begins with a plus");
    assert!(digits(plain) == plain.len() && (3..=17).contains(&plain.len()), "{e164}");
    assert!(!shown.contains(plain), "{shown}");
    // A number that no plan knows may be one of another country's when that one is at home.
    let homes = [region, world::region("TR"), world::region("US")];
    let homes = if number.kind() == Kind::Unknown { &homes[..1] } else { &homes };
    for home in homes.iter().copied() {
        let again = CustomerNumber::parse(Some(e164), home);
        assert_eq!(again.e164(), Some(e164), "read again in {}", home.as_str());
        assert_eq!((again.kind(), again.country()), (number.kind(), number.country()), "{e164}");
    }
    let international = number.international().expect("it has one");
    assert_eq!(CustomerNumber::parse(Some(&international), region).e164(), Some(e164), "{international}");
    let variants = number.variants(region);
    assert!((1..=16).contains(&variants.len()), "{variants:?}");
    for (position, variant) in variants.iter().enumerate() {
        assert_eq!(CustomerNumber::parse(Some(variant), region).e164(), Some(e164), "{variant}");
        assert!(!variants[..position].contains(variant), "{variants:?}");
    }
}
