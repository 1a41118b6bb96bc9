//! Budgets at chosen moments; nothing is waited for.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName};
use tokio::time::Instant;

use super::*;

/// Seconds since 1970 when each test begins.
const TIME: i64 = 1_772_000_000;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A budget and its clock.
struct Bench {
    budget: Arc<Budget>,
    begin: Instant,
}

impl Bench {
    fn new() -> Bench {
        Bench { budget: Arc::default(), begin: Instant::now() }
    }

    fn at(&self, second: f64) -> Instant {
        self.begin + Duration::from_secs_f64(second)
    }

    fn hindrance(&self, limit: u32, second: f64) -> (usize, Hindrance) {
        self.budget.room(limit, 100, self.at(second), Timestamp::from_second(TIME).unwrap())
    }

    fn room(&self, limit: u32, second: f64) -> usize {
        self.hindrance(limit, second).0
    }

    /// Takes all that there is.
    fn take_all(&self, limit: u32, second: f64) -> Vec<Permit> {
        std::iter::from_fn(|| self.budget.take(limit, self.at(second)).ok()).collect()
    }

    /// Sends one request that is answered at once.
    fn send(&self, second: f64, status: u16, fields: &[(&str, &str)]) {
        self.hear(second, &self.answer(status, fields));
    }

    fn answer(&self, status: u16, fields: &[(&str, &str)]) -> Heard {
        Heard::Answer(Answer::read(status, &headers(fields), Some(Timestamp::from_second(TIME).unwrap())))
    }

    /// Sends one request of which this is heard at once.
    fn hear(&self, second: f64, heard: &Heard) {
        let mut permit = self.budget.take(1000, self.at(second)).unwrap();
        permit.begin(self.at(second)).unwrap();
        permit.heard(heard, self.at(second));
    }

    /// For how many seconds nothing may be sent.
    fn stopped(&self, second: f64) -> Option<f64> {
        self.budget.stopped_for(self.at(second)).map(|wait| wait.as_secs_f64())
    }
}

#[test]
fn a_minute_holds_as_many_requests_as_the_account_may_send() {
    let bench = Bench::new();
    bench.send(0.0, 201, &[]);
    bench.send(10.0, 201, &[]);
    let until = Some(bench.at(60.0));
    assert_eq!(bench.hindrance(2, 20.0), (0, Hindrance { cause: Cause::Rate, until }));
    assert_eq!((bench.room(2, 59.9), bench.room(2, 60.0), bench.room(2, 70.0)), (0, 1, 2));
}

#[test]
fn what_is_held_is_taken_until_it_is_given_back() {
    let bench = Bench::new();
    let held = bench.take_all(5, 0.0);
    assert_eq!((held.len(), bench.room(5, 1.0), bench.budget.left(5, bench.at(1.0))), (5, 0, 0));
    drop(held);
    assert_eq!(bench.room(5, 1.0), 5);
}

#[test]
fn a_request_counts_from_when_it_is_sent_and_not_where_there_was_no_connection() {
    let bench = Bench::new();
    let mut permit = bench.budget.take(1, bench.at(0.0)).unwrap();
    permit.begin(bench.at(5.0)).unwrap();
    permit.heard(&Heard::Nothing, bench.at(10.0));
    assert_eq!((bench.room(1, 64.0), bench.room(1, 65.0)), (0, 1));
    bench.hear(65.0, &Heard::Unsent);
    assert_eq!(bench.room(1, 65.0), 1);
}

#[test]
fn a_429_stops_everything_for_as_long_as_the_api_asks() {
    let reset = (TIME + 20).to_string();
    for (fields, wait) in [
        (vec![("retry-after", "7")], 7.0),
        (vec![("retry-after", "Wed, 25 Feb 2026 06:13:30 GMT")], 10.0),
        (vec![("x-ratelimit-reset", reset.as_str())], 20.0),
        (vec![("retry-after", "7"), ("x-ratelimit-reset", reset.as_str())], 7.0),
        (vec![("retry-after", "999999999999")], 300.0),
    ] {
        let bench = Bench::new();
        let mut under_way = bench.budget.take(60, bench.at(0.0)).unwrap();
        bench.send(0.0, 429, &fields);
        assert_eq!(bench.stopped(0.0), Some(wait), "{fields:?}");
        assert!(under_way.begin(bench.at(1.0)).is_err(), "what was claimed before waits as well");
        drop(under_way);
        assert_eq!(bench.budget.left(60, bench.at(wait - 0.1)), 0);
        assert!(bench.budget.take_for_lookup(60, bench.at(wait - 0.1)).is_none());
        assert_eq!(bench.stopped(wait), None);
        assert!(bench.room(60, wait) > 0);
    }
}

