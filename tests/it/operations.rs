//! What operators are given: docs/operations.md and deploy/ name metrics that a running server has, and files that parse.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::crm::{Crm, found};
use super::event::inbound;
use super::phone::Phone;
use super::server::{Place, Server, until};

/// A metric's type and labels.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The table of docs/operations.md: ``| `name` | type | `label`, `label` | meaning |``.
fn documented() -> Metrics {
    let page = read("docs/operations.md");
    let rows = page.lines().filter(|line| line.starts_with("| `callcard_"));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(cells.len() == 6 && !cells[4].is_empty(), "{row}");
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), words(cells[3])))
    })
    .collect()
}

/// The labels between braces: `{a="1",b=~"2"}` without the braces.
fn labels(inside: &str) -> BTreeSet<String> {
    let names =
        inside.split('"').step_by(2).map(|part| part.trim_matches([',', ' ']).trim_end_matches(['=', '~', '!']));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What `/metrics` gives: names as they are asked for, with types, and the labels of their samples.
fn exposed(text: &str) -> Metrics {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut metrics = Metrics::new();
    for (name, kind) in types {
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let samples = text.lines().filter(|line| {
            let series = line.split(['{', ' ']).next().unwrap();
            series.strip_prefix(&name).is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
        });
        let found = samples.filter_map(|line| Some(labels(line.split_once('{')?.1.split_once('}')?.0)));
        let mut found: BTreeSet<String> = found.flatten().collect();
        found.remove("le");
        metrics.insert(name, (kind.to_owned(), found));
    }
    metrics
}

fn rules(crm: &Crm) -> String {
    let source = crm.source("");
    format!(
        "version: 1\nsources:\n  crm:\n{source}rules:\n  - {{name: one, needs: {{crm: one}}, card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]}}\n"
    )
}

#[tokio::test]
async fn the_page_about_operations_lists_every_metric_with_type_and_labels_and_no_other() {
    super::canary::text("Jane Canary");
    let (phone, crm) =
        (Phone::start(), Crm::start(found(&serde_json::json!([{"phone": "+905321234567", "name": "Jane Canary"}]))));
    let mut place = Place::new(&rules(&crm), &phone);
    place.set("HIPCALL_API_TOKEN_EXPIRES", "2199-01-01");
    let server = Server::start(place).await;
    server.ring_and_settle(&inbound("one", "+905321234567")).await;
    server.line_of("one").await;
    let (_, text) = server.get("/metrics").await;
    let (documented, exposed) = (documented(), exposed(&text));
    assert!(exposed.len() > 15, "{text}");
    for (name, metric) in &exposed {
        assert_eq!(documented.get(name), Some(metric), "docs/operations.md and /metrics differ in {name}");
    }
    let gone: Vec<&String> = documented.keys().filter(|name| !exposed.contains_key(*name)).collect();
    assert!(gone.is_empty(), "docs/operations.md has metrics that /metrics has not: {gone:?}");
}

#[tokio::test]
async fn what_alerts_wait_for_is_there_before_anything_happened() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let (_, text) = server.get("/metrics").await;
    for name in [
        "callcard_webhooks_total{account=\"hipcall\",outcome=\"not_stored\"}",
        "callcard_webhooks_total{account=\"none\",outcome=\"not_authentic\"}",
        "callcard_attempts_total{account=\"hipcall\",outcome=\"unauthorized\"}",
        "callcard_reloads_total{outcome=\"rejected\"}",
        "callcard_oldest_pending_seconds",
    ] {
        assert!(text.contains(&format!("\n{name} 0")), "{name} in\n{text}");
    }
    let silence = "callcard_webhook_last_timestamp_seconds{account=\"hipcall\"}";
    let (started, loaded) =
        (server.metric(silence).await, server.metric("callcard_rules_loaded_timestamp_seconds").await);
    assert!(loaded > 1_700_000_000.0 && loaded <= started, "{text}");
    assert_eq!(server.metric("callcard_rules_last_attempt_successful").await, 1.0);
    assert_eq!(server.metric("callcard_account_requests_per_minute{account=\"hipcall\"}").await, 1000.0);

    // A stranger is no sign of life; whoever has the secret is, whatever it sends.
    server.client.post(format!("{}/webhooks/hipcall/wrong", server.public)).send().await.unwrap();
    assert_eq!(server.metric(silence).await.to_bits(), started.to_bits());
    server.webhook_bytes(b"{}".to_vec()).await;
    assert!(server.metric(silence).await > started);
}

