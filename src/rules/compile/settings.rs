//! `defaults` and `accounts`: what holds for a whole rule set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use reqwest::Url;

use super::access::access;
use super::{Compiler, duration};
use crate::card::{Locale, Names, Renderer};
use crate::event::Region;
use crate::problem::{Code, Fault, Place, SECRET_HELP};
use crate::rules::yaml::{Document, Node};
use crate::rules::{Account, Accounts, Costly, Defaults};

const DEFAULT_TIME_ZONE: &str = "Europe/Istanbul";
const DEFAULT_LANGUAGE: &str = "tr";
const DEFAULT_DECIDE_WITHIN: Duration = Duration::from_millis(1500);
const DEFAULT_SEND_WITHIN: Duration = Duration::from_secs(60);
/// The account that is made from the environment where the rules name none.
pub const DEFAULT_ACCOUNT: &str = "hipcall";

/// The card API of Turkish accounts; the global one is <https://use.hipcall.com/api/v3>.
pub const DEFAULT_API: &str = "https://use.hipcall.com.tr/api/v3";

/// What the phone system allows an account: 60 requests a minute.
pub const DEFAULT_REQUESTS_PER_MINUTE: u32 = 60;

/// Texts by language and key.
pub(super) type Texts = BTreeMap<String, BTreeMap<String, String>>;

/// The names with every text, and the languages in which each is missing.
pub(super) fn with_texts(names: Names, texts: &Texts) -> Names {
    texts.values().flat_map(BTreeMap::keys).fold(names, |names, key| {
        let missing = texts.iter().filter(|(_, words)| !words.contains_key(key)).map(|(language, _)| language.clone());
        names.text(key, missing.collect())
    })
}

impl Compiler<'_> {
    pub(super) fn defaults(&mut self) -> (Defaults, Locale) {
        let mut given: Option<(usize, &Document, &Node)> = None;
        for (position, document) in self.documents.iter().enumerate() {
            let Some(node) = document.root.child("defaults") else { continue };
            if let Some((_, first, _)) = given {
                let place =
                    document.root.key("defaults").map_or(Place::whole(&document.file), |key| document.place(&key.mark));
                let message = format!("`defaults` stand here and in {}", first.file.path);
                self.problem(Code::DuplicateName, place, message, Some("a rule set has them once".to_owned()));
            } else {
                given = Some((position, document, node));
            }
        }
        let text = |key: &str| given.and_then(|(_, _, node)| node.child(key)?.text());
        let time = |key: &str, default: Duration| text(key).and_then(duration).unwrap_or(default);
        let mut wrong = Vec::new();
        let region = text("region").map_or(Some(Region::default()), Region::parse).unwrap_or_else(|| {
            let message = format!("`{}` is not a country", text("region").unwrap_or_default());
            wrong.push(("region", message, "countries are written as in ISO 3166: TR, GB, DE"));
            Region::default()
        });
        let zone = text("time_zone").unwrap_or(DEFAULT_TIME_ZONE);
        let time_zone = jiff::tz::TimeZone::get(zone).unwrap_or_else(|_| {
            wrong.push((
                "time_zone",
                format!("`{zone}` is not a time zone"),
                "time zones are written as IANA does: Europe/Istanbul",
            ));
            jiff::tz::TimeZone::UTC
        });
        let tag = text("language").unwrap_or(DEFAULT_LANGUAGE);
        let language = tag.parse().unwrap_or_else(|_| {
            wrong.push((
                "language",
                format!("`{tag}` is not a language"),
                "languages are written as in BCP 47: tr, en, en-GB",
            ));
            icu_locale_core::LanguageIdentifier::UNKNOWN
        });
        for (key, message, help) in wrong {
            let refused = |position| self.is_spoilt(position, &format!("/defaults/{key}"));
            if let Some((_, document, node)) = given.filter(|(position, ..)| !refused(*position)) {
                let fault = Fault::new(Code::WrongValue, format!("/{key}"), message).help(help);
                self.faults(document, node, vec![fault]);
            }
        }
        let locale = Locale { language, region, time_zone: time_zone.clone(), texts: BTreeMap::new() };
        let texts = self.documents.iter().map(|document| document.file.text.as_ref());
        let defaults = Defaults {
            region,
            time_zone,
            decide_within: time("decide_within", DEFAULT_DECIDE_WITHIN),
            send_within: time("send_within", DEFAULT_SEND_WITHIN),
            costly: Costly::named_in(texts),
        };
        (defaults, locale)
    }

    /// The texts of all files, by language.
    pub(super) fn texts(&mut self) -> Texts {
        let mut texts = Texts::new();
        for entry in super::entries(self.documents, "texts") {
            let language = texts.entry(entry.name.to_owned()).or_default();
            for (key, node) in entry.node.entries() {
                if language.insert(key.name.to_string(), node.text().unwrap_or_default().to_owned()).is_some() {
                    let message = format!("the text `{}` is defined twice in `{}`", key.name, entry.name);
                    let place = entry.document.place(&key.mark);
                    self.problem(Code::DuplicateName, place, message, Some("keep one of the two".to_owned()));
                }
            }
        }
        texts
    }

    /// The renderer of a language, made once. A language without texts is told at `place`, unless there are none at all.
    pub(super) fn renderer(&mut self, locale: &Locale, texts: &Texts, place: Option<Place>) -> Arc<Renderer> {
        let tag = locale.language.to_string();
        let primary = tag.split('-').next().unwrap_or_default();
        let words = texts.get(&tag).or_else(|| texts.get(primary));
        if let (None, Some(place), false) = (words, place, texts.is_empty()) {
            let known: Vec<&str> = texts.keys().map(String::as_str).collect();
            let help = format!("there are texts in `{}`", known.join("`, `"));
            self.problem(Code::MissingText, place, format!("there are no texts in `{tag}`"), Some(help));
        }
        let made = || Arc::new(Renderer::new(&Locale { texts: words.cloned().unwrap_or_default(), ..locale.clone() }));
        Arc::clone(self.renderers.entry(tag).or_insert_with(made))
    }

    pub(super) fn accounts(&mut self) -> Vec<Account> {
        let mut accounts = Vec::new();
        let usable = self.usable("accounts", |_| false);
        let named = !usable.is_empty();
        for entry in usable {
            let mut faults = Vec::new();
            let mut value = |key: &str, default: &str, unset: &str| {
                let text = entry.node.child(key).and_then(Node::text).unwrap_or(default);
                self.environment.secrets.expand(text, unset).unwrap_or_else(|message| {
                    faults.push(Fault::new(Code::Secret, format!("/{key}"), message).help(SECRET_HELP));
                    unset.to_owned()
                })
            };
            let api = value("api", DEFAULT_API, DEFAULT_API);
            let token = value("token", "", "unset").into();
            let expires = entry.node.child("token_expires").map(|_| value("token_expires", "", ""));
            // What is not looked up is no date yet.
            let expires = expires
                .filter(|text| !text.is_empty())
                .and_then(|text| checked_date(&text).map_err(|message| faults.push(not_a_date(message))).ok());
            let access = access(entry.node, self.environment.secrets, &mut faults);
            match checked_api(&api) {
                Ok(api) => accounts.push(Account {
                    name: entry.name.to_owned(),
                    budget: self.environment.network.budget(api.as_str(), &token),
                    api,
                    token,
                    token_expires: expires,
                    access,
                    requests_per_minute: entry
                        .node
                        .child("requests_per_minute")
                        .and_then(|node| u32::try_from(node.to_json().as_u64()?).ok())
                        .unwrap_or(DEFAULT_REQUESTS_PER_MINUTE),
                }),
                Err(message) => faults.push(
                    Fault::new(Code::WrongValue, "/api", message)
                        .help(format!("for accounts in Turkey it is {DEFAULT_API}")),
                ),
            }
            self.faults(entry.document, entry.node, faults);
        }
        match &self.environment.accounts {
            Accounts::Written(account) if !named => accounts.extend(account.clone()),
            Accounts::Written(_) => {}
            Accounts::Instead(other) if !named => accounts.push(other.clone()),
            Accounts::Instead(other) => {
                accounts =
                    accounts.into_iter().map(|account| Account { name: account.name, ..other.clone() }).collect();
            }
        }
        accounts
    }
}

