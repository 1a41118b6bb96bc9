//! More calls than there is room for: the sender gets its answers at once, and what is dropped is counted and named.

use std::time::{Duration, Instant};

use serde_json::json;

use super::event::inbound;
use super::host::Reply;
use super::phone::Phone;
use super::server::{EVERYBODY, Place, Server, until};

const NUMBER: &str = "+905321234567";

/// Calls, and how many of them ring at the same time.
const CALLS: usize = 1200;
const AT_ONCE: usize = 60;

#[tokio::test]
async fn under_more_calls_than_it_can_serve_every_webhook_is_answered_at_once_and_every_call_is_accounted_for() {
    let phone = Phone::start();
    let mut place = Place::new(&EVERYBODY.replace("rules:", "defaults: {send_within: 3s}\nrules:"), &phone);
    place.set("HIPCALL_REQUESTS_PER_MINUTE", "100000");
    let server = Server::start(place).await;
    // 256 at once, two seconds each: one call in five can have its card in time.
    phone.always(Some(Reply::Late(Duration::from_secs(2), Box::new(Reply::json(201, &json!({"data": {}}))))));
    let mut slowest = Duration::ZERO;
    for wave in 0..CALLS / AT_ONCE {
        let rings = (0..AT_ONCE).map(|number| {
            let (server, event) = (&server, inbound(&format!("call-{wave}-{number}"), NUMBER));
            async move {
                let begun = Instant::now();
                server.ring(&event, "accepted").await;
                begun.elapsed()
            }
        });
        let took = futures_util::future::join_all(rings).await;
        slowest = took.into_iter().max().unwrap().max(slowest);
    }
    // The sender gives up after five.
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    server.idle().await;
    let counted = async |name: &str, labels: &str| server.metric(&format!("callcard_{name}_total{{{labels}}}")).await;
    let deliveries = async |outcome: &str, rule: &str| {
        counted("deliveries", &format!("account=\"hipcall\",outcome=\"{outcome}\",rule=\"{rule}\"")).await
    };
    let sent = deliveries("sent", "everybody").await;
    let late = deliveries("too_late", "none").await + deliveries("too_late", "everybody").await;
    assert!(sent >= 256.0 && late > 0.0 && sent + late == 1200.0, "{sent} sent, {late} too late");
    let busy = counted("too_late", "account=\"hipcall\",reason=\"busy\"").await;
    assert!(busy > 0.0 && busy <= late, "{busy} of {late}");
    let named = async || {
        let lines = server.log().into_iter().filter(|line| line["outcome"] == "too_late").count();
        (lines as f64 >= late).then_some(lines)
    };
    assert_eq!(until("each has its line", named).await as f64, late);
}
