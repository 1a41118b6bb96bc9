//! The admin address and the operator's browser: no page of another site writes, and none reads by a name of its own.

use reqwest::Method;
use reqwest::header::HeaderMap;

use super::event::inbound;
use super::phone::Phone;
use super::server::{EVERYBODY, Place, Server};

const TOKEN: &str = "AdminCanary-7uM2hQ9wZr4xKt8c";

async fn asked(server: &Server, method: &Method, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
    let mut request = server.client.request(method.clone(), format!("{}{path}", server.admin));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.headers().clone(), response.text().await.unwrap())
}

async fn refused(server: &Server, why: &str) -> f64 {
    server.metric(&format!("callcard_admin_refused_total{{why=\"{why}\"}}")).await
}

#[tokio::test]
async fn no_page_of_another_site_changes_anything_and_programs_still_do() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    let id = server.ring_and_settle(&inbound("one", "+905321234567")).await["id"].clone();
    let retry = format!("/api/deliveries/{id}/retry?force=true");
    let writes = ["/-/reload", "/-/forget?number=%2B905321234567", retry.as_str()];
    let host = server.admin.trim_start_matches("http://");
    let own = format!("http://{host}");
    for path in writes {
        for strange in [
            &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")][..],
            &[("Sec-Fetch-Site", "same-site"), ("Origin", "http://127.0.0.1:3000")],
            &[("Origin", "https://evil.example")],
            &[("Origin", "null")],
            &[("Host", "evil.example:9090"), ("Origin", "http://evil.example:9090"), ("Sec-Fetch-Site", "same-origin")],
        ] {
            let (status, _, said) = asked(&server, &Method::POST, path, strange).await;
            assert_eq!(status, 403, "{path} {strange:?}");
            assert!(said.contains("\"help\""), "{said}");
        }
    }
    assert_eq!(phone.cards_of("one").len(), 1);
    assert_eq!(server.metric("callcard_reloads_total{outcome=\"swapped\"}").await, 0.0);
    assert_eq!(server.settled("one").await["reason"], serde_json::Value::Null, "nobody was forgotten");
    assert_eq!((refused(&server, "cross_site").await, refused(&server, "host").await), (12.0, 3.0));

    for fine in
        [&[][..], &[("Origin", own.as_str())], &[("Sec-Fetch-Site", "same-origin")], &[("Sec-Fetch-Site", "none")]]
    {
        let (status, _, said) = asked(&server, &Method::POST, "/-/reload", fine).await;
        assert_eq!(status, 200, "{fine:?}: {said}");
    }
    let told = server.log().into_iter().filter(|line| line["why"].is_string()).count();
    assert_eq!(told, 2, "one line for each reason, however many were refused");
}

#[tokio::test]
async fn by_a_name_that_is_made_to_lead_here_nothing_can_be_read() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    for path in ["/metrics", "/api/deliveries", "/api/deliveries/1", "/api/unreadable"] {
        for host in ["evil.example", "evil.example:9090", "localhost.evil.example", "192.168.0.7:9090"] {
            let (status, _, said) = asked(&server, &Method::GET, path, &[("Host", host)]).await;
            assert_eq!(status, 403, "{path} at {host}");
            assert!(said.contains("CALLCARD_ADMIN_TOKEN"), "{said}");
        }
        // By a tunnel that ends here it has another port.
        for host in ["localhost:9999", "127.0.0.1", "[::1]:9090"] {
            let (status, ..) = asked(&server, &Method::GET, path, &[("Host", host)]).await;
            assert_eq!(status, if path.ends_with("/1") { 404 } else { 200 }, "{path} at {host}");
        }
    }
    let balancer = [("Host", "balancer.example")];
    assert_eq!(asked(&server, &Method::GET, "/healthz", &balancer).await.0, 200);
    let (status, _, said) = asked(&server, &Method::GET, "/readyz", &balancer).await;
    assert_eq!((status, said.as_str()), (200, "{\"ready\":true}"));
}

#[tokio::test]
async fn with_a_token_any_name_will_do_but_another_site_still_writes_nothing() {
    super::canary::text(TOKEN);
    let phone = Phone::start();
    let mut place = Place::new(EVERYBODY, &phone);
    place.set("CALLCARD_ADMIN_TOKEN", TOKEN);
    let server = Server::start(place).await;
    let bearer = format!("Bearer {TOKEN}");
    let known = ("Authorization", bearer.as_str());
    let get = Method::GET;
    assert_eq!(asked(&server, &get, "/metrics", &[known, ("Host", "10.1.2.3:9090")]).await.0, 200);
    let strange = [known, ("Origin", "https://evil.example")];
    assert_eq!(asked(&server, &Method::POST, "/-/reload", &strange).await.0, 403);
    let pages_own = [known, ("Host", "calls.example"), ("Origin", "https://calls.example")];
    assert_eq!(asked(&server, &Method::POST, "/-/reload", &pages_own).await.0, 200);

    for _ in 0..20 {
        let (status, headers, _) = asked(&server, &get, "/metrics", &[("Authorization", "Bearer GuessCanary-1")]).await;
        assert_eq!((status, headers["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
    }
    super::canary::text("GuessCanary-1");
    assert_eq!(asked(&server, &get, "/api/deliveries", &[]).await.0, 401);
    let (_, _, text) = asked(&server, &get, "/metrics", &[known]).await;
    assert!(text.contains("callcard_admin_refused_total{why=\"wrong_token\"} 20\n"), "{text}");
    assert!(text.contains("callcard_admin_refused_total{why=\"no_token\"} 1\n"), "{text}");
    let told = server.log().into_iter().filter(|line| line["why"] == "wrong_token").collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["peer.address"], "127.0.0.1");
}

#[tokio::test]
async fn a_browser_keeps_no_answer_runs_nothing_of_it_and_is_given_no_cookie() {
    let phone = Phone::start();
    let server = Server::with(EVERYBODY, &phone).await;
    for (method, path) in [
        (Method::GET, "/healthz"),
        (Method::GET, "/metrics"),
        (Method::GET, "/api/deliveries"),
        (Method::GET, "/nowhere"),
        (Method::GET, "/-/reload"),
        (Method::OPTIONS, "/-/reload"),
        (Method::POST, "/-/reload"),
    ] {
        let (_, headers, _) = asked(&server, &method, path, &[("Origin", &server.admin)]).await;
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{method} {path}");
        assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{method} {path}");
        assert!(header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")));
        assert!(!headers.keys().any(|name| name == "set-cookie" || name.as_str().starts_with("access-control")));
    }
}

#[tokio::test]
async fn a_token_that_can_be_guessed_is_told_at_the_start() {
    let phone = Phone::start();
    let mut place = Place::new(EVERYBODY, &phone);
    place.set("CALLCARD_ADMIN_TOKEN", "letmein");
    super::canary::text("letmein");
    let server = Server::start(place).await;
    let is_told = |line: &serde_json::Value| {
        line["message"].as_str().is_some_and(|said| said.starts_with("CALLCARD_ADMIN_TOKEN can be guessed"))
    };
    assert!(server.log().iter().any(is_told), "{:?}", server.log());
}
