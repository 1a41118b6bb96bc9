//! The phone system's own directory: contacts and companies, found by number with the token of the call's account.
//!
//! It keeps no answer and asks once, where the account's rate leaves a request for it. That the address may be a private one is right: it is the operator's own setting, and
//! nothing that a rule says gets into it.
//!
//! What is known of the lookup, all of it from the vendor's repositories on GitHub:
//! - `hipcall/restclient`, `APIv3/Contact_Centre.http`: `GET /lookup/by_phone?number=+908508850227` with the bearer token.
//! - `hipcall/2026-internship`, `submissions/05-insight-card.md`, section D4: a real answer, whose lists `companies` and
//!   `contacts` hold each record's numbers as `phones[].number`. Its client asked with `phone=` instead of `number=`.
//! - `submissions/06-kisi-firma-senkronu` there: a contact's `company` is null or has `id` and `name`.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::Instant;

use super::http::answer::{BODY_BYTES_MAX, body, broken, refused};
use super::{Again, Failure, Kind, Made, Question, Reach, Record, Records, owner};
use crate::problem::Fault;
use crate::rate::{Answer, Budget, Heard};

/// The parameter that holds the number.
const NUMBER: &str = "number";

/// How long to leave the API alone when it says "too many" and no time: its limit is counted by the minute.
const LIMIT_IS_WHOLE_AFTER: Duration = Duration::from_secs(60);

/// Why nothing could be asked.
const NO_BUDGET: &str = "the account's rate leaves no request for it now: the rest is for cards";

/// The field that tells a contact from a company. The API is not known to have one of this name; ours would win.
const FOUND_AS: &str = "found_as";

/// The API of a phone-system account.
#[derive(Clone, Debug)]
pub struct AccountApi {
    /// The account, by its name in the rules.
    pub account: String,
    /// The base, which ends in `/api/v3`.
    pub api: Url,
    /// The bearer token.
    pub token: SecretString,
    /// What the account may send in a minute, cards and lookups together.
    pub requests_per_minute: u32,
    /// What is left of it.
    pub budget: Arc<Budget>,
}

/// The directories of all accounts; copies share them.
#[derive(Clone, Debug)]
pub struct Hipcall {
    client: Arc<Client>,
    accounts: Arc<[AccountApi]>,
    parameter: String,
}

pub(super) fn compile(definition: &Value, reach: &Reach<'_>) -> Result<Made, Vec<Fault>> {
    let hipcall = Hipcall {
        client: reach.network.private(),
        accounts: reach.accounts.into(),
        parameter: definition.get("parameter").and_then(Value::as_str).unwrap_or(NUMBER).to_owned(),
    };
    Ok(Made { kind: Kind::Hipcall(hipcall), parameters: Vec::new(), faults: Vec::new() })
}

impl Hipcall {
    pub(super) async fn ask(&self, question: &Question) -> Result<Records, Failure> {
        let Some(e164) = question.customer.e164() else { return Ok(Records::default()) };
        let account = self.accounts.iter().find(|account| account.account == question.account);
        let account = account.ok_or_else(|| Failure::lasting("the call's account has no token here"))?;
        let mut url = account.api.clone();
        url.set_path(&format!("{}/lookup/by_phone", account.api.path()));
        let request = self.client.get(url).query(&[(self.parameter.as_str(), e164)]);
        let request = request.header(ACCEPT, "application/json").bearer_auth(account.token.expose_secret());
        let permit = account.budget.take_for_lookup(account.requests_per_minute, Instant::now());
        let mut permit = permit.ok_or_else(|| Failure::unsent(NO_BUDGET))?;
        permit.begin(Instant::now()).map_err(|_| Failure::unsent(NO_BUDGET))?;
        let response = request.send().await.map_err(|error| broken(&error))?;
        let now = Instant::now();
        let answer = Answer::read(response.status().as_u16(), response.headers(), account.budget.time(now));
        permit.heard(&Heard::Answer(answer), now);
        if !response.status().is_success() {
            return Err(no_answer(&response));
        }
        let answer: Value = serde_json::from_slice(&body(response, BODY_BYTES_MAX).await?)
            .map_err(|_| Failure::lasting("its answer is not JSON"))?;
        records(&answer, question)
    }
}

/// Any other status than 2xx is a failure, 404 too: it may be a wrong address as well, and a failure hides nobody.
fn no_answer(response: &Response) -> Failure {
    let status = response.status().as_u16();
    match status {
        401 | 403 => Failure::lasting(format!("it refuses the account's token with status {status}")),
        429 if !response.headers().contains_key(RETRY_AFTER) => {
            Failure { why: format!("it answered with status {status}"), again: Again::After(LIMIT_IS_WHOLE_AFTER) }
        }
        _ => refused(response.status(), response.headers()),
    }
}

