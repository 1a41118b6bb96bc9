//! A chain of certificates with the key of the first one, read from PEM and known to fit together.
//!
//! Whether a client will trust the chain is not decided here: it depends on the client.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::validity::Validity;

/// In the label of a key that needs a password.
const ENCRYPTED: &str = "ENCRYPTED";

/// A certificate that can be shown to clients.
#[derive(Debug)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    validity: Validity,
}

/// Why a chain and a key can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The first file has no certificate.
    #[error("there is no certificate in it; `-----BEGIN CERTIFICATE-----` was expected, the server's own first")]
    NoCertificate,
    /// The second file has no key.
    #[error("there is no private key in it; `-----BEGIN PRIVATE KEY-----` was expected (PKCS#8, PKCS#1 or SEC1)")]
    NoKey,
    /// The key has a password.
    #[error("the private key is encrypted; `openssl pkey -in KEY -out NEW` takes the password away")]
    EncryptedKey,
    /// One of the files is no PEM.
    #[error("it is no PEM: {0}")]
    NotPem(&'static str),
    /// The key is of a kind that is not known, or broken.
    #[error("the private key can't be used: {0}")]
    Key(String),
    /// The first certificate is broken.
    #[error("the first certificate can't be read: {0}")]
    Broken(String),
    /// The key is that of another certificate.
    #[error("the key is not the one of the first certificate")]
    Mismatch,
}

impl Unusable {
    /// Whether the key is to blame rather than the chain.
    pub fn is_about_key(&self) -> bool {
        matches!(self, Unusable::NoKey | Unusable::EncryptedKey | Unusable::Key(_) | Unusable::Mismatch)
    }
}

impl Certificate {
    /// From the text of a chain and of a key, which may be the same.
    ///
    /// # Errors
    /// Where one is missing or broken, or where they do not fit together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Certificate, Unusable> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(|error| not_pem(&error))?;
        let first = chain.first().ok_or(Unusable::NoCertificate)?;
        let validity = Validity::of(first).ok_or_else(|| Unusable::Broken("its validity is not a time".to_owned()))?;
        let private = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound if String::from_utf8_lossy(key).contains(ENCRYPTED) => Unusable::EncryptedKey,
            pem::Error::NoItemsFound => Unusable::NoKey,
            error => match not_pem(&error) {
                Unusable::NotPem(why) => Unusable::Key(why.to_owned()),
                other => other,
            },
        })?;
        let provider = rustls::crypto::ring::default_provider();
        let key = provider.key_provider.load_private_key(private).map_err(|error| Unusable::Key(error.to_string()))?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => return Err(Unusable::Mismatch),
            Err(error) => return Err(Unusable::Broken(error.to_string())),
        }
        Ok(Certificate { key: Arc::new(key), validity })
    }

    /// What the handshake takes.
    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// From when to when it holds.
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

/// Says what is wrong without quoting the text, which may be a key.
fn not_pem(error: &pem::Error) -> Unusable {
    Unusable::NotPem(match error {
        pem::Error::MissingSectionEnd { .. } => "a line `-----END …-----` is missing",
        pem::Error::IllegalSectionStart { .. } => "a line `-----BEGIN …-----` is not well formed",
        pem::Error::Base64Decode(_) => "what stands between the lines is not Base64",
        _ => "it can't be read",
    })
}
