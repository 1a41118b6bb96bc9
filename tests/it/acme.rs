//! Certificates by ACME, from a real authority: both proofs, restarts, an authority that is away, renewal, refusals.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Client, Response};
use serde_json::Value;

use super::canary;
use super::event::inbound;
use super::pebble::{DOMAIN, LONG, Pebble};
use super::phone::Phone;
use super::server::{EVERYBODY, Place, SECRET, Server, until};

/// A key of an external account, as authorities give it.
const EXTERNAL_KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// A server that asks an authority, and what clients trust.
struct Secured {
    server: Server,
    root: Option<Certificate>,
    port: u16,
}

impl Secured {
    async fn start(place: Place, pebble: &Pebble) -> Secured {
        Secured { root: Some(pebble.root().await), server: Server::start(place).await, port: pebble.tls }
    }

    /// Sends a webhook as a client that checks the certificate, and was never here before: one that was would be shown none.
    async fn webhook(&self, body: String) -> reqwest::Result<Response> {
        let builder = Client::builder().no_proxy().tls_certs_only(self.root.clone()).tls_info(true);
        let client = builder.resolve(DOMAIN, ([127, 0, 0, 1], self.port).into()).build().unwrap();
        client.post(format!("https://{DOMAIN}:{}/webhooks/hipcall/{SECRET}", self.port)).body(body).send().await
    }

    /// The certificate that the public address shows, after a webhook over it; `None` where no connection is possible.
    async fn shown(&self) -> Option<Vec<u8>> {
        let answer = self.webhook("{\"event\": \"hello\"}".to_owned()).await.ok()?;
        assert_eq!(answer.status(), 200);
        Some(answer.extensions().get::<TlsInfo>().unwrap().peer_certificate().unwrap().to_owned())
    }

    /// Waits for the first certificate.
    async fn secured(&self) -> Vec<u8> {
        until("there is a certificate", async || self.shown().await).await
    }

    async fn attempts(&self, outcome: &str) -> f64 {
        self.server.metric(&format!("callcard_acme_attempts_total{{outcome=\"{outcome}\"}}")).await
    }

    /// What `/readyz` tells about HTTPS.
    async fn https(&self) -> Value {
        self.server.get_json("/readyz").await["https"].take()
    }

    fn kept(&self, name: &str) -> PathBuf {
        self.server.place.data().join("acme").join(name)
    }

    /// Adds what no log may hold: the keys of the certificate and of the account.
    fn guard_keys(&self) {
        let certificate = std::fs::read_to_string(self.kept("certificate.pem")).unwrap();
        let key = certificate.split("-----").nth(2).unwrap();
        canary::text(key.trim().lines().next().unwrap());
        canary::text(self.account()["key_pkcs8"].as_str().unwrap());
    }

    fn account(&self) -> Value {
        let mut entries = std::fs::read_dir(self.kept("")).unwrap().map(|entry| entry.unwrap().path());
        let path = entries.find(|path| path.to_str().unwrap().contains("account-")).unwrap();
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn said(&self, words: &str) -> Option<Value> {
        self.server.log().into_iter().find(|line| line["message"].as_str().unwrap_or_default().contains(words))
    }
}

fn place(pebble: &Pebble, phone: &Phone) -> Place {
    let mut place = Place::new(EVERYBODY, phone);
    pebble.certify(&mut place);
    place
}

#[tokio::test]
async fn the_public_address_proves_its_name_and_serves_webhooks_with_the_certificate() {
    let (phone, pebble) = (Phone::start(), Pebble::start(LONG));
    let secured = Secured::start(place(&pebble, &phone), &pebble).await;
    secured.secured().await;
    secured.guard_keys();
    until("it is counted", async || (secured.attempts("issued").await > 0.0).then_some(())).await;
    assert_eq!(secured.server.metric("callcard_acme_last_attempt_successful").await, 1.0);
    let https = secured.https().await;
    assert_eq!(https["certificate"], "in_force");
    let expires_at = https["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let counted = secured.server.metric("callcard_tls_certificate_expires_timestamp_seconds").await;
    assert_eq!(counted, expires_at.as_second() as f64);
    let mode = |name: &str| secured.kept(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("certificate.pem")), (0o700, 0o600));
    // A whole call over it.
    let event = inbound("one", "+905321234567");
    canary::numbers_of(&event);
    let answer = secured.webhook(event.to_string()).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "{\"status\":\"accepted\"}");
    secured.server.settled("one").await;
    // The protocol of the proof opens no door to anything, and there is nothing to prove any more.
    let port = secured.port.to_string();
    let asked = std::process::Command::new("openssl")
        .args(["s_client", "-alpn", "acme-tls/1", "-servername", DOMAIN, "-connect", &format!("127.0.0.1:{port}")])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(!asked.status.success(), "{}", String::from_utf8_lossy(&asked.stdout));
}