#[tokio::test]
async fn the_oldest_call_that_waits_for_its_card_grows_older_until_it_is_over() {
    let phone = Phone::start();
    let mut place = Place::shipped(&phone);
    // Nothing listens there.
    place.set("HIPCALL_API_URL", "http://127.0.0.1:1/api/v3");
    let server = Server::start(place).await;
    let age = async || server.metric("callcard_oldest_pending_seconds").await;
    server.ring(&inbound("one", "442045205757"), "accepted").await;
    let first = age().await;
    assert!(first > 0.0);
    assert_eq!(server.metric("callcard_pending_deliveries").await, 1.0);
    until("it grows older", async || (age().await > first).then_some(())).await;
    let mut over = inbound("one", "442045205757");
    over["event"] = "call_hangup".into();
    server.ring(&over, "accepted").await;
    until("none waits", async || (age().await.to_bits() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_rejected_reload_is_seen_until_one_succeeds() {
    let phone = Phone::start();
    let server = Server::shipped(&phone).await;
    let good = std::fs::read_to_string(server.place.rules().join("main.yaml")).unwrap();
    let loaded_at = async || server.metric("callcard_rules_loaded_timestamp_seconds").await;
    let reload = async || {
        let sent = server.client.post(format!("{}/-/reload", server.admin)).send();
        sent.await.unwrap().status().as_u16()
    };
    let before = loaded_at().await;
    server.place.write("main.yaml", "version: 2\n");
    assert_eq!(reload().await, 422);
    assert_eq!(server.metric("callcard_rules_last_attempt_successful").await, 0.0);
    assert_eq!(loaded_at().await.to_bits(), before.to_bits());
    server.place.write("main.yaml", &good);
    assert_eq!(reload().await, 200);
    assert_eq!(server.metric("callcard_rules_last_attempt_successful").await, 1.0);
    assert!(loaded_at().await > before);
}

/// What is wrong with the metrics of a PromQL expression.
fn unknown(expression: &str, metrics: &Metrics) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, _) in expression.match_indices("callcard_") {
        let rest = &expression[at..];
        let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let (series, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let histogram =
            ["_bucket", "_sum", "_count"].iter().find_map(|suffix| metrics.get(series.strip_suffix(suffix)?));
        let plain = metrics.get(series).filter(|(kind, _)| kind != "histogram");
        let Some((_, known)) = histogram.or(plain) else {
            wrong.push(format!("no metric {series}"));
            continue;
        };
        let matched = behind.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let matched = matched.map(|(inside, _)| labels(inside)).unwrap_or_default();
        wrong.extend(matched.difference(known).map(|label| format!("{series} has no label {label}")));
    }
    wrong
}

#[test]
fn an_unknown_metric_or_label_in_an_expression_is_noticed() {
    let metrics = documented();
    assert_eq!(unknown("rate(callcard_webhooks_total{account=~\"a\",outcome=\"x\"}[5m])", &metrics), [""; 0]);
    assert_eq!(
        unknown("callcard_webhooks_total{status=\"x\"}", &metrics),
        ["callcard_webhooks_total has no label status"]
    );
    assert_eq!(unknown("callcard_card_seconds_bucket", &metrics), [""; 0]);
    assert_eq!(unknown("callcard_card_seconds", &metrics), ["no metric callcard_card_seconds"]);
}

#[test]
fn every_alert_asks_metrics_that_exist_and_leads_to_its_section() {
    let metrics = documented();
    let page = read("docs/operations.md");
    let file: Value = serde_yaml::from_str(&read("deploy/prometheus/alerts.yml")).unwrap();
    let alerts = file["groups"][0]["rules"].as_array().unwrap();
    let mut names = BTreeSet::new();
    for alert in alerts {
        let (name, expression) = (alert["alert"].as_str().unwrap(), alert["expr"].as_str().unwrap());
        assert!(expression.contains("callcard_") || expression == "up{job=\"callcard\"} == 0", "{name}: {expression}");
        assert_eq!(unknown(expression, &metrics), [""; 0], "{name}");
        for key in ["summary", "description"] {
            assert!(alert["annotations"][key].as_str().is_some_and(|text| text.len() > 10), "{name} has no {key}");
        }
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        let section = format!("docs/operations.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook"], section, "{name}");
        names.insert(name);
    }
    let headings = page.lines().filter_map(|line| line.strip_prefix("### Callcard"));
    let sections: BTreeSet<String> = headings.map(|rest| format!("Callcard{rest}")).collect();
    assert_eq!(sections.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
}

#[test]
fn every_query_of_the_dashboard_asks_metrics_that_exist() {
    let metrics = documented();
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/callcard.json")).unwrap();
    let mut queries = vec![dashboard["templating"]["list"][1]["query"]["query"].as_str().unwrap()];
    for panel in dashboard["panels"].as_array().unwrap() {
        queries.extend(panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap()));
    }
    assert!(queries.len() > 15);
    for query in queries {
        assert!(query.contains("callcard_"), "{query}");
        assert_eq!(unknown(query, &metrics), [""; 0], "{query}");
    }
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

#[test]
fn every_file_to_deploy_parses() {
    let mut files = Vec::new();
    walk(&project().join("deploy"), &mut files);
    let mut parsed = 0;
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap();
        let value: Value = match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("yaml" | "yml") => {
                serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
            }
            Some("json") => serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            _ => continue,
        };
        if path.parent().unwrap().ends_with("kubernetes") {
            assert!(value["apiVersion"].is_string() && value["metadata"]["name"].is_string(), "{}", path.display());
        }
        parsed += 1;
    }
    assert!(parsed >= 8, "{files:?}");
}

