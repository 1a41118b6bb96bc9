//! Odoo, Shopify and Google Sheets, as far as their documentation tells.

use serde_json::{Value, json};

use super::people::{self, Person};
use super::{Service, body, is_form, page, query, quoted, value};
use crate::host::{Reply, Request};

pub const ODOO: Service = Service {
    name: "odoo",
    rules: "odoo",
    environment: &[
        ("ODOO_DATABASE", "odoo-database-canary"),
        ("ODOO_USER_ID", "2"),
        ("ODOO_API_KEY", "odoo-key-canary"),
    ],
    token_path: None,
    answer: odoo,
    limited: || page(429),
    refused: || {
        let data =
            json!({"name": "odoo.exceptions.AccessDenied", "message": "Access Denied", "arguments": ["Access Denied"]});
        let error = json!({"code": 200, "message": "Odoo Server Error", "data": data});
        Reply::json(200, &json!({"jsonrpc": "2.0", "id": 1, "error": error}))
    },
    card: &["Jane Canary", "Acme Canary"],
    link: "https://odoo.example.com/web#id=512&model=res.partner&view_type=form",
    shares_numbers: true,
};

fn odoo(request: &Request) -> Reply {
    let body = body(request);
    let params = &body["params"];
    let is_call = body["jsonrpc"] == "2.0" && params["service"] == "object" && params["method"] == "execute_kw";
    if (request.method.as_str(), request.target.as_str()) != ("POST", "/jsonrpc") || !is_call {
        return page(404);
    }
    // The server makes a whole number of the second one, whether it is one or a text.
    let args = params["args"].as_array().unwrap();
    if args[..3] != [json!("odoo-database-canary"), json!("2"), json!("odoo-key-canary")] {
        return (ODOO.refused)();
    }
    let domain = &args[5][0];
    let is_search = args[3..5] == [json!("res.partner"), json!("search_read")] && domain[0] == "|";
    let (phone, mobile) = (&domain[1], &domain[2]);
    if !is_search || phone[0] != "phone" || mobile[0] != "mobile" || args[6]["order"] != "id" {
        return (ODOO.refused)();
    }
    let result = partners([phone, mobile].map(leaf_texts).concat(), Some("mobile"));
    Reply::json(200, &json!({"jsonrpc": "2.0", "id": 1, "result": result}))
}

pub const ODOO_19: Service = Service {
    name: "odoo-19",
    rules: "odoo-19",
    environment: &[("ODOO_DATABASE", "odoo-database-canary"), ("ODOO_API_KEY", "odoo-key-canary")],
    token_path: None,
    answer: odoo_19,
    limited: || page(429),
    refused: || {
        let name = "werkzeug.exceptions.Unauthorized";
        Reply::json(401, &json!({"name": name, "message": "Invalid apikey", "arguments": ["Invalid apikey", 401]}))
    },
    card: &["Jane Canary", "Acme Canary"],
    link: "https://odoo.example.com/odoo/res.partner/512",
    shares_numbers: true,
};

fn odoo_19(request: &Request) -> Reply {
    if request.header("authorization") != Some("Bearer odoo-key-canary") {
        return (ODOO_19.refused)();
    }
    if request.header("x-odoo-database") != Some("odoo-database-canary") {
        return page(404);
    }
    let body = body(request);
    let leaf = &body["domain"][0];
    let is_search = request.method == "POST" && request.target == "/json/2/res.partner/search_read";
    if !is_search || leaf[0] != "phone" {
        return Reply::json(
            422,
            &json!({"name": "werkzeug.exceptions.UnprocessableEntity", "message": "wrong arguments"}),
        );
    }
    Reply::json(200, &partners(leaf_texts(leaf), None))
}

/// The texts of `[field, "in", texts]`.
fn leaf_texts(leaf: &Value) -> Vec<String> {
    assert_eq!(leaf[1], "in");
    leaf[2].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// What is empty is `false` there.
fn partners(texts: Vec<String>, number_in: Option<&str>) -> Value {
    let partner = |person: &Person| {
        let mut partner = json!({
            "id": person.id, "name": person.name(), "commercial_company_name": "Acme Canary", "function": false,
            "phone": false,
        });
        partner[number_in.unwrap_or("phone")] = json!(person.phone);
        partner
    };
    people::with(&texts).iter().map(partner).collect()
}

pub const SHOPIFY: Service = Service {
    name: "shopify",
    rules: "shopify",
    environment: &[("SHOPIFY_TOKEN", "shopify-token-canary")],
    token_path: None,
    answer: shopify,
    limited: || Reply::json(200, &json!({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]})),
    refused: || {
        let errors = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        Reply::json(401, &json!({ "errors": errors }))
    },
    card: &["Jane Canary", "3", "₺1.250,50"],
    link: "https://admin.shopify.com/store/example/customers/512",
    shares_numbers: false,
};

