//! One test run: its call, the decision, and what differs from what was expected.
//!
//! Sources are stubs, so a run needs a runtime whose time is paused, and nothing else.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::difference::differences;
use crate::cli::{annotation, wait};
use crate::condition::{Facts, Step, When};
use crate::engine::{self, Decision, Explanation};
use crate::event::Call;
use crate::problem::Severity;
use crate::rules::{Case, Need, Rule, RuleSet, Written};

/// When calls begin whose event and test do not say: a Monday noon in Istanbul.
const STARTED_AT: Timestamp = Timestamp::constant(1_767_603_600, 0);

/// The tests of one rule directory.
pub(super) struct Suite {
    pub(super) rules: RuleSet,
    pub(super) written: Written,
    pub(super) ran: Vec<Ran>,
}

/// One test that was run.
pub(super) struct Ran {
    pub(super) case: Case,
    pub(super) call: Call,
    pub(super) decision: Decision,
    pub(super) explanation: Explanation,
    /// What is different from what was expected; empty where the test passed.
    pub(super) differences: Vec<String>,
    values: Value,
    time_zone: TimeZone,
}

impl Ran {
    /// Runs a test.
    pub(super) fn of(case: Case, rules: &RuleSet, runtime: &Runtime) -> Ran {
        let account = case.account.as_deref().or(rules.accounts.first().map(|account| account.name.as_str()));
        let started_at = case.at.or(case.event.started_at()).unwrap_or(STARTED_AT);
        let Some(mut call) = Call::new(&case.event, account.unwrap_or("hipcall"), rules.defaults.region, started_at)
        else {
            unreachable!("a test's event is about a call: it was checked when the test was read")
        };
        call.started_at = started_at;
        let stubbed = rules.with_stubs(&case.given);
        let decision = decide(&stubbed, &call, runtime);
        let explanation = Explanation::new(&stubbed, &call, &decision);
        let values = engine::values(&call, &rules.defaults);
        let time_zone = rules.defaults.time_zone.clone();
        Ran { differences: differences(&case, &decision), case, call, decision, explanation, values, time_zone }
    }

    pub(super) fn failed(&self) -> bool {
        !self.differences.is_empty()
    }

    /// The decision of other rules about the same call and the same answers; `rules` have the stubs of this test.
    pub(super) fn again(&self, rules: &RuleSet, runtime: &Runtime) -> Vec<String> {
        differences(&self.case, &decide(rules, &self.call, runtime))
    }

    /// Whether a rule is about the test's call.
    pub(super) fn is_about(&self, when: &When) -> bool {
        when.holds(&self.facts())
    }

    /// Every condition of a rule with its answer.
    pub(super) fn conditions(&self, when: &When) -> Vec<Step> {
        when.explain(&self.facts())
    }

    fn facts(&self) -> Facts<'_> {
        Facts::new(&self.call, &self.values, &self.time_zone)
    }

    /// What each source says in this test, whether or not a rule asks it: how many records, or that it failed.
    pub(super) fn said(&self, rules: &RuleSet, runtime: &Runtime) -> Vec<Option<usize>> {
        let Some(any) = rules.rules.first() else { return Vec::new() };
        // For each source a rule that waits for it and never decides.
        let waits = |source: usize| Rule {
            when: When::default(),
            needs: vec![(source, Need::Failed), (source, Need::One)],
            card: None,
            ..any.clone()
        };
        let waiting = rules.with_stubs(&self.case.given).with_rules((0..rules.sources.len()).map(waits).collect());
        let steps = decide(&waiting, &self.call, runtime).trace.sources;
        let count = |name: &str| {
            let step = steps.iter().find(|step| *step.source == *name && step.found != "failed");
            step.map(|step| step.count)
        };
        rules.sources.iter().map(|source| count(&source.name)).collect()
    }

    pub(super) fn annotation(&self) -> String {
        let title = format!("FAIL {}", self.case.name);
        annotation::annotation(Severity::Error, &self.case.place, &title, &self.differences.join("\n"))
    }
}

fn decide(rules: &RuleSet, call: &Call, runtime: &Runtime) -> Decision {
    wait(runtime, async { engine::decide(rules, call, Instant::now() + rules.defaults.decide_within).await })
}
