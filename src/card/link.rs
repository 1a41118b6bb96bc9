//! Links: where a card may lead an agent.
//!
//! What a source or a caller says can fill in a link's path and query, percent-encoded, but never its scheme or host. The
//! only exception is a whole URL from a record, and that must be https.

use handlebars::Context;

use super::helpers::Renderer;
use super::template::{Flavour, Template};
use super::{Names, trimmed};
use crate::problem::{Code, Fault};

/// Longer links are cut by browsers and proxies.
const LINK_BYTES_MAX: usize = 2 * 1024;

/// A link, `ios` or `android`.
#[derive(Clone, Debug)]
pub(super) struct Link {
    template: Template,
    /// The link is one whole URL from a record.
    whole: bool,
}

/// Where a link is shown decides what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the web phone.
    Web,
    /// In a mobile app, by a scheme of its own.
    App,
}

impl Link {
    pub(super) fn compile(text: &str, place: Place, names: &Names) -> Result<Link, Vec<Fault>> {
        let flavour = if text.starts_with("tel:") { Flavour::Telephone } else { Flavour::Encoded };
        let template = Template::compile(text, flavour, names)?;
        if template.is_one_unescaped_value() && place == Place::Web {
            return Ok(Link { template, whole: true });
        }
        let fault = |message: &str, help: &str| Err(vec![Fault::new(Code::Link, "", message).help(help)]);
        if template.has_unescaped_value() {
            let message = match place {
                Place::Web => "`{{{…}}}` may only be the whole link",
                Place::App => "`{{{…}}}` may not stand in an app link",
            };
            return fault(message, "inside a link write `{{…}}`, which is percent-encoded");
        }
        match place {
            Place::Web if !starts_with_host(&template) => fault(
                "a link begins with `https://` or `http://` and a host written out, or with `tel:` or `mailto:`",
                "write \"https://crm.example.com/contacts/{{crm.id}}\", or `{{{crm.url}}}` for a whole URL from a record",
            ),
            Place::App if !starts_with_scheme(template.literal_head()) => fault(
                "an app link begins with the scheme of an app written out, which scripts, data and files do not have",
                "write \"mycrm://contacts/{{crm.id}}\"",
            ),
            _ => Ok(Link { template, whole: false }),
        }
    }

    pub(super) fn mentions(&self) -> impl Iterator<Item = &str> {
        self.template.mentions()
    }

    /// The filled link, or why there is none.
    pub(super) fn fill(&self, renderer: &Renderer, context: &Context) -> Result<String, String> {
        let link = trimmed(self.template.fill(renderer, context)?);
        if link.is_empty() {
            return Err("it is empty".to_owned());
        }
        if link.len() > LINK_BYTES_MAX {
            return Err(format!("it has more than {LINK_BYTES_MAX} bytes"));
        }
        if self.whole && !is_https(&link) {
            return Err("the URL from the record is not a plain https one".to_owned());
        }
        Ok(link)
    }
}

/// `https://host`, with the host ended by what follows it, or `tel:` and `mailto:`.
fn starts_with_host(template: &Template) -> bool {
    let head = template.literal_head();
    if head.starts_with("tel:") || head.starts_with("mailto:") {
        return true;
    }
    let Some(rest) = head.strip_prefix("https://").or_else(|| head.strip_prefix("http://")) else { return false };
    match rest.split_once(['/', '?', '#']) {
        Some((host, _)) => is_host(host),
        // Without its end in the literal, `https://crm.{{x}}` would let a record choose the host.
        None => is_host(rest) && template.is_literal(),
    }
}

fn is_host(host: &str) -> bool {
    !host.is_empty() && !host.contains('@') && !host.contains(|character: char| character.is_whitespace())
}

fn starts_with_scheme(head: &str) -> bool {
    let Some((scheme, _)) = head.split_once(':') else { return false };
    let scheme = scheme.to_ascii_lowercase();
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '+' | '.' | '-'))
        && !matches!(scheme.as_str(), "javascript" | "vbscript" | "data" | "file" | "blob")
}

/// A whole URL from a record: https, a host, and nothing that a browser would read in another way.
fn is_https(link: &str) -> bool {
    let Some(rest) = link.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    is_host(host)
        && !link.contains(|character: char| {
            character.is_whitespace() || character.is_control() || "<>\"\\".contains(character)
        })
}
