//! Certificates by ACME (RFC 8555): kept on disk, renewed in time, in force without a restart.
//!
//! It accepts no connection itself: the listener of the public address takes [`Acme::server_config`] and so answers
//! TLS-ALPN-01; one on port 80 serves [`Acme::router`] for HTTP-01. Whatever goes wrong here, the certificate in force stays.

mod authority;
mod challenges;
mod counted;
mod failure;
mod kept;
mod order;
mod schedule;

pub(super) use counted::AcmeMetrics;

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use secrecy::SecretSlice;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::authority::Authority;
use self::challenges::{Challenges, Resolver};
use self::failure::{Failure, Kind};
use self::kept::{Kept, Pause};
use self::order::Issued;
use self::schedule::WAIT_ASKED_MAX;
use super::Metrics;
use super::tls::{Certificate, Certificates, server_config};
use crate::delivery::Outside;

/// A whole attempt. The authority has two minutes each for its look at the names and for signing.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(5 * 60);

/// The clock is read again at least this often: it may be set, and the machine may sleep.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// How it is proved that the names are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// TLS-ALPN-01, on the public address itself, which the authority reaches at port 443.
    Tls,
    /// HTTP-01, at port 80.
    Http,
}

impl Proof {
    fn name(self) -> &'static str {
        match self {
            Proof::Tls => "TLS-ALPN-01",
            Proof::Http => "HTTP-01",
        }
    }
}

/// Some authorities make an account only for customers of theirs (external account binding, RFC 8555, section 7.3.4).
#[derive(Debug)]
pub struct ExternalAccount {
    /// The id of the key.
    pub id: String,
    /// The key itself.
    pub key: SecretSlice<u8>,
}

/// What certificates are wanted, and from whom.
#[derive(Debug)]
pub struct AcmeSettings {
    /// The names, all in one certificate.
    pub domains: Vec<String>,
    /// Where the authority may write to.
    pub contact: Option<String>,
    /// The URL of the authority's directory.
    pub directory: String,
    /// In PEM: what is trusted beside the public authorities when the directory is asked.
    pub trusted: Vec<u8>,
    /// How the names are proved.
    pub proof: Proof,
    /// What the authority knows us by, where it wants that.
    pub external: Option<ExternalAccount>,
}

impl AcmeSettings {
    /// What an answer of the authority depends on, in one line.
    fn wanted(&self) -> String {
        let external = self.external.as_ref().map(|external| &external.id);
        let (names, proof) = (self.domains.join(" "), self.proof.name());
        format!("{} {proof} {names} {:?} {external:?}", self.directory, self.contact)
    }
}

