//! How values are written on cards: language, country, time zone and texts.
//!
//! What a language writes is Unicode's business (CLDR, by ICU4X); no table of it is here.

use std::collections::BTreeMap;

use icu_locale_core::{LanguageIdentifier, subtags};

use crate::event::Region;

/// How numbers, times and words are written on cards.
#[derive(Clone, Debug)]
pub struct Locale {
    /// A BCP 47 language, for example `tr`.
    pub language: LanguageIdentifier,
    /// How numbers without country code are read; and the country whose way of writing counts where the language
    /// names none: `en` is written as in Britain where this is `GB`.
    pub region: Region,
    /// In which zone times are written.
    pub time_zone: jiff::tz::TimeZone,
    /// The texts of `{{t "key"}}` in this language.
    pub texts: BTreeMap<String, String>,
}

impl Locale {
    /// The language with its country, for example `tr-TR`.
    pub(super) fn tag(&self) -> icu_locale_core::Locale {
        let mut tag = self.language.clone();
        tag.region = tag.region.or_else(|| subtags::Region::try_from_str(self.region.as_str()).ok());
        tag.into()
    }
}
