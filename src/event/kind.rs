//! What sort of number a number is, as rules name it.
//!
//! It decides nothing: [`super::CustomerNumber`] does, from the numbering plans.

use std::fmt;

/// The sort of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A mobile phone.
    Mobile,
    /// A landline.
    Fixed,
    /// Either: in some plans (North America) the number does not tell. Rules cannot name it, see [`Kind::is`].
    MobileOrFixed,
    /// Free for the caller.
    TollFree,
    /// Dear for the caller.
    Premium,
    /// A number of an internet telephone.
    Voip,
    /// A company's number without a place (Turkey's 444), of shared cost, or a voicemail.
    Service,
    /// An extension or short code: at most six digits and no full number.
    Extension,
    /// The caller hides the number, or the phone system did not get one.
    Withheld,
    /// Not a number, or one of no sort that we know.
    Unknown,
}

impl Kind {
    /// The kinds that rules can name.
    pub const ALL: [Kind; 9] = [
        Kind::Mobile,
        Kind::Fixed,
        Kind::TollFree,
        Kind::Premium,
        Kind::Voip,
        Kind::Service,
        Kind::Extension,
        Kind::Withheld,
        Kind::Unknown,
    ];

    /// The kinds that a number with a country code can be of.
    pub const FULL: [Kind; 8] = [
        Kind::Mobile,
        Kind::Fixed,
        Kind::MobileOrFixed,
        Kind::TollFree,
        Kind::Premium,
        Kind::Voip,
        Kind::Service,
        Kind::Unknown,
    ];

    /// The kind of that name; `None` for any name that rules cannot use.
    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name in rules and templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Mobile => "mobile",
            Kind::Fixed => "fixed",
            Kind::MobileOrFixed => "mobile_or_fixed",
            Kind::TollFree => "toll_free",
            Kind::Premium => "premium",
            Kind::Voip => "voip",
            Kind::Service => "service",
            Kind::Extension => "extension",
            Kind::Withheld => "withheld",
            Kind::Unknown => "unknown",
        }
    }

    /// Whether a rule that asks for `asked` means this number too: one that may be either is both.
    pub fn is(self, asked: Kind) -> bool {
        self == asked || (self == Kind::MobileOrFixed && matches!(asked, Kind::Mobile | Kind::Fixed))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_rules_can_name_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        for name in ["mobile_or_fixed", "Mobile", "", "landline"] {
            assert_eq!(Kind::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_number_that_may_be_either_is_both_and_nothing_else() {
        let is = |kind: Kind| Kind::ALL.into_iter().filter(|asked| kind.is(*asked)).collect::<Vec<_>>();
        assert_eq!(is(Kind::MobileOrFixed), [Kind::Mobile, Kind::Fixed]);
        assert!(Kind::MobileOrFixed.is(Kind::MobileOrFixed));
        for kind in Kind::ALL {
            assert_eq!(is(kind), [kind]);
        }
    }
}
