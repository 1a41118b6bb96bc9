//! The fake phone system's directory: whom its lookup knows, in the shape of a real answer.
//!
//! The people are those of the shipped table, so that a rule may ask either.

use serde_json::{Value, json};

/// The body of an answer to a lookup; empty lists for a number that nobody has.
pub(super) fn lookup(number: &str) -> Value {
    let phones = json!([{ "id": 1, "number": number, "order": 1, "country": null }]);
    let contact = |id: u32, first_name: &str, last_name: &str, company: &str| {
        json!([{
            "id": id, "full_name": format!("{first_name} {last_name}"), "first_name": first_name, "last_name": last_name,
            "company": {"id": id + 1000, "name": company}, "job_title": null, "external_id": id.to_string(),
            "emails": [], "phones": phones, "user": null, "custom_fields": {},
        }])
    };
    let (contacts, companies) = match number {
        "+905321234567" => (contact(1001, "Ayşe", "Yılmaz", "Yılmaz Mobilya"), json!([])),
        "+905438856301" => (contact(1006, "İrem", "Çelik", ""), json!([])),
        "+447700900123" => (contact(1002, "Jane", "Smith", "Acme Ltd"), json!([])),
        "+903125558800" => {
            let company = json!({"id": 2004, "name": "Kaya Eczanesi", "contacts": [], "phones": phones});
            (json!([]), json!([company]))
        }
        _ => (json!([]), json!([])),
    };
    json!({ "data": { "companies": companies, "contacts": contacts } })
}
