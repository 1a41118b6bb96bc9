//! One call, read from an event: who, on which line, to whom, since when.
//!
//! It holds what rules ask about. It looks nobody up and decides nothing.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use super::{CallId, CustomerNumber, Direction, Event, EventKind, Payload, Region, field};

/// A call at the moment of one event.
#[derive(Clone)]
pub struct Call {
    /// The phone-system account, by its name in the rules.
    pub account: String,
    /// What happened to the call.
    pub event: EventKind,
    /// The phone system's name for it.
    pub id: CallId,
    /// Which way it goes, where the payload says so.
    pub direction: Option<Direction>,
    /// When it began; when its event was received where the payload has no readable start or one in the future.
    pub started_at: Timestamp,
    /// The outside party: the caller when inbound or internal, the callee when outbound.
    pub customer: CustomerNumber,
    /// Our own line.
    pub line: Line,
    /// Who is called, where the payload says so.
    pub callee: Option<Callee>,
    /// The agent; mostly unknown before somebody answers.
    pub user_id: Option<i64>,
    /// The whole body of the webhook.
    pub payload: Payload,
}

/// Who is called: a team, a user, a greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callee {
    /// `data.callee_type` as received: `contact`, `user`, `greeting`, `team`, … More may come.
    pub kind: String,
    /// Which one of its kind.
    pub id: Option<i64>,
}

/// Our own line.
#[derive(Debug, Clone)]
pub struct Line {
    /// `data.number_id`, else `data.channel_id`.
    pub id: Option<i64>,
    /// Our number: the callee's when inbound, the caller's when outbound, absent otherwise.
    pub number: CustomerNumber,
}

impl Call {
    /// The call of an event; `None` only for events that are about no call.
    ///
    /// Numbers without country code are read as in `region`. `received_at` stands in where the payload has no
    /// readable start or one in the future, so that a wrong clock over there cannot extend a card's life.
    pub fn new(event: &Event, account: &str, region: Region, received_at: Timestamp) -> Option<Call> {
        if matches!(event.kind, EventKind::Other(_)) {
            return None;
        }
        let direction = event.direction();
        let (customer, line_number) = numbers(event, direction, region);
        Some(Call {
            account: account.to_owned(),
            event: event.kind.clone(),
            id: event.call_id.clone()?,
            direction,
            started_at: event.started_at().map_or(received_at, |started_at| started_at.min(received_at)),
            customer,
            line: Line {
                id: field::integer(event.data("number_id")).or_else(|| field::integer(event.data("channel_id"))),
                number: line_number,
            },
            callee: field::text(event.data("callee_type"))
                .map(|kind| Callee { kind: kind.to_owned(), id: field::integer(event.data("callee_id")) }),
            user_id: field::integer(event.data("user_id")),
            payload: event.payload.clone(),
        })
    }
}

