//! Accounts whose webhooks may come from some addresses only, directly and behind proxies.

use super::event::inbound;
use super::phone::Phone;
use super::server::{Place, Server};

/// A place whose account takes webhooks from these ranges.
fn from(ranges: &str, phone: &Phone) -> Place {
    let rules = format!(
        "
version: 1
accounts:
  hipcall:
    api: {}
    token: ${{HIPCALL_API_TOKEN}}
    webhook_secret: ${{HIPCALL_WEBHOOK_SECRET}}
    allow_from: [{ranges}]
rules:
  - name: everybody
    card: [{{type: title, text: Hello}}]
",
        phone.api()
    );
    Place::new(&rules, phone)
}

/// The status of a webhook with these headers, and its body.
async fn ring(server: &Server, call: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let event = inbound(call, "+905321234567");
    super::canary::numbers_of(&event);
    let request = server.client.post(server.webhook_url()).body(event.to_string());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_webhook_from_an_address_in_the_list_is_taken() {
    let phone = Phone::start();
    let server = Server::start(from("\"2001:db8::/32\", 127.0.0.0/8", &phone)).await;
    assert_eq!(ring(&server, "inside", &[]).await.0, 200);
    assert_eq!(server.settled("inside").await["state"], "sent");
}

#[tokio::test]
async fn a_webhook_from_elsewhere_is_not_found_whatever_it_says_about_itself() {
    let phone = Phone::start();
    let server = Server::start(from("203.0.113.0/24", &phone)).await;
    let not_found = (404, String::new());
    assert_eq!(ring(&server, "outside", &[]).await, not_found);
    assert_eq!(ring(&server, "outside", &[("x-forwarded-for", "203.0.113.7")]).await, not_found);
    assert_eq!(ring(&server, "outside", &[("forwarded", "for=203.0.113.7")]).await, not_found);
    assert_eq!(server.deliveries().await.len(), 0);
    assert_eq!(
        server.metric("callcard_webhooks_total{account=\"hipcall\",outcome=\"address_not_allowed\"}").await,
        3.0
    );
    let loud = server.lines_at("ERROR").await;
    assert_eq!(loud.len(), 1, "many are said once: {loud:?}");
    assert_eq!((&loud[0]["account"], &loud[0]["peer.address"]), (&"hipcall".into(), &"127.0.0.1".into()));
}

#[tokio::test]
async fn behind_a_trusted_proxy_its_word_counts() {
    let phone = Phone::start();
    let mut place = from("203.0.113.0/24", &phone);
    place.set("CALLCARD_TRUSTED_PROXY", "127.0.0.1,10.0.0.0/8");
    let server = Server::start(place).await;
    assert_eq!(ring(&server, "proxied", &[("x-forwarded-for", "198.51.100.1, 203.0.113.7, 10.0.0.9")]).await.0, 200);
    assert_eq!(ring(&server, "standard", &[("forwarded", "for=203.0.113.7")]).await.0, 200);
    for headers in [
        [("x-forwarded-for", "203.0.113.7, 198.51.100.1")],
        [("forwarded", "for=203.0.113.7, for=unknown")],
        [("x-forwarded-for", "")],
    ] {
        assert_eq!(ring(&server, "outside", &headers).await.0, 404, "{headers:?}");
    }
    assert_eq!(ring(&server, "outside", &[]).await.0, 404, "the proxy itself is not in the list");
}

#[tokio::test]
async fn a_proxy_that_is_no_address_is_told() {
    let phone = Phone::start();
    let mut place = from("203.0.113.0/24", &phone);
    place.argument("--trusted-proxy", "proxy.example.com");
    let (code, said) = place.refused().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--trusted-proxy") && said.contains("neither an address"), "{said}");
}
