//! What the phone system said: webhook bytes → [`Event`] → [`Call`].
//!
//! Reading is lenient: new events and new keys are fine, integers may arrive as digit strings and phone numbers as
//! integers. It authenticates nobody, reads no clock and opens no file, so a test and the server get the same answer.
//! `Debug` prints neither numbers nor payloads, because what is printed ends in a log.

mod call;
mod dialled;
mod direction;
mod field;
mod kind;
mod number;
mod payload;
mod plan;
mod region;
mod variants;

use std::fmt;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::{Value, error::Category};

use payload::Found;

pub use call::{Call, Callee, Line};
pub use direction::Direction;
pub use kind::Kind;
pub use number::CustomerNumber;
pub use payload::Payload;
pub use plan::{EXTENSION_DIGITS_MAX, Plan, example_numbers, plans};
pub use region::{Existence, Region};

/// The schema of what is read of a webhook, printed by `callcard schema event`.
pub const EVENT_SCHEMA: &str = include_str!("../schemas/event.schema.json");

/// Longest call identifier: a UUID has 36 characters, and it becomes part of a URL and of a key in the outbox.
const CALL_ID_CHARACTERS_MAX: usize = 64;

/// Longest event name that is kept: names are shown to the operator, and the known ones have 13 characters at most.
const EVENT_NAME_CHARACTERS_MAX: usize = 64;

/// One webhook, readable and of a known shape.
#[derive(Clone)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The call it happened to: always there for the three call events, optional for others.
    pub call_id: Option<CallId>,
    /// The whole body; the call has it, too.
    pub payload: Payload,
    found: Found,
}

impl Event {
    /// Reads a webhook's body.
    ///
    /// The body's size is the web server's limit; its depth is `serde_json`'s (128 levels).
    pub fn parse(body: &[u8]) -> Result<Event, Unreadable> {
        if body.trim_ascii().is_empty() {
            return Err(Unreadable::Empty);
        }
        let (found, payload) = payload::read(body).map_err(Unreadable::from_json)?;
        if !found.is_object {
            return Err(Unreadable::NotAnObject);
        }
        let name = field::text(found.event.as_ref()).ok_or(Unreadable::NoEvent)?;
        let kind = EventKind::from(name);
        let call_id = match (&kind, call_id(&found)) {
            // Tasks, contacts and deals have no call; what their `uuid` looks like is their affair.
            (EventKind::Other(_), found) => found.ok(),
            (_, found) => Some(found?),
        };
        Ok(Event { kind, call_id, payload, found })
    }

    /// Which way the call goes; `None` where the payload does not say it in a word or number we know.
    pub fn direction(&self) -> Option<Direction> {
        let direction = self.data("direction")?;
        match field::integer(Some(direction)) {
            Some(number) => Direction::from_number(number),
            None => Direction::parse(field::text(Some(direction))?),
        }
    }

    /// When the call began (`data.started_at`, ISO 8601). A time without offset is UTC, which is what Hipcall sends.
    pub fn started_at(&self) -> Option<Timestamp> {
        let text = field::text(self.data("started_at"))?;
        text.parse().ok().or_else(|| utc_without_offset(text))
    }

    /// A value below `data`, of those that a call is read from.
    fn data(&self, key: &str) -> Option<&Value> {
        self.found.data(key)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("kind", &self.kind).field("call_id", &self.call_id).finish_non_exhaustive()
    }
}

fn call_id(found: &Found) -> Result<CallId, Unreadable> {
    match found.data("uuid") {
        None | Some(Value::Null) => Err(Unreadable::NoCallId),
        Some(Value::String(text)) => CallId::parse(text).ok_or(Unreadable::BadCallId),
        Some(_) => Err(Unreadable::BadCallId),
    }
}

