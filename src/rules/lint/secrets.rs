//! Secrets that are written in the rules, where everybody who reads the rules reads them.
//!
//! It looks at the names of keys, parameters and headers, and never tells a value.

use crate::problem::{Code, Problem};
use crate::rules::yaml::{Document, Node};

/// Keys of accounts and sources whose values are secrets.
const SECRET_KEYS: [&str; 8] =
    ["token", "webhook_secret", "standard_webhooks", "secret", "bearer", "password", "client_secret", "refresh_token"];

/// Words that the name of a parameter or header with a secret has in it.
const SECRET_WORDS: [&str; 12] = [
    "key",
    "apikey",
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "auth",
    "authorization",
    "signature",
    "sig",
    "cookie",
];

/// What to do about one.
const HELP: &str = "take it from the environment, ${NAME}, or from a mounted file, ${file:PATH}; and change it, since it \
                    has been written down";

/// Every one of them in `accounts` and `sources`.
pub(in crate::rules) fn in_clear(documents: &[Document], problems: &mut Vec<Problem>) {
    for document in documents {
        for section in ["accounts", "sources"] {
            let mut found = Vec::new();
            document.root.child(section).into_iter().for_each(|node| walk(node, &mut found));
            problems.extend(found.into_iter().map(|(node, what)| {
                let message = format!("{what} is written here, for everybody who can read the rules");
                Problem::new(Code::ClearSecret, document.place(&node.mark), message).help(HELP)
            }));
        }
    }
}

fn walk<'a>(node: &'a Node, found: &mut Vec<(&'a Node, String)>) {
    for (key, value) in node.entries() {
        let name = key.name.as_ref();
        match value.text() {
            Some(text) if SECRET_KEYS.contains(&name) && is_literal(text) => {
                found.push((value, format!("the secret of `{name}`")));
            }
            Some(text) if matches!(name, "url" | "token_url") => {
                found.extend(secret_in_query(text).map(|what| (value, what)));
            }
            Some(text) if matches!(name, "database" | "proxy") => {
                found.extend(password_in_url(text).or_else(|| secret_in_query(text)).map(|what| (value, what)));
            }
            Some(_) => {}
            None if SECRET_KEYS.contains(&name) => {
                let literal = value.items().iter().filter(|item| item.text().is_some_and(is_literal));
                found.extend(literal.map(|item| (item, format!("the secret of `{name}`"))));
            }
            None if name == "auth" && value.child("header").is_some() => {
                let secret = value.child("header").and_then(|header| header.child("value"));
                let secret = secret.filter(|value| value.text().is_some_and(is_literal));
                found.extend(secret.map(|value| (value, "the secret of `header`".to_owned())));
            }
            None if matches!(name, "query" | "headers") => {
                let is_expression = |node: &Node| node.child("expr").is_some();
                let is_secret = |name: &str, node: &Node| {
                    is_secret_name(name) && !is_expression(node) && node.text().is_none_or(is_literal)
                };
                let entries = value.entries().filter(|(key, node)| is_secret(&key.name, node));
                found
                    .extend(entries.map(|(key, node)| (node, format!("what looks like the secret of `{}`", key.name))));
            }
            None => walk(value, found),
        }
    }
}

/// Whether nothing of it comes from elsewhere.
fn is_literal(text: &str) -> bool {
    !text.is_empty() && !text.contains("${") && !text.contains("{{")
}

/// A password in front of the host. One in an address of HTTP is an error anyway.
fn password_in_url(url: &str) -> Option<String> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let password = authority.rsplit_once('@')?.0.split_once(':')?.1;
    is_literal(password).then(|| "the password in front of the host".to_owned())
}

/// A parameter that looks like a secret.
fn secret_in_query(url: &str) -> Option<String> {
    let query = url.split_once('?')?.1.split('#').next()?;
    let mut parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let secret = parameters.find(|(name, value)| is_secret_name(name) && is_literal(value));
    secret.map(|(name, _)| format!("what looks like the secret of `{name}`"))
}

/// `X-Api-Key`, `access_token`, `apiKey`.
fn is_secret_name(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for character in name.chars() {
        if !character.is_alphanumeric() || (character.is_uppercase() && was_small) {
            words.push(String::new());
        }
        was_small = character.is_lowercase();
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
    }
    words.iter().any(|word| SECRET_WORDS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_the_name_of_its_key() {
        for name in
            ["key", "api_key", "X-Api-Key", "apiKey", "APIKEY", "access_token", "Authorization", "sig", "Cookie"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["phone", "keyword", "monkey", "tokens_used", "author", "X-Request-Id", "signal"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_url_may_hold_a_password_or_a_key() {
        let told = |url: &str| password_in_url(url).or_else(|| secret_in_query(url)).unwrap_or_default();
        assert_eq!(told("postgres://erp:swordfish@db/erp"), "the password in front of the host");
        assert_eq!(told("https://a.example.com/x?phone=1&api_key=5"), "what looks like the secret of `api_key`");
        for url in [
            "postgres://erp:${PASSWORD}@db/erp",
            "postgres://erp@db/erp",
            "${ERP_DATABASE_URL}",
            "https://a.example.com/x?api_key=${KEY}",
            "https://a.example.com/x?phone={{customer.e164}}",
            "https://a.example.com/a:b@c",
        ] {
            assert_eq!(told(url), "", "{url}");
        }
    }
}
