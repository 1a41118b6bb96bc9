//! Webhooks that are signed: over the bytes on the wire, besides the secret in the address.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::canary;
use super::event::inbound;
use super::phone::Phone;
use super::server::{Place, Server};

/// The keys, as bytes and as the secrets of Standard Webhooks that hold them.
const NEW_KEY: &[u8] = b"signing-key-canary-new-1";
const NEW_SECRET: &str = "whsec_c2lnbmluZy1rZXktY2FuYXJ5LW5ldy0x";
const OLD_KEY: &[u8] = b"signing-key-canary-old-2";
const OLD_SECRET: &str = "whsec_c2lnbmluZy1rZXktY2FuYXJ5LW9sZC0y";

/// A server whose account has this signature.
async fn signed_by(signature: &str, phone: &Phone) -> Server {
    let rules = format!(
        "
version: 1
accounts:
  hipcall:
    api: {}
    token: ${{HIPCALL_API_TOKEN}}
    webhook_secret: ${{HIPCALL_WEBHOOK_SECRET}}
    signature: {signature}
rules:
  - name: everybody
    card: [{{type: title, text: Hello}}]
",
        phone.api()
    );
    for secret in [NEW_SECRET, OLD_SECRET, "signing-key-canary"] {
        canary::secret(secret);
    }
    let mut place = Place::new(&rules, phone);
    place.set("NEW_SECRET", NEW_SECRET);
    place.set("OLD_SECRET", OLD_SECRET);
    place.set("PLAIN_SECRET", std::str::from_utf8(NEW_KEY).unwrap());
    Server::start(place).await
}

fn hmac(key: &[u8], signed: &[u8]) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    hmac.update(signed);
    hmac.finalize().into_bytes().to_vec()
}

fn seconds_from_now(seconds: i64) -> String {
    (jiff::Timestamp::now().as_second() + seconds).to_string()
}

/// The headers of Standard Webhooks, by these keys.
fn standard(keys: &[&[u8]], at: &str, body: &str) -> Vec<(&'static str, String)> {
    use base64::Engine as _;
    let signed = format!("msg_1.{at}.{body}");
    let base64 = |key: &&[u8]| base64::engine::general_purpose::STANDARD.encode(hmac(key, signed.as_bytes()));
    let signatures: Vec<String> = keys.iter().map(|key| format!("v1,{}", base64(key))).collect();
    vec![
        ("webhook-id", "msg_1".to_owned()),
        ("webhook-timestamp", at.to_owned()),
        ("webhook-signature", signatures.join(" ")),
    ]
}

/// Sends bytes with headers to the right address: the status, the names of the answer's headers, and its body.
async fn send(server: &Server, headers: &[(&'static str, String)], body: &str) -> (u16, Vec<String>, String) {
    let request = server.client.post(server.webhook_url()).body(body.to_owned());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    let response = request.send().await.unwrap();
    let mut names: Vec<String> = response.headers().keys().map(ToString::to_string).collect();
    names.sort();
    (response.status().as_u16(), names, response.text().await.unwrap())
}

/// It is taken.
async fn takes(server: &Server, headers: &[(&'static str, String)], event: &Value) {
    canary::numbers_of(event);
    let (status, _, body) = send(server, headers, &event.to_string()).await;
    assert_eq!((status, body), (200, json!({ "status": "accepted" }).to_string()), "{headers:?}");
}

#[tokio::test]
async fn a_webhook_signed_as_in_standard_webhooks_is_taken_by_the_new_and_by_the_old_key() {
    let phone = Phone::start();
    let server = signed_by("{standard_webhooks: [\"${NEW_SECRET}\", \"${OLD_SECRET}\"]}", &phone).await;
    let now = seconds_from_now(0);
    for (call, keys) in [("new", vec![NEW_KEY]), ("old", vec![OLD_KEY]), ("both", vec![b"another-key", OLD_KEY])] {
        let event = inbound(call, "+905321234567");
        takes(&server, &standard(&keys, &now, &event.to_string()), &event).await;
        assert_eq!(server.settled(call).await["state"], "sent");
    }
}

#[tokio::test]
async fn a_webhook_that_is_not_signed_rightly_is_answered_like_one_with_a_wrong_secret() {
    let phone = Phone::start();
    let server = signed_by("{standard_webhooks: \"${NEW_SECRET}\"}", &phone).await;
    let event = inbound("unsigned", "+905321234567");
    canary::numbers_of(&event);
    let body = event.to_string();
    let now = seconds_from_now(0);
    let wrong_secret =
        server.client.post(format!("{}x", server.webhook_url())).body(body.clone()).send().await.unwrap();
    let mut names: Vec<String> = wrong_secret.headers().keys().map(ToString::to_string).collect();
    names.sort();
    let expected = (wrong_secret.status().as_u16(), names, wrong_secret.text().await.unwrap());
    assert_eq!(expected.0, 404);
    for headers in [
        vec![],
        standard(&[OLD_KEY], &now, &body),
        standard(&[NEW_KEY], &now, &format!("{body} ")),
        standard(&[NEW_KEY], &seconds_from_now(-360), &body),
        standard(&[NEW_KEY], &seconds_from_now(360), &body),
        standard(&[], &now, &body),
    ] {
        assert_eq!(send(&server, &headers, &body).await, expected, "{headers:?}");
    }
    assert_eq!(server.deliveries().await.len(), 0);
    assert_eq!(server.metric("callcard_webhooks_total{account=\"hipcall\",outcome=\"signature_refused\"}").await, 6.0);
    let loud = server.lines_at("ERROR").await;
    assert_eq!(loud.len(), 1, "many are said once: {loud:?}");
    assert_eq!(loud[0]["account"], "hipcall");
}

#[tokio::test]
async fn a_signature_does_not_take_the_place_of_the_secret() {
    let phone = Phone::start();
    let server = signed_by("{standard_webhooks: \"${NEW_SECRET}\"}", &phone).await;
    let body = inbound("no-secret", "+905321234567").to_string();
    let headers = standard(&[NEW_KEY], &seconds_from_now(0), &body);
    let request = server.client.post(format!("{}x", server.webhook_url())).body(body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    assert_eq!(request.send().await.unwrap().status(), 404);
    assert_eq!(server.metric("callcard_webhooks_total{account=\"none\",outcome=\"not_authentic\"}").await, 1.0);
}

#[tokio::test]
async fn a_header_with_an_hmac_of_the_body_is_taken() {
    let phone = Phone::start();
    let signature = "{hmac: {header: X-Signature, secret: \"${PLAIN_SECRET}\", prefix: \"sha256=\"}}";
    let server = signed_by(signature, &phone).await;
    let event = inbound("hmac", "+905321234567");
    let body = event.to_string();
    let signed = |body: &str| {
        let digits: String = hmac(NEW_KEY, body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        [("x-signature", format!("sha256={digits}"))]
    };
    assert_eq!(send(&server, &signed("another body"), &body).await.0, 404);
    takes(&server, &signed(&body), &event).await;
    assert_eq!(server.settled("hmac").await["state"], "sent");
}
