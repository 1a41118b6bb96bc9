//! A token that expires is told before it does, by the log and the metrics.

use serde_json::Value;

use super::phone::Phone;
use super::server::{EVERYBODY, Place, Server, until};

fn in_days(days: i64) -> String {
    let then = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
    then.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

async fn expiring(day: &str, phone: &Phone) -> Server {
    let mut place = Place::new(EVERYBODY, phone);
    place.set("HIPCALL_API_TOKEN_EXPIRES", day);
    Server::start(place).await
}

fn told(server: &Server) -> Option<Value> {
    server.log().into_iter().find(|line| line["token.expires"].is_string())
}

#[tokio::test]
async fn a_token_that_expires_within_three_weeks_is_told_at_the_start() {
    let phone = Phone::start();
    let (soon, over, later) = (in_days(20), in_days(-3), in_days(30));
    for (day, level, words) in [(&soon, "WARN", "expires in "), (&over, "ERROR", "has expired")] {
        let server = expiring(day, &phone).await;
        let line = until("it is told", async || told(&server)).await;
        assert_eq!((line["level"].as_str(), line["token.expires"].as_str()), (Some(level), Some(day.as_str())));
        assert!(line["message"].as_str().unwrap().contains(words), "{line}");
        let at = day.parse::<jiff::civil::Date>().unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let metric = "callcard_account_token_expires_timestamp_seconds{account=\"hipcall\"}";
        assert_eq!(server.metric(metric).await, at.timestamp().as_second() as f64);
    }
    let mut server = expiring(&later, &phone).await;
    server.signal("TERM");
    assert!(server.ended().await.success());
    assert_eq!(told(&server), None, "it is early enough in three weeks");
}

#[tokio::test]
async fn the_day_of_an_account_in_the_rules_is_known_and_its_absence_is_no_day() {
    let phone = Phone::start();
    let rules = "
version: 1
accounts:
  hipcall: {api: API, token: \"${HIPCALL_API_TOKEN}\", webhook_secret: \"${HIPCALL_WEBHOOK_SECRET}\", token_expires: \"${DAY}\"}
  other: {api: API, token: \"${HIPCALL_API_TOKEN}\", webhook_secret: \"${HIPCALL_WEBHOOK_SECRET}\"}
rules:
  - {name: everybody, card: [{type: title, text: Hello}]}
";
    let mut place = Place::new(&rules.replace("API,", &format!("{},", phone.api())), &phone);
    place.set("DAY", "2100-01-01");
    let server = Server::start(place).await;
    let (_, text) = server.get("/metrics").await;
    let lines: Vec<&str> =
        text.lines().filter(|line| line.starts_with("callcard_account_token_expires_timestamp_seconds")).collect();
    assert_eq!(lines, ["callcard_account_token_expires_timestamp_seconds{account=\"hipcall\"} 4102444800.0"]);
}

#[tokio::test]
async fn a_day_that_is_none_is_refused_at_the_start() {
    let phone = Phone::start();
    let mut place = Place::new(EVERYBODY, &phone);
    place.set("HIPCALL_API_TOKEN_EXPIRES", "01.03.2027");
    let (code, said) = place.refused().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("HIPCALL_API_TOKEN_EXPIRES: `01.03.2027` is not a day"), "{said}");
}
