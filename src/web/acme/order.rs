//! One certificate: the account, the order, the proof that each name is ours, the key, the chain.
//!
//! When to ask, and what happens to what came of it, is decided elsewhere.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, ExternalAccountKey, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use secrecy::ExposeSecret;

use super::authority::Authority;
use super::challenges::Challenges;
use super::failure::{Failure, Kind};
use super::kept::Kept;
use super::{AcmeSettings, Proof};

/// How long the authority may take to look at our answers, and then to sign. It is asked ever more rarely, unless it says
/// when to come back.
const POLLING: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(Duration::from_secs(120));

/// What an order brought, as PEM.
pub(super) struct Issued {
    pub(super) key: String,
    pub(super) chain: String,
}

/// The account that is kept, or a new one, which is kept before it is used: else each attempt would make another one.
pub(super) async fn account(settings: &AcmeSettings, authority: &Authority, kept: &Kept) -> Result<Account, Failure> {
    let builder = Account::builder_with_http(Box::new(authority.clone()));
    if let Some(credentials) = kept.account(&settings.directory) {
        return Ok(builder.from_credentials(credentials).await?);
    }
    let contact = settings.contact.as_ref().map(|address| format!("mailto:{address}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let external = settings
        .external
        .as_ref()
        .map(|external| ExternalAccountKey::new(external.id.clone(), external.key.expose_secret()));
    let (account, credentials) = builder.create(&wanted, settings.directory.clone(), external.as_ref()).await?;
    let is_kept = kept.keep_account(&settings.directory, &credentials).await;
    is_kept.map_err(|error| Failure::new(Kind::Failed, &format!("the account can't be kept: {error}")))?;
    tracing::info!(acme.directory = settings.directory, "an account was made at {}", settings.directory);
    Ok(account)
}

/// Orders one certificate for all names.
pub(super) async fn certificate(
    account: &Account,
    settings: &AcmeSettings,
    challenges: &Challenges,
) -> Result<Issued, Failure> {
    let names: Vec<Identifier> = settings.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    prove(&mut order, settings.proof, challenges).await?;
    match order.poll_ready(&POLLING).await {
        Ok(OrderStatus::Ready) => {}
        Ok(_) => return Err(Failure::new(Kind::Refused, &why(&mut order).await)),
        Err(error) => {
            let failure = Failure::from(error);
            // What it says of the order is that a name failed; what it says of the name is why.
            return Err(match failure.kind {
                Kind::Refused => Failure::new(Kind::Refused, &why(&mut order).await),
                _ => failure,
            });
        }
    }
    let (key, request) = signing_request(&settings.domains)?;
    order.finalize_csr(&request).await?;
    let chain = order.poll_certificate(&POLLING).await?;
    Ok(Issued { key, chain })
}

/// Lays out the answers for all names and asks the authority to come and look.
async fn prove(order: &mut Order, proof: Proof, challenges: &Challenges) -> Result<(), Failure> {
    let kind = match proof {
        Proof::Tls => ChallengeType::TlsAlpn01,
        Proof::Http => ChallengeType::Http01,
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            _ => return Err(Failure::new(Kind::Refused, "it takes no proof for one of the names any more")),
        }
        let Some(mut challenge) = authorization.challenge(kind.clone()) else {
            return Err(Failure::new(Kind::Refused, &format!("it does not take {} as a proof", proof.name())));
        };
        let answer = challenge.key_authorization();
        match (proof, challenge.identifier().identifier) {
            (Proof::Http, _) => challenges.answer_by_http(&challenge.token, &answer),
            (Proof::Tls, Identifier::Dns(domain)) => challenges.answer_by_tls(domain, &answer)?,
            (Proof::Tls, _) => return Err(Failure::new(Kind::Refused, "it asks for a proof of something else")),
        }
        challenge.set_ready().await?;
    }
    Ok(())
}

/// What the authority found wrong with each name.
async fn why(order: &mut Order) -> String {
    let mut said = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        let name = state.identifier().to_string();
        for error in state.challenges.iter().filter_map(|challenge| challenge.error.clone()) {
            said.push(format!("{name}: {}", Failure::from(instant_acme::Error::Api(error)).why));
        }
    }
    if said.is_empty() { "it gave no reason".to_owned() } else { said.join("; ") }
}

/// A new key, as PEM, and the request that is signed with it.
fn signing_request(domains: &[String]) -> Result<(String, Vec<u8>), Failure> {
    let made = || {
        let mut parameters = CertificateParams::new(domains)?;
        // A name of the subject would be the library's invention.
        parameters.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate()?;
        let request = parameters.serialize_request(&key)?;
        Ok((key.serialize_pem(), request.der().to_vec()))
    };
    made().map_err(|error: rcgen::Error| Failure::new(Kind::Failed, &error.to_string()))
}
