//! The names that every template knows: `call`, `customer`, `line`, `event`, `now`.
//!
//! Built once a call. `now` is the start of the call, not a clock, so that a retry or a replay decides the same.

use serde_json::{Value, json};

use crate::event::{Call, CustomerNumber};
use crate::rules::{Defaults, SIGNIFICANT, VARIANTS};

/// The values of a call, for templates and expressions.
pub fn of(call: &Call, defaults: &Defaults) -> Value {
    let mut values = described(call, defaults);
    // Written once: to write a time takes longer than to copy it.
    let now = values.pointer("/call/started_at").cloned();
    if let Some(values) = values.as_object_mut() {
        values.insert("now".to_owned(), now.into());
        values.insert("event".to_owned(), call.payload.clone());
        let customer = values.get_mut("customer").and_then(Value::as_object_mut);
        if let Some(customer) = customer.filter(|_| defaults.written_forms) {
            customer.insert(SIGNIFICANT.to_owned(), call.customer.significant().into());
            customer.insert(VARIANTS.to_owned(), call.customer.variants(defaults.region).into());
        }
    }
    values
}

/// The same for people: without the raw payload and the ways of writing a number.
pub(super) fn described(call: &Call, defaults: &Defaults) -> Value {
    json!({
        "call": {
            "id": call.id.as_str(),
            "account": call.account,
            "event": call.event.as_str(),
            "direction": call.direction.map(|direction| direction.as_str()),
            "started_at": local(call, defaults),
            "callee_type": call.callee.as_ref().map(|callee| callee.kind.as_str()),
            "callee_id": call.callee.as_ref().and_then(|callee| callee.id),
            "user_id": call.user_id,
        },
        "customer": number(&call.customer, json!({})),
        "line": number(&call.line.number, json!({ "id": call.line.id })),
    })
}

fn number(number: &CustomerNumber, mut fields: Value) -> Value {
    if let Some(fields) = fields.as_object_mut() {
        let mut put =
            |key: &str, value: Option<&str>| fields.insert(key.to_owned(), value.map_or(Value::Null, Value::from));
        put("number", number.received());
        put("e164", number.e164());
        put("national", number.national().as_deref());
        put("international", number.international().as_deref());
        put("country", number.country());
        put("kind", Some(number.kind().as_str()));
    }
    fields
}

/// The start of the call in the zone of the rules, with offset: `2026-03-02T11:15:27+03:00`.
fn local(call: &Call, defaults: &Defaults) -> String {
    call.started_at.to_zoned(defaults.time_zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::rules::{CALL_FIELDS, NUMBER_FIELDS};

    #[test]
    fn check_knows_the_fields_that_templates_are_given() {
        let body = br#"{"event":"call_init","data":{"uuid":"u","direction":"inbound","caller_number":"101"}}"#;
        let event = Event::parse(body).unwrap();
        let region = crate::event::Region::default();
        let call = Call::new(&event, "hipcall", region, jiff::Timestamp::UNIX_EPOCH).unwrap();
        let defaults = Defaults {
            region,
            time_zone: jiff::tz::TimeZone::UTC,
            decide_within: std::time::Duration::ZERO,
            send_within: std::time::Duration::ZERO,
            written_forms: true,
        };
        let values = of(&call, &defaults);
        let fields = |name: &str| {
            let mut fields: Vec<&str> = values[name].as_object().unwrap().keys().map(String::as_str).collect();
            fields.sort_unstable();
            fields
        };
        assert_eq!(fields("call"), CALL_FIELDS);
        assert_eq!(fields("customer"), [NUMBER_FIELDS.as_slice(), &[SIGNIFICANT, VARIANTS]].concat());
        assert_eq!(fields("line").into_iter().filter(|field| *field != "id").collect::<Vec<_>>(), NUMBER_FIELDS);
    }
}