#[test]
fn a_503_with_retry_after_stops_everything_and_one_without_does_not() {
    let bench = Bench::new();
    bench.send(0.0, 503, &[]);
    assert_eq!(bench.stopped(0.0), None);
    bench.send(0.0, 503, &[("retry-after", "4")]);
    assert_eq!(bench.stopped(0.0), Some(4.0));
}

#[test]
fn where_the_api_names_no_time_the_pause_is_guessed_and_doubles() {
    let bench = Bench::new();
    let mut second = 0.0;
    for wait in [1.0, 2.0, 4.0, 8.0, 8.0] {
        bench.send(second, 429, &[("retry-after", "soon"), ("x-ratelimit-reset", "12")]);
        assert_eq!(bench.stopped(second), Some(wait));
        second += wait;
    }
    bench.send(second, 201, &[]);
    bench.send(second, 429, &[]);
    assert_eq!(bench.stopped(second), Some(1.0));
}

#[test]
fn many_429s_at_once_are_one_stop() {
    let bench = Bench::new();
    let mut held = bench.take_all(60, 0.0);
    for permit in &mut held {
        permit.begin(bench.at(0.0)).unwrap();
    }
    for permit in held {
        permit.heard(&bench.answer(429, &[]), bench.at(0.5));
    }
    assert_eq!(bench.stopped(0.5), Some(1.0));
}

#[test]
fn what_the_api_says_is_left_counts_until_its_reset_and_then_its_limit() {
    let bench = Bench::new();
    let reset = (TIME + 30).to_string();
    bench.send(0.0, 201, &[("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", &reset)]);
    let until = Some(bench.at(30.0));
    assert_eq!(bench.hindrance(60, 1.0), (3, Hindrance { cause: Cause::Rate, until }));
    let first = bench.take_all(60, 1.0);
    assert_eq!((first.len(), bench.room(60, 1.0)), (3, 0), "what is under way may be counted or not");
    drop(first);
    assert_eq!((bench.room(60, 29.9), bench.room(60, 30.0)), (3, 10));
    assert_eq!(bench.room(5, 30.0), 4, "never more than the account may send");
}

#[test]
fn nothing_remaining_stops_until_the_reset() {
    let bench = Bench::new();
    let reset = (TIME + 30).to_string();
    bench.send(0.0, 201, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &reset)]);
    assert_eq!((bench.stopped(0.0), bench.room(60, 29.9)), (Some(30.0), 0));
    assert!(bench.room(60, 30.0) > 0);
    bench.send(30.0, 201, &[("x-ratelimit-remaining", "-3")]);
    assert_eq!(bench.stopped(30.0), Some(1.0), "fewer than none is none, and without a time it is a guess");
    assert!(bench.room(60, 31.0) > 0);
}

#[test]
fn headers_that_lie_are_as_if_they_were_not_there() {
    let (past, far) = ((TIME - 60).to_string(), (TIME * 1000).to_string());
    for reset in [past.as_str(), far.as_str(), "0", "-5", "99999999999999999999999", "tomorrow", ""] {
        let answer =
            Answer::read(429, &headers(&[("x-ratelimit-reset", reset)]), Some(Timestamp::from_second(TIME).unwrap()));
        assert_eq!((answer.reset, answer.wait()), (None, None), "{reset}");
    }
    for (value, remaining) in
        [("many", None), ("", None), ("1.5", None), ("-1", Some(0)), ("99999999999999999999", Some(u32::MAX))]
    {
        let answer =
            Answer::read(201, &headers(&[("x-ratelimit-remaining", value), ("x-ratelimit-limit", value)]), None);
        assert_eq!((answer.remaining, answer.limit), (remaining, remaining.filter(|limit| *limit > 0)), "{value}");
    }
    let bench = Bench::new();
    bench.send(0.0, 201, &[("x-ratelimit-limit", "0"), ("x-ratelimit-remaining", "99999999999999999999")]);
    assert_eq!(bench.room(60, 0.0), 59);
}

