//! What the authority is answered when it comes to see whether a name is ours, in either way: in a handshake (TLS-ALPN-01,
//! RFC 8737) or under `/.well-known/acme-challenge/` (HTTP-01, RFC 8555, section 8.3).
//!
//! There is an answer only while an order is under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use instant_acme::KeyAuthorization;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::failure::{Failure, Kind};
use crate::web::Certificates;

/// What the authority asks for in its handshake, and nothing beside it.
pub(super) const PROTOCOL: &[u8] = b"acme-tls/1";

/// The answers of the order under way.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    /// By name.
    certificates: HashMap<String, Arc<CertifiedKey>>,
    /// By token.
    texts: HashMap<String, String>,
}

impl Challenges {
    pub(super) fn answer_by_http(&self, token: &str, authorization: &KeyAuthorization) {
        self.answers().texts.insert(token.to_owned(), authorization.as_str().to_owned());
    }

    pub(super) fn answer_by_tls(&self, domain: &str, authorization: &KeyAuthorization) -> Result<(), Failure> {
        let certificate = certificate(domain, authorization.digest().as_ref())?;
        self.answers().certificates.insert(domain.to_owned(), Arc::new(certificate));
        Ok(())
    }

    /// The order has ended.
    pub(super) fn clear(&self) {
        *self.answers() = Answers::default();
    }

    /// Where HTTP-01 is answered, and nothing else.
    pub(super) fn router(self: Arc<Challenges>) -> Router {
        Router::new().route("/.well-known/acme-challenge/{token}", get(answer)).with_state(self)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(challenges): State<Arc<Challenges>>, Path(token): Path<String>) -> Result<String, StatusCode> {
    challenges.answers().texts.get(&token).cloned().ok_or(StatusCode::NOT_FOUND)
}

/// A certificate of its own making for this one name, with the digest of what the authority wants to see.
fn certificate(domain: &str, digest: &[u8]) -> Result<CertifiedKey, Failure> {
    let failed = |error: rcgen::Error| Failure::new(Kind::Failed, &error.to_string());
    // The library would panic.
    if digest.len() != 32 {
        return Err(Failure::new(Kind::Failed, "a digest of another length"));
    }
    let mut parameters = CertificateParams::new([domain.to_owned()]).map_err(failed)?;
    parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = parameters.self_signed(&key).map_err(failed)?;
    let private = PrivatePkcs8KeyDer::from(key.serialize_der());
    let signing = rustls::crypto::ring::sign::any_supported_type(&private.into())
        .map_err(|error| Failure::new(Kind::Failed, &error.to_string()))?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}

/// The certificate in force for everybody, and the answer for the authority.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) certificates: Arc<Certificates>,
    pub(super) challenges: Arc<Challenges>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_authority = hello.alpn().is_some_and(|protocols| protocols.eq([PROTOCOL]));
        if !is_authority {
            return self.certificates.resolve(hello);
        }
        let domain = hello.server_name()?.to_ascii_lowercase();
        self.challenges.answers().certificates.get(&domain).cloned()
    }
}
