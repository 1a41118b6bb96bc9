//! What can be filled in, and what comes out of it. Nothing here is asked.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::event::{CustomerNumber, Region};
use crate::problem::Fault;
use crate::source::{Form, Kind, Parameter, Reach, Source, Stub};

fn with_secret(text: &str, _: &str) -> Result<String, String> {
    Ok(text.replace("${SECRET}", "s{{x}}t"))
}

/// The service of a definition, and what has to be filled in.
fn compiled(definition: &Value) -> Result<(Http, Vec<Parameter>), Vec<Fault>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let reach = Reach {
        root: Path::new("."),
        directory: Path::new("."),
        expand: &with_secret,
        network: &Network::new().unwrap(),
        accounts: &[],
        region: Region::parse("TR").unwrap(),
        answer_within: Duration::from_secs(1),
    };
    let made = compile(definition, &reach)?;
    let Kind::Http(http) = made.kind else { panic!("an http source") };
    Ok((*http, made.parameters))
}

/// The request with these parameters; nothing where nobody is asked.
fn request(definition: &Value, parameters: &[Value]) -> Result<Option<reqwest::Request>, Failure> {
    let (http, wanted) = compiled(definition).unwrap();
    assert_eq!(wanted.len(), parameters.len(), "{wanted:?}");
    Ok(http.request(parameters)?.map(|request| request.build().unwrap()))
}

fn url(definition: &Value, parameters: &[Value]) -> String {
    request(definition, parameters).unwrap().map(|request| request.url().to_string()).unwrap_or_default()
}

#[test]
fn what_is_filled_into_a_path_stays_behind_the_host() {
    // A template encodes these; here they come as if it did not.
    for hostile in [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "@evil.example",
        ":80@evil.example/",
        "http://evil.example/",
        "//127.0.0.1/",
        "?x=1",
        "#x",
        "\t//evil.example",
        "a\r\nHost: evil.example",
    ] {
        for written in ["https://crm.example.com/{{call.id}}", "https://crm.example.com?id={{call.id}}"] {
            let text = written.replace("https://crm.example.com", "").replace("{{call.id}}", hostile);
            match request(&json!({"url": written}), &[json!(text)]) {
                Ok(Some(request)) => {
                    assert_eq!(request.url().host_str(), Some("crm.example.com"), "{text}");
                    assert_eq!(request.url().port_or_known_default(), Some(443), "{text}");
                    assert_eq!(request.url().username(), "", "{text}");
                }
                Ok(None) => {
                    let path = text.split('?').next().unwrap();
                    assert!(path.contains("//") || path.ends_with('/'), "{text}");
                }
                Err(failure) => panic!("{text}: {failure:?}"),
            }
        }
    }
}

#[test]
fn a_filled_segment_that_climbs_is_refused_in_every_spelling() {
    let definition = json!({"url": "https://crm.example.com/v1/{{call.id}}/x"});
    for climbing in ["..", ".", "%2e%2e", "%2E.", ".%2e", "..%2Fadmin", "a%2f..%2Fb", "%2e.%5C.."] {
        assert!(request(&definition, &[json!(format!("/v1/{climbing}/x"))]).is_err(), "{climbing}");
    }
    for kept in ["..x", "a%2Fb", "a..%2Fb"] {
        assert_eq!(url(&definition, &[json!(format!("/v1/{kept}/x"))]), format!("https://crm.example.com/v1/{kept}/x"));
    }
}

#[test]
fn a_segment_that_comes_out_empty_asks_nobody() {
    let definition = json!({"url": "https://crm.example.com/of/{{call.direction}}/{{crm.id}}"});
    assert_eq!(url(&definition, &[json!("/of/inbound/7")]), "https://crm.example.com/of/inbound/7");
    assert_eq!(url(&definition, &[json!("/of/inbound/")]), "");
    assert_eq!(url(&definition, &[json!("/of//7")]), "");
    let written = json!({"url": "https://crm.example.com/a//{{#if x}}b/c{{/if}}/?q={{y}}"});
    assert_eq!(url(&written, &[json!("/a//b/c/?q=1")]), "https://crm.example.com/a//b/c/?q=1");
    assert_eq!(url(&json!({"url": "https://crm.example.com/v1/"}), &[]), "https://crm.example.com/v1/");
    assert_eq!(url(&json!({"url": "https://crm.example.com?a=1"}), &[]), "https://crm.example.com/?a=1");
}

#[tokio::test]
async fn records_given_in_its_place_do_not_answer_what_it_would_not_be_asked() {
    let (http, _) = compiled(&json!({"url": "https://crm.example.com/of/{{call.direction}}/{{crm.id}}"})).unwrap();
    let source = Source { kind: Kind::Http(Box::new(http)), order: None };
    let given = json!({"name": "Jane"}).as_object().cloned().into_iter().collect();
    let stubbed = source.stubbed(Stub { answer: Ok(given), after: Duration::ZERO });
    let region = Region::default();
    let customer = CustomerNumber::parse(Some("+905321234567"), region);
    let mut found = Vec::new();
    for path in ["/of/inbound/7", "/of/inbound/", "/of/inbound/.."] {
        let account = "hipcall".to_owned();
        let question = Question { account, customer: customer.clone(), region, parameters: vec![json!(path)] };
        found.push(stubbed.ask(&question).await.ok().map(|found| found.records.len()));
    }
    assert_eq!(found, [Some(1), Some(0), None]);
}

