//! A webhook's body → event → call.

use callcard::event::{Call, CallId, Event, EventKind, Unreadable};
use serde_json::Value;

use crate::world;

/// Reads a body as the server does.
pub fn webhook(body: &[u8]) {
    let event = match Event::parse(body) {
        Ok(event) => event,
        Err(why) => return told(&why, body),
    };
    let payload = event.payload.value();
    assert!(payload.is_object() && serde_json::from_slice::<Value>(body).is_ok_and(|whole| whole == payload));
    assert!(event.kind.as_str().chars().count() <= 64);
    let is_call = !matches!(event.kind, EventKind::Other(_));
    if let Some(id) = &event.call_id {
        assert_eq!(CallId::parse(id.as_str()).as_ref(), Some(id));
    }
    let region = world::region("TR");
    let Some(call) = Call::new(&event, "hipcall", region, world::received_at()) else {
        return assert!(!is_call, "a call event without a call");
    };
    assert!(is_call && event.call_id.as_ref() == Some(&call.id));
    assert!(call.started_at <= world::received_at(), "a call that begins after its event");
    for number in call.numbers(region).iter().chain([&call.customer, &call.line.number]) {
        crate::number::holds(number, region);
    }
    // What is stored is the body, and what is made of it a second time is the same.
    let again = Event::parse(payload.to_string().as_bytes()).expect("what was read can be read again");
    assert_eq!(again.payload.value(), payload);
    let logged = format!("{event:?} {call:?}");
    for number in [&call.customer, &call.line.number] {
        if let Some(e164) = number.e164() {
            assert!(!logged.contains(e164.trim_start_matches('+')), "a log with a number: {logged}");
        }
    }
}

/// What is said of a body has no part of it but its place.
fn told(why: &Unreadable, body: &[u8]) {
    let said = why.to_string();
    let is_json = !matches!(why, Unreadable::Empty | Unreadable::NotJson { .. } | Unreadable::CutOff { .. });
    assert_eq!(serde_json::from_slice::<Value>(body).is_ok(), is_json, "{said}");
    assert!(said.is_ascii() && said.len() < 120, "{said}");
    let digits = said.chars().filter(char::is_ascii_digit).count();
    assert!(digits <= 2 * body.len().to_string().len() + 4, "{said}");
}
