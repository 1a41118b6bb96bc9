//! Who gets in: the secret in the address, where the request comes from, and its signature.
//!
//! Nothing of a secret or a signature is ever told. Whoever is refused sees the same answer, whatever the reason.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::time::Instant;

use super::{Webhooks, signature};
use crate::delivery::Hush;
use crate::rules::{Access, RuleSet, SECRETS_MAX};

/// One loud line in this time about requests that are not authentic.
const STRANGERS_EVERY: Duration = Duration::from_secs(10);

/// One line in this time, for each account, while its old secret is still used.
const OLD_SECRET_EVERY: Duration = Duration::from_secs(3600);

/// One line in this time, for each account and reason, about bodies that are refused. Whoever has the secret can send thousands.
const BODIES_EVERY: Duration = Duration::from_secs(10);

/// What was said lately about those who came.
pub(super) struct Door {
    strangers: Hush,
    old_secrets: Hush,
    bodies: Hush,
}

impl Default for Door {
    fn default() -> Door {
        Door {
            strangers: Hush::new(STRANGERS_EVERY),
            old_secrets: Hush::new(OLD_SECRET_EVERY),
            bodies: Hush::new(BODIES_EVERY),
        }
    }
}

impl Webhooks {
    /// The line about a body that was not taken.
    pub(super) fn tell_body_refused(&self, account: &str, why: &str) {
        if let Some(silenced) = self.door.bodies.say(&format!("{account} {why}"), Instant::now()) {
            tracing::warn!(account, silenced, "a webhook's body {why}");
        }
    }

    /// What else the request must bring, where its account, secret and origin are right. All else is counted and told.
    pub(super) fn admit<'a>(
        &self,
        rules: &'a RuleSet,
        account: &str,
        secret: &str,
        address: Option<IpAddr>,
    ) -> Option<&'a Access> {
        let now = Instant::now();
        let known = rules.account(account);
        // An unknown account takes as long as a wrong secret.
        let position = matching(known.map_or(&[], |account| &account.access.secrets), secret);
        let (Some(known), Some(position)) = (known, position) else {
            self.metrics.turned_away(None, "not_authentic");
            if let Some(silenced) = self.door.strangers.say("", now) {
                tracing::warn!(
                    silenced,
                    "a webhook with a wrong account or secret was refused; check the address in the phone system"
                );
            }
            return None;
        };
        if !known.access.allows(address) {
            self.metrics.refused(account, "address_not_allowed");
            if let Some(silenced) = self.door.strangers.say(&format!("address {account}"), now) {
                let from = address.map_or("an address that nobody knows".to_owned(), |address| address.to_string());
                tracing::error!(
                    account,
                    peer.address = from,
                    silenced,
                    "a webhook of account `{account}` was refused: it came from {from}, which is not in `allow_from`"
                );
            }
            return None;
        }
        if position > 0 {
            self.metrics.old_secret(account);
            if let Some(silenced) = self.door.old_secrets.say(account, now) {
                tracing::warn!(
                    account,
                    silenced,
                    "the old webhook secret of account `{account}` is still in use; change the address in the phone system"
                );
            }
        }
        Some(&known.access)
    }

    /// Whether a body is signed as the account demands. One that is not is counted and told.
    pub(super) fn is_signed(&self, account: &str, access: &Access, headers: &HeaderMap, body: &[u8]) -> bool {
        let Some(expected) = &access.signature else { return true };
        let Err(why) = signature::verify(expected, headers, body, (self.now)()) else { return true };
        self.metrics.refused(account, "signature_refused");
        if let Some(silenced) = self.door.strangers.say(&format!("signature {account}"), Instant::now()) {
            tracing::error!(
                account,
                silenced,
                "a webhook of account `{account}` knew the secret and was refused: {why}"
            );
        }
        false
    }
}

/// Which of the secrets was given. Takes the same time whichever it is, if any: hashes are compared, which are equally
/// long, and always as many.
fn matching(secrets: &[SecretString], given: &str) -> Option<usize> {
    let given = Sha256::digest(given.as_bytes());
    let same = |position: usize| {
        let expected = secrets.get(position).map_or("", |secret| secret.expose_secret());
        let is_set = Choice::from(u8::from(!expected.is_empty()));
        bool::from(Sha256::digest(expected.as_bytes()).ct_eq(&given) & is_set)
    };
    let compared: [bool; SECRETS_MAX] = std::array::from_fn(same);
    compared.iter().position(|same| *same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_secrets_are_found_and_an_empty_one_is_none() {
        let secrets: Vec<SecretString> = vec!["new".into(), "old".into()];
        assert_eq!(matching(&secrets, "new"), Some(0));
        assert_eq!(matching(&secrets, "old"), Some(1));
        for wrong in ["", "ne", "newer", "NEW"] {
            assert_eq!(matching(&secrets, wrong), None, "{wrong}");
        }
        assert_eq!(matching(&[], ""), None);
        assert_eq!(matching(&["".into()], ""), None);
    }
}
