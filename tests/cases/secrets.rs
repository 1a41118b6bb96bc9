//! No command prints a secret: neither of rules that are fine nor of rules whose mistakes are in the secrets' places.

use crate::program::{Ran, callcard, project};

/// Each secret by its variable.
const SECRETS: [(&str, &str); 8] = [
    ("TOKEN", "canary-token-51d2"),
    ("WEBHOOK", "canary-webhook-secret-0123456789abcdef-83b1"),
    ("SIGNING", "canary-signing-key-0123456789abcdef-c20e"),
    ("BEARER", "canary-bearer-9a3d"),
    ("HEADER", "canary-header-72f0"),
    ("QUERY", "canary-query-e84b"),
    ("CLIENT", "canary-client-secret-16c9"),
    ("DATABASE", "postgres://user:canary-password-4be7@127.0.0.1:1/db"),
];

const RULES: &str = r#"version: 1
accounts:
  support:
    api: http://127.0.0.1:1/api/v3
    token: ${TOKEN}
    webhook_secret: ${WEBHOOK}
    signature: {hmac: {header: X-Signature, secret: "${SIGNING}"}}
sources:
  crm:
    http:
      url: http://127.0.0.1:1/contacts
      query: {phone: "{{customer.e164}}", key: "${QUERY}"}
      headers: {X-Key: "${HEADER}"}
      auth: {bearer: "${BEARER}"}
      records: $[*]
      numbers: [$.phone]
      private: true
  shop:
    http:
      url: http://127.0.0.1:1/customers
      query: {phone: "{{customer.e164}}"}
      auth: {oauth2: {token_url: "http://127.0.0.1:1/token", client_id: us, client_secret: "${CLIENT}"}}
      records: $[*]
      numbers: [$.phone]
      private: true
  erp:
    sql:
      database: ${DATABASE}
      query: select phone, name from customers where phone = $1
      parameters: [customer.e164]
      numbers: [phone]
rules:
  - name: known
    when: {direction: inbound}
    card: [{type: title, text: "{{crm.name}} {{shop.name}} {{erp.name}}"}]
"#;

/// Rules with each secret where something else is expected.
fn mistaken() -> Vec<String> {
    let replaced = [
        ("api: http://127.0.0.1:1/api/v3", "api: ${TOKEN}"),
        ("api: http://127.0.0.1:1/api/v3", "api: \"http://${TOKEN}@127.0.0.1:1/api/v3\""),
        ("token: ${TOKEN}", "token: ${TOKEN}\n    requests_per_minute: ${TOKEN}"),
        ("token: ${TOKEN}", "token: ${TOKEN}\n    allow_from: [\"${TOKEN}\"]"),
        ("token: ${TOKEN}", "token: ${TOKEN}\n    token_expires: ${TOKEN}"),
        ("url: http://127.0.0.1:1/contacts", "url: http://127.0.0.1:1/${QUERY}/contacts"),
        ("url: http://127.0.0.1:1/contacts", "url: \"${QUERY}\""),
        ("X-Key: \"${HEADER}\"", "\"${HEADER}\": \"a\\nb\""),
        ("X-Key: \"${HEADER}\"", "X-Key: \"${HEADER}\\n\""),
        ("records: $[*]", "records: \"${BEARER}\""),
        ("numbers: [$.phone]", "numbers: [\"${BEARER}\"]"),
        ("token_url: \"http://127.0.0.1:1/token\"", "token_url: \"${CLIENT}\""),
        ("database: ${DATABASE}", "database: ${BEARER}"),
        ("database: ${DATABASE}", "database: \"sqlite:${BEARER}\""),
        ("parameters: [customer.e164]", "parameters: [\"${DATABASE}\"]"),
        ("hmac: {header: X-Signature", "hmac: {header: \"${SIGNING} \""),
        ("{hmac: {header: X-Signature, secret: \"${SIGNING}\"}}", "{standard_webhooks: \"${SIGNING}\"}"),
        ("text: \"{{crm.name}}", "text: \"${TOKEN} {{crm.name}}"),
    ];
    replaced
        .into_iter()
        .map(|(right, wrong)| {
            assert!(RULES.contains(right), "{right}");
            RULES.replacen(right, wrong, 1)
        })
        .collect()
}

#[test]
fn no_command_prints_a_secret_whatever_is_wrong_with_it() {
    let event = project().join("tests/events/inbound_init.json").display().to_string();
    for rules in std::iter::once(RULES.to_owned()).chain(mistaken()) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("rules")).unwrap();
        std::fs::write(directory.path().join("rules/main.yaml"), &rules).unwrap();
        for arguments in [
            &["check", "--env", "--connect"][..],
            &["check", "--env", "--format", "json"],
            &["check", "--env", "--format", "sarif"],
            &["check", "--env", "--format", "github"],
            &["explain", "--event", &event],
            &["explain", "--event", &event, "--format", "json"],
            &["test"],
        ] {
            let mut command = callcard(directory.path(), arguments);
            let ran = Ran::from(command.envs(SECRETS).output().unwrap());
            assert!(ran.code.is_some_and(|code| code <= 2), "{arguments:?} {ran:#?}");
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!said.contains("canary"), "{arguments:?} {ran:#?}\n{rules}");
        }
    }
}
