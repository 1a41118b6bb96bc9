//! Killed at each step of one delivery's life: what the next server does, and how many cards the phone system has in the end.
//!
//! Each step is held by a CRM or a phone system that hangs. The steps that nobody outside can hold are those between two
//! writes to the disk; `src/outbox/tests/crash.rs` tries all of these.

use std::time::Duration;

use serde_json::{Value, json};

use super::crm::{Crm, found};
use super::event::{hangup, inbound};
use super::host::Reply;
use super::phone::{Phone, error};
use super::server::{Server, until};

const NUMBER: &str = "+905321234567";
const ID: &str = "stepped";

/// Where the server is when it is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// A source is asked, so the delivery is claimed and not decided.
    Asking,
    /// The same, and somebody answers the call meanwhile.
    AskingWithBridged,
    /// The card is kept and sent; the phone system did not take it.
    Sending,
    /// The card was taken, and the answer has not arrived.
    Taken,
    /// The phone system refused it for now.
    Waiting,
    /// The answer was lost, and the phone system is asked whether the card arrived: it did.
    AskingAboutTaken,
    /// The same, and it did not.
    AskingAboutLost,
    /// The outcome is written down.
    Settled,
}

const STEPS: [Step; 8] = [
    Step::Asking,
    Step::AskingWithBridged,
    Step::Sending,
    Step::Taken,
    Step::Waiting,
    Step::AskingAboutTaken,
    Step::AskingAboutLost,
    Step::Settled,
];

impl Step {
    /// Whether the phone system has the card by then.
    fn is_shown(self) -> bool {
        matches!(self, Self::Taken | Self::AskingAboutTaken | Self::Settled)
    }

    /// Whether nothing was sent by then.
    fn is_unsent(self) -> bool {
        matches!(self, Self::Asking | Self::AskingWithBridged)
    }

    fn prepare(self, phone: &Phone, crm: &Crm) {
        let late = |status| Reply::Late(Duration::from_secs(3), Box::new(Reply::json(status, &json!({"data": {}}))));
        match self {
            _ if self.is_unsent() => crm.always(Reply::Hang),
            Self::Sending => phone.script([Reply::Hang]),
            Self::Taken => phone.script([late(201)]),
            Self::Waiting => phone.always(Some(error(503))),
            Self::AskingAboutTaken | Self::AskingAboutLost => {
                phone.script([if self.is_shown() { Reply::Taken } else { Reply::Close }]);
                phone.lists(Some(Reply::Hang));
            }
            _ => {}
        }
    }

    async fn reached(self, server: &Server, phone: &Phone, crm: &Crm) {
        until(&format!("{self:?} is reached"), async || {
            let is_reached = match self {
                _ if self.is_unsent() => crm.asked().len() == 1,
                Self::Sending | Self::Taken => phone.received().len() == 1,
                Self::Waiting => phone.received().len() == 2,
                Self::AskingAboutTaken | Self::AskingAboutLost => phone.asked_about(ID).len() == 1,
                _ => server.delivery(ID).await.is_some_and(|delivery| delivery["settled_at"].is_string()),
            };
            is_reached.then_some(())
        })
        .await;
    }
}

/// The server is killed at this step, and the faults are over when the next one starts.
async fn killed_at(step: Step, is_hung_up: bool) -> (Server, Phone) {
    let jane = || found(&json!([{"phone": NUMBER, "name": "Jane"}]));
    let (phone, crm) = (Phone::start(), Crm::start(jane()));
    let rules = format!(
        "version: 1\ndefaults: {{decide_within: 30s}}\nsources:\n  crm:\n{}\nrules:\n  - name: known\n    when: {{event: [call_init, call_bridged]}}\n    needs: {{crm: some}}\n    card: [{{type: title, text: \"{{{{crm.name}}}}\"}}]\n",
        crm.source("    timeout: 20s")
    );
    let server = Server::with(&rules, &phone).await;
    step.prepare(&phone, &crm);
    let event = inbound(ID, NUMBER);
    server.ring(&event, "accepted").await;
    step.reached(&server, &phone, &crm).await;
    if step == Step::AskingWithBridged {
        let mut bridged = event.clone();
        bridged["event"] = json!("call_bridged");
        server.ring(&bridged, "accepted").await;
    }
    if is_hung_up {
        server.ring(&hangup(ID), "accepted").await;
    }
    let place = server.killed();
    crm.always(jane());
    phone.always(None);
    phone.lists(None);
    let server = Server::start(place).await;
    server.idle().await;
    server.ring(&event, "duplicate").await;
    server.idle().await;
    (server, phone)
}

async fn states(server: &Server) -> Vec<Value> {
    let mut states: Vec<Value> = server.deliveries().await.iter().map(|delivery| delivery["state"].clone()).collect();
    states.sort_by_key(Value::to_string);
    states
}

#[tokio::test]
async fn a_call_gets_its_one_card_at_whichever_step_the_server_is_killed() {
    for step in STEPS {
        let (server, phone) = killed_at(step, false).await;
        let expected = if step == Step::AskingWithBridged { vec!["sent", "superseded"] } else { vec!["sent"] };
        assert_eq!(
            (states(&server).await, phone.cards_of(ID).len()),
            (expected.into_iter().map(Value::from).collect(), 1),
            "{step:?}"
        );
        // The two refusals for now may have become three before the kill.
        let most = if step.is_shown() || step.is_unsent() { 1 } else { 4 };
        assert!(phone.received().len() <= most, "{step:?} was sent {} times", phone.received().len());
    }
}

#[tokio::test]
async fn after_its_hang_up_a_call_gets_no_card_any_more_at_whichever_step_the_server_is_killed() {
    for step in STEPS {
        let (server, phone) = killed_at(step, true).await;
        let shown = usize::from(step.is_shown());
        let expected = if step.is_shown() { "sent" } else { "over" };
        assert!(states(&server).await.iter().all(|state| *state == expected), "{step:?}: {:?}", states(&server).await);
        assert_eq!(phone.cards_of(ID).len(), shown, "{step:?}");
    }
}
