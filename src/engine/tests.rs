//! One call against small rule sets with stubbed sources, in paused time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Decision, NoCard, Outcome, decide};
use crate::event::{Call, Event};
use crate::rules::{Accounts, Environment, Given, Loaded, RuleSet, Secrets, load};
use crate::source::{Network, Stub};

const SOURCES: &str = "sources:\n  crm: {http: {url: \"https://crm.example.com/\", query: {n: \"{{customer.e164}}\"}}, timeout: 900ms}\n  erp: {http: {url: \"https://erp.example.com/\"}}\n";

fn rules(text: &str) -> RuleSet {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.yaml"), format!("version: 1\n{SOURCES}{text}")).unwrap();
    let network = Network::new().unwrap();
    let environment =
        Environment { secrets: Secrets::Unset, network: &network, accounts: Accounts::Written(None), proofs: false };
    let Loaded { rules, problems, .. } = load(Path::new(directory.path()), &environment);
    rules.unwrap_or_else(|| panic!("{problems:#?}"))
}

fn call(data: Value) -> Call {
    let mut event =
        json!({"event": "call_init", "data": {"uuid": "u", "direction": "inbound", "caller_number": "+905321234567"}});
    event["data"].as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    let event = Event::parse(event.to_string().as_bytes()).unwrap();
    Call::new(&event, "hipcall", crate::event::Region::default(), Timestamp::UNIX_EPOCH).unwrap()
}

fn says(name: &str, records: Value, after: u64) -> (String, Stub) {
    let records =
        records.as_array().map(|records| records.iter().map(|record| record.as_object().unwrap().clone()).collect());
    let answer = records.ok_or_else(|| "down".to_owned());
    (name.to_owned(), Stub { answer, after: Duration::from_millis(after) })
}

async fn decided(rules: &RuleSet, call: &Call, given: Given) -> (Decision, Duration) {
    let begun = Instant::now();
    let decision = decide(&rules.with_stubs(&given), call, begun + rules.defaults.decide_within).await;
    (decision, begun.elapsed())
}

fn rule_of(decision: &Decision) -> &str {
    decision.rule.as_deref().unwrap_or("none")
}

const TWO: &str = "rules:\n  - {name: in-crm, needs: {crm: one}, card: [{type: title, text: \"{{crm.name}}\"}]}\n  - {name: in-erp, needs: {erp: some}, card: [{type: title, text: \"{{erp.name}}\"}]}\n  - {name: rest, card: none}\n";

