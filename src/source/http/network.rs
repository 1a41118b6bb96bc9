//! What is shared over all reloads: the connections and tokens of HTTP sources, and the budgets of accounts.
//!
//! Nothing is kept that no rule set in force uses; what that is, only their sources know.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Proxy};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::oauth2::{Grant, Tokens};
use crate::rate::Budget;
use crate::source::guard::PublicOnly;

/// A source that does not even accept a connection in this time is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Idle connections are kept this long: calls come in bursts.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// The connections of all HTTP sources; copies share them.
#[derive(Clone, Debug)]
pub struct Network {
    public: Arc<Client>,
    private: Arc<Client>,
    proxied: Arc<Kept<Client>>,
    tokens: Arc<Kept<Tokens>>,
    budgets: Arc<Kept<Budget>>,
}

impl Network {
    /// Makes the clients without proxy. Opens no connection.
    ///
    /// # Errors
    /// Where the TLS roots of the system can't be loaded.
    pub fn new() -> Result<Network, reqwest::Error> {
        let (public, private) = (made(false, None)?, made(true, None)?);
        Ok(Network { public, private, proxied: Arc::default(), tokens: Arc::default(), budgets: Arc::default() })
    }

    /// What may be asked of the API of a phone-system account: who has the same token there has the same budget.
    pub fn budget(&self, api: &str, token: &SecretString) -> Arc<Budget> {
        let parts = [api, token.expose_secret()];
        let Ok(budget) = self.budgets.get_or(&parts, || Ok::<_, std::convert::Infallible>(Arc::default()));
        budget
    }

    /// Connections that may lead to private addresses.
    pub(in crate::source) fn private(&self) -> Arc<Client> {
        Arc::clone(&self.private)
    }

    /// The connections of sources that may be at private addresses or not, through a proxy or not.
    pub(super) fn client(&self, private: bool, proxy: Option<&str>) -> Result<Arc<Client>, reqwest::Error> {
        match proxy {
            None if private => Ok(self.private()),
            None => Ok(Arc::clone(&self.public)),
            Some(url) => {
                self.proxied.get_or(&[if private { "private" } else { "public" }, url], || made(private, Some(url)))
            }
        }
    }

    /// The tokens of a grant: the same ones for every source that has the same, also after a reload. A refresh token that
    /// was replaced would be lost otherwise.
    pub(super) fn tokens(&self, grant: Grant) -> Arc<Tokens> {
        let identity = grant.identity();
        let parts: Vec<&str> = identity.iter().map(String::as_str).collect();
        let Ok(tokens) = self.tokens.get_or(&parts, || Ok::<_, std::convert::Infallible>(Arc::new(Tokens::new(grant))));
        tokens
    }
}

/// A client that follows no redirect, and asks no environment for a proxy.
fn made(private: bool, proxy: Option<&str>) -> Result<Arc<Client>, reqwest::Error> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("callcard/", env!("CARGO_PKG_VERSION")));
    if !private {
        builder = builder.dns_resolver(Arc::new(PublicOnly::default()));
    }
    if let Some(url) = proxy {
        builder = builder.proxy(Proxy::all(url)?);
    }
    Ok(Arc::new(builder.build()?))
}

/// Things by what makes them what they are, as long as somebody else holds them.
#[derive(Debug)]
struct Kept<T> {
    entries: Mutex<Vec<(Key, Weak<T>)>>,
}

/// A hash: the parts hold secrets.
type Key = [u8; 32];

impl<T> Default for Kept<T> {
    fn default() -> Kept<T> {
        Kept { entries: Mutex::default() }
    }
}

impl<T> Kept<T> {
    fn get_or<E>(&self, parts: &[&str], make: impl FnOnce() -> Result<Arc<T>, E>) -> Result<Arc<T>, E> {
        let key = key(parts);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(_, kept)| kept.strong_count() > 0);
        if let Some(kept) = entries.iter().find(|(known, _)| *known == key).and_then(|(_, kept)| kept.upgrade()) {
            return Ok(kept);
        }
        let made = make()?;
        entries.push((key, Arc::downgrade(&made)));
        Ok(made)
    }
}

fn key(parts: &[&str]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length, so that no two lists of parts are one text.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_shared_for_as_long_as_a_source_holds_it() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let network = Network::new().unwrap();
        let proxy = Some("http://proxy.example.com:3128");
        let first = network.client(false, proxy).unwrap();
        assert!(Arc::ptr_eq(&first, &network.client(false, proxy).unwrap()));
        assert!(!Arc::ptr_eq(&first, &network.client(true, proxy).unwrap()));
        assert!(!Arc::ptr_eq(&first, &network.client(false, None).unwrap()));
        drop(first);
        network.client(true, Some("http://other.example.com")).unwrap();
        network.client(true, proxy).unwrap();
        assert_eq!(network.proxied.entries.lock().unwrap().len(), 1, "those that nobody holds are gone");
    }
}
