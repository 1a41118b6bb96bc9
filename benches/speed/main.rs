//! `cargo bench`: what a card costs, and that matching does not grow with the number of rules.
//!
//! A figure means little on another machine. So each is measured beside a hash look-up in the same run, and printed as a
//! ratio to it below the table. `cargo bench card` measures one part. Nothing is compared with an earlier run.

// A bench is no program that somebody depends on: it stops at the first surprise.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench may stop"
)]

mod card;
mod csv;
mod loading;
mod matching;
mod ratio;
mod sources;

use std::path::Path;

use callcard::engine::{Outcome, decide};
use callcard::event::{Call, Event, Region};
use callcard::rules::{Accounts, Environment, RuleSet, Secrets, load};
use callcard::source::Network;
use serde_json::{Value, json};
use tokio::time::Instant;

fn main() {
    divan::main();
    if ratio::wanted("card") {
        card::ratios();
    }
    if ratio::wanted("csv") {
        csv::ratios();
    }
    if ratio::wanted("loading") {
        loading::ratios();
    }
    if ratio::wanted("matching") {
        matching::ratios();
    }
    if ratio::wanted("sources") {
        sources::ratios();
    }
}

/// Rules from a directory, as the server loads them.
fn loaded(directory: &Path) -> RuleSet {
    // An error means that another bench of this run has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = Network::new().unwrap();
    let environment =
        Environment { secrets: Secrets::Unset, network: &network, accounts: Accounts::Written(None), proofs: false };
    let loaded = load(directory, &environment);
    loaded.rules.unwrap_or_else(|| panic!("{:#?}", loaded.problems.first()))
}

/// A call whose webhook has these data.
fn call(data: Value) -> Call {
    let mut event = json!({"event": "call_init", "data": {"uuid": "u", "direction": "inbound"}});
    event["data"].as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    let event = Event::parse(event.to_string().as_bytes()).unwrap();
    Call::new(&event, "hipcall", Region::default(), jiff::Timestamp::UNIX_EPOCH).unwrap()
}

/// Decides a call again and again; each time it must get a card.
fn decided(rules: RuleSet, call: Call) -> impl Fn() -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let decide = move || {
        let deadline = Instant::now() + rules.defaults.decide_within;
        let outcome = runtime.block_on(decide(&rules, &call, deadline)).outcome;
        assert!(matches!(outcome, Outcome::Card(_)), "{outcome:?}");
        outcome
    };
    // The first card of a process makes what checks cards; that is not what a call costs.
    decide();
    decide
}
