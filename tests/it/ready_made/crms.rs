//! HubSpot, Salesforce, Pipedrive, Zoho CRM and Zendesk, as far as their documentation tells.

use serde_json::{Value, json};

use super::people::{self, Person};
use super::{Service, body, is_form, query, quoted, value};
use crate::host::{Reply, Request};

pub const HUBSPOT: Service = Service {
    name: "hubspot",
    rules: "hubspot",
    environment: &[("HUBSPOT_TOKEN", "hubspot-token-canary")],
    token_path: None,
    answer: hubspot,
    limited: || {
        let message = "You have reached your secondly limit.";
        Reply::json(
            429,
            &json!({"status": "error", "message": message, "errorType": "RATE_LIMIT", "policyName": "SECONDLY"}),
        )
    },
    refused: || {
        let message = "Authentication credentials not found. This API supports OAuth 2.0 authentication";
        Reply::json(401, &json!({"status": "error", "message": message, "category": "INVALID_AUTHENTICATION"}))
    },
    card: &["Jane Canary", "Acme Canary", "customer"],
    link: "https://app.hubspot.com/contacts/12345678/record/0-1/512",
    shares_numbers: true,
};

fn hubspot(request: &Request) -> Reply {
    let invalid =
        || Reply::json(400, &json!({"status": "error", "message": "Invalid input", "category": "VALIDATION_ERROR"}));
    if request.header("authorization") != Some("Bearer hubspot-token-canary") {
        return (HUBSPOT.refused)();
    }
    if (request.method.as_str(), request.target.as_str()) != ("POST", "/crm/v3/objects/contacts/search") {
        return Reply::json(404, &json!({"status": "error", "message": "resource not found"}));
    }
    let body = body(request);
    let groups = body["filterGroups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let filters: Vec<&Value> = groups.iter().flat_map(|group| group["filters"].as_array().unwrap()).collect();
    let is_known = |filter: &&Value| filter["operator"] == "IN" && filter["values"][0].is_string();
    if !(1..=5).contains(&groups.len()) || request.body.len() > 3_000 || !filters.iter().all(is_known) {
        return invalid();
    }
    let asked_for = |property: &str| {
        let filter = filters.iter().find(|filter| filter["propertyName"] == property);
        strings(filter.map_or(&Value::Null, |filter| &filter["values"]))
    };
    // Kept as typed, and beside it the digits without country code.
    let (typed, calculated) = (asked_for("phone"), asked_for("hs_searchable_calculated_phone_number"));
    let local =
        |text: &str| digits(text).chars().rev().take(10).collect::<Vec<_>>().into_iter().rev().collect::<String>();
    let people = people::found(|text| typed.iter().any(|one| one == text) || calculated.contains(&local(text)));
    let results: Vec<Value> = people
        .iter()
        .map(|person| {
            let mut properties = json!({
                "firstname": person.first_name, "lastname": "Canary", "company": "Acme Canary", "jobtitle": null,
                "lifecyclestage": "customer", "phone": person.phone, "mobilephone": null, "email": "jane@example.com",
            });
            let wanted = strings(&body["properties"]);
            properties.as_object_mut().unwrap().retain(|name, _| wanted.contains(name));
            json!({"id": person.id.to_string(), "properties": properties, "createdAt": person.since, "archived": false})
        })
        .collect();
    Reply::json(200, &json!({"total": results.len(), "results": results}))
}

const SALESFORCE_TOKEN: &str = "/services/oauth2/token";

pub const SALESFORCE: Service = Service {
    name: "salesforce",
    rules: "salesforce",
    environment: &[
        ("SALESFORCE_CLIENT_ID", "salesforce-id-canary"),
        ("SALESFORCE_CLIENT_SECRET", "salesforce-secret-canary"),
    ],
    token_path: Some(SALESFORCE_TOKEN),
    answer: salesforce,
    limited: || {
        Reply::json(403, &json!([{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]))
    },
    refused: || {
        Reply::json(401, &json!([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]))
    },
    card: &["Jane Canary", "Acme Canary", "Broken seal (New)", "Invoice (Working)"],
    link: "https://example.my.salesforce.com/003000000000512AAA",
    shares_numbers: true,
};

fn salesforce(request: &Request) -> Reply {
    if request.path() == SALESFORCE_TOKEN {
        let id = [("client_id", "salesforce-id-canary"), ("client_secret", "salesforce-secret-canary")];
        let is_right = is_form(request, &[("grant_type", "client_credentials"), id[0], id[1]]);
        // It does not say how long the token is good.
        let token = json!({"access_token": "salesforce-access", "token_type": "Bearer", "issued_at": "1772442900000"});
        let wrong = json!({"error": "invalid_client", "error_description": "invalid client credentials"});
        return if is_right { Reply::json(200, &token) } else { Reply::json(400, &wrong) };
    }
    if request.header("authorization") != Some("Bearer salesforce-access") {
        return (SALESFORCE.refused)();
    }
    let malformed = || Reply::json(400, &json!([{"message": "unexpected token", "errorCode": "MALFORMED_QUERY"}]));
    let query = query(request);
    let Some(soql) = value(&query, "q").filter(|_| request.path() == "/services/data/v62.0/query") else {
        return Reply::json(
            404,
            &json!([{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]),
        );
    };
    let Some(texts) = quoted(soql).filter(|_| soql.starts_with("SELECT ")) else { return malformed() };
    let records: Vec<Value> = if soql.contains(" FROM Contact WHERE Phone IN ('") {
        people::with(&texts).iter().map(contact).collect()
    } else if soql.contains(" FROM Case WHERE ContactId = '003000000000512AAA' AND IsClosed = false ") {
        vec![
            json!({"Id": "500B", "CaseNumber": "26", "Subject": "Broken seal", "Status": "New", "CreatedDate": "2026-02-05"}),
            json!({"Id": "500A", "CaseNumber": "12", "Subject": "Invoice", "Status": "Working", "CreatedDate": "2026-01-05"}),
        ]
    } else {
        return malformed();
    };
    Reply::json(200, &json!({"totalSize": records.len(), "done": true, "records": records}))
}

/// The same, with an Id that would end the quotes of a query.
pub const SALESFORCE_WITH_A_HOSTILE_ID: Service = Service { answer: salesforce_with_a_hostile_id, ..SALESFORCE };

fn salesforce_with_a_hostile_id(request: &Request) -> Reply {
    match salesforce(request) {
        Reply::Answer { status, headers, body } => {
            let body = String::from_utf8(body).unwrap().replace("003000000000512AAA", "x' OR Id != '");
            Reply::Answer { status, headers, body: body.into_bytes() }
        }
        other => other,
    }
}

fn contact(person: &Person) -> Value {
    let id = format!("{:0>15}AAA", format!("003{:0>12}", person.id));
    json!({
        "attributes": {"type": "Contact", "url": format!("/services/data/v62.0/sobjects/Contact/{id}")},
        "Id": id, "Name": person.name(), "Title": null, "Account": {"Name": "Acme Canary"},
        "Phone": null, "MobilePhone": person.phone, "HomePhone": null, "OtherPhone": null, "CreatedDate": person.since,
    })
}

pub const PIPEDRIVE: Service = Service {
    name: "pipedrive",
    rules: "pipedrive",
    environment: &[("PIPEDRIVE_TOKEN", "pipedrive-token-canary")],
    token_path: None,
    answer: pipedrive,
    limited: || Reply::json(429, &json!({"success": false, "error": "request over limit", "errorCode": 429})),
    refused: || Reply::json(401, &json!({"success": false, "error": "unauthorized access", "errorCode": 401})),
    card: &["Jane Canary", "Acme Canary", "jane@example.com"],
    link: "https://example.pipedrive.com/person/512",
    shares_numbers: true,
};

fn pipedrive(request: &Request) -> Reply {
    if request.header("x-api-token") != Some("pipedrive-token-canary") {
        return (PIPEDRIVE.refused)();
    }
    let query = query(request);
    let term = value(&query, "term").filter(|term| term.chars().count() >= 2);
    let Some(term) =
        term.filter(|_| request.path() == "/api/v2/persons/search" && value(&query, "fields") == Some("phone"))
    else {
        return Reply::json(400, &json!({"success": false, "error": "Parameter validation error"}));
    };
    let items: Vec<Value> = people::found(|text| text.contains(term))
        .iter()
        .map(|person| {
            json!({"result_score": 0.29, "item": {
                "id": person.id, "type": "person", "name": person.name(), "phones": [person.phone],
                "emails": ["jane@example.com"], "owner": {"id": 1}, "organization": {"id": 3, "name": "Acme Canary"},
                "custom_fields": [], "notes": [],
            }})
        })
        .collect();
    Reply::json(200, &json!({"success": true, "data": {"items": items}, "additional_data": {"next_cursor": null}}))
}

const ZOHO_TOKEN: &str = "/oauth/v2/token";

pub const ZOHO: Service = Service {
    name: "zoho",
    rules: "zoho",
    environment: &[
        ("ZOHO_CLIENT_ID", "zoho-id-canary"),
        ("ZOHO_CLIENT_SECRET", "zoho-secret-canary"),
        ("ZOHO_REFRESH_TOKEN", "zoho-refresh-canary"),
    ],
    token_path: Some(ZOHO_TOKEN),
    answer: zoho,
    limited: || {
        Reply::json(429, &json!({"code": "TOO_MANY_REQUESTS", "details": {}, "message": "too many", "status": "error"}))
    },
    refused: || {
        let message = "invalid oauth token";
        Reply::json(401, &json!({"code": "INVALID_TOKEN", "details": {}, "message": message, "status": "error"}))
    },
    card: &["Jane Canary", "Acme Canary", "Buyer"],
    link: "https://crm.zoho.com/crm/org123456789/tab/Contacts/512",
    shares_numbers: true,
};

fn zoho(request: &Request) -> Reply {
    if request.path() == ZOHO_TOKEN {
        let id = [("client_id", "zoho-id-canary"), ("client_secret", "zoho-secret-canary")];
        let refresh = ("refresh_token", "zoho-refresh-canary");
        let is_right = is_form(request, &[("grant_type", "refresh_token"), refresh, id[0], id[1]]);
        let token = json!({"access_token": "zoho-access", "token_type": "Bearer", "expires_in": 3600});
        // What is wrong is told with status 200.
        return Reply::json(200, &if is_right { token } else { json!({"error": "invalid_code"}) });
    }
    if request.header("authorization") != Some("Zoho-oauthtoken zoho-access") {
        return (ZOHO.refused)();
    }
    let wrong = |code: &str| Reply::json(400, &json!({"code": code, "details": {}, "status": "error"}));
    if request.method == "GET" {
        let account = json!({"data": [{"id": "3", "Account_Name": "Acme Canary", "Industry": null}]});
        let is_right = request.path() == "/crm/v8/Accounts/3" && value(&query(request), "fields").is_some();
        return if is_right { Reply::json(200, &account) } else { wrong("INVALID_URL_PATTERN") };
    }
    let body = body(request);
    let select = body["select_query"].as_str().filter(|_| request.target == "/crm/v8/coql").unwrap_or_default();
    let Some(texts) = quoted(select).filter(|_| select.contains(" from Contacts where (Phone in ('")) else {
        return wrong("SYNTAX_ERROR");
    };
    let people = people::with(&texts);
    if people.is_empty() {
        return Reply::Answer { status: 204, headers: Vec::new(), body: Vec::new() };
    }
    let data: Vec<Value> = people
        .iter()
        .map(|person| {
            let (id, account) = (person.id.to_string(), json!({"id": "3"}));
            json!({"id": id, "Full_Name": person.name(), "Title": "Buyer", "Phone": null, "Mobile": person.phone,
                "Account_Name": account})
        })
        .collect();
    Reply::json(200, &json!({"data": data, "info": {"count": data.len(), "more_records": false}}))
}

pub const ZENDESK: Service = Service {
    name: "zendesk",
    rules: "zendesk",
    environment: &[("ZENDESK_EMAIL", "agent@example.com"), ("ZENDESK_TOKEN", "zendesk-token-canary")],
    token_path: None,
    answer: zendesk,
    limited: || {
        let body = json!({"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"});
        let headers = vec![("retry-after".to_owned(), "93".to_owned())];
        Reply::Answer { status: 429, headers, body: body.to_string().into_bytes() }
    },
    refused: || Reply::json(401, &json!({"error": "Couldn't authenticate you"})),
    card: &["Jane Canary", "jane@example.com", "Broken seal (pending)", "Invoice (open)"],
    link: "https://example.zendesk.com/agent/users/512",
    shares_numbers: true,
};

fn zendesk(request: &Request) -> Reply {
    // agent@example.com/token:zendesk-token-canary
    let basic = "Basic YWdlbnRAZXhhbXBsZS5jb20vdG9rZW46emVuZGVzay10b2tlbi1jYW5hcnk=";
    if request.header("authorization") != Some(basic) {
        return (ZENDESK.refused)();
    }
    if request.path() == "/api/v2/users/512/tickets/requested.json" {
        let ticket = |id: u64, subject: &str, status: &str, updated_at: &str| json!({"id": id, "subject": subject, "status": status, "updated_at": updated_at, "requester_id": 512});
        return Reply::json(
            200,
            &json!({"tickets": [
            ticket(31, "Long ago", "closed", "2026-03-02T09:00:00Z"),
            ticket(33, "Invoice", "open", "2026-02-01T09:00:00Z"),
            ticket(35, "Broken seal", "pending", "2026-03-01T09:00:00Z"),
            ticket(34, "Thanks", "solved", "2026-02-03T09:00:00Z"),
        ], "next_page": null, "count": 4}),
        );
    }
    let query = query(request);
    let sought = value(&query, "query").and_then(|text| text.strip_prefix("type:user role:end-user phone:*"));
    let is_search = request.path() == "/api/v2/search.json";
    let Some(sought) = sought.filter(|text| is_search && text.chars().all(|character| character.is_ascii_digit()))
    else {
        return Reply::json(422, &json!({"error": "invalid", "description": "Invalid search"}));
    };
    let results: Vec<Value> = people::found(|text| digits(text).ends_with(sought))
        .iter()
        .map(|person| {
            json!({"id": person.id, "name": person.name(), "email": "jane@example.com", "phone": person.phone,
                "role": "end-user", "result_type": "user", "created_at": person.since})
        })
        .collect();
    Reply::json(200, &json!({"results": results, "count": results.len(), "next_page": null}))
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The texts of a list.
fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
