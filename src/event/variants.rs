//! The ways in which a number may be written somewhere else, to find it in a place that keeps what people typed.
//!
//! A place that is asked for all of them at once finds the number as it is likely to be stored; what comes back is compared
//! as numbers are. National forms are those of the home region alone: in another country's they would be other numbers.

use super::{CustomerNumber, Region};

impl CustomerNumber {
    /// The digits behind its country code, `5321234567`: what all of its written forms have in common. An Italian zero is
    /// one of them. None for what is no full number.
    pub fn significant(&self) -> Option<String> {
        Some(self.after_country_code()?.chars().filter(char::is_ascii_digit).collect())
    }

    fn after_country_code(&self) -> Option<String> {
        let international = self.international()?;
        let (_, significant) = international.split_once([' ', '-'])?;
        Some(significant.to_owned())
    }

    /// Its written forms, the likeliest first, each once: at most 16 texts; none for what is no full number.
    pub fn variants(&self, region: Region) -> Vec<String> {
        let (Some(e164), Some(international)) = (self.e164(), self.international()) else { return Vec::new() };
        let digits = e164.trim_start_matches('+');
        let mut forms = vec![e164.to_owned(), digits.to_owned(), format!("00{digits}"), international.to_string()];
        forms.push(international.replace(' ', "-"));
        if let (true, Some(national)) = (self.country() == Some(region.as_str()), self.national()) {
            let dialled: String = national.chars().filter(char::is_ascii_digit).collect();
            let significant = self.after_country_code().unwrap_or_default();
            let bare = self.significant().unwrap_or_default();
            forms.extend([dialled, bare, national.to_string(), significant.to_owned()]);
            forms.extend([national.replace([' ', '(', ')'], "-"), significant.replace(' ', "-")]);
            if let Some((area, rest)) = national.split_once(' ').filter(|_| !national.starts_with('(')) {
                forms.push(format!("({area}) {rest}"));
                forms.push(format!("({area}){}", rest.replace(' ', "")));
            }
        }
        let mut distinct: Vec<String> = Vec::with_capacity(forms.len());
        for form in forms {
            let form = form.trim_matches('-').replace("--", "-");
            // `4915112345678` is also how a German number of its own is dialled: what may be somebody else's is left out.
            let is_this = || CustomerNumber::parse(Some(&form), region).e164() == Some(e164);
            if !distinct.contains(&form) && is_this() {
                distinct.push(form);
            }
        }
        distinct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variants(number: &str, region: &str) -> Vec<String> {
        let region = Region::parse(region).unwrap();
        CustomerNumber::parse(Some(number), region).variants(region)
    }

    #[test]
    fn a_number_of_the_home_region_is_sought_as_people_type_it() {
        assert_eq!(
            variants("905321234567", "TR"),
            [
                "+905321234567",
                "905321234567",
                "00905321234567",
                "+90 532 123 45 67",
                "+90-532-123-45-67",
                "05321234567",
                "5321234567",
                "0532 123 45 67",
                "532 123 45 67",
                "0532-123-45-67",
                "532-123-45-67",
                "(0532) 123 45 67",
                "(0532)1234567",
            ]
        );
        let american = variants("+12025550123", "US");
        for form in ["(202) 555-0123", "202-555-0123", "2025550123", "+1 202-555-0123"] {
            assert!(american.iter().any(|variant| variant == form), "{form}: {american:?}");
        }
    }

    #[test]
    fn every_variant_is_read_as_the_same_number_again() {
        for (number, home) in [
            ("+905321234567", "TR"),
            ("+902582440032", "TR"),
            ("+904440333", "TR"),
            ("+12025550123", "US"),
            ("+442045205757", "GB"),
            ("+390236618300", "IT"),
            ("+4915112345678", "DE"),
            ("+33142685300", "FR"),
            ("+80012345678", "TR"),
        ] {
            let region = Region::parse(home).unwrap();
            let forms = variants(number, home);
            assert!((4..=16).contains(&forms.len()), "{forms:?}");
            for form in forms {
                assert_eq!(CustomerNumber::parse(Some(&form), region).e164(), Some(number), "{form} in {home}");
            }
        }
    }

    #[test]
    fn the_significant_digits_are_those_behind_the_country_code() {
        let region = Region::parse("TR").unwrap();
        for (number, significant) in [
            ("0532 123 45 67", Some("5321234567")),
            ("444 0 333", Some("4440333")),
            ("+1 202 555 0123", Some("2025550123")),
            ("+39 06 698 12345", Some("0669812345")),
            ("+80012345678", Some("12345678")),
            ("101", None),
            ("anonymous", None),
        ] {
            assert_eq!(CustomerNumber::parse(Some(number), region).significant().as_deref(), significant, "{number}");
        }
    }

    #[test]
    fn a_foreign_number_has_no_national_forms_and_what_is_no_number_has_none_at_all() {
        assert_eq!(
            variants("+442045205757", "TR"),
            ["+442045205757", "442045205757", "00442045205757", "+44 20 4520 5757", "+44-20-4520-5757"]
        );
        for number in ["101", "anonymous", "Jane", ""] {
            assert!(variants(number, "TR").is_empty(), "{number}");
        }
    }
}