/// Why there can be no certificates by ACME at all.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The directory for keys can't be made.
    #[error("certificates can't be kept in the data directory: {0}")]
    Directory(#[from] io::Error),
    /// The further trusted certificates are none.
    #[error("no HTTP client can be made: {}", crate::phone::root_cause(.0))]
    Client(#[from] reqwest::Error),
    /// Nothing to make TLS with.
    #[error("no TLS is possible: {0}")]
    Tls(#[from] rustls::Error),
}

/// Keeps a certificate in force.
pub struct Acme {
    settings: AcmeSettings,
    authority: Authority,
    kept: Kept,
    certificates: Arc<Certificates>,
    challenges: Arc<Challenges>,
    outside: Outside,
    metrics: Metrics,
    /// When the certificate in force is due; `None` where there is none, or one for other names or of another authority.
    renewal: Option<Timestamp>,
    pause: Option<Pause>,
}

impl Acme {
    /// Reads what is kept in the data directory, and puts the certificate into force that is there.
    ///
    /// # Errors
    /// [`AcmeError`]. A certificate or an account that can't be used is none.
    pub fn open(settings: AcmeSettings, data: &Path, outside: Outside, metrics: Metrics) -> Result<Acme, AcmeError> {
        let authority = Authority::new(&settings.trusted, outside.now)?;
        let kept = Kept::open(data)?;
        let pause = kept.pause().filter(|pause| pause.is_of(&settings, (outside.now)()));
        let (certificates, challenges) = (Arc::default(), Arc::default());
        let mut acme =
            Acme { settings, authority, kept, certificates, challenges, outside, metrics, renewal: None, pause };
        if let Err(why) = acme.take_kept() {
            tracing::warn!("the certificate in {} is not used: {why}", data.join("acme").display());
        }
        Ok(acme)
    }

    /// Puts the certificate into force that is kept.
    fn take_kept(&mut self) -> Result<(), String> {
        let Some((text, issuer)) = self.kept.certificate().map_err(|error| error.to_string())? else { return Ok(()) };
        let (certificate, renewal) = self.read(&text, &text)?;
        self.renewal = renewal.filter(|_| issuer == self.settings.directory);
        self.put(certificate);
        Ok(())
    }

    /// What the public address is secured with.
    ///
    /// # Errors
    /// Where the cryptography that was built in knows no version of TLS.
    pub fn server_config(&self) -> Result<ServerConfig, AcmeError> {
        let (certificates, challenges) = (Arc::clone(&self.certificates), Arc::clone(&self.challenges));
        let mut config = server_config(Arc::new(Resolver { certificates, challenges }))?;
        config.alpn_protocols.push(challenges::PROTOCOL.to_vec());
        Ok(config)
    }

    /// The certificate in force.
    pub fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.certificates)
    }

    /// What is served where HTTP-01 is answered.
    pub fn router(&self) -> Router {
        Arc::clone(&self.challenges).router()
    }

    /// Asks for certificates when they are due, until `stop` becomes true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        if let Some(Pause { failures, until, .. }) = &self.pause {
            let directory = &self.settings.directory;
            tracing::warn!(
                acme.directory = directory,
                failures,
                "after {failures} failures {directory} is left alone until {until}, unless acme/pause.json in the data directory is removed"
            );
        }
        loop {
            let now = (self.outside.now)();
            let wait = self.due_at().map_or(SignedDuration::ZERO, |at| at.duration_since(now));
            let wait = Duration::try_from(wait).unwrap_or_default();
            let step = async { if wait.is_zero() { self.attempt().await } else { sleep(wait.min(LOOK_EVERY)).await } };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = step => {}
            }
        }
    }

    /// When the authority is asked next; `None` is at once.
    fn due_at(&self) -> Option<Timestamp> {
        self.pause.as_ref().map(|pause| pause.until).into_iter().chain(self.renewal).max()
    }

    async fn attempt(&mut self) {
        let names = self.settings.domains.join(", ");
        let directory = &self.settings.directory;
        tracing::info!(
            acme.directory = directory,
            acme.domains = names,
            "asking {directory} for a certificate for {names}"
        );
        // The library expects some things of an authority so firmly that it would panic.
        let asked = AssertUnwindSafe(timeout(ATTEMPT_WITHIN, self.ask())).catch_unwind().await;
        self.challenges.clear();
        let issued = match asked {
            Ok(Ok(issued)) => issued,
            Ok(Err(_)) => Err(Failure::new(Kind::Unreachable, "it was not done within 5 minutes")),
            Err(_) => Err(Failure::new(Kind::Failed, "it stopped unexpectedly")),
        };
        let result = match issued {
            Ok(issued) => self.take(&issued).await,
            Err(failure) => Err(failure),
        };
        let now = (self.outside.now)();
        match &result {
            Ok(()) => self.succeeded(&names),
            Err(failure) => self.failed(failure, &names, now).await,
        }
        self.metrics.acme.attempt(result.err().map(|failure| failure.kind), now);
    }

    async fn ask(&self) -> Result<Issued, Failure> {
        self.authority.take_wait();
        match self.order().await {
            Err(failure) if failure.kind == Kind::NoAccount => {
                self.kept.forget_account(&self.settings.directory).map_err(|_| failure)?;
                self.order().await
            }
            result => result,
        }
    }

    async fn order(&self) -> Result<Issued, Failure> {
        let account = order::account(&self.settings, &self.authority, &self.kept).await?;
        order::certificate(&account, &self.settings, &self.challenges).await
    }

    /// Keeps a new certificate and puts it into force, unless it is none that clients could use.
    async fn take(&mut self, issued: &Issued) -> Result<(), Failure> {
        let refused = |why: &str| Failure::new(Kind::Refused, why);
        let (certificate, renewal) = self.read(&issued.chain, &issued.key).map_err(|why| refused(&why))?;
        let renewal = renewal.ok_or_else(|| refused("its certificate is not for all the names"))?;
        if let Err(error) = self.kept.keep_certificate(&self.settings.directory, &issued.key, &issued.chain).await {
            tracing::error!(%error, "the new certificate can't be kept, so a restart loses it: {error}");
        }
        self.put(certificate);
        // Else a clock that is wrong would ask for one certificate after the other.
        if renewal <= (self.outside.now)() {
            return Err(Failure::new(Kind::Failed, "its certificate is to be renewed already: is the clock right?"));
        }
        self.renewal = Some(renewal);
        Ok(())
    }

    /// A certificate, and when it is due for renewal, where it is for all the names.
    fn read(&self, chain: &str, key: &str) -> Result<(Certificate, Option<Timestamp>), String> {
        let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).map_err(|why| why.to_string())?;
        let renewal = schedule::renewal(certificate.validity(), (self.outside.chance)());
        Ok((certificate, is_for(chain, &self.settings.domains).then_some(renewal)))
    }

    fn put(&self, certificate: Certificate) {
        self.metrics.certificate.expires(certificate.validity().not_after);
        self.certificates.put(certificate);
    }

    fn succeeded(&mut self, names: &str) {
        self.pause = None;
        if let Err(error) = self.kept.forget_pause() {
            tracing::warn!(%error, "the pause after a failure can't be forgotten: {error}");
        }
        let expires_at = self.certificates.expires_at().map(|at| at.to_string()).unwrap_or_default();
        tracing::info!(
            acme.domains = names,
            certificate.expires_at = expires_at,
            "the certificate for {names} is in force until {expires_at}"
        );
    }

    async fn failed(&mut self, failure: &Failure, names: &str, now: Timestamp) {
        let failures = self.pause.as_ref().map_or(0, |pause| pause.failures).saturating_add(1);
        let left = self.certificates.expires_at().map(|at| at.duration_since(now));
        let asked = self.authority.take_wait();
        let wait = schedule::wait(failure.kind, failures, left, asked, (self.outside.chance)());
        let until = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        let pause = Pause { wanted: self.settings.wanted(), failures, until };
        if let Err(error) = self.kept.keep_pause(&pause).await {
            tracing::warn!(%error, "the pause after a failure can't be kept: {error}");
        }
        let shown = SignedDuration::try_from(Duration::from_secs(wait.as_secs())).unwrap_or_default();
        tracing::error!(
            acme.directory = self.settings.directory,
            acme.domains = names,
            outcome = failure.kind.as_str(),
            failures,
            "there is no new certificate for {names}, the next attempt is in {shown:#}: {}",
            failure.why
        );
        self.pause = Some(pause);
    }
}

impl Pause {
    /// Whether it concerns what is wanted now. One that is longer than any was made by a clock that was wrong.
    fn is_of(&self, settings: &AcmeSettings, now: Timestamp) -> bool {
        let is_believed = Duration::try_from(self.until.duration_since(now)).is_ok_and(|wait| wait <= WAIT_ASKED_MAX);
        is_believed && self.wanted == settings.wanted()
    }
}

/// Whether the first certificate of a chain is for all these names.
fn is_for(chain: &str, domains: &[String]) -> bool {
    let Some(Ok(first)) = CertificateDer::pem_slice_iter(chain.as_bytes()).next() else { return false };
    let Ok(first) = ParsedCertificate::try_from(&first) else { return false };
    domains
        .iter()
        .all(|domain| ServerName::try_from(domain.as_str()).is_ok_and(|name| verify_server_name(&first, &name).is_ok()))
}
