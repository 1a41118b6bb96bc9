//! Who may ask: whoever has the token; where none is demanded, programs on this machine, but no web page in their browsers.
//!
//! A browser sends what any page tells it to, also to loopback. It does say where the page is from, so a write from another
//! site is refused; and by a name that is made to lead here (DNS rebinding) a page could read, so without a token only names
//! that always mean this machine are answered. There are no cookies, so nobody is let in without knowing it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use super::Admin;
use crate::delivery::Hush;
use crate::web::metrics::Refusal;

/// One line in this time for each reason: whoever guesses must not fill the log.
const REFUSED_EVERY: Duration = Duration::from_secs(10);

/// Watches over the admin address.
pub(in crate::web) struct Guard {
    pub(super) admin: Arc<Admin>,
    refused: Hush,
}

impl Guard {
    pub(in crate::web) fn new(admin: Arc<Admin>) -> Guard {
        Guard { admin, refused: Hush::new(REFUSED_EVERY) }
    }

    /// Why a request is not answered.
    pub(super) fn objection(&self, request: &Request) -> Option<Refusal> {
        let headers = request.headers();
        match &self.admin.token {
            Some(token) => match given_token(headers) {
                None => return Some(Refusal::NoToken),
                Some(given) if !is_same(token, given) => return Some(Refusal::WrongToken),
                Some(_) => {}
            },
            None if !is_this_machine(request.uri(), headers) => return Some(Refusal::Host),
            None => {}
        }
        (!request.method().is_safe() && is_from_another_site(request.uri(), headers)).then_some(Refusal::CrossSite)
    }

    /// The answer to what is refused, which is counted and told without what was sent.
    pub(super) fn refuse(&self, why: Refusal, request: &Request) -> Response {
        self.admin.metrics.admin_refused(why);
        if let Some(silenced) = self.refused.say(why.as_str(), Instant::now()) {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
            let from = peer.map_or("an address that nobody knows".to_owned(), |address| address.to_string());
            let said = message(why);
            tracing::warn!(
                peer.address = from,
                why = why.as_str(),
                silenced,
                "a request to the admin address from {from} was refused: {said}"
            );
        }
        let status = match why {
            Refusal::NoToken | Refusal::WrongToken => StatusCode::UNAUTHORIZED,
            Refusal::Host | Refusal::CrossSite => StatusCode::FORBIDDEN,
        };
        let mut response = (status, Json(json!({ "error": message(why), "help": help(why) }))).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn message(why: Refusal) -> &'static str {
    match why {
        Refusal::NoToken => "it has no token",
        Refusal::WrongToken => "its token is wrong",
        Refusal::Host => "it names a host that need not be this machine",
        Refusal::CrossSite => "a browser sent it for a page of another site",
    }
}

fn help(why: Refusal) -> &'static str {
    match why {
        Refusal::NoToken | Refusal::WrongToken => "send `Authorization: Bearer …` with CALLCARD_ADMIN_TOKEN",
        Refusal::Host => "ask 127.0.0.1, [::1] or localhost, or set CALLCARD_ADMIN_TOKEN",
        Refusal::CrossSite => "send it with a program, such as curl",
    }
}

/// Lets a request through, or refuses it.
pub(in crate::web) async fn authorize(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.objection(&request) {
        Some(why) => guard.refuse(why, &request),
        None => next.run(request).await,
    }
}

