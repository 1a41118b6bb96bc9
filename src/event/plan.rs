//! The numbering plans of the world: which calling codes there are, and how long their numbers can be.
//!
//! A proof over all calls asks it which numbers a call can have. It reads no number: [`super::CustomerNumber`] does.

use std::sync::LazyLock;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat};

use super::Region;
pub use super::dialled::EXTENSION_DIGITS_MAX;

/// Digits of a national number that are tried; the longest in any plan has 17.
const NATIONAL_DIGITS_MAX: u32 = 17;

/// A calling code with what its numbers can look like.
#[derive(Debug)]
pub struct Plan {
    /// The calling code, 90 for Turkey.
    pub code: u64,
    /// Digits that a number can have behind the code, from the fewest.
    pub lengths: Vec<usize>,
    /// The countries that share the code; none for freephone and satellite numbers of the whole world. Of a code that is
    /// one country's, every number is that country's; of a shared one, a number may be nobody's.
    pub countries: Vec<Region>,
}

/// Every plan.
pub fn plans() -> &'static [Plan] {
    static PLANS: LazyLock<Vec<Plan>> = LazyLock::new(|| {
        PHONE_NUMBER_UTIL
            .get_supported_calling_codes()
            .filter_map(|code| {
                let regions = PHONE_NUMBER_UTIL.get_regions_for_country_calling_code(code).into_iter().flatten();
                Some(Plan {
                    code: u64::try_from(code).ok()?,
                    lengths: lengths(code),
                    countries: regions.filter_map(Region::of_plan).collect(),
                })
            })
            .collect()
    });
    &PLANS
}

/// Numbers that the plans give as examples, in international form, of each country one of each kind: first those of one
/// region, then all. They are looked up as they are asked for, since all of them take a while.
pub fn example_numbers(near: Region) -> impl Iterator<Item = String> {
    let far = || {
        let mut numbers: Vec<String> = PHONE_NUMBER_UTIL.get_supported_regions().flat_map(examples_of).collect();
        // The library's order is that of a hash table.
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    let mut near: Vec<String> = examples_of(near.plan()).collect();
    near.sort_unstable();
    near.into_iter().chain(std::iter::once_with(far).flatten())
}

fn examples_of(region: rlibphonenumber::Region) -> impl Iterator<Item = String> {
    let kinds = PHONE_NUMBER_UTIL.get_supported_types_for_region(region).unwrap_or_default();
    let example = move |kind| PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, kind).ok();
    kinds.into_iter().filter_map(example).map(|number| number.format_as(PhoneNumberFormat::E164).into_owned())
}

/// Only the length of the tried number counts, not its digits.
fn lengths(code: i32) -> Vec<usize> {
    (1..=NATIONAL_DIGITS_MAX)
        .filter(|digits| {
            let tried =
                PhoneNumber { country_code: code, national_number: 10_u64.pow(digits - 1), ..PhoneNumber::default() };
            tried.is_possible_with_reason().is_ok()
        })
        .filter_map(|digits| usize::try_from(digits).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::CustomerNumber;

    /// The examples of the metadata are numbers that calls do have: each must be in its plan.
    #[test]
    fn every_number_that_a_country_has_is_in_its_plan() {
        let mut seen = 0;
        for text in example_numbers(Region::default()) {
            let number = CustomerNumber::parse(Some(&text), Region::default());
            let Some(e164) = number.e164() else { continue };
            let plan = plans().iter().find(|plan| e164[1..].starts_with(&plan.code.to_string())).unwrap();
            assert!(plan.lengths.contains(&(e164.len() - 1 - plan.code.to_string().len())), "{e164}");
            match (number.country(), plan.countries.as_slice()) {
                (Some(country), countries) => {
                    assert!(countries.iter().any(|one| one.as_str() == country), "{e164}")
                }
                (None, countries) => assert_ne!(countries.len(), 1, "{e164}"),
            }
            seen += 1;
        }
        assert!(seen > 800, "{seen} numbers were compared");
    }

    #[test]
    fn a_code_is_one_country_or_shared() {
        let plan = |code| plans().iter().find(|plan| plan.code == code).unwrap();
        assert_eq!(plan(90).countries, [Region::parse("TR").unwrap()]);
        assert!(plan(90).lengths.contains(&10) && !plan(90).lengths.contains(&11));
        assert!(plan(1).countries.len() > 20);
        assert_eq!(plan(800).countries, []);
        assert!(!plans().iter().any(|plan| plan.code == 999));
    }
}
