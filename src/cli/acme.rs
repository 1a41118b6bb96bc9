//! Certificates by ACME: what was typed, what it means, and how it is started.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Url;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use secrecy::SecretSlice;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{server, settings};
use crate::web::{Acme, AcmeSettings, Certificates, ExternalAccount, Limits, Listener, Metrics, Proof};

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// What Let's Encrypt takes in one certificate.
const DOMAINS_MAX: usize = 100;

/// Where HTTP-01 is answered the authority comes from a handful of places, and scanners of the internet come too.
const HTTP_CONNECTIONS_MAX: usize = 64;

/// From one address.
const HTTP_CONNECTIONS_OF_ADDRESS_MAX: usize = 8;

#[derive(Debug, clap::Args)]
pub(super) struct AcmeArguments {
    /// A name of the public address: its certificate is had and renewed by ACME; may be given several times
    #[arg(long = "acme-domain", env = "CALLCARD_ACME_DOMAIN", value_delimiter = ',', value_parser = domain, value_name = "DOMAIN")]
    domains: Vec<String>,
    /// Agree to the terms of service of the certificate authority; without it nothing is asked of it
    #[arg(long = "acme-agree", env = "CALLCARD_ACME_AGREE")]
    is_agreed: bool,
    /// Where the certificate authority may write to
    #[arg(long = "acme-email", env = "CALLCARD_ACME_EMAIL", value_name = "ADDRESS")]
    email: Option<String>,
    /// The directory of the certificate authority
    #[arg(long = "acme-directory", env = "CALLCARD_ACME_DIRECTORY", default_value = LETS_ENCRYPT, value_parser = directory, value_name = "URL")]
    directory: String,
    /// Where HTTP-01 is answered, for example 0.0.0.0:80; without it --listen answers TLS-ALPN-01
    #[arg(long = "acme-http-listen", env = "CALLCARD_ACME_HTTP_LISTEN", value_name = "ADDRESS")]
    http_listen: Option<SocketAddr>,
    /// Certificates (PEM) that are trusted when the directory is asked, beside those of the system
    #[arg(long = "acme-ca", env = "CALLCARD_ACME_CA", value_name = "FILE")]
    trusted: Option<PathBuf>,
    /// The key id of an external account, where the authority wants one; the key is CALLCARD_ACME_EAB_KEY, in base64url
    #[arg(long = "acme-eab-id", env = "CALLCARD_ACME_EAB_ID", value_name = "ID")]
    external_id: Option<String>,
}

impl AcmeArguments {
    /// What they mean; `None` where no certificate is wanted. There may be one in files.
    pub(super) fn wanted(&self, has_files: bool) -> Result<Option<Wanted>> {
        if self.domains.is_empty() {
            let is_asked_for = self.is_agreed || self.email.is_some() || self.http_listen.is_some();
            if is_asked_for || self.trusted.is_some() || self.external_id.is_some() {
                bail!("no certificate is asked for by ACME: --acme-domain is missing");
            }
            return Ok(None);
        }
        if has_files {
            bail!("--tls-cert and --acme-domain are two ways to one certificate: leave one of them out");
        }
        // A contract with somebody else, which no default may conclude.
        if !self.is_agreed {
            bail!(
                "a certificate by ACME needs --acme-agree (CALLCARD_ACME_AGREE=true): with it you agree to the terms of service of the authority at {}",
                self.directory
            );
        }
        let mut domains = self.domains.clone();
        domains.sort();
        domains.dedup();
        if domains.len() > DOMAINS_MAX {
            bail!("one certificate is for {DOMAINS_MAX} names at most: --acme-domain names {}", domains.len());
        }
        let settings = AcmeSettings {
            domains,
            contact: self.email.clone(),
            directory: self.directory.clone(),
            trusted: self.trusted()?,
            proof: if self.http_listen.is_some() { Proof::Http } else { Proof::Tls },
            external: self.external()?,
        };
        Ok(Some(Wanted { settings, http_listen: self.http_listen }))
    }

    fn trusted(&self) -> Result<Vec<u8>> {
        let Some(path) = &self.trusted else { return Ok(Vec::new()) };
        let text = std::fs::read(path).with_context(|| format!("--acme-ca {} can't be read", path.display()))?;
        let mut certificates = CertificateDer::pem_slice_iter(&text).peekable();
        if certificates.peek().is_none() || certificates.any(|certificate| certificate.is_err()) {
            bail!("--acme-ca {} has no certificates in PEM", path.display());
        }
        Ok(text)
    }