/// In a directory whose `rules` are these files.
fn callcard(files: &[(&str, &str)], arguments: &[&str]) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("rules")).unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join("rules").join(name), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_callcard"));
    let ran = command.current_dir(directory.path()).env_clear().args(arguments).output().unwrap();
    (ran.status.success(), String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn the_rules_of_the_kubernetes_example_are_fine() {
    let map: Value = serde_yaml::from_str(&read("deploy/kubernetes/rules.yaml")).unwrap();
    let files: Vec<(&str, &str)> =
        map["data"].as_object().unwrap().iter().map(|(name, text)| (name.as_str(), text.as_str().unwrap())).collect();
    for arguments in [&["check", "--deny", "warnings"][..], &["test"]] {
        let (fine, said) = callcard(&files, arguments);
        assert!(fine, "{said}");
    }
}

#[test]
fn the_yaml_on_the_page_about_operations_parses_and_its_rules_are_fine() {
    let page = read("docs/operations.md");
    let mut rules = 0;
    for block in page.split("\n```yaml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()) {
        let value: Value = serde_yaml::from_str(block).unwrap_or_else(|error| panic!("{error}\n{block}"));
        if value["rules"].is_array() {
            let (fine, said) = callcard(&[("main.yaml", block)], &["check", "--deny", "warnings"]);
            assert!(fine, "{said}\n{block}");
            rules += 1;
        }
    }
    assert!(rules >= 1, "the page shows no rules");
}

/// `--flag` and `VARIABLE` of the settings table are those of the program, and all of them.
#[test]
fn the_settings_on_the_page_are_those_of_the_program() {
    let page = read("docs/operations.md");
    let table = page.split("## Settings").nth(1).unwrap().split("\n## ").next().unwrap();
    let (_, help) = callcard(&[], &["serve", "--help"]);
    let words = |text: &str| {
        let words = text.split(|character: char| !character.is_ascii_alphanumeric() && !"-_".contains(character));
        let flags =
            words.filter(|word| word.starts_with("--") && !word.ends_with('-') || word.starts_with("CALLCARD_"));
        flags.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let missing: Vec<String> =
        words(&help).difference(&words(table)).filter(|word| !matches!(word.as_str(), "--help")).cloned().collect();
    assert!(missing.is_empty(), "docs/operations.md does not have {missing:?}");
    let known = words(&(help + " CALLCARD_LOG CALLCARD_ADMIN_TOKEN"));
    let more: Vec<String> = words(table).difference(&known).cloned().collect();
    assert!(more.is_empty(), "docs/operations.md has {more:?}, which `serve --help` does not know");
}
