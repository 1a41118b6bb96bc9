//! Tokens of OAuth2: fetched once, shared, replaced when the service wants it, and never seen.

use serde_json::{Value, json};

use super::canary;
use super::crm::{Crm, found, page};
use super::event::inbound;
use super::host::{Reply, Request};
use super::phone::Phone;
use super::server::Place;
use super::sources_http::{rules, server, why};

const HTTP: &str = "
      url: http://127.0.0.1:PORT/v1/contacts
      query: {phone: \"{{customer.e164}}\"}
      records: $.results[*]
      numbers: [$.phone]
      auth:
        oauth2:
          token_url: http://127.0.0.1:PORT/token
          client_id: callcard
          client_secret: ${CRM_TOKEN}
";

const NUMBER: &str = "+905321234567";

/// A token that must be in no log.
fn token(count: usize) -> String {
    let token = format!("access-canary-{count}");
    canary::secret(&token);
    token
}

/// The answer to one who has this token.
fn contacts(request: &Request, token: &str) -> Reply {
    canary::text("Jane Canary");
    match request.header("authorization") {
        Some(header) if header == format!("Bearer {token}") => {
            found(&json!([{"phone": request_number(request), "name": "Jane Canary"}]))
        }
        _ => Reply::json(401, &json!({"error": "expired"})),
    }
}

/// The number that a question is about.
fn request_number(request: &Request) -> String {
    request.target.split_once("phone=").unwrap().1.replace("%2B", "+")
}

/// The fields of a form.
fn form(request: &Request) -> Vec<String> {
    let text = String::from_utf8(request.body.clone()).unwrap();
    text.split('&').map(str::to_owned).collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_however_many_calls_wait_for_it() {
    let phone = Phone::start();
    let crm = Crm::answering(|request, before| match request.path() {
        "/token" => {
            let answer = json!({"access_token": token(before), "token_type": "bearer", "expires_in": 3600});
            // Long enough for all calls to ask.
            Reply::Late(std::time::Duration::from_millis(700), Box::new(Reply::json(200, &answer)))
        }
        _ => contacts(request, "access-canary-0"),
    });
    let http =
        format!("{HTTP}          scopes: [contacts.read, offline]\n          audience: https://crm.example.com/");
    let server = server(&crm, &http, &phone).await;
    let calls: Vec<Value> =
        (0..8).map(|call| inbound(&format!("call-{call}"), &format!("+9053212345{call}7"))).collect();
    for call in &calls {
        server.ring(call, "accepted").await;
    }
    for call in 0..8 {
        assert_eq!(server.settled(&format!("call-{call}")).await["rule"], "one");
    }
    let asked = crm.asked_at("/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].method, "POST");
    assert_eq!(asked[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    let secret = format!("client_secret={}", super::crm::TOKEN);
    assert_eq!(
        form(&asked[0]),
        [
            "grant_type=client_credentials",
            "scope=contacts.read+offline",
            "audience=https%3A%2F%2Fcrm.example.com%2F",
            "client_id=callcard",
            secret.as_str(),
        ]
    );
    assert_eq!(crm.asked_at("/v1/contacts").len(), 8);
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_and_the_question_put_again_once() {
    let phone = Phone::start();
    let crm = Crm::answering(|request, before| match request.path() {
        "/token" => Reply::json(200, &json!({"access_token": token(before)})),
        _ => contacts(request, "access-canary-1"),
    });
    let server = server(&crm, &format!("{HTTP}          client_in: basic"), &phone).await;
    assert_eq!(server.ring_and_settle(&inbound("first", NUMBER)).await["rule"], "one");
    assert_eq!((crm.asked_at("/token").len(), crm.asked_at("/v1/contacts").len()), (2, 2));
    let asked = &crm.asked_at("/token")[0];
    assert_eq!(form(asked), ["grant_type=client_credentials"]);
    assert!(asked.header("authorization").unwrap().starts_with("Basic "));
    // The same rules, read again, go on with the same token.
    assert_eq!(server.client.post(format!("{}/-/reload", server.admin)).send().await.unwrap().status(), 200);
    assert_eq!(server.ring_and_settle(&inbound("second", "+905321234568")).await["rule"], "one");
    assert_eq!((crm.asked_at("/token").len(), crm.asked_at("/v1/contacts").len()), (2, 3));
    crm.always(Reply::json(401, &json!({})));
    let settled = server.ring_and_settle(&inbound("third", "+905321234569")).await;
    assert_eq!(why(&settled), "there is no token: of the token service, it answered with status 401");
}

#[tokio::test]
async fn a_refresh_token_that_the_service_replaces_is_used_from_then_on() {
    let phone = Phone::start();
    let crm = Crm::answering(|request, before| match request.path() {
        "/token" => {
            let next = format!("refresh-canary-{}", before + 1);
            canary::secret(&next);
            Reply::json(200, &json!({"access_token": token(before), "refresh_token": next, "expires_in": "3600"}))
        }
        _ => contacts(request, &format!("access-canary-{}", before / 2 + 1)),
    });
    let mut place = Place::new(&rules(&crm, &format!("{HTTP}          refresh_token: ${{REFRESH}}")), &phone);
    place.write("people.csv", "phone,id\n0532 123 45 67,\n");
    place.set("REFRESH", "refresh-canary-0");
    canary::secret("refresh-canary-0");
    let server = super::server::Server::start(place).await;
    assert_eq!(server.ring_and_settle(&inbound("first", NUMBER)).await["rule"], "one");
    let grants: Vec<String> = crm.asked_at("/token").iter().map(|request| form(request)[1].clone()).collect();
    assert_eq!(grants, ["refresh_token=refresh-canary-0", "refresh_token=refresh-canary-1"]);
    assert_eq!(form(&crm.asked_at("/token")[1])[0], "grant_type=refresh_token");
}

#[tokio::test]
async fn without_a_token_the_service_is_not_asked_and_the_failure_names_no_secret() {
    for (reply, told) in [
        (Reply::json(400, &json!({"error": "invalid_grant"})), "it answered with status 400, `invalid_grant`"),
        (Reply::json(401, &json!({"error": "secret-words-canary"})), "it answered with status 401"),
        (page(200), "its answer has no `access_token`"),
        (Reply::json(200, &json!({"access_token": "a\nb"})), "its token has characters that headers can't have"),
        (Reply::json(302, &json!({})).with("location", "http://127.0.0.1:1/"), "it answered with status 302"),
        (Reply::json(200, &json!({"access_token": "x".repeat(99_999)})), "its answer has more than 65536 bytes"),
        (Reply::Close, "the request failed"),
    ] {
        canary::secret("secret-words-canary");
        let what = format!("{reply:?}").chars().take(80).collect::<String>();
        let (phone, crm) = (Phone::start(), Crm::start(reply));
        let server = server(&crm, HTTP, &phone).await;
        let settled = server.ring_and_settle(&inbound("first", NUMBER)).await;
        assert_eq!(why(&settled), format!("there is no token: of the token service, {told}"), "{what}");
        assert_eq!((crm.asked_at("/token").len(), crm.asked().len()), (1, 1), "{what}");
    }
}
