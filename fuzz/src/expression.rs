//! The text of an expression → its value over hostile values.

use std::sync::LazyLock;

use callcard::expression::{Expression, Scope};
use callcard::problem::{Code, Fault};
use serde_json::{Value, json};

/// Knows `crm`, `call`, `event` and `table`, whose fields are texts.
#[derive(Debug)]
struct Known;

impl Scope for Known {
    fn fault(&self, name: &str, _field: Option<&str>) -> Option<Fault> {
        let wrong = !["crm", "call", "event", "table"].contains(&name);
        wrong.then(|| Fault::new(Code::TemplateName, "", name))
    }

    fn is_text(&self, name: &str, _field: &str) -> bool {
        name == "table"
    }
}

static VALUES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    vec![
        json!({
            "call": {"direction": "inbound", "user_id": null, "started_at": "2026-03-02T11:15:00+03:00"},
            "crm": {"name": "Ayşe", "balance": 12.5, "id": i64::MIN, "vip": true, "none": null, "empty": "", "tags": ["a"],
                "all": (0..300).map(|n| json!({"n": n, "items": [n, n]})).collect::<Vec<_>>(), "large": u64::MAX},
            "event": {"data": {"list": (0..500).collect::<Vec<_>>(), "text": "ş".repeat(50_000), "tiny": 5e-324}},
            "table": {"a": "1", "b": "", "count": 1, "all": [{"a": "1"}]},
        }),
        json!({"crm": [], "event": "x", "table": {"a": {"b": [null]}}}),
        Value::Null,
    ]
});

/// Any text. Whether it runs too long is seen by the time that is given.
pub fn expression(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let read = Expression::compile(&text, &Known);
    if let Ok(test) = Expression::test(&text, &Known) {
        assert_eq!(test.text(), text.trim());
        assert!(read.is_ok(), "a test that is no expression");
    }
    let Ok(expression) = read else { return };
    assert!(expression.mentions().iter().all(|name| Known.fault(name, None).is_none()));
    for values in &*VALUES {
        let value = expression.value(values);
        assert_eq!(value, expression.value(values), "not the same twice");
        let holds = expression.holds(values);
        match &value {
            Ok(Value::Bool(truth)) => assert_eq!(holds, Ok(*truth)),
            _ => assert!(holds.is_err(), "{value:?} holds"),
        }
        for why in [value.err(), holds.err(), expression.is_there(values).err()].into_iter().flatten() {
            assert!(!why.contains("Ayşe") && why.len() < 1_000, "{why}");
        }
    }
}