    fn external(&self) -> Result<Option<ExternalAccount>> {
        let key = settings::variable("CALLCARD_ACME_EAB_KEY").filter(|key| !key.is_empty());
        match (&self.external_id, key) {
            (None, None) => Ok(None),
            (Some(id), Some(key)) => {
                // What is wrong with it is not told, since it is a secret.
                let key = BASE64_URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')).ok();
                let key = key.context("CALLCARD_ACME_EAB_KEY is not in base64url, as the authority gives it")?;
                Ok(Some(ExternalAccount { id: id.clone(), key: SecretSlice::from(key) }))
            }
            (Some(_), None) => bail!("--acme-eab-id goes with a key: set CALLCARD_ACME_EAB_KEY"),
            (None, Some(_)) => bail!("CALLCARD_ACME_EAB_KEY goes with the id of the key: set --acme-eab-id"),
        }
    }
}

/// A certificate that is wanted.
pub(super) struct Wanted {
    settings: AcmeSettings,
    http_listen: Option<SocketAddr>,
}

/// What is kept of an earlier run is in force; nobody was asked for anything yet.
pub(super) struct Opened {
    acme: Acme,
    http: Option<Listener>,
}

impl Wanted {
    /// Reads what is kept, and listens where HTTP-01 is answered.
    pub(super) fn open(self, data: &Path, metrics: &Metrics) -> Result<Opened> {
        let limits = Limits {
            connections_max: HTTP_CONNECTIONS_MAX,
            of_address_max: HTTP_CONNECTIONS_OF_ADDRESS_MAX,
            without_limit: Vec::new(),
        };
        let http = self.http_listen.map(|address| server::bind("acme", address, limits, None)).transpose()?;
        let acme = Acme::open(self.settings, data, settings::outside(), metrics.clone())?;
        Ok(Opened { acme, http })
    }
}

impl Opened {
    pub(super) fn certificates(&self) -> Arc<Certificates> {
        self.acme.certificates()
    }

    pub(super) fn server_config(&self) -> Result<ServerConfig> {
        Ok(self.acme.server_config()?)
    }

    /// The public address must listen already: the authority may come at once.
    pub(super) fn start(self, metrics: &Metrics, stop: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
        let router = self.acme.router();
        let http = self.http.map(|http| tokio::spawn(http.serve(router, metrics.clone(), stop.clone())));
        http.into_iter().chain([tokio::spawn(self.acme.run(stop.clone()))]).collect()
    }
}

/// A name that can be proved to be ours in one of the two ways.
fn domain(text: &str) -> Result<String, String> {
    let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
    if name.starts_with("*.") {
        return Err(
            "a certificate for a whole domain needs a proof by DNS, which is not done here: name each host".to_owned()
        );
    }
    if !name.is_ascii() {
        return Err("a name as DNS has it was expected, in Punycode (xn--…)".to_owned());
    }
    match ServerName::try_from(name.as_str()) {
        Ok(ServerName::DnsName(_)) => Ok(name),
        Ok(_) => Err("a name was expected, not an address".to_owned()),
        Err(_) => Err("a name was expected, such as calls.example.com".to_owned()),
    }
}

fn directory(text: &str) -> Result<String, String> {
    match Url::parse(text) {
        // It stands in the log.
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("a name and a password do not belong into it".to_owned())
        }
        Ok(url) if url.scheme() == "https" && url.has_host() => Ok(url.into()),
        _ => Err("an https:// URL was expected, such as the default".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_name_that_can_be_proved() {
        assert_eq!(domain("Calls.Example.com."), Ok("calls.example.com".to_owned()));
        assert_eq!(domain("xn--mller-kva.example"), Ok("xn--mller-kva.example".to_owned()));
        for wrong in ["", "*.example.com", "müller.example", "192.0.2.1", "::1", "a b", "https://example.com", "a..b"]
        {
            assert!(domain(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_directory_is_asked_over_https_only() {
        assert!(directory(LETS_ENCRYPT).is_ok());
        for wrong in ["http://ca.example.com/dir", "ca.example.com", "https://", "https://a:b@ca.example.com/dir", ""] {
            assert!(directory(wrong).is_err(), "{wrong}");
        }
    }
}