#[tokio::test]
async fn a_name_is_proved_over_http_where_there_is_an_address_for_it() {
    let (phone, pebble) = (Phone::start(), Pebble::start(LONG));
    let mut place = place(&pebble, &phone);
    let listen = format!("127.0.0.1:{}", pebble.http);
    place.argument("--acme-http-listen", &listen);
    let secured = Secured::start(place, &pebble).await;
    secured.secured().await;
    assert!(pebble.logged("Attempting to validate w/ HTTP") > 0, "it looked there");
    // Nothing else is there.
    let client = &secured.server.client;
    for path in ["/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/token", "/metrics"] {
        assert_eq!(client.get(format!("http://{listen}{path}")).send().await.unwrap().status(), 404, "{path}");
    }
    let webhook = client.post(format!("http://{listen}/webhooks/hipcall/{SECRET}")).body("{}").send().await.unwrap();
    assert_eq!(webhook.status(), 404);
}

#[tokio::test]
async fn a_restart_serves_the_certificate_that_is_kept_and_asks_nobody() {
    let (phone, mut pebble) = (Phone::start(), Pebble::start(LONG));
    let first = Secured::start(place(&pebble, &phone), &pebble).await;
    let shown = first.secured().await;
    pebble.stop();
    let second = Secured { server: first.server.killed_and_started_again().await, ..first };
    assert_eq!(second.shown().await, Some(shown), "from the first moment on");
    for outcome in ["issued", "unreachable", "refused", "rate_limited", "failed"] {
        assert_eq!(second.attempts(outcome).await, 0.0, "{outcome}");
    }
}

#[tokio::test]
async fn an_authority_that_is_away_at_the_first_start_is_asked_until_it_is_back() {
    let (phone, mut pebble) = (Phone::start(), Pebble::start(LONG));
    let place = place(&pebble, &phone);
    pebble.stop();
    let server = Server::start(place).await;
    let mut secured = Secured { server, root: None, port: pebble.tls };
    until("it was asked in vain", async || (secured.attempts("unreachable").await > 0.0).then_some(())).await;
    assert_eq!(secured.https().await["certificate"], "missing");
    assert_eq!(secured.server.metric("callcard_acme_last_attempt_successful").await, 0.0);
    assert!(secured.shown().await.is_none());
    let line = secured.said("there is no new certificate").unwrap();
    assert_eq!((line["level"].as_str(), line["outcome"].as_str()), (Some("ERROR"), Some("unreachable")), "{line}");
    pebble.start_again();
    secured.root = Some(pebble.root().await);
    secured.secured().await;
    until("it is counted", async || (secured.attempts("issued").await > 0.0).then_some(())).await;
    assert!(!secured.kept("pause.json").exists());
}