impl Call {
    /// The caller's and the callee's number, whoever is the customer; also where no direction says who that is.
    pub fn numbers(&self, region: Region) -> [CustomerNumber; 2] {
        let payload = self.payload.value();
        ["/data/caller_number", "/data/callee_number"].map(|key| phone_number(payload.pointer(key), region))
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("account", &self.account)
            .field("event", &self.event)
            .field("id", &self.id)
            .field("direction", &self.direction)
            .field("started_at", &self.started_at)
            .field("customer", &self.customer)
            .field("line", &self.line)
            .field("callee", &self.callee)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

/// The customer's number and our own. Without a direction nobody knows which is which, so neither is guessed.
fn numbers(event: &Event, direction: Option<Direction>, region: Region) -> (CustomerNumber, CustomerNumber) {
    let caller = || phone_number(event.data("caller_number"), region);
    let callee = || phone_number(event.data("callee_number"), region);
    match direction {
        Some(Direction::Inbound) => (caller(), callee()),
        Some(Direction::Outbound) => (callee(), caller()),
        Some(Direction::Internal) => (caller(), CustomerNumber::absent()),
        None => (CustomerNumber::absent(), CustomerNumber::absent()),
    }
}

fn phone_number(value: Option<&Value>, region: Region) -> CustomerNumber {
    match value {
        None | Some(Value::Null) => CustomerNumber::parse(None, region),
        Some(Value::String(text)) => CustomerNumber::parse(Some(text), region),
        // Only whole numbers: a fraction or a sign would become wrong digits.
        Some(Value::Number(number)) if number.is_u64() => CustomerNumber::parse(Some(&number.to_string()), region),
        // An object or a truth value is a payload that we do not understand, not somebody who hides.
        Some(_) => CustomerNumber::absent(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::Kind, *};

    const RECEIVED_AT: &str = "2026-03-02T08:15:28Z";

    fn call_of(event: &Event) -> Call {
        Call::new(event, "hipcall", Region::parse("TR").unwrap(), RECEIVED_AT.parse().unwrap()).unwrap()
    }

    fn call(data: Value) -> Call {
        let mut payload = json!({"event": "call_init", "data": {"uuid": "call_abc123"}});
        payload["data"].as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
        call_of(&Event::parse(payload.to_string().as_bytes()).unwrap())
    }

    /// One line a call, so that a table of samples can be read.
    fn summary(call: &Call) -> String {
        let number =
            |number: &CustomerNumber| format!("{} {}", number.kind(), number.e164().or(number.digits()).unwrap_or("-"));
        format!(
            "{} {} | {} | {} | {} {} | {} | user {:?}",
            call.event,
            call.direction.map_or("-", Direction::as_str),
            call.started_at,
            number(&call.customer),
            call.line.id.unwrap_or(-1),
            number(&call.line.number),
            call.callee.as_ref().map_or("-".into(), |callee| format!("{} {:?}", callee.kind, callee.id)),
            call.user_id,
        )
    }

    #[test]
    fn every_sample_reads_as_the_call_it_is() {
        let inbound = "2026-03-02T08:15:27Z | mobile +905321234567 | 328 fixed +902582440032";
        let old = "2024-11-17T10:41:00Z";
        let mut cases = vec![
            ("inbound_bridged", format!("call_bridged inbound | {inbound} | user Some(1121) | user Some(1121)")),
            ("inbound_hangup", format!("call_hangup inbound | {inbound} | user Some(1121) | user Some(1121)")),
            ("inbound_init", format!("call_init inbound | {inbound} | team Some(12) | user None")),
            (
                "internal_init",
                format!("call_init internal | {old} | extension 101 | 328 unknown - | user Some(8) | user None"),
            ),
            (
                "outbound_init",
                format!(
                    "call_init outbound | {old} | mobile +905438856301 | 328 fixed +902582440032 | contact None | user None"
                ),
            ),
            (
                "service_number_init",
                format!(
                    "call_init outbound | {old} | service +904440333 | 328 fixed +902582440032 | contact None | user None"
                ),
            ),
            (
                "withheld_init",
                format!("call_init inbound | {old} | withheld - | 328 fixed +902582440032 | contact None | user None"),
            ),
        ];
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/events");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let at = cases.iter().position(|(case, _)| *case == name).unwrap_or_else(|| panic!("no case for {name}"));
            let (_, want) = cases.remove(at);
            let event = Event::parse(&std::fs::read(&path).unwrap()).unwrap();
            let got = call_of(&event);
            assert_eq!(summary(&got), want, "{name}");
            assert!(got.payload == event.payload, "{name}");
        }
        assert!(cases.is_empty(), "without a file: {cases:?}");
    }

    #[test]
    fn the_vendors_second_published_example_is_a_call() {
        let body = br#"{"event":"call_init","data":{"uuid":"call_abc123","direction":"inbound",
            "caller_number":"+442045205757","callee_number":"+441234567890","callee_extension_id":1042}}"#;
        let got = call_of(&Event::parse(body).unwrap());
        assert_eq!(
            summary(&got),
            "call_init inbound | 2026-03-02T08:15:28Z | fixed +442045205757 | -1 fixed +441234567890 | - | user None"
        );
        assert_eq!((got.id.as_str(), got.account.as_str()), ("call_abc123", "hipcall"));
    }

