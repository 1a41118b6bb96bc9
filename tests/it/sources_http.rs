//! What web services are asked, and what becomes of odd answers.

use std::time::Duration;

use serde_json::{Value, json};

use super::crm::{Crm, found, page};
use super::event::inbound;
use super::host::Reply;
use super::phone::Phone;
use super::server::{Place, Server};

const NUMBER: &str = "+905321234567";

/// Rules that show what a source said, by the `http:` block of it; `PORT` in it is the CRM's.
pub fn rules(crm: &Crm, http: &str) -> String {
    let http = http.trim_matches('\n').replace("PORT", &crm.port().to_string());
    format!(
        "
version: 1
defaults: {{region: TR, decide_within: 10s}}
sources:
  people:
    csv: {{file: people.csv, numbers: [phone]}}
  crm:
    http:
{http}
      private: true
    timeout: 3s
    retry: false
rules:
  - name: one
    needs: {{crm: one}}
    card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]
  - name: failed
    needs: {{crm: failed}}
    card: [{{type: title, text: The CRM is down}}]
  - name: nobody
    needs: {{crm: none}}
    card: [{{type: title, text: Nobody knows}}]
"
    )
}

/// A server with those rules, and a table in which the caller has no id.
pub async fn server(crm: &Crm, http: &str, phone: &Phone) -> Server {
    let place = Place::new(&rules(crm, http), phone);
    place.write("people.csv", "phone,id\n0532 123 45 67,\n");
    Server::start(place).await
}

/// Asks about one call: the settled delivery and what the source was asked and said.
async fn ask(crm: &Crm, http: &str) -> Value {
    let phone = Phone::start();
    let server = server(crm, http, &phone).await;
    let settled = server.ring_and_settle(&inbound("asked", NUMBER)).await;
    assert_eq!(settled["state"], "sent", "{settled}");
    settled
}

/// Why the source of a settled delivery failed.
pub fn why(settled: &Value) -> &str {
    assert_eq!(settled["rule"], "failed", "{settled}");
    let steps = settled["trace"]["sources"].as_array().unwrap();
    steps.iter().find(|step| step["source"] == "crm").and_then(|step| step["why"].as_str()).unwrap()
}

fn jane() -> Value {
    super::canary::text("Jane Canary");
    json!({"phone": NUMBER, "name": "Jane Canary"})
}

