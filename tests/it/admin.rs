//! The admin address: health, readiness, metrics, and who may see them.

use serde_json::json;

use super::event::{inbound, sample};
use super::phone::Phone;
use super::server::{Place, Server};

#[tokio::test]
async fn health_and_readiness_answer_from_the_start() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    assert_eq!(server.get("/healthz").await.0, 200);
    let ready = server.get_json("/readyz").await;
    assert_eq!((&ready["ready"], &ready["pending"]), (&json!(true), &json!(0)));
    assert_eq!(ready["revision"].as_str().unwrap().len(), 12);
    assert_eq!(server.get("/nowhere").await.0, 404);
}

#[tokio::test]
async fn the_metrics_count_a_call() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    server.ring_and_settle(&sample("outbound_init")).await;
    server.ring(&sample("internal_init"), "ignored").await;
    server.line_of("2483a75a-56a2-41f1-991b-92b1667e324a").await;
    for (name, value) in [
        ("callcard_webhooks_total{account=\"hipcall\",outcome=\"accepted\"}", 1.0),
        ("callcard_webhooks_total{account=\"hipcall\",outcome=\"ignored\"}", 1.0),
        ("callcard_deliveries_total{account=\"hipcall\",outcome=\"sent\",rule=\"known-customer\"}", 1.0),
        ("callcard_attempts_total{account=\"hipcall\",outcome=\"sent\"}", 1.0),
        ("callcard_card_seconds_count", 1.0),
        ("callcard_card_seconds_bucket{le=\"+Inf\"}", 1.0),
        ("callcard_pending_deliveries", 0.0),
    ] {
        assert_eq!(server.metric(name).await, value, "{name}: {}", server.get("/metrics").await.1);
    }
    let (_, text) = server.get("/metrics").await;
    assert!(text.contains("# TYPE callcard_card_seconds histogram"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(!text.contains("5438856301"), "{text}");
}

#[tokio::test]
async fn a_listing_is_narrowed_and_a_wrong_question_is_told() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    server.ring_and_settle(&inbound("first", "442045205757")).await;
    server.ring_and_settle(&inbound("second", "492215550123")).await;
    let ids = async |query: &str| {
        let rows = server.get_json(&format!("/api/deliveries{query}")).await["deliveries"].clone();
        rows.as_array().unwrap().iter().map(|row| row["call_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, ["second", "first"]);
    assert_eq!(ids("?state=sent").await, ["first"]);
    assert_eq!(ids("?limit=1").await, ["second"]);
    assert_eq!(ids("?account=other").await, [""; 0]);
    for query in ["?state=lost", "?limit=-1", "?colour=red"] {
        assert_eq!(server.get(&format!("/api/deliveries{query}")).await.0, 400, "{query}");
    }
    for id in ["999999", "first", "-1"] {
        assert_eq!(server.get(&format!("/api/deliveries/{id}")).await.0, 404, "{id}");
    }
}

#[tokio::test]
async fn a_listing_shows_no_number_and_no_card() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    server.ring_and_settle(&sample("outbound_init")).await;
    let (_, listed) = server.get("/api/deliveries").await;
    assert!(!listed.contains("5438856301") && !listed.contains("Çelik"), "{listed}");
}

#[tokio::test]
async fn beyond_loopback_the_admin_address_demands_a_token_before_it_starts() {
    let phone = Phone::start();
    let mut place = Place::shipped(&phone);
    place.argument("--admin-listen", "0.0.0.0:0");
    let (code, said) = place.refused().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("CALLCARD_ADMIN_TOKEN"), "{said}");
}

#[tokio::test]
async fn with_a_token_the_admin_address_lets_nobody_in_without_it() {
    let phone = Phone::start();
    let mut place = Place::shipped(&phone);
    place.argument("--admin-listen", "0.0.0.0:0");
    place.set("CALLCARD_ADMIN_TOKEN", "admin-canary-40d2");
    super::canary::secret("admin-canary-40d2");
    let server = Server::start(place).await;
    let admin = server.admin.replace("0.0.0.0", "127.0.0.1");
    let revision = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["revision"].clone();
    for (method, path) in [
        ("GET", "/metrics"),
        ("POST", "/-/reload"),
        ("POST", "/-/forget?number=05321234567"),
        ("GET", "/api/deliveries"),
        ("GET", "/api/deliveries/1"),
        ("GET", "/api/unreadable"),
    ] {
        let request = || server.client.request(method.parse().unwrap(), format!("{admin}{path}"));
        for wrong in ["", "admin-canary-40d", "admin-canary-40d2x", "ADMIN-CANARY-40D2"] {
            let response = request().bearer_auth(wrong).send().await.unwrap();
            assert_eq!(response.status(), 401, "{method} {path} with {wrong:?}");
        }
        assert_eq!(request().send().await.unwrap().status(), 401, "{method} {path}");
        let basic = request().basic_auth("admin", Some("admin-canary-40d2")).send().await.unwrap();
        assert_eq!(basic.status(), 401, "{method} {path}");
        let allowed = request().bearer_auth("admin-canary-40d2").send().await.unwrap();
        assert_eq!(allowed.status().as_u16(), if path.ends_with("/1") { 404 } else { 200 }, "{method} {path}");
        if path == "/-/reload" {
            assert!(revision(&allowed.text().await.unwrap()).is_string());
        }
    }
    // A load balancer has no token.
    assert_eq!(server.client.get(format!("{admin}/healthz")).send().await.unwrap().status(), 200);
    let ready = || server.client.get(format!("{admin}/readyz"));
    let (known, unknown) = (ready().bearer_auth("admin-canary-40d2").send().await, ready().send().await);
    assert_eq!(unknown.unwrap().text().await.unwrap(), "{\"ready\":true}");
    assert!(revision(&known.unwrap().text().await.unwrap()).is_string());
    assert_eq!(ready().bearer_auth("admin-canary-40d").send().await.unwrap().status(), 401);
}