#[test]
fn a_list_is_sent_as_a_parameter_that_stands_there_several_times() {
    let definition = json!({
        "url": "https://crm.example.com/v1",
        "query": {"limit": 5, "phone": {"expr": "customer.variants"}, "all": true, "name": "{{x}}&a=b"},
    });
    let (_, wanted) = compiled(&definition).unwrap();
    let pointers: Vec<(&str, Form)> =
        wanted.iter().map(|parameter| (parameter.pointer.as_str(), parameter.form)).collect();
    assert_eq!(pointers, [("/query/phone/expr", Form::Expression), ("/query/name", Form::Text)]);
    assert_eq!(
        url(&definition, &[json!(["+90 1", 2, null]), json!("O&a=b")]),
        "https://crm.example.com/v1?limit=5&phone=%2B90+1&phone=2&all=true&name=O%26a%3Db"
    );
    for odd in [json!({"a": 1}), json!([["a"]]), json!([{"a": 1}])] {
        assert!(request(&definition, &[odd, json!("x")]).is_err());
    }
}

#[test]
fn a_body_keeps_its_shape_whatever_is_filled_in() {
    let definition = json!({
        "url": "https://crm.example.com/search",
        "headers": {"Content-Type": "application/vnd.crm+json"},
        "body": {
            "filters": [{"value": "{{customer.e164}}", "values": {"expr": "customer.variants"}}],
            "limit": 5, "all": false, "nothing": null, "a/b": "{{x}}", "key": "${SECRET}", "expr": {"expr": 7},
        },
    });
    let (_, wanted) = compiled(&definition).unwrap();
    let pointers: Vec<&str> = wanted.iter().map(|parameter| parameter.pointer.as_str()).collect();
    assert_eq!(pointers, ["/body/filters/0/value", "/body/filters/0/values/expr", "/body/a~1b"]);
    assert!(wanted.iter().all(|parameter| parameter.required), "nothing filled in is often everybody");
    let hostile = "\"}], \\ {{y}} \u{2028}";
    let filled = [json!(hostile), json!(["a", {"b": 1.5}]), json!("")];
    let request = request(&definition, &filled).unwrap().unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.headers()["content-type"], "application/vnd.crm+json");
    let body: Value = serde_json::from_slice(request.body().unwrap().as_bytes().unwrap()).unwrap();
    let expected = json!({
        "filters": [{"value": hostile, "values": ["a", {"b": 1.5}]}],
        "limit": 5, "all": false, "nothing": null, "a/b": "", "key": "s{{x}}t", "expr": {"expr": 7},
    });
    assert_eq!(body, expected, "and a secret is never a template");
}

#[test]
fn a_secret_with_braces_is_no_template_and_stands_beside_none() {
    let with = |text: &str| json!({"url": "https://crm.example.com/", "headers": {"X-Key": text}});
    assert_eq!(compiled(&with("Key ${SECRET}")).unwrap().1, []);
    assert!(compiled(&with("{{x}} ${SECRET}")).is_err());
}

#[test]
fn a_literal_address_is_refused_in_every_spelling_unless_it_may_be_private() {
    for host in ["127.0.0.1", "0x7f.1", "2130706433", "[::ffff:10.0.0.1]", "[64:ff9b:1::1]", "169.254.169.254:80"] {
        let at = format!("http://{host}");
        let oauth2 = json!({"token_url": at, "client_id": "a", "client_secret": "b"});
        let public = "https://crm.example.com";
        for (definition, pointer) in [
            (json!({"url": format!("{at}/v1")}), "/url"),
            (json!({"url": public, "proxy": at}), "/proxy"),
            (json!({"url": public, "auth": {"oauth2": oauth2}}), "/auth/oauth2/token_url"),
        ] {
            let faults = compiled(&definition).unwrap_err();
            assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), [pointer], "{host}");
            let mut private = definition;
            private["private"] = json!(true);
            assert!(compiled(&private).is_ok(), "{private}");
        }
    }
}

#[test]
fn nothing_of_a_secret_is_in_what_is_printed_while_debugging() {
    let definition = json!({
        "url": "https://crm.example.com/",
        "headers": {"X-Key": "canary-1"},
        "body": {"key": "canary-2"},
        "auth": {"oauth2": {
            "token_url": "https://login.example.com/", "client_id": "a", "client_secret": "canary-3",
            "refresh_token": "canary-4",
        }},
        "proxy": "http://user:canary-5@proxy.example.com",
    });
    let printed = format!("{:?}", compiled(&definition).unwrap().0);
    assert!(printed.contains("crm.example.com") && !printed.contains("canary"), "{printed}");
}