/// Tells browsers to keep nothing, to run nothing and to show it inside no other page. A page of its own may say otherwise.
pub(in crate::web) async fn harmless(request: Request, next: Next) -> Response {
    const HEADERS: [(header::HeaderName, &str); 5] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn given_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Compares hashes, which are equally long: the time it takes tells nothing of the token, not even its length.
fn is_same(token: &SecretString, given: &str) -> bool {
    let expected = Sha256::digest(token.expose_secret().as_bytes());
    expected.ct_eq(&Sha256::digest(given.as_bytes())).into()
}

/// The hosts that a request is for: of its target, where that is a whole URL, and of `Host`. `Err` where one can't be read.
fn hosts(uri: &Uri, headers: &HeaderMap) -> Result<Vec<Authority>, ()> {
    let named = headers.get_all(header::HOST).iter();
    let named = named.map(|value| Authority::try_from(value.as_bytes()).map_err(|_| ()));
    uri.authority().cloned().map(Ok).into_iter().chain(named).collect()
}

/// Whether every host that is named always means this machine. What names none is no browser.
fn is_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let is_loopback = |authority: &Authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>().map(|address| address.to_canonical());
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    };
    hosts(uri, headers).is_ok_and(|hosts| hosts.iter().all(is_loopback))
}

/// Whether a browser says that a page of another origin is behind a request. Older browsers, and all where the address is no
/// secure one, send `Origin` only; programs send neither.
fn is_from_another_site(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut fetched = headers.get_all("sec-fetch-site").iter().peekable();
    if fetched.peek().is_some() {
        return !fetched.all(|site| site == "same-origin" || site == "none");
    }
    let own = hosts(uri, headers).unwrap_or_default();
    let is_own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, from)| own.iter().any(|host| host.as_str().eq_ignore_ascii_case(from)))
    };
    !headers.get_all(header::ORIGIN).iter().all(is_own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&str, &str)]) -> (Uri, HeaderMap) {
        let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        (Uri::from_static("/metrics"), pairs.collect())
    }

    #[test]
    fn only_names_that_always_mean_this_machine_are_this_machine() {
        let is_ours = |host: &str| {
            let (uri, headers) = asked(&[("host", host)]);
            is_this_machine(&uri, &headers)
        };
        for host in ["127.0.0.1:9090", "127.0.0.1", "127.9.9.9:1", "localhost:9999", "LocalHost", "[::1]:9090", "[::1]"]
        {
            assert!(is_ours(host), "{host}");
        }
        let others = ["evil.example", "evil.example:9090", "localhost.evil.example", "127.0.0.1.evil.example:9090"];
        let addresses = ["0.0.0.0:9090", "192.168.1.5:9090", "[fe80::1]", "169.254.169.254", "2130706433", "0x7f.1"];
        for host in others.into_iter().chain(addresses).chain(["", "127.0.0.1@evil.example", "a b"]) {
            assert!(!is_ours(host), "{host}");
        }
        let (uri, none) = asked(&[]);
        assert!(is_this_machine(&uri, &none), "no browser leaves it out");
        let (uri, both) = asked(&[("host", "localhost")]);
        let target = Uri::from_static("http://evil.example/metrics");
        assert!(is_this_machine(&uri, &both) && !is_this_machine(&target, &both), "the target counts as well");
    }

    #[test]
    fn what_a_browser_sends_for_another_page_is_told_from_everything_else() {
        let is_strange = |headers: &[(&str, &str)]| {
            let (uri, headers) = asked(&[headers, &[("host", "127.0.0.1:9090")]].concat());
            is_from_another_site(&uri, &headers)
        };
        for own in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://callcard.example")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://127.0.0.1:9090")],
        ] {
            assert!(!is_strange(own), "{own:?}");
        }
        for strange in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:9090")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:9090")],
            &[("origin", "https://evil.example")],
            &[("origin", "http://127.0.0.1:3000")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://127.0.0.1:9090"), ("origin", "https://evil.example")],
        ] {
            assert!(is_strange(strange), "{strange:?}");
        }
    }

    #[test]
    fn a_token_is_taken_whole_and_by_no_other_scheme() {
        let token = SecretString::from("right");
        for (header, expected) in [
            ("Bearer right", true),
            ("bearer right", true),
            ("Bearer righ", false),
            ("Bearer  right", false),
            ("Basic right", false),
            ("right", false),
        ] {
            let (_, headers) = asked(&[("authorization", header)]);
            assert_eq!(given_token(&headers).is_some_and(|given| is_same(&token, given)), expected, "{header}");
        }
    }
}