fn shopify(request: &Request) -> Reply {
    if request.header("x-shopify-access-token") != Some("shopify-token-canary") {
        return (SHOPIFY.refused)();
    }
    let body = body(request);
    let query = body["query"].as_str().unwrap_or_default();
    let is_query = query.starts_with("query CustomerByPhone($phone: String!) {")
        && query.contains("customerByIdentifier(identifier: {phoneNumber: $phone})")
        && query.matches('{').count() == query.matches('}').count();
    let path = "/admin/api/2026-10/graphql.json";
    let Some(phone) = body["variables"]["phone"].as_str().filter(|_| is_query && request.target == path) else {
        return Reply::json(
            200,
            &json!({"errors": [{"message": "syntax error", "extensions": {"code": "parseError"}}]}),
        );
    };
    // Numbers are kept in one form there.
    let kept = |text: &str| text.replace(' ', "").replacen('0', "+90", usize::from(text.starts_with('0')));
    let customer = people::found(|text| kept(text) == phone).first().map(|person| {
        json!({
            "legacyResourceId": person.id.to_string(), "displayName": person.name(), "numberOfOrders": "3",
            "amountSpent": {"amount": "1250.50", "currencyCode": "TRY"}, "lastOrder": null,
            "defaultPhoneNumber": {"phoneNumber": kept(person.phone)},
        })
    });
    Reply::json(
        200,
        &json!({"data": {"customerByIdentifier": customer}, "extensions": {"cost": {"actualQueryCost": 3}}}),
    )
}

const GOOGLE_TOKEN: &str = "/token";

pub const GOOGLE_SHEETS: Service = Service {
    name: "google-sheets",
    rules: "sheet",
    environment: &[
        ("GOOGLE_CLIENT_ID", "google-id-canary"),
        ("GOOGLE_CLIENT_SECRET", "google-secret-canary"),
        ("GOOGLE_REFRESH_TOKEN", "google-refresh-canary"),
    ],
    token_path: Some(GOOGLE_TOKEN),
    answer: google_sheets,
    limited: || page(429),
    refused: || {
        let location = "https://accounts.google.com/ServiceLogin".to_owned();
        Reply::Answer { status: 302, headers: vec![("location".to_owned(), location)], body: Vec::new() }
    },
    card: &["Jane Canary", "Acme Canary"],
    link: "https://crm.example.com/512",
    shares_numbers: true,
};

fn google_sheets(request: &Request) -> Reply {
    if request.path() == GOOGLE_TOKEN {
        let id = [("client_id", "google-id-canary"), ("client_secret", "google-secret-canary")];
        let refresh = ("refresh_token", "google-refresh-canary");
        let is_right = is_form(request, &[("grant_type", "refresh_token"), refresh, id[0], id[1]]);
        let token = json!({"access_token": "google-access", "token_type": "Bearer", "expires_in": 3599});
        let wrong = json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."});
        return if is_right { Reply::json(200, &token) } else { Reply::json(400, &wrong) };
    }
    if request.header("authorization") != Some("Bearer google-access") {
        return (GOOGLE_SHEETS.refused)();
    }
    let query = query(request);
    let is_right = request.path() == "/spreadsheets/d/YOUR_SHEET_ID/gviz/tq"
        && [("tqx", "out:csv"), ("headers", "1"), ("sheet", "Contacts")]
            .into_iter()
            .all(|(name, text)| value(&query, name) == Some(text));
    let select = value(&query, "tq").filter(|_| is_right).unwrap_or_default();
    let Some(texts) = quoted(select).filter(|_| select.starts_with("select * where C = '")) else { return page(400) };
    let mut csv = "\"id\",\"full_name\",\"phone\",\"mobile\",\"company\",\"url\"".to_owned();
    for Person { id, first_name, phone, .. } in people::with(&texts) {
        csv += &format!(
            "\n\"{id}\",\"{first_name} Canary\",\"\",\"{phone}\",\"Acme Canary\",\"https://crm.example.com/{id}\""
        );
    }
    let headers = vec![("content-type".to_owned(), "text/csv; charset=utf-8".to_owned())];
    Reply::Answer { status: 200, headers, body: csv.into_bytes() }
}