fn not_a_date(message: String) -> Fault {
    Fault::new(Code::WrongValue, "/token_expires", message).help("write the day, in quotes: \"2027-03-01\"")
}

/// A day, written as `2027-03-01`.
///
/// # Errors
/// In words, where it is none.
pub fn checked_date(text: &str) -> Result<Date, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is not a day"))
}

/// The base of a card API; its path has no slash at the end.
///
/// # Errors
/// In words, where it is not such a URL.
pub fn checked_api(text: &str) -> Result<Url, String> {
    let api = text.trim_end_matches('/');
    let url = Url::parse(api).map_err(|_| format!("`{text}` is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("`{text}` is not an http or https URL"));
    }
    if url.query().or(url.fragment()).is_some() {
        return Err(format!("`{text}` has a query or a fragment, to which no path can be added"));
    }
    if !url.path().ends_with("/api/v3") {
        return Err(format!("`{text}` does not end in /api/v3"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_a_url_to_which_a_path_can_be_added() {
        for text in ["https://use.example.com/api/v3", "http://127.0.0.1:1/below/api/v3//"] {
            assert_eq!(checked_api(text).unwrap().as_str(), text.trim_end_matches('/'));
        }
        for (text, why) in [
            ("use.example.com/api/v3", "is not a URL"),
            ("ftp://use.example.com/api/v3", "is not an http or https URL"),
            ("https://use.example.com/api/v2", "does not end in /api/v3"),
            ("https://use.example.com/?to=/api/v3", "has a query or a fragment"),
            ("https://use.example.com/api/v3?key=1", "has a query or a fragment"),
            ("https://use.example.com/#/api/v3", "has a query or a fragment"),
        ] {
            let said = checked_api(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
