//! HTTPS without a proxy: real clients, certificates that change while the server runs, and those that can't be used.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::{Timestamp, ToSpan};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use reqwest::tls::Version as Tls;
use reqwest::{Client, ClientBuilder, Version};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::event::inbound;
use super::phone::Phone;
use super::server::{EVERYBODY, PATIENCE, Place, SECRET, Server, until};

/// An authority, and the two files with what it issued.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Authority {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        Authority { issuer, directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate for this name and its key, both in PEM. It holds from yesterday for so many days from now.
    fn issue(&self, name: &str, days: i32) -> (String, String) {
        self.issue_between(name, -1, days)
    }

    fn issue_between(&self, name: &str, from_days: i32, to_days: i32) -> (String, String) {
        let day = |days: i32| {
            let date = jiff::Zoned::now().date().checked_add(days.days()).unwrap();
            date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8)
        };
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        (parameters.not_before, parameters.not_after) = (day(from_days), day(to_days));
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem() + &self.issuer.pem(), key.serialize_pem())
    }

    fn write(&self, (chain, key): &(String, String)) {
        std::fs::write(self.path("chain.pem"), chain).unwrap();
        std::fs::write(self.path("key.pem"), key).unwrap();
    }

    /// A place whose server finds its certificate in these files.
    fn place(&self, phone: &Phone) -> Place {
        let mut place = Place::new(EVERYBODY, phone);
        place.argument("--tls-cert", self.path("chain.pem").to_str().unwrap());
        place.argument("--tls-key", self.path("key.pem").to_str().unwrap());
        place
    }

    /// A connection of HTTP/2 to a server, of which nothing is said yet.
    pub fn http2(&self, server: &Server) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connection = ClientConnection::new(Arc::new(config), NAME.try_into().unwrap()).unwrap();
        let stream = TcpStream::connect(server.public.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(connection, stream)
    }

    /// A client that trusts this authority and nobody else. It has a connection of its own for each request.
    fn client(&self) -> ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.issuer.pem().as_bytes()).unwrap();
        Client::builder().no_proxy().timeout(PATIENCE).tls_certs_only([root]).pool_max_idle_per_host(0)
    }
}

/// Posts to a server at a name, whatever the name resolves to.
async fn post(
    client: ClientBuilder,
    server: &Server,
    name: &str,
    body: &Value,
) -> reqwest::Result<(u16, Version, Value)> {
    let address = server.public.strip_prefix("http://").unwrap().parse().unwrap();
    let client = client.resolve(name, address).build()?;
    let url = format!("https://{name}:{}/webhooks/hipcall/{SECRET}", address.port());
    let answer = client.post(url).body(body.to_string()).send().await?;
    let (status, version) = (answer.status().as_u16(), answer.version());
    Ok((status, version, serde_json::from_slice(&answer.bytes().await?).unwrap()))
}

const NAME: &str = "calls.example.com";

/// What a client of HTTP/2 begins with, and a request whose body is still to come (RFC 9113, RFC 7541).
pub fn half_a_request(path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // `:method: POST` and `:scheme: https` stand in the static table; so do the names `:path` and `:authority`.
    let head = [&[0x83, 0x87, 0x04][..], &text(path), &[0x01], &text(NAME)].concat();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let length = u8::try_from(head.len()).unwrap();
    // END_HEADERS and no END_STREAM, stream 1.
    let frame = [0, 0, length, 1, 4, 0, 0, 0, 1];
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings, &frame, &head].concat()
}

/// A server with a certificate of [`NAME`] that holds for so many days.
pub async fn secured(phone: &Phone, days: i32) -> (Authority, Server) {
    let authority = Authority::new();
    authority.write(&authority.issue(NAME, days));
    let server = Server::start(authority.place(phone)).await;
    (authority, server)
}

/// Waits for a line of the log with these words.
async fn line_with(server: &Server, words: &str) -> Value {
    until(words, async || {
        server.log().into_iter().find(|line| line["message"].as_str().is_some_and(|message| message.contains(words)))
    })
    .await
}

#[tokio::test]
async fn a_webhook_arrives_by_both_versions_of_tls_and_of_http() {
    let phone = Phone::start();
    let (authority, server) = secured(&phone, 90).await;
    let mut calls = 0;
    for tls in [Tls::TLS_1_2, Tls::TLS_1_3] {
        for (http, expected) in [(false, Version::HTTP_2), (true, Version::HTTP_11)] {
            let client = authority.client().tls_version_min(tls).tls_version_max(tls);
            let client = if http { client.http1_only() } else { client };
            calls += 1;
            let answer = post(client, &server, NAME, &inbound(&format!("call-{calls}"), "+905321234567")).await;
            assert_eq!(answer.unwrap(), (200, expected, json!({"status": "accepted"})), "{tls:?}");
        }
    }
    server.idle().await;
    assert_eq!(phone.received().len(), calls);
    let expires_at = server.metric("callcard_tls_certificate_expires_timestamp_seconds").await;
    let days = (expires_at - Timestamp::now().as_second() as f64) / 86_400.0;
    assert!((88.9..=90.0).contains(&days), "{days}");
}