/// The contacts of this customer; where there is none, the companies. A record none of whose numbers is the customer's is
/// dropped, also one without any: nothing then says whose it is.
fn records(answer: &Value, question: &Question) -> Result<Records, Failure> {
    let list = |key: &str| answer.pointer(&format!("/data/{key}")).and_then(Value::as_array);
    let (Some(contacts), Some(companies)) = (list("contacts"), list("companies")) else {
        return Err(Failure::lasting("its answer has no `data` with `contacts` and `companies`"));
    };
    let mut records = Records::default();
    for (found, found_as) in [(contacts, "contact"), (companies, "company")] {
        if !records.records.is_empty() {
            break;
        }
        for fields in found.iter().filter_map(Value::as_object) {
            let phones = fields.get("phones").and_then(Value::as_array).into_iter().flatten();
            if owner::is_of(phones.filter_map(|phone| phone.get("number")), question) {
                records.records.push(record(fields, found_as));
            } else {
                records.dropped += 1;
            }
        }
    }
    Ok(records)
}

/// The fields as they are, and those that make a template the same for both: `name`, `company` as a text, and what it is.
fn record(fields: &Record, found_as: &str) -> Record {
    let mut record = fields.clone();
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default().trim();
    let full_name = match text("full_name") {
        "" => format!("{} {}", text("first_name"), text("last_name")).trim().to_owned(),
        full_name => full_name.to_owned(),
    };
    if text("name").is_empty() {
        record.insert("name".to_owned(), full_name.into());
    }
    if let Some(Value::Object(company)) = fields.get("company") {
        record.insert("company".to_owned(), company.get("name").cloned().unwrap_or_default());
        record.insert("company_id".to_owned(), company.get("id").cloned().unwrap_or_default());
    }
    record.insert(FOUND_AS.to_owned(), found_as.into());
    record
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{CustomerNumber, Region};

    fn said(data: &Value) -> Result<Records, Failure> {
        let region = Region::parse("TR").unwrap();
        let customer = CustomerNumber::parse(Some("+905321234567"), region);
        let question = Question { account: "hipcall".to_owned(), customer, region, parameters: Vec::new() };
        records(&json!({ "data": data }), &question)
    }

    /// As in the answer that the vendor's interns published, numbers and names apart.
    fn contact() -> Value {
        json!({"id": 193_768, "user": null, "source": null, "external_id": null, "full_name": "Jane Doe",
            "first_name": "Jane", "last_name": "Doe", "company": {"id": 80_679, "name": "Acme Inc."},
            "emails": [{"order": 1, "email": "jane@example.com"}], "life_cycle": null,
            "phones": [{"id": 1, "number": "+902125550101", "order": 1, "country": "TR"},
                {"id": 309_013, "number": "0532 123 45 67", "order": 2, "country": "TR"}],
            "job_title": "Engineer", "custom_fields": {"tier": "gold"}})
    }

    fn company() -> Value {
        json!({"id": 80_689, "name": "Acme Inc.", "contacts": [], "custom_fields": {},
            "phones": [{"id": 246_087, "number": "+905321234567", "order": 1, "country": "TR"}]})
    }

    #[test]
    fn a_contact_keeps_its_fields_and_its_company_becomes_a_name() {
        let said = said(&json!({"companies": [company()], "contacts": [contact()]})).unwrap();
        let mut expected = contact();
        expected["company"] = json!("Acme Inc.");
        expected["company_id"] = json!(80_679);
        expected["name"] = json!("Jane Doe");
        expected["found_as"] = json!("contact");
        assert_eq!(json!(said.records), json!([expected]), "companies only where there is no contact");
    }

    #[test]
    fn without_a_contact_each_company_is_a_record_in_the_order_of_the_answer() {
        let mut second = company();
        second["name"] = json!("Beta Inc.");
        let said = said(&json!({"companies": [second, company()], "contacts": []})).unwrap();
        let shown: Vec<_> = said.records.iter().map(|record| (&record["name"], &record["found_as"])).collect();
        assert_eq!(shown, [(&json!("Beta Inc."), &json!("company")), (&json!("Acme Inc."), &json!("company"))]);
    }

    #[test]
    fn a_record_of_somebody_else_or_without_a_number_is_dropped() {
        let mut others = vec![contact(), contact(), contact()];
        others[0]["phones"] = json!([{"number": "+905321234568"}]);
        others[1]["phones"] = json!([]);
        others[2].as_object_mut().unwrap().remove("phones");
        let said = said(&json!({"companies": [company()], "contacts": others})).unwrap();
        assert_eq!((said.records.len(), said.dropped), (1, 3));
        assert_eq!(said.records[0]["found_as"], "company");
    }

    #[test]
    fn a_contact_without_full_name_or_company_has_the_name_that_can_be_made() {
        let phones = json!([{"number": "+905321234567"}]);
        for (contact, name) in [
            (json!({"first_name": "Jane", "last_name": null, "company": null, "phones": phones}), "Jane"),
            (json!({"first_name": "Jane", "last_name": "Doe", "full_name": " ", "phones": phones}), "Jane Doe"),
            (json!({"phones": phones}), ""),
        ] {
            let said = said(&json!({"companies": [], "contacts": [contact]})).unwrap();
            assert_eq!(said.records[0]["name"], name);
            assert!(said.records[0].get("company").is_none_or(Value::is_null));
        }
    }

    #[test]
    fn an_answer_of_another_shape_is_a_failure_and_not_nobody() {
        for data in [json!(null), json!([]), json!({"contacts": []}), json!({"contacts": {}, "companies": []})] {
            assert_eq!(said(&data).unwrap_err().again, Again::No, "{data}");
        }
    }
}
