//! The HTTP client with which an authority is asked, in the form that the ACME library takes.
//!
//! It bounds what an answer may take and remembers how long the authority asks to wait. What is asked it does not know.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{HeaderValue, USER_AGENT};
use axum::http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use jiff::Timestamp;
use reqwest::{Certificate, Client, redirect};
use serde_json::json;

use crate::phone::root_cause;
use crate::rate::retry_after;

/// One request. A validation is not waited for in it, that is asked about again and again.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);

/// Until there is a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A chain of certificates is some kilobytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

type Answered = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

/// The client for one authority. Clones share its connections and what it was asked.
#[derive(Clone)]
pub(super) struct Authority {
    client: Client,
    now: fn() -> Timestamp,
    wait: Arc<Mutex<Option<Duration>>>,
}

impl Authority {
    /// A client that trusts the public authorities and these certificates in PEM besides.
    pub(super) fn new(trusted: &[u8], now: fn() -> Timestamp) -> Result<Authority, reqwest::Error> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(true)
            .tls_certs_merge(Certificate::from_pem_bundle(trusted)?)
            .connect_timeout(CONNECT_WITHIN)
            .timeout(REQUEST_WITHIN)
            .build()?;
        Ok(Authority { client, now, wait: Arc::default() })
    }

    /// How long the authority asked to wait when it said no since the last question, and forgets it.
    pub(super) fn take_wait(&self) -> Option<Duration> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (mut parts, body) = request.into_parts();
        // The authority's people look for the program, not for its library, when it behaves badly.
        parts.headers.insert(USER_AGENT, HeaderValue::from_static(concat!("callcard/", env!("CARGO_PKG_VERSION"))));
        let Ok(body) = body.collect().await;
        let request = Request::from_parts(parts, body.to_bytes()).try_into().map_err(other)?;
        let mut response = self.client.execute(request).await.map_err(other)?;
        let (status, headers) = (response.status(), response.headers().clone());
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let asked = retry_after(&headers, (self.now)());
            *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(other)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(Error::Other("its answer is larger than 1 MiB".into()));
            }
        }
        // An overloaded authority answers with a page of whatever stands before it.
        let is_page = serde_json::from_slice::<Problem>(&bytes).is_err();
        if (status.is_client_error() || status.is_server_error()) && is_page {
            bytes = json!({ "detail": format!("it answered {status}"), "status": status.as_u16() }).to_string().into();
        }
        let mut answer = Response::new(Full::new(Bytes::from(bytes)));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer.into())
    }
}

impl HttpClient for Authority {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answered {
        Box::pin(self.clone().ask(request))
    }
}

/// Without the URL, which the log has once.
fn other(error: reqwest::Error) -> Error {
    if error.is_timeout() {
        return Error::Other("no answer in time".into());
    }
    Error::Other(root_cause(&error).into())
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;
    use rustls::ServerConfig;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    #[test]
    fn a_client_needs_no_further_certificates_and_takes_no_text_for_one() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert!(Authority::new(b"", now).is_ok());
        assert!(Authority::new(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", now).is_err());
    }

    /// Gives one answer, whatever it is asked.
    async fn answer(text: &'static str) -> (Authority, u16) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let own = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![own.cert.der().clone()], key.into()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        (Authority::new(own.cert.pem().as_bytes(), now).unwrap(), port)
    }

    async fn ask(authority: &Authority, port: u16) -> Result<(u16, String), Error> {
        let request = Request::get(format!("https://localhost:{port}/dir")).body(BodyWrapper::default()).unwrap();
        let mut answer = authority.request(request).await?;
        let body = answer.body.into_bytes().await.unwrap();
        Ok((answer.parts.status.as_u16(), String::from_utf8(body.to_vec()).unwrap()))
    }

    #[tokio::test]
    async fn a_page_of_an_overloaded_authority_is_a_problem_and_its_wait_is_heard_once() {
        let page = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7200\r\ncontent-length: 6\r\n\r\n<html>";
        let (authority, port) = answer(page).await;
        let (status, body) = ask(&authority, port).await.unwrap();
        let expected = "{\"detail\":\"it answered 503 Service Unavailable\",\"status\":503}";
        assert_eq!((status, body.as_str()), (503, expected));
        assert_eq!(authority.take_wait(), Some(Duration::from_secs(7200)));
        assert_eq!(authority.take_wait(), None);
    }

    #[tokio::test]
    async fn what_an_authority_says_itself_is_left_as_it_is() {
        let problem = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 18\r\n\r\n{\"detail\":\"later\"}";
        let (authority, port) = answer(problem).await;
        assert_eq!(ask(&authority, port).await.unwrap(), (429, "{\"detail\":\"later\"}".to_owned()));
        assert_eq!(authority.take_wait(), None);
    }

    #[tokio::test]
    async fn an_answer_that_has_no_end_is_none() {
        let begin = "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n{";
        let (authority, port) = answer(begin).await;
        assert!(ask(&authority, port).await.is_err());
    }
}