#[tokio::test]
async fn a_certificate_of_a_short_life_is_renewed_without_a_failed_webhook() {
    let (phone, pebble) = (Phone::start(), Pebble::start(12));
    let secured = Secured::start(place(&pebble, &phone), &pebble).await;
    let first = secured.secured().await;
    until("another one is in force", async || {
        let shown = secured.shown().await.expect("each webhook arrives");
        (shown != first).then_some(())
    })
    .await;
    until("it is counted", async || (secured.attempts("issued").await > 1.0).then_some(())).await;
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_certificate_in_force_and_a_forgotten_account_is_made_again() {
    let (phone, mut pebble) = (Phone::start(), Pebble::start(24));
    let mut secured = Secured::start(place(&pebble, &phone), &pebble).await;
    let first = secured.secured().await;
    let account = secured.account();
    pebble.stop();
    until("the renewal has failed", async || (secured.attempts("unreachable").await > 0.0).then_some(())).await;
    assert_eq!(secured.shown().await, Some(first));
    pebble.start_again();
    secured.root = Some(pebble.root().await);
    secured.secured().await;
    assert_ne!(secured.account()["key_pkcs8"], account["key_pkcs8"]);
}

#[tokio::test]
async fn nonces_that_the_authority_rejects_are_asked_for_again() {
    let (phone, pebble) = (Phone::start(), Pebble::start_with(LONG, &[("PEBBLE_WFE_NONCEREJECT", "20")]));
    let secured = Secured::start(place(&pebble, &phone), &pebble).await;
    secured.secured().await;
}

#[tokio::test]
async fn a_refusal_outlives_a_restart_and_an_external_account_is_taken() {
    let (phone, pebble) = (Phone::start(), Pebble::start_with(LONG, &[("EXTERNAL_KEY", EXTERNAL_KEY)]));
    let mut refused = Secured::start(place(&pebble, &phone), &pebble).await;
    until("it is refused", async || (refused.attempts("refused").await > 0.0).then_some(())).await;
    let line = refused.said("there is no new certificate").unwrap();
    assert!(line["message"].as_str().unwrap().contains("externalAccountRequired"), "{line}");
    refused.server = refused.server.killed_and_started_again().await;
    until("it says how long it waits", async || refused.said("is left alone until")).await;
    assert_eq!(refused.attempts("refused").await, 0.0);

    std::fs::remove_file(refused.kept("pause.json")).unwrap();
    let mut place = refused.server.killed();
    canary::text(EXTERNAL_KEY);
    place.set("CALLCARD_ACME_EAB_ID", "kid-1");
    place.set("CALLCARD_ACME_EAB_KEY", EXTERNAL_KEY);
    Secured::start(place, &pebble).await.secured().await;
}

#[tokio::test]
async fn a_further_name_is_asked_for_while_the_certificate_before_is_in_force() {
    let (phone, pebble) = (Phone::start(), Pebble::start(LONG));
    let first = Secured::start(place(&pebble, &phone), &pebble).await;
    let before = first.secured().await;
    let mut place = first.server.killed();
    place.argument("--acme-domain", &format!("{DOMAIN},other.example.test"));
    let second = Secured::start(place, &pebble).await;
    assert!(second.shown().await.is_some());
    until("one for both is in force", async || (second.shown().await != Some(before.clone())).then_some(())).await;
    let (name, shown) = (b"other.example.test", second.shown().await.unwrap());
    assert!(shown.windows(name.len()).any(|part| part == name), "{}", String::from_utf8_lossy(&shown));
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_with_help() {
    let phone = Phone::start();
    let refused = async |agreed: bool, arguments: &[(&str, &str)]| {
        let mut place = Place::new(EVERYBODY, &phone);
        place.set("CALLCARD_ACME_AGREE", if agreed { "true" } else { "false" });
        for (flag, value) in arguments {
            place.argument(flag, value);
        }
        let (code, said) = place.refused().await;
        assert_eq!(code, Some(2), "{said}");
        said
    };
    let said = refused(false, &[("--acme-domain", DOMAIN)]).await;
    assert!(said.contains("--acme-agree") && said.contains("letsencrypt.org"), "{said}");
    let said = refused(false, &[("--acme-domain", "*.example.com")]).await;
    assert!(said.contains("name each host"), "{said}");
    let said = refused(false, &[("--acme-email", "ops@example.com")]).await;
    assert!(said.contains("--acme-domain is missing"), "{said}");
    let this = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let said = refused(true, &[("--acme-domain", DOMAIN), ("--acme-ca", this)]).await;
    assert!(said.contains("has no certificates"), "{said}");
    let files = [("--tls-cert", this), ("--tls-key", this)];
    let said = refused(true, &[("--acme-domain", DOMAIN), files[0], files[1]]).await;
    assert!(said.contains("leave one of them out"), "{said}");
    let said = refused(true, &[("--acme-domain", DOMAIN), ("--acme-directory", "http://ca.example.com")]).await;
    assert!(said.contains("https://"), "{said}");
}