#[tokio::test(start_paused = true)]
async fn the_first_rule_whose_needs_hold_decides() {
    let (rules, call) = (rules(TWO), call(json!({})));
    for (crm, erp, expected) in [
        (json!([{"name": "A"}]), json!([{"name": "B"}]), "in-crm"),
        (json!([{"name": "A"}, {"name": "C"}]), json!([{"name": "B"}, {"name": "D"}]), "in-erp"),
        (json!([]), json!([]), "rest"),
        (Value::Null, json!([{"name": "B"}]), "in-erp"),
    ] {
        let (decision, _) =
            decided(&rules, &call, vec![says("crm", crm.clone(), 0), says("erp", erp.clone(), 0)]).await;
        assert_eq!(rule_of(&decision), expected, "{crm} {erp}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_does_not_hold_up_a_rule_that_does_not_mention_it() {
    let given = vec![says("crm", json!([{"name": "A"}]), 20), says("erp", json!([{"name": "B"}]), 600_000)];
    let (decision, took) = decided(&rules(TWO), &call(json!({})), given).await;
    assert_eq!((rule_of(&decision), took), ("in-crm", Duration::from_millis(20)));
}

#[tokio::test(start_paused = true)]
async fn sources_are_asked_at_once_and_not_one_after_the_other() {
    let given = vec![says("crm", json!([]), 700), says("erp", json!([{"name": "B"}]), 800)];
    let (decision, took) = decided(&rules(TWO), &call(json!({})), given).await;
    assert_eq!((rule_of(&decision), took), ("in-erp", Duration::from_millis(800)));
}

#[tokio::test(start_paused = true)]
async fn what_a_source_has_not_said_in_its_time_does_not_count() {
    let given = vec![says("crm", json!([{"name": "A"}]), 901), says("erp", json!([{"name": "B"}]), 3_600_000)];
    let (decision, took) = decided(&rules(TWO), &call(json!({})), given).await;
    assert_eq!((rule_of(&decision), took), ("rest", Duration::from_millis(1500)), "the deadline is the decision's");
    let crm = &decision.trace.sources[0];
    assert_eq!(
        (crm.found.as_ref(), crm.milliseconds),
        ("failed", Some(900.0)),
        "the source's own time-out comes first"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_number_asks_nobody() {
    let rules = rules(TWO);
    for number in ["anonymous", "", "101", "112"] {
        let given = vec![says("crm", json!([{"name": "Somebody else"}]), 0)];
        let (decision, _) = decided(&rules, &call(json!({"caller_number": number})), given).await;
        assert_eq!(rule_of(&decision), "rest", "{number}");
        assert!(decision.trace.sources.iter().all(|source| source.milliseconds.is_none()), "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_without_internal_never_matches_an_internal_call() {
    let rules = rules(
        "rules:\n  - {name: a, when: {not: {direction: outbound}}, card: none}\n  - {name: b, when: {any: [{direction: internal}, {user: 7}]}, card: none}\n  - {name: c, needs: {crm: one, erp: one}, card: none}\n",
    );
    let internal = call(json!({"direction": "internal", "caller_number": "101", "callee_number": "102"}));
    assert_eq!(rule_of(&decided(&rules, &internal, Vec::new()).await.0), "b");
    assert_eq!(rule_of(&decided(&rules, &call(json!({})), Vec::new()).await.0), "a");
}

#[tokio::test(start_paused = true)]
async fn a_card_whose_rows_are_all_empty_is_no_card_and_the_search_ends_there() {
    let rules = rules(
        "rules:\n  - {name: empty, needs: {crm: one}, card: [{type: title, text: \"{{crm.name}}\"}]}\n  - {name: next, needs: {erp: one}, card: none}\n",
    );
    let (decision, _) = decided(&rules, &call(json!({})), vec![says("crm", json!([{"name": " \n"}]), 0)]).await;
    assert_eq!(rule_of(&decision), "empty");
    assert_eq!(decision.outcome, Outcome::NoCard(NoCard::EveryRowEmpty));
}

#[tokio::test(start_paused = true)]
async fn the_same_inputs_give_the_same_bytes() {
    let (rules, call) = (rules(TWO), call(json!({})));
    let given = vec![says("crm", json!([{"name": "A"}]), 7), says("erp", json!([]), 3)];
    let one = decided(&rules, &call, given.clone()).await.0;
    let two = decided(&rules, &call, given).await.0;
    assert_eq!(serde_json::to_string(&one.trace).unwrap(), serde_json::to_string(&two.trace).unwrap());
    assert_eq!(one.outcome, two.outcome);
    assert_eq!(one.revision, two.revision);
    assert!(Arc::ptr_eq(&rules.rules, &rules.with_stubs(&Vec::new()).rules), "stubs do not copy the rules");
}

#[tokio::test(start_paused = true)]
async fn of_sources_asked_together_the_first_with_records_counts() {
    let rules = rules(
        "  caller: {first: [crm, erp]}\nrules:\n  - {name: known, needs: {caller: some}, card: [{type: title, text: \"{{caller.name}} {{caller.count}}\"}]}\n  - {name: down, needs: {caller: failed}, card: none}\n  - {name: unknown, needs: {caller: none}, card: none}\n",
    );
    let call = call(json!({}));
    for (crm, erp, rule, title, milliseconds) in [
        (says("crm", json!([{"name": "A"}]), 10), says("erp", json!([{"name": "B"}]), 5), "known", "A 1", 10),
        (says("crm", json!([{"name": "A"}]), 10), says("erp", json!([{"name": "B"}]), 60_000), "known", "A 1", 10),
        (says("crm", json!([]), 10), says("erp", json!([{"name": "B"}, {"name": "C"}]), 20), "known", "B 2", 20),
        (says("crm", Value::Null, 10), says("erp", json!([{"name": "B"}]), 20), "known", "B 1", 20),
        (says("crm", Value::Null, 10), says("erp", json!([]), 20), "down", "", 20),
        (says("crm", json!([]), 10), says("erp", Value::Null, 20), "down", "", 20),
        (says("crm", json!([]), 10), says("erp", json!([]), 20), "unknown", "", 20),
    ] {
        let (decision, took) = decided(&rules, &call, vec![crm, erp]).await;
        assert_eq!((rule_of(&decision), took), (rule, Duration::from_millis(milliseconds)));
        if let Outcome::Card(card) = &decision.outcome {
            assert_eq!(card.rows()[0]["text"], title);
        }
    }
    let given = vec![says("caller", json!([{"name": "given"}]), 0)];
    let (decision, _) = decided(&rules, &call, given).await;
    assert!(matches!(&decision.outcome, Outcome::Card(card) if card.rows()[0]["text"] == "given 1"));
}

const CHAIN: &str = "  orders: {http: {url: \"https://shop.example.com/{{caller.id}}/orders\"}}
  caller: {first: [crm, erp]}
rules:
  - {name: ordered, needs: {orders: some}, card: [{type: title, text: \"{{caller.name}} {{orders.count}}\"}]}
  - {name: nobody-can-tell, needs: {orders: failed}, card: none}
  - {name: known, needs: {caller: one}, card: [{type: title, text: \"{{caller.name}}\"}]}
  - {name: rest, card: none}
";

/// The rule, the time it took, and why the orders were not asked for.
async fn chained(given: Given) -> (String, Duration, Option<String>) {
    let (decision, took) = decided(&rules(CHAIN), &call(json!({})), given).await;
    let orders = decision.trace.sources.iter().find(|step| &*step.source == "orders").unwrap();
    (rule_of(&decision).to_owned(), took, orders.unasked.clone())
}

#[tokio::test(start_paused = true)]
async fn a_source_that_mentions_another_is_asked_after_it_and_as_soon_as_it_can_be() {
    let orders = || says("orders", json!([{"total": 7}]), 300);
    let jane = json!([{"id": 5, "name": "Jane"}]);
    // The first of the two has a record: nobody waits for the second.
    let given = vec![says("crm", jane.clone(), 200), says("erp", json!([]), 60_000), orders()];
    assert_eq!(chained(given).await, ("ordered".to_owned(), Duration::from_millis(500), None));
    let given = vec![says("crm", json!([]), 100), says("erp", jane, 400), orders()];
    assert_eq!(chained(given).await, ("ordered".to_owned(), Duration::from_millis(700), None));
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_input_is_unknown_ambiguous_or_empty_is_not_asked() {
    let orders = || says("orders", json!([{"total": 7}]), 0);
    let (one, two) = (json!({"id": 5, "name": "Jane"}), json!({"id": 6, "name": "John"}));
    for (crm, rule, why) in [
        (json!([]), "rest", "`caller` has no record"),
        (json!([one, two]), "rest", "`caller` has 2 records"),
        (json!([{"name": "No Id"}]), "known", "a parameter is empty"),
        (json!([{"name": "Empty Id", "id": ""}]), "known", "a parameter is empty"),
        (Value::Null, "nobody-can-tell", "`caller` failed, on which it depends"),
    ] {
        let (decided_by, _, unasked) = chained(vec![says("crm", crm.clone(), 0), orders()]).await;
        assert_eq!((decided_by.as_str(), unasked.as_deref()), (rule, Some(why)), "{crm}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_nothing_is_nothing_to_ask_for() {
    let rules = rules(
        "  orders: {http: {url: \"https://shop.example.com/\", query: {of: {expr: \"[crm.phone, crm.mobile]\"}}}}\nrules:\n  - {name: ordered, needs: {orders: some}, card: none}\n  - {name: rest, card: none}\n",
    );
    for (crm, rule) in [
        (json!({"phone": "", "mobile": null}), "rest"),
        (json!({"phone": " "}), "rest"),
        (json!({"mobile": "+905321234567"}), "ordered"),
    ] {
        let given = vec![says("crm", json!([crm]), 0), says("orders", json!([{"total": 7}]), 0)];
        assert_eq!(rule_of(&decided(&rules, &call(json!({})), given).await.0), rule, "{crm}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_waits_for_a_slow_one_does_not_count_either() {
    let given = vec![says("crm", json!([{"id": 5}]), 899), says("orders", json!([{"total": 7}]), 602)];
    let (rule, took, unasked) = chained(given).await;
    assert_eq!((rule.as_str(), took, unasked), ("nobody-can-tell", Duration::from_millis(1500), None));
}
