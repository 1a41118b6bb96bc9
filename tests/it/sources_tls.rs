//! An `http` source behind TLS with a private authority, spoken to by HTTP/2.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{Request, Response, Version};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::event::inbound;
use super::phone::Phone;
use super::server::{Place, Server};

const NUMBER: &str = "+905321234567";

/// A CRM that speaks HTTP/2 over TLS and nothing else.
struct Crm {
    port: u16,
    /// Its authority, as PEM.
    authority: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<Request<()>>,
}

impl Crm {
    async fn start() -> Crm {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(converse(acceptor.clone(), connection, Arc::clone(&shared)));
            }
        });
        Crm { port, authority: authority.pem(), seen }
    }

    fn place(&self, phone: &Phone) -> Place {
        let rules = format!(
            "
version: 1
sources:
  crm:
    http:
      url: https://127.0.0.1:{}/v1/contacts
      query: {{phone: \"{{{{customer.e164}}}}\"}}
      auth: {{bearer: \"${{CRM_TOKEN}}\"}}
      records: $.results[*]
      numbers: [$.phone]
      private: true
    timeout: 1s
    retry: false
rules:
  - {{name: one, needs: {{crm: one}}, card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]}}
  - {{name: failed, needs: {{crm: failed}}, card: [{{type: title, text: The CRM is down}}]}}
",
            self.port
        );
        Place::new(&rules, phone)
    }
}

/// Answers whatever is asked on a connection; one whose peer does not trust us ends in the handshake.
async fn converse(acceptor: TlsAcceptor, connection: TcpStream, seen: Arc<Mutex<Seen>>) {
    seen.lock().unwrap().connections += 1;
    let Ok(connection) = acceptor.accept(connection).await else { return };
    let mut connection = h2::server::handshake(connection).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        seen.lock().unwrap().requests.push(request.map(drop));
        let answer = json!({"results": [{"phone": NUMBER, "name": "Jane Canary"}]}).to_string();
        let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
        respond.send_response(head, false).unwrap().send_data(Bytes::from(answer), true).unwrap();
    }
}

#[tokio::test]
async fn a_source_with_a_private_authority_is_asked_by_http_2_on_one_connection() {
    super::canary::text("Jane Canary");
    let (phone, crm) = (Phone::start(), Crm::start().await);
    let mut place = crm.place(&phone);
    place.write("authority.pem", &crm.authority);
    let file = place.rules().join("authority.pem");
    place.set("SSL_CERT_FILE", file.to_str().unwrap());
    let server = Server::start(place).await;
    for call_id in ["one", "two", "three"] {
        let settled = server.ring_and_settle(&inbound(call_id, NUMBER)).await;
        assert_eq!((&settled["state"], &settled["rule"]), (&json!("sent"), &json!("one")), "{settled}");
    }
    assert_eq!(phone.cards_of("one")[0]["card"][0]["text"], "Jane Canary");
    let seen = crm.seen.lock().unwrap();
    assert_eq!((seen.connections, seen.requests.len()), (1, 3));
    for request in &seen.requests {
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(
            request.uri().to_string(),
            format!("https://127.0.0.1:{}/v1/contacts?phone=%2B905321234567", crm.port)
        );
        assert_eq!(request.headers()["authorization"], format!("Bearer {}", super::crm::TOKEN));
    }
}

#[tokio::test]
async fn an_authority_that_nobody_vouches_for_is_told_no_token() {
    let (phone, crm) = (Phone::start(), Crm::start().await);
    let server = Server::start(crm.place(&phone)).await;
    let settled = server.ring_and_settle(&inbound("one", NUMBER)).await;
    assert_eq!(settled["rule"], "failed", "{settled}");
    let why = settled["trace"]["sources"][0]["why"].as_str().unwrap();
    assert!(why.contains("authority that is not trusted"), "{why}");
    let seen = crm.seen.lock().unwrap();
    assert!(seen.connections > 0 && seen.requests.is_empty());
}