fn utc_without_offset(text: &str) -> Option<Timestamp> {
    // A bare date would parse as midnight: a call that began hours ago, whose card is then thrown away as too late.
    let started_at: civil::DateTime = text.contains(':').then_some(text)?.parse().ok()?;
    Some(started_at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Why a body is not an event. No message contains any part of the body, so each may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing, or only white space.
    #[error("the body is empty")]
    Empty,
    /// Not JSON, or nested more than 128 levels deep.
    #[error("the body is not JSON (line {line}, column {column})")]
    NotJson {
        /// Line of the mistake, from 1.
        line: usize,
        /// Column of the mistake, from 1 (0: at the end of the line before).
        column: usize,
    },
    /// JSON that stops before its end.
    #[error("the body is JSON that was cut off (line {line}, column {column})")]
    CutOff {
        /// Line of the end, from 1.
        line: usize,
        /// Column of the end, from 1.
        column: usize,
    },
    /// JSON, but an array or a single value.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// No name of an event.
    #[error("the body has no `event`")]
    NoEvent,
    /// A call event without the call.
    #[error("the call event has no `data.uuid`")]
    NoCallId,
    /// A call identifier that could not stand in a URL as it is.
    #[error("`data.uuid` is not 1 to {CALL_ID_CHARACTERS_MAX} letters, digits, dashes and underscores")]
    BadCallId,
}

impl Unreadable {
    fn from_json(error: serde_json::Error) -> Unreadable {
        // The error's own text is dropped: it can quote the body.
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Eof => Unreadable::CutOff { line, column },
            Category::Io | Category::Syntax | Category::Data => Unreadable::NotJson { line, column },
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A call started: it rings.
    CallInit,
    /// Somebody answered.
    CallBridged,
    /// The call is over.
    CallHangup,
    /// Anything else, by its name (the first 64 characters of it).
    Other(String),
}

impl EventKind {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            EventKind::CallInit => "call_init",
            EventKind::CallBridged => "call_bridged",
            EventKind::CallHangup => "call_hangup",
            EventKind::Other(name) => name,
        }
    }
}

