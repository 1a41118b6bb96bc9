//! Tokens that will expire: an outage whose day is known, told three weeks ahead and then every day.
//!
//! Nobody can ask the phone system when a token expires; what is told here is what the settings say. `check` does not tell it,
//! for it reads no clock: the same rules are as right tomorrow as they are today.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use crate::delivery::Hush;
use crate::rules::Live;

/// How long before: whoever is on holiday comes back in time.
const AHEAD_DAYS: i32 = 21;

/// How often it is told.
const TELL_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How often is looked: a day that a reload brought is told within the hour.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// Tells it for ever.
pub(super) async fn tell(live: Arc<Live>) {
    let told = Hush::new(TELL_EVERY);
    loop {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        for account in &live.rules().accounts {
            let Some(expires) = account.token_expires else { continue };
            let (account, left) = (&account.name, days(today, expires));
            if left <= AHEAD_DAYS && told.say(&format!("{account} {expires}"), Instant::now()).is_some() {
                say(account, expires, left);
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn say(account: &str, expires: Date, left: i32) {
    let token = format!("the API token of account `{account}`");
    let day = if left == 1 { "day" } else { "days" };
    if left > 0 {
        let said = format!("{token} expires in {left} {day}, on {expires}: make a new one in the phone system");
        tracing::warn!(account, token.expires = %expires, "{said}");
    } else {
        let said =
            format!("{token} has expired, or does today: {expires}, as its settings say; no card is sent with it");
        tracing::error!(account, token.expires = %expires, "{said}");
    }
}

/// From one day to another; negative where it has passed.
fn days(today: Date, then: Date) -> i32 {
    (then - today).get_days()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_months_and_years() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        for (today, then, expected) in [
            ("2026-11-23", "2026-11-23", 0),
            ("2026-11-23", "2026-11-24", 1),
            ("2026-12-20", "2027-01-10", 21),
            ("2027-02-27", "2027-03-01", 2),
            ("2027-03-02", "2027-03-01", -1),
            ("2026-01-01", "2199-01-01", 63_187),
        ] {
            assert_eq!(days(date(today), date(then)), expected, "{today} {then}");
        }
    }
}
