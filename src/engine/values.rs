//! The names that every template knows: `call`, `customer`, `line`, `event`, `now`.
//!
//! Built once a call. `now` is the start of the call, not a clock, so that a retry or a replay decides the same.

use serde_json::{Map, Value};

use crate::event::{Call, CustomerNumber};
use crate::rules::{Defaults, SIGNIFICANT, VARIANTS};

/// Names beside which those of the sources have room.
const NAMES: usize = 14;

/// The values of a call, for templates and expressions. What takes long to make is there only where rules name it.
pub fn of(call: &Call, defaults: &Defaults) -> Value {
    let costly = defaults.costly;
    let now = local(call, defaults);
    let mut customer = number(&call.customer, fields(8), costly.display_forms);
    if costly.written_forms {
        put(&mut customer, SIGNIFICANT, call.customer.significant());
        put(&mut customer, VARIANTS, call.customer.variants(defaults.region));
    }
    let mut values = fields(NAMES);
    if costly.call {
        put(&mut values, "call", itself(call, &now));
    }
    put(&mut values, "customer", customer);
    if costly.line {
        put(&mut values, "line", line(call, costly.display_forms));
    }
    put(&mut values, "now", now);
    if costly.event {
        put(&mut values, "event", call.payload.value());
    }
    Value::Object(values)
}

/// The same for people: without the raw payload and the ways of writing a number.
pub(super) fn described(call: &Call, defaults: &Defaults) -> Value {
    let mut values = fields(3);
    put(&mut values, "call", itself(call, &local(call, defaults)));
    put(&mut values, "customer", number(&call.customer, fields(6), true));
    put(&mut values, "line", line(call, true));
    Value::Object(values)
}

/// With room for so many; a map that has to grow takes as long again.
fn fields(count: usize) -> Map<String, Value> {
    Map::with_capacity(count)
}

fn put(fields: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    fields.insert(key.to_owned(), value.into());
}

fn itself(call: &Call, started_at: &str) -> Map<String, Value> {
    let mut fields = fields(8);
    put(&mut fields, "id", call.id.as_str());
    put(&mut fields, "account", call.account.as_str());
    put(&mut fields, "event", call.event.as_str());
    put(&mut fields, "direction", call.direction.map(|direction| direction.as_str()));
    put(&mut fields, "started_at", started_at);
    put(&mut fields, "callee_type", call.callee.as_ref().map(|callee| callee.kind.as_str()));
    put(&mut fields, "callee_id", call.callee.as_ref().and_then(|callee| callee.id));
    put(&mut fields, "user_id", call.user_id);
    fields
}

fn line(call: &Call, display_forms: bool) -> Map<String, Value> {
    let mut fields = fields(7);
    put(&mut fields, "id", call.line.id);
    number(&call.line.number, fields, display_forms)
}

fn number(number: &CustomerNumber, mut fields: Map<String, Value>, display_forms: bool) -> Map<String, Value> {
    let (national, international) =
        if display_forms { (number.national(), number.international()) } else { (None, None) };
    put(&mut fields, "number", number.received());
    put(&mut fields, "e164", number.e164());
    put(&mut fields, "national", national.as_deref());
    put(&mut fields, "international", international.as_deref());
    put(&mut fields, "country", number.country());
    put(&mut fields, "kind", number.kind().as_str());
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
    use crate::rules::{CALL_FIELDS, Costly, NUMBER_FIELDS};

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
            costly: Costly::ALL,
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