#[tokio::test]
async fn plain_http_and_old_versions_are_not_answered() {
    let phone = Phone::start();
    let (authority, server) = secured(&phone, 90).await;
    let mut plain = TcpStream::connect(server.public.strip_prefix("http://").unwrap()).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.write_all(format!("POST /webhooks/hipcall/{SECRET} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    // Closing a connection whose bytes were not all read may reset it.
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "{answer:?}");
    let failed = "callcard_connections_closed_total{listener=\"public\",reason=\"handshake\"}";
    until("it is counted", async || (server.metric(failed).await >= 1.0).then_some(())).await;
    assert!(post(authority.client(), &server, "other.example.com", &json!({})).await.is_err());
    assert!(post(authority.client(), &server, NAME, &json!({})).await.is_ok());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_never() {
    let phone = Phone::start();
    let (authority, server) = secured(&phone, 90).await;
    let changes = async |outcome: &str| {
        let name = format!("callcard_tls_certificate_changes_total{{outcome=\"{outcome}\"}}");
        server.metric(&name).await
    };
    let works = async |name: &str| post(authority.client(), &server, name, &json!({})).await.is_ok();

    // The certificate is there before its key.
    let renewed = authority.issue("renewed.example.com", 90);
    std::fs::write(authority.path("chain.pem"), &renewed.0).unwrap();
    let line = line_with(&server, "the key is not the one of the first certificate").await;
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().unwrap().contains("key.pem"), "{line}");
    assert!(works(NAME).await);
    std::fs::write(authority.path("key.pem"), &renewed.1).unwrap();
    until("the new one is shown", async || works("renewed.example.com").await.then_some(())).await;
    assert!(!works(NAME).await);
    assert_eq!((changes("kept").await, changes("swapped").await), (1.0, 1.0));

    let (chain, key) = authority.issue("third.example.com", 90);
    let (expired, expired_key) = authority.issue_between("third.example.com", -9, -2);
    let (coming, coming_key) = authority.issue_between("third.example.com", 2, 9);
    let broken = [
        (chain[..chain.len() / 2].to_owned(), key.clone()),
        (String::new(), key.clone()),
        (chain.clone(), String::new()),
        (chain.clone(), key.replace("PRIVATE", "ENCRYPTED PRIVATE")),
        (key.clone(), chain.clone()),
        (expired, expired_key),
        (coming, coming_key),
    ];
    for (kept, pair) in broken.iter().enumerate() {
        authority.write(pair);
        until("it is kept", async || (changes("kept").await >= (kept + 2) as f64).then_some(())).await;
        assert!(works("renewed.example.com").await, "{kept}");
    }
    std::fs::remove_file(authority.path("key.pem")).unwrap();
    line_with(&server, "No such file").await;
    authority.write(&(chain, key));
    until("the next one is shown", async || works("third.example.com").await.then_some(())).await;
    assert_eq!(changes("swapped").await, 2.0);
}

#[tokio::test]
async fn a_link_turned_to_another_directory_is_a_change() {
    let phone = Phone::start();
    let authority = Authority::new();
    // As Kubernetes mounts secrets: the files are links through `..data`, which is turned to another directory.
    for (directory, name) in [("..first", NAME), ("..second", "renewed.example.com")] {
        std::fs::create_dir(authority.path(directory)).unwrap();
        let (chain, key) = authority.issue(name, 90);
        std::fs::write(authority.path(directory).join("chain.pem"), chain).unwrap();
        std::fs::write(authority.path(directory).join("key.pem"), key).unwrap();
    }
    std::os::unix::fs::symlink("..first", authority.path("..data")).unwrap();
    for file in ["chain.pem", "key.pem"] {
        std::os::unix::fs::symlink(format!("..data/{file}"), authority.path(file)).unwrap();
    }
    let server = Server::start(authority.place(&phone)).await;
    assert!(post(authority.client(), &server, NAME, &json!({})).await.is_ok());
    std::os::unix::fs::symlink("..second", authority.path("..next")).unwrap();
    std::fs::rename(authority.path("..next"), authority.path("..data")).unwrap();
    until("the new one is shown", async || {
        post(authority.client(), &server, "renewed.example.com", &json!({})).await.is_ok().then_some(())
    })
    .await;
    let kept = "callcard_tls_certificate_changes_total{outcome=\"kept\"}";
    assert_eq!(server.metric(kept).await, 0.0);
}

#[tokio::test]
async fn a_certificate_that_ends_soon_or_has_ended_is_told() {
    let phone = Phone::start();
    for (days, level, words) in
        [(20, "WARN", "the certificate expires in "), (-1, "ERROR", "the certificate expired at ")]
    {
        let authority = Authority::new();
        authority.write(&authority.issue_between(NAME, -30, days));
        let server = Server::start(authority.place(&phone)).await;
        let line = line_with(&server, words).await;
        assert_eq!(line["level"], level, "{line}");
    }
    let (_authority, server) = secured(&phone, 23).await;
    let expires_at = "callcard_tls_certificate_expires_timestamp_seconds";
    until("it was looked at", async || (server.metric(expires_at).await > 0.0).then_some(())).await;
    let is_told = |line: &Value| line["message"].as_str().is_some_and(|message| message.contains("the certificate"));
    assert!(!server.log().iter().any(is_told), "{:?}", server.log());
}

#[tokio::test]
async fn keys_are_taken_in_the_older_way_of_writing_them_too() {
    let phone = Phone::start();
    let (authority, key) = (Authority::new(), KeyPair::generate().unwrap());
    let certificate = CertificateParams::new([NAME.to_owned()]).unwrap().signed_by(&key, &authority.issuer).unwrap();
    // SEC1 is what stands inside of PKCS#8: the last octet string, a sequence.
    let pkcs8 = key.serialize_der();
    let at = pkcs8.windows(3).position(|bytes| bytes[0] == 0x04 && bytes[2] == 0x30).unwrap();
    let sec1 = pem("EC PRIVATE KEY", &pkcs8[at + 2..]);
    // One file with both, as HAProxy wants it.
    std::fs::write(authority.path("chain.pem"), certificate.pem() + &sec1).unwrap();
    let mut place = authority.place(&phone);
    place.argument("--tls-key", authority.path("chain.pem").to_str().unwrap());
    let server = Server::start(place).await;
    assert!(post(authority.client(), &server, NAME, &json!({})).await.is_ok());
}

fn pem(label: &str, bytes: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[tokio::test]
async fn without_a_usable_certificate_it_does_not_start() {
    let phone = Phone::start();
    let authority = Authority::new();
    let (chain, key) = authority.issue(NAME, 90);
    let other = authority.issue(NAME, 90).1;
    let not_base64 = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n".to_owned();
    for (pair, words) in [
        ((String::new(), key.clone()), ["chain.pem", "no certificate in it"]),
        ((key.clone(), chain.clone()), ["chain.pem", "the wrong way round"]),
        ((chain.clone(), String::new()), ["key.pem", "no private key in it"]),
        ((chain.clone(), key.replace("PRIVATE", "ENCRYPTED PRIVATE")), ["key.pem", "openssl pkey"]),
        ((chain.clone(), other), ["key.pem", "not the one of the first certificate"]),
        ((not_base64, key.clone()), ["chain.pem", "not Base64"]),
    ] {
        authority.write(&pair);
        let (code, said) = authority.place(&phone).refused().await;
        assert_eq!(code, Some(2), "{said}");
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
        let inside = key.lines().nth(1).unwrap();
        assert!(!said.contains(inside), "a key is told: {said}");
    }
    std::fs::remove_file(authority.path("chain.pem")).unwrap();
    let (code, said) = authority.place(&phone).refused().await;
    assert!(code == Some(2) && said.contains("chain.pem") && said.contains("No such file"), "{said}");
    let mut place = Place::new(EVERYBODY, &phone);
    place.argument("--tls-cert", "chain.pem");
    let (code, said) = place.refused().await;
    assert!(code == Some(2) && said.contains("--tls-key"), "{said}");
}

#[tokio::test]
async fn a_connection_of_http_2_without_a_request_is_waited_for_some_seconds() {
    let phone = Phone::start();
    let (authority, server) = secured(&phone, 90).await;
    let begun = Instant::now();
    let mut silent = authority.http2(&server);
    silent.write_all(&half_a_request("/")[..24 + 9]).unwrap();
    // It ends without TLS's own farewell.
    let _ = silent.read_to_end(&mut Vec::new());
    assert!((4..9).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let name = "callcard_connections_closed_total{listener=\"public\",reason=\"no_request\"}";
    until("it is counted", async || (server.metric(name).await >= 1.0).then_some(())).await;
}
