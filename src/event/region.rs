//! A country as numbering plans name it.
//!
//! It is not a language and not a time zone, and shared plans (North America) still have one region a country.

mod existence;

pub use existence::Existence;

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, RegionStr};

/// A country with a numbering plan, by its two letters (ISO 3166: `TR`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region {
    plan: rlibphonenumber::Region,
    letters: RegionStr,
}

impl Region {
    /// The region of that name, in capital or small letters; `None` where nobody has a numbering plan for it.
    pub fn parse(letters: &str) -> Option<Region> {
        let plan = rlibphonenumber::Region::from_code(letters).ok()?;
        // The library takes any two letters and `001`, the world; without a plan every national reading would fail.
        PHONE_NUMBER_UTIL.get_country_code_for_region(plan)?;
        Region::of_plan(plan)
    }

    /// The two letters, in capitals.
    pub fn as_str(&self) -> &str {
        self.letters.as_str()
    }

    /// `None` for the world, which is the "region" of international freephone and satellite numbers.
    pub(super) fn of_plan(plan: rlibphonenumber::Region) -> Option<Region> {
        let letters = plan.as_region_str();
        (plan != rlibphonenumber::Region::World).then_some(Region { plan, letters })
    }

    pub(super) fn plan(self) -> rlibphonenumber::Region {
        self.plan
    }
}

impl Default for Region {
    /// Turkey, where the phone system is at home.
    fn default() -> Region {
        let plan = rlibphonenumber::Region::TR;
        Region { plan, letters: plan.as_region_str() }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_two_letters_with_a_numbering_plan() {
        for (letters, want) in [("TR", "TR"), ("tr", "TR"), ("US", "US"), ("NO", "NO"), ("CI", "CI")] {
            assert_eq!(Region::parse(letters).unwrap().to_string(), want);
        }
        for letters in ["", "T", "TUR", "XX", "001", "90", "T\u{130}", "world"] {
            assert_eq!(Region::parse(letters), None, "{letters}");
        }
    }
}