#[test]
fn lookups_leave_a_fifth_to_cards_and_cards_take_all() {
    let bench = Bench::new();
    let lookups: Vec<_> = std::iter::from_fn(|| bench.budget.take_for_lookup(60, bench.at(0.0))).collect();
    assert_eq!(lookups.len(), 48);
    assert_eq!(bench.room(60, 0.0), 12);
    drop(lookups);
    let _cards = bench.take_all(60, 0.0);
    assert!(bench.budget.take_for_lookup(60, bench.at(0.0)).is_none());
    let small = Bench::new();
    let _card = small.budget.take(2, small.at(0.0)).unwrap();
    assert!(small.budget.take_for_lookup(2, small.at(0.0)).is_none(), "the last one is for a card");
}

#[test]
fn an_api_that_fails_is_asked_by_one_request_at_a_time_until_one_succeeds() {
    let bench = Bench::new();
    let mut before = bench.budget.take(60, bench.at(0.0)).unwrap();
    for _ in 0..3 {
        bench.hear(0.0, &bench.answer(500, &[]));
    }
    let until = Some(bench.at(0.25));
    assert_eq!(bench.hindrance(60, 0.2), (0, Hindrance { cause: Cause::Api, until }));
    assert!(before.begin(bench.at(0.3)).is_err(), "what was claimed before is no probe");
    drop(before);
    let mut second = 0.25;
    for pause in [0.5, 1.0, 2.0, 2.0] {
        assert_eq!(bench.room(60, second), 1);
        let mut probe = bench.budget.take(60, bench.at(second)).unwrap();
        assert_eq!(bench.room(60, second + pause - 0.01), 0);
        probe.begin(bench.at(second)).unwrap();
        probe.heard(&Heard::Nothing, bench.at(second));
        second += pause;
    }
    bench.hear(second, &bench.answer(201, &[]));
    for room in [1, 2, 5] {
        assert_eq!(bench.room(60, second), room, "not all at once");
        bench.hear(second, &bench.answer(201, &[]));
    }
}

#[test]
fn after_a_stop_one_request_a_second_is_trusted_and_one_that_hangs_keeps_nobody_back() {
    let bench = Bench::new();
    bench.send(0.0, 429, &[("retry-after", "0")]);
    assert_eq!(bench.room(60, 0.5), 0, "no time at all is no leave to go on at once");
    assert_eq!(bench.room(60, 1.0), 1);
    let mut hangs = bench.budget.take(60, bench.at(1.0)).unwrap();
    hangs.begin(bench.at(1.0)).unwrap();
    assert_eq!((bench.room(60, 1.9), bench.room(60, 2.0)), (0, 1));
}

#[test]
fn a_probe_that_was_not_used_is_not_waited_for() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.hear(0.0, &Heard::Unsent);
    }
    drop(bench.take_all(60, 1.0));
    assert_eq!(bench.room(60, 1.0), 1);
}

#[test]
fn two_failures_and_a_success_between_change_nothing() {
    let bench = Bench::new();
    for _ in 0..5 {
        bench.hear(0.0, &Heard::Nothing);
        bench.hear(0.0, &bench.answer(503, &[]));
        bench.hear(0.0, &bench.answer(422, &[]));
    }
    assert_eq!(bench.room(60, 0.0), 45);
}

#[test]
fn what_was_sent_before_the_start_counts_for_the_rest_of_its_minute() {
    let bench = Bench::new();
    bench.budget.remember(&[seconds(10), seconds(50)], bench.at(0.0) + seconds(60));
    assert_eq!((bench.room(2, 60.0), bench.room(2, 70.1), bench.room(2, 110.1)), (0, 1, 2));
}