const SEARCH: &str = "
      url: http://127.0.0.1:PORT/v1/contacts
      query: {phone: \"{{customer.e164}}\"}
      records: $.results[*]
      numbers: [$.phone]
";

#[tokio::test]
async fn a_body_is_posted_as_json_with_every_way_to_write_the_number() {
    let crm = Crm::knowing(&json!([jane()]));
    let http = "
      url: http://127.0.0.1:PORT/search
      headers: {X-Customer: \"{{customer.e164}}\"}
      auth: {header: {name: X-Api-Key, value: \"${CRM_TOKEN}\"}}
      body:
        filters:
          - {field: phone, operator: IN, values: {expr: customer.variants}}
          - {field: note, value: \"a \\\"quote\\\" about {{customer.e164}}\"}
        limit: 5
        archived: false
      records: $.results[*]
      numbers: [$.phone]
";
    assert_eq!(ask(&crm, http).await["rule"], "one");
    let asked = crm.asked();
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].target.as_str()), (1, "POST", "/search"));
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    assert_eq!(asked[0].header("x-api-key"), Some(super::crm::TOKEN));
    assert_eq!(asked[0].header("x-customer"), Some(NUMBER));
    let body: Value = serde_json::from_slice(&asked[0].body).unwrap();
    let variants = body["filters"][0]["values"].as_array().unwrap();
    assert!(variants.contains(&json!(NUMBER)) && variants.contains(&json!("05321234567")), "{body}");
    assert_eq!(body["filters"][1]["value"], format!("a \"quote\" about {NUMBER}"));
    assert_eq!((&body["limit"], &body["archived"]), (&json!(5), &json!(false)));
}

#[tokio::test]
async fn a_list_is_a_parameter_for_each_item_or_one_joined_text() {
    let crm = Crm::knowing(&json!([jane()]));
    let http = "
      url: http://127.0.0.1:PORT/search
      query:
        phone: {expr: customer.variants}
        any: \"{{join customer.variants ','}}\"
      records: $.results[*]
      numbers: [$.phone]
";
    assert_eq!(ask(&crm, http).await["rule"], "one");
    let target = crm.asked()[0].target.clone();
    assert!(target.matches("phone=").count() > 3, "{target}");
    assert!(target.contains("phone=05321234567") && target.contains("phone=%2B905321234567"), "{target}");
    let (_, joined) = target.split_once("any=").unwrap();
    assert!(joined.matches("%2C").count() > 2 && joined.contains("05321234567"), "{target}");
}

#[tokio::test]
async fn a_path_whose_parameter_is_empty_asks_nobody() {
    for path in ["customers/{{people.id}}/orders", "{{people.id}}", "of/{{call.direction}}/{{people.id}}"] {
        let crm = Crm::knowing(&json!([jane()]));
        let settled = ask(&crm, &format!("      url: http://127.0.0.1:PORT/{path}")).await;
        assert_eq!(settled["rule"], "nobody", "{path}: {settled}");
        assert_eq!(crm.asked().len(), 0, "{path}");
    }
}

#[tokio::test]
async fn a_table_of_commas_is_read_by_the_names_of_its_columns() {
    let table = "\u{feff}\"Phone number\",name\n\"0532 123 45 67\",\"Jane \"\"J\"\" Canary\"\n+905439998877,Bob\n";
    super::canary::text("Jane \"J\" Canary");
    let reply = |body: &str| Reply::Answer { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() };
    let http = "
      url: http://127.0.0.1:PORT/gviz/tq
      query: {tqx: \"out:csv\"}
      format: csv
      numbers: [Phone number]
";
    let crm = Crm::start(reply(table));
    let settled = ask(&crm, http).await;
    assert_eq!(settled["card"]["card"][0]["text"], "Jane \"J\" Canary", "{settled}");
    assert_eq!(crm.asked()[0].header("accept"), Some("text/csv"));
    for (body, told) in [
        ("name\nJane\n", "its answer has no column `Phone number`"),
        ("Phone number,name\n1,2,3\n", "its answer is not CSV"),
        ("Phone number\n\u{fffd}", "nobody"),
        ("", "its answer is empty"),
        ("<html>", "its answer is HTML, not CSV: it may want a login, or the URL is that of a page"),
    ] {
        let settled = ask(&Crm::start(reply(body)), http).await;
        match told {
            "nobody" => assert_eq!(settled["rule"], "nobody", "{body}"),
            told => assert_eq!(why(&settled), told, "{body}"),
        }
    }
}

/// An answer whose head says this length, whatever follows.
fn claiming(length: usize, body: &str) -> Reply {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
    Reply::Raw([head.as_bytes(), body.as_bytes()].concat())
}

#[tokio::test]
async fn an_answer_that_breaks_off_lies_or_never_ends_is_a_failure_that_says_so() {
    let answer = json!({"results": [jane()]}).to_string();
    let large = json!({"results": [jane()], "padding": "x".repeat(30 * 1024 * 1024)});
    let dripping = [b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n".as_slice(), answer.as_bytes()].concat();
    let deep = "[".repeat(100_000);
    let more = "its answer has more than 1048576 bytes";
    for (what, reply, told) in [
        ("says more than it sends", claiming(answer.len() + 1, &answer), "its answer broke off"),
        ("says less than it sends", claiming(answer.len() - 9, &answer), "its answer broke off"),
        ("closes half-way", claiming(answer.len(), &answer[..20]), "its answer broke off"),
        ("30 MB", Reply::json(200, &large), more),
        ("30 MB of unsaid length", Reply::Raw(format!("HTTP/1.1 200 OK\r\n\r\n{large}").into_bytes()), more),
        ("30 MB in 30 kB", Reply::json(200, &large).gzipped(), more),
        ("a bomb behind another status", Reply::json(500, &large).gzipped(), "it answered with status 500"),
        ("a byte at a time", Reply::Drip(dripping, Duration::from_millis(200)), "it did not answer in time"),
        ("not gzip", found(&json!([jane()])).with("content-encoding", "gzip"), "its answer broke off"),
        ("deep", Reply::Raw(format!("HTTP/1.1 200 OK\r\n\r\n{deep}").into_bytes()), "its answer is not JSON"),
        ("a page", page(200), "its answer is HTML, not JSON: it may want a login, or the URL is that of a page"),
        ("XML", claiming(20, "<?xml version='1.0'?>"), "its answer is XML, not JSON"),
        ("nothing", claiming(0, ""), "its answer is empty"),
        ("too many requests", page(429).with("retry-after", "7"), "it answered with status 429"),
        ("closed", Reply::Close, "the request failed"),
    ] {
        let crm = Crm::start(reply);
        let settled = ask(&crm, SEARCH).await;
        assert_eq!(why(&settled), told, "{what}");
        assert_eq!(crm.asked().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn an_answer_that_says_that_it_failed_is_a_failure() {
    let http = format!("{SEARCH}      failed: $.error");
    for (error, rule) in [(json!(null), "one"), (json!(""), "one"), (json!([]), "one"), (json!({"code": 1}), "failed")]
    {
        let crm = Crm::start(Reply::json(200, &json!({"results": [jane()], "error": error})));
        assert_eq!(ask(&crm, &http).await["rule"], rule, "{error}");
    }
}

#[tokio::test]
async fn answers_may_be_compressed_and_connections_are_used_again() {
    let phone = Phone::start();
    let crm = Crm::start(found(&json!([jane()])).gzipped());
    let server = server(&crm, &format!("{SEARCH}      none: [404]"), &phone).await;
    for call in ["first", "second", "third"] {
        assert_eq!(server.ring_and_settle(&inbound(call, NUMBER)).await["rule"], "one");
    }
    assert!(crm.asked()[0].header("accept-encoding").unwrap().contains("gzip"));
    crm.always(page(404));
    // A number of its own: nothing that was said of it before.
    assert_eq!(server.ring_and_settle(&inbound("fourth", "+905321234568")).await["rule"], "nobody");
    assert_eq!(crm.connections(), 1);
}

#[tokio::test]
async fn a_proxy_is_used_where_the_source_names_one_and_never_because_of_the_environment() {
    let phone = Phone::start();
    let proxy = Crm::knowing(&json!([jane()]));
    let rules = rules(&proxy, "      url: http://crm.invalid/v1?a=b\n      records: $.results[*]");
    let proxied = rules.replace("private: true", "private: true\n      proxy: ${CRM_PROXY}");
    for (rules, rule) in [(&proxied, "one"), (&rules, "failed")] {
        let mut place = Place::new(rules, &phone);
        place.write("people.csv", "phone,id\n0532 123 45 67,\n");
        let url = format!("http://proxy-user:proxy-canary-5150@127.0.0.1:{}", proxy.port());
        super::canary::secret("proxy-canary-5150");
        for name in ["CRM_PROXY", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
            place.set(name, &url);
        }
        let server = Server::start(place).await;
        let settled = server.ring_and_settle(&inbound(&format!("through-{rule}"), NUMBER)).await;
        assert_eq!(settled["rule"], rule, "{settled}");
    }
    let asked = proxy.asked();
    assert_eq!((asked.len(), asked[0].target.as_str()), (1, "http://crm.invalid/v1?a=b"));
    assert_eq!(asked[0].header("host"), Some("crm.invalid"));
    assert!(asked[0].header("proxy-authorization").unwrap().starts_with("Basic "));
}
