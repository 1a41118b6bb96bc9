//! `webhook_secret`, `allow_from` and `signature` of an account.
//!
//! Messages name keys and variables, never the value of a secret.

use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::problem::{Code, Fault, SECRET_HELP};
use crate::rules::access::{self, Access, Encoding, SECRET_BITS_MIN, Signature, standard_key};
use crate::rules::secrets::Secrets;
use crate::rules::yaml::Node;

/// What to do about a secret that is too short.
const WEAK_HELP: &str = "`callcard secret` makes one";

/// Reads them, and tells what is wrong.
pub(super) fn access(account: &Node, secrets: Secrets<'_>, faults: &mut Vec<Fault>) -> Access {
    let mut reader = Reader { account, secrets, faults };
    Access { secrets: reader.strong("/webhook_secret"), allow_from: reader.allow_from(), signature: reader.signature() }
}

struct Reader<'a> {
    account: &'a Node,
    secrets: Secrets<'a>,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// The secrets of a key, a text or a list of texts, each with its pointer. Those that can't be had are told.
    fn known(&mut self, pointer: &str) -> Vec<(String, SecretString)> {
        let Some(node) = self.account.at(pointer) else { return Vec::new() };
        let written: Vec<(String, &Node)> = match node.text() {
            Some(_) => vec![(pointer.to_owned(), node)],
            None => node.items().iter().enumerate().map(|(at, item)| (format!("{pointer}/{at}"), item)).collect(),
        };
        let mut known = Vec::new();
        for (pointer, node) in written {
            let text = node.text().unwrap_or_default();
            match self.secrets.expand(text, "") {
                // What is not looked up is neither empty nor weak.
                Ok(_) if text.contains("${") && matches!(self.secrets, Secrets::Unset) => {}
                Ok(secret) if secret.is_empty() => {
                    self.fault(Fault::new(Code::Secret, pointer, "this secret is empty").help(SECRET_HELP));
                }
                Ok(secret) => known.push((pointer, SecretString::from(secret))),
                Err(message) => self.fault(Fault::new(Code::Secret, pointer, message).help(SECRET_HELP)),
            }
        }
        known
    }

    /// The secrets of a key, of which weak ones are told.
    fn strong(&mut self, pointer: &str) -> Vec<SecretString> {
        let known = self.known(pointer);
        for (pointer, _) in known.iter().filter(|(_, secret)| access::is_weak(secret)) {
            self.weak(pointer);
        }
        known.into_iter().map(|(_, secret)| secret).collect()
    }

    fn weak(&mut self, pointer: &str) {
        let message = format!("this secret can be guessed: at least {SECRET_BITS_MIN} random bits were expected");
        self.fault(Fault::new(Code::WeakSecret, pointer, message).help(WEAK_HELP));
    }

    fn allow_from(&mut self) -> Vec<ipnet::IpNet> {
        let written = self.account.child("allow_from").map(Node::items).unwrap_or_default();
        let mut ranges = Vec::new();
        for (at, item) in written.iter().enumerate() {
            match access::address_range(item.text().unwrap_or_default()) {
                Ok(range) => ranges.push(range),
                Err(message) => self.fault(
                    Fault::new(Code::WrongValue, format!("/allow_from/{at}"), message)
                        .help("for example: 203.0.113.0/24, 2001:db8::/32, 192.0.2.7"),
                ),
            }
        }
        ranges
    }

    fn signature(&mut self) -> Option<Signature> {
        let signature = self.account.child("signature")?;
        let Some(hmac) = signature.child("hmac") else { return Some(self.standard_webhooks()) };
        let text = |key: &str| hmac.child(key).and_then(Node::text).unwrap_or_default();
        let header = text("header").to_owned();
        if reqwest::header::HeaderName::from_bytes(header.as_bytes()).is_err() {
            let message = format!("`{header}` can't be the name of a header");
            self.fault(
                Fault::new(Code::WrongValue, "/signature/hmac/header", message).help("for example: X-Signature"),
            );
        }
        let keys = self.strong("/signature/hmac/secret");
        Some(Signature::Hmac {
            header,
            prefix: text("prefix").to_owned(),
            encoding: if text("encoding") == "base64" { Encoding::Base64 } else { Encoding::Hex },
            keys: keys.iter().map(|key| key.expose_secret().as_bytes().to_vec().into()).collect(),
        })
    }

    fn standard_webhooks(&mut self) -> Signature {
        let mut keys: Vec<SecretSlice<u8>> = Vec::new();
        for (pointer, secret) in self.known("/signature/standard_webhooks") {
            match standard_key(secret.expose_secret()) {
                Some(key) => {
                    if key.expose_secret().len() * 8 < SECRET_BITS_MIN {
                        self.weak(&pointer);
                    }
                    keys.push(key);
                }
                None => self.fault(
                    Fault::new(Code::Secret, pointer, "this is no secret of Standard Webhooks")
                        .help("it is `whsec_` and base64, as the sender shows it"),
                ),
            }
        }
        Signature::StandardWebhooks(keys)
    }
}
