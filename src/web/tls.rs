//! HTTPS: the certificate in force, and what connections are secured with.
//!
//! Where certificates come from is not known here: `files` reads them from disk, and whoever else has one puts it in. A new
//! one takes effect with the next connection; those that are open go on.

mod certificate;
mod files;
mod validity;

pub use certificate::{Certificate, Unusable};
pub use files::{CertificateFiles, Looked};
pub use validity::Validity;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// What is offered to clients, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificate in force, where there is one.
#[derive(Debug, Default)]
pub struct Certificates {
    current: ArcSwapOption<Certificate>,
}

impl Certificates {
    /// From the next connection on this one is shown.
    pub fn put(&self, certificate: Certificate) {
        self.current.store(Some(Arc::new(certificate)));
    }

    /// When the certificate in force expires.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.current.load().as_ref().map(|certificate| certificate.validity().not_after)
    }
}

impl ResolvesServerCert for Certificates {
    /// The same for every name: there is one certificate, and its names are the client's to check.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load().as_ref().map(|certificate| certificate.key())
    }
}

/// TLS 1.2 and 1.3 with HTTP/2 and HTTP/1.1, by the certificates of a resolver. The listener wants nothing else.
///
/// # Errors
/// Where the cryptography that was built in knows neither version.
pub fn server_config(certificates: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(config)
}
