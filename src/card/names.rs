//! The names that a template may use, and what is known of their fields.
//!
//! Of a CSV table every column is known, of a web service's answer nothing. It holds no value.

use std::collections::{BTreeMap, BTreeSet};

use super::row::Row;
use super::template::Part;
use crate::expression::Scope;
use crate::problem::{Code, Fault, did_you_mean};
use crate::shared::Shared;

/// Names with their fields.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// `None` where the fields are not known.
    fields: BTreeMap<String, Option<BTreeSet<String>>>,
    /// Names whose fields are texts, with the fields that are not.
    tables: BTreeMap<String, Vec<String>>,
    /// Keys of texts, with the languages that lack them.
    texts: BTreeMap<String, Vec<String>>,
    /// What was made with just these names.
    pub(super) rows: Shared<Row>,
    pub(super) parts: Shared<Part>,
}

impl Names {
    /// The same with a name whose fields are not known.
    #[must_use]
    pub fn open(mut self, name: &str) -> Names {
        self.fields.insert(name.to_owned(), None);
        self
    }

    /// The same with a name that has these fields and no others.
    #[must_use]
    pub fn closed<'a>(mut self, name: &str, fields: impl IntoIterator<Item = &'a str>) -> Names {
        self.fields.insert(name.to_owned(), Some(fields.into_iter().map(str::to_owned).collect()));
        self
    }

    /// The same, knowing that all fields of the name are texts, as those of a CSV table are, but for these.
    #[must_use]
    pub fn all_texts(mut self, name: &str, but: &[&str]) -> Names {
        self.tables.insert(name.to_owned(), but.iter().map(|field| (*field).to_owned()).collect());
        self
    }

    /// The same with a name for one record of `source`: it has the fields of its table.
    #[must_use]
    pub(super) fn like(mut self, name: &str, source: &str) -> Names {
        let mut fields = self.fields.get(source).cloned().flatten();
        if let Some(fields) = &mut fields {
            fields.remove("count");
            fields.remove("all");
        }
        self.fields.insert(name.to_owned(), fields);
        if let Some(but) = self.tables.get(source) {
            self.tables.insert(name.to_owned(), but.clone());
        }
        self
    }

    /// Whether it is one of them.
    pub fn contains(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// The same with a text for `{{t "key"}}`, and the languages in which it is missing.
    #[must_use]
    pub fn text(mut self, key: &str, missing_in: Vec<String>) -> Names {
        self.texts.insert(key.to_owned(), missing_in);
        self
    }

    /// What is wrong with the key of a text.
    pub(super) fn text_fault(&self, key: &str) -> Option<Fault> {
        let Some(missing_in) = self.texts.get(key) else {
            let mut fault = Fault::new(Code::MissingText, "", format!("no text is named `{key}`"));
            fault.help = did_you_mean(key, self.texts.keys().map(String::as_str))
                .or_else(|| Some("texts are defined under `texts`, by language".to_owned()));
            return Some(fault);
        };
        (!missing_in.is_empty()).then(|| {
            let languages = missing_in.join("`, `");
            Fault::new(Code::MissingText, "", format!("the text `{key}` is missing in `{languages}`"))
                .help(format!("write it under `texts`, `{languages}`"))
        })
    }
}

impl Scope for Names {
    fn fault(&self, name: &str, field: Option<&str>) -> Option<Fault> {
        let Some(known) = self.fields.get(name) else {
            let mut fault = Fault::new(Code::TemplateName, "", format!("`{name}` stands for nothing here"));
            fault.help = did_you_mean(name, self.fields.keys().map(String::as_str));
            return Some(fault);
        };
        let (known, field) = (known.as_ref()?, field?);
        if known.contains(field) {
            return None;
        }
        let mut fault = Fault::new(Code::TemplateName, "", format!("`{name}` has no `{field}`"));
        fault.help = did_you_mean(field, known.iter().map(String::as_str));
        Some(fault)
    }

    fn is_text(&self, name: &str, field: &str) -> bool {
        self.tables.get(name).is_some_and(|but| but.iter().all(|but| but != field))
    }
}