impl From<&str> for EventKind {
    fn from(name: &str) -> EventKind {
        match name {
            "call_init" => EventKind::CallInit,
            "call_bridged" => EventKind::CallBridged,
            "call_hangup" => EventKind::CallHangup,
            other => EventKind::Other(other.chars().take(EVENT_NAME_CHARACTERS_MAX).collect()),
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The call's name in the phone system: 1 to 64 of `A-Z a-z 0-9 _ -`.
///
/// Nothing in it needs escaping in a URL's path, so it cannot change which address a card is sent to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(String);

impl CallId {
    /// Takes a text that is a call identifier as it stands; nothing is trimmed or repaired.
    pub fn parse(text: &str) -> Option<CallId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let fits = (1..=CALL_ID_CHARACTERS_MAX).contains(&text.len());
        (fits && text.bytes().all(allowed)).then(|| CallId(text.to_owned()))
    }

    /// The identifier as received.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(payload: &Value) -> Event {
        Event::parse(payload.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_body_that_is_no_event_says_why_without_quoting_it() {
        let long_id = format!(r#"{{"event":"call_init","data":{{"uuid":"{}"}}}}"#, "a".repeat(65));
        let deep = format!(r#"{{"event":"call_init","data":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
        let cases: &[(&[u8], Unreadable)] = &[
            (b"", Unreadable::Empty),
            (b" \r\n\t", Unreadable::Empty),
            (b"secret=1", Unreadable::NotJson { line: 1, column: 1 }),
            (b"{\n  secret", Unreadable::NotJson { line: 2, column: 3 }),
            (b"\xff\xfe", Unreadable::NotJson { line: 1, column: 1 }),
            (b"{\"event\":\"secret\0\"}", Unreadable::NotJson { line: 1, column: 17 }),
            (deep.as_bytes(), Unreadable::NotJson { line: 1, column: 155 }),
            (br#"{"event":"call_init","data":{"#, Unreadable::CutOff { line: 1, column: 29 }),
            (br#"[{"event":"call_init"}]"#, Unreadable::NotAnObject),
            (br#""secret""#, Unreadable::NotAnObject),
            (b"null", Unreadable::NotAnObject),
            (br"{}", Unreadable::NoEvent),
            (br#"{"event":null}"#, Unreadable::NoEvent),
            (br#"{"event":7}"#, Unreadable::NoEvent),
            (br#"{"event":" "}"#, Unreadable::NoEvent),
            (br#"{"event":"call_init"}"#, Unreadable::NoCallId),
            (br#"{"event":"call_init","data":[]}"#, Unreadable::NoCallId),
            (br#"{"event":"call_bridged","data":{"uuid":null}}"#, Unreadable::NoCallId),
            (br#"{"event":"call_init","data":{"uuid":12}}"#, Unreadable::BadCallId),
            (br#"{"event":"call_init","data":{"uuid":""}}"#, Unreadable::BadCallId),
            (br#"{"event":"call_init","data":{"uuid":"../secret"}}"#, Unreadable::BadCallId),
            (br#"{"event":"call_hangup","data":{"uuid":"a\u0000b"}}"#, Unreadable::BadCallId),
            (long_id.as_bytes(), Unreadable::BadCallId),
        ];
        for (body, want) in cases {
            let got = Event::parse(body).unwrap_err();
            assert_eq!(got, *want, "{:.60}", String::from_utf8_lossy(body));
            assert!(!got.to_string().contains("secret"), "{got}");
        }
    }

    #[test]
    fn an_event_that_is_no_call_needs_no_call_and_may_have_any_uuid() {
        for data in [json!(null), json!({}), json!({"uuid": "a/b"}), json!([1])] {
            let got = event(&json!({"event": "contact_created", "data": data}));
            assert_eq!(got.kind, EventKind::Other("contact_created".into()));
            assert_eq!((got.call_id, got.kind.as_str()), (None, "contact_created"));
        }
        let got = event(&json!({"event": "x".repeat(10_000), "data": {"uuid": "t-1"}}));
        assert_eq!(got.kind.as_str().len(), EVENT_NAME_CHARACTERS_MAX);
        assert_eq!(got.call_id, CallId::parse("t-1"));
    }

    #[test]
    fn the_three_call_events_keep_their_names() {
        for name in ["call_init", "call_bridged", "call_hangup"] {
            let kind = EventKind::from(name);
            assert!(!matches!(kind, EventKind::Other(_)), "{name}");
            assert_eq!(kind.to_string(), name);
        }
    }

    #[test]
    fn a_call_id_is_what_can_stand_in_a_url() {
        let longest = "a".repeat(64);
        for text in ["call_abc123", "2483a75a-56a2-41f1-991b-92b1667e324a", "A", &longest] {
            assert_eq!(CallId::parse(text).unwrap().to_string(), text);
        }
        let too_long = "a".repeat(65);
        for text in ["", " a", "a/b", "..", "a.b", "a%2Fb", "a\0", "ä", "a?b", "a\n", &too_long] {
            assert_eq!(CallId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_direction_is_a_word_or_an_old_number() {
        let cases = [
            (json!("inbound"), Some(Direction::Inbound)),
            (json!("OutBound"), Some(Direction::Outbound)),
            (json!(" internal "), Some(Direction::Internal)),
            (json!(1), Some(Direction::Inbound)),
            (json!(2), Some(Direction::Outbound)),
            (json!(3), Some(Direction::Internal)),
            (json!("2"), Some(Direction::Outbound)),
            (json!(0), None),
            (json!(4), None),
            (json!(1.5), None),
            (json!("sideways"), None),
            (json!(null), None),
            (json!(true), None),
            (json!(["inbound"]), None),
        ];
        for (direction, want) in cases {
            let got = event(&json!({"event": "call_init", "data": {"uuid": "a", "direction": direction}}));
            assert_eq!(got.direction(), want, "{direction}");
        }
        assert_eq!(event(&json!({"event": "call_init", "data": {"uuid": "a"}})).direction(), None);
    }

    #[test]
    fn a_start_is_iso_8601_and_utc_where_it_has_no_offset() {
        let moment = Some("2026-03-02T08:15:27Z".parse().unwrap());
        let cases = [
            (json!("2026-03-02T08:15:27Z"), moment),
            (json!("2026-03-02T11:15:27+03:00"), moment),
            (json!("2026-03-02T08:15:27.000000Z"), moment),
            (json!("2026-03-02T08:15:27"), moment),
            (json!("2026-03-02 08:15:27"), moment),
            (json!("2026-03-02"), None),
            (json!("yesterday"), None),
            (json!(""), None),
            (json!(1_772_439_327), None),
            (json!(null), None),
        ];
        for (started_at, want) in cases {
            let got = event(&json!({"event": "call_init", "data": {"uuid": "a", "started_at": started_at}}));
            assert_eq!(got.started_at(), want, "{started_at}");
        }
    }

    #[test]
    fn debug_prints_neither_numbers_nor_the_payload() {
        let got = event(&json!({"event": "call_init", "data": {"uuid": "a", "caller_number": "+905321234567"}}));
        assert_eq!(format!("{got:?}"), r#"Event { kind: CallInit, call_id: Some(CallId("a")), .. }"#);
    }
}