    #[test]
    fn an_old_payload_with_integers_is_the_same_call() {
        let old =
            call(json!({"direction": 2, "caller_number": 902_582_440_032_u64, "callee_number": 905_438_856_301_u64,
            "number_id": "328", "user_id": "1121", "callee_type": "contact", "callee_id": "7"}));
        let new =
            call(json!({"direction": "outbound", "caller_number": "+902582440032", "callee_number": "+905438856301",
            "number_id": 328, "user_id": 1121, "callee_type": "contact", "callee_id": 7}));
        assert_eq!(summary(&old), summary(&new));
        assert_eq!(old.customer.e164(), Some("+905438856301"));
    }

    #[test]
    fn without_a_direction_nobody_is_the_customer() {
        let got = call(json!({"caller_number": "+905321234567", "callee_number": "+902582440032"}));
        assert_eq!((got.customer.kind(), got.customer.received()), (Kind::Unknown, None));
        assert_eq!((got.line.number.kind(), got.line.number.received()), (Kind::Unknown, None));
    }

    #[test]
    fn a_missing_number_is_withheld_and_a_strange_value_is_unknown() {
        let cases = [
            (json!({}), Kind::Withheld),
            (json!({"caller_number": null}), Kind::Withheld),
            (json!({"caller_number": ""}), Kind::Withheld),
            (json!({"caller_number": 0}), Kind::Withheld),
            (json!({"caller_number": 101}), Kind::Extension),
            (json!({"caller_number": {}}), Kind::Unknown),
            (json!({"caller_number": true}), Kind::Unknown),
            (json!({"caller_number": -905_321_234_567_i64}), Kind::Unknown),
            (json!({"caller_number": 905_321_234_567.5}), Kind::Unknown),
        ];
        for (mut data, want) in cases {
            data["direction"] = json!("inbound");
            assert_eq!(call(data.clone()).customer.kind(), want, "{data}");
        }
    }

    #[test]
    fn the_line_is_the_number_id_or_else_the_channel_id() {
        for (data, want) in [
            (json!({"number_id": 1, "channel_id": 2}), Some(1)),
            (json!({"number_id": null, "channel_id": 2}), Some(2)),
            (json!({"number_id": "x", "channel_id": "2"}), Some(2)),
            (json!({}), None),
        ] {
            assert_eq!(call(data.clone()).line.id, want, "{data}");
        }
    }

    #[test]
    fn a_start_that_is_missing_unreadable_or_in_the_future_is_when_the_event_came() {
        for (started_at, want) in [
            (json!("2026-03-02T08:15:20Z"), "2026-03-02T08:15:20Z"),
            (json!("2026-03-02T09:00:00Z"), RECEIVED_AT),
            (json!("soon"), RECEIVED_AT),
            (json!(null), RECEIVED_AT),
        ] {
            assert_eq!(call(json!({"started_at": started_at})).started_at.to_string(), want, "{started_at}");
        }
    }

    #[test]
    fn an_event_about_no_call_is_no_call() {
        let event = Event::parse(br#"{"event":"deal_created","data":{"uuid":"a","direction":"inbound"}}"#).unwrap();
        let region = Region::parse("TR").unwrap();
        assert!(Call::new(&event, "hipcall", region, RECEIVED_AT.parse().unwrap()).is_none());
    }

    #[test]
    fn debug_prints_no_full_number() {
        let got = format!("{:?}", call(json!({"direction": "inbound", "caller_number": "+905321234567"})));
        assert!(got.contains("+90 *** ** 67") && !got.contains("1234"), "{got}");
    }
}
