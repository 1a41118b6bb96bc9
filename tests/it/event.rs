//! Webhooks, as the phone system sends them.

use serde_json::{Value, json};

/// Our own line in all of them.
const LINE: &str = "+902582440032";

/// A sample of `tests/events`, whose call starts now; nothing else is changed.
pub fn sample(name: &str) -> Value {
    let path = format!("{}/tests/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let mut event: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    event["data"]["started_at"] = json!(now());
    event
}

/// A customer calls.
pub fn inbound(call_id: &str, number: &str) -> Value {
    call(call_id, "inbound", number, LINE)
}

/// We call a customer.
pub fn outbound(call_id: &str, number: &str) -> Value {
    call(call_id, "outbound", LINE, number)
}

/// The call is over.
pub fn hangup(call_id: &str) -> Value {
    let mut event = sample("inbound_hangup");
    event["data"]["uuid"] = json!(call_id);
    event
}

/// Now, as the phone system writes it.
pub fn now() -> String {
    jiff::Timestamp::now().to_string()
}

fn call(call_id: &str, direction: &str, caller: &str, callee: &str) -> Value {
    json!({"event": "call_init", "data": {
        "uuid": call_id, "direction": direction, "caller_number": caller, "callee_number": callee,
        "number_id": 328, "channel_id": 328, "user_id": null, "company_id": null, "started_at": now(),
    }})
}
