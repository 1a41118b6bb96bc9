//! The events of one call: one at a time, and one card for all of them.

use futures_util::FutureExt;

use super::*;

fn bridged(call_id: &str, second: i64) -> Accept {
    Accept { event: "call_bridged".to_owned(), ..event(call_id, second) }
}

fn no_card() -> (Settlement, Option<Arc<Decided>>) {
    (Settlement::NoCard { reason: "no rule".to_owned() }, Some(Decided { rule: None, card: None, ..decided() }.into()))
}

/// What is due, taken.
async fn due(outbox: &Outbox, now: Timestamp) -> Vec<DeliveryId> {
    outbox.claim(now, LEASE, 10).await.unwrap().into_iter().map(|one| one.id).collect()
}

#[tokio::test]
async fn an_event_waits_until_the_earlier_one_of_its_call_is_decided_and_no_other_call_does() {
    let (_directory, outbox) = new();
    let first = accepted(&outbox, event("a", 0)).await;
    let second = accepted(&outbox, bridged("a", 0)).await;
    let other = accepted(&outbox, bridged("b", 0)).await;
    let elsewhere = accepted(&outbox, Accept { account: "second".to_owned(), ..bridged("a", 0) }).await;
    assert_eq!(due(&outbox, at(0)).await, [elsewhere, other, first]);
    assert_eq!(outbox.pending().await.unwrap(), 4, "one that waits is pending");
    assert_eq!(due(&outbox, at(1)).await, [], "while the first one is decided");

    let mut changed = pin!(outbox.changed());
    let (settlement, decided) = no_card();
    assert!(outbox.settle(first, settlement, decided, at(1)).await.unwrap());
    assert!(changed.as_mut().enable(), "so that nobody looks for it in vain until then");
    let second_claimed = claim_one(&outbox, at(2)).await;
    assert!(!second_claimed.is_superseded);
    assert_eq!((second_claimed.id, second_claimed.received_at, second_claimed.turn_at), (second, at(0), at(1)));
    let late = accepted(&outbox, Accept { event: "call_later".to_owned(), ..event("b", 9) }).await;
    outbox.settle(other, Settlement::Over, None, at(3)).await.unwrap();
    let late_claimed = claim_one(&outbox, at(9)).await;
    assert_eq!((late_claimed.id, late_claimed.turn_at), (late, at(9)), "it did not wait");
}

#[tokio::test]
async fn an_event_that_waits_is_due_when_it_expires() {
    let (_directory, outbox) = new();
    let first = accepted(&outbox, event("a", 0)).await;
    let second = accepted(&outbox, bridged("a", 5)).await;
    assert_eq!(outbox.claim(at(5), Duration::from_secs(3600), 10).await.unwrap().len(), 1);
    assert_eq!(next_due(&outbox).await, Some(at(65)), "no earlier, or a loop would look all the time");
    assert_eq!(due(&outbox, at(64)).await, []);
    assert_eq!(due(&outbox, at(65)).await, [second], "whatever holds up {first}");
}

#[tokio::test]
async fn a_card_supersedes_the_other_event_while_it_is_sent_and_whatever_becomes_of_it() {
    let (_directory, outbox) = new();
    let first = accepted(&outbox, event("a", 0)).await;
    let second = accepted(&outbox, bridged("a", 0)).await;
    let under_way = claim_one(&outbox, at(0)).await;
    assert_eq!((under_way.id, under_way.standing()), (first, Standing::Open));
    let mut changed = pin!(outbox.changed());
    outbox.keep(first, decided().into()).await.unwrap();
    assert!(changed.as_mut().enable());
    let claimed = claim_one(&outbox, at(0)).await;
    assert_eq!((claimed.id, claimed.is_superseded), (second, true), "nor wait for the answer of the phone system");
    assert!(outbox.settle(second, Settlement::Superseded, None, at(1)).await.unwrap());
    assert_eq!(state(&outbox, second).await, State::Superseded);

    let refused = Settlement::Refused { status: 422, reason: "no".to_owned() };
    assert!(outbox.settle(first, refused, None, at(1)).await.unwrap());
    assert_eq!(outbox.show(first).await.unwrap().unwrap().card, decided().card);
    let late = accepted(&outbox, Accept { event: "call_later".to_owned(), ..event("a", 2) }).await;
    let claimed = claim_one(&outbox, at(2)).await;
    assert_eq!((claimed.id, claimed.is_superseded), (late, true));
}

#[tokio::test]
async fn of_two_events_that_are_decided_side_by_side_one_may_send_its_card() {
    let (_directory, outbox) = new();
    let first = accepted(&outbox, event("a", 0)).await;
    let second = accepted(&outbox, bridged("a", 0)).await;
    assert_eq!(due(&outbox, at(0)).await, [first]);
    let claimed = outbox.claim(at(90), LEASE, 10).await.unwrap();
    let [later, earlier] = claimed.as_slice() else { panic!("with a clock that is set back after this: {claimed:?}") };
    assert_eq!((later.id, earlier.id), (second, first));
    assert_eq!((later.standing(), earlier.standing()), (Standing::Open, Standing::Superseded));
    assert_eq!(later.standing(), Standing::Open, "its next attempt");
}

#[tokio::test]
async fn the_order_of_a_calls_events_survives_a_killed_process() {
    let (directory, outbox) = new();
    let first = accepted(&outbox, event("a", 0)).await;
    let second = accepted(&outbox, bridged("a", 0)).await;
    assert_eq!(due(&outbox, at(0)).await, [first]);
    let (copy, undecided) = killed(&directory);
    let again = claim_one(&undecided, at(1)).await;
    assert_eq!((again.id, again.is_unknown), (first, true), "it may have been sent before it was kept");
    let (settlement, without_card) = no_card();
    assert!(undecided.settle(first, settlement, without_card, at(1)).await.unwrap());
    let (_copy, settled) = killed(&copy);
    assert_eq!(due(&settled, at(1)).await, [second]);

    outbox.keep(first, decided().into()).await.unwrap();
    let (_copy, kept) = killed(&directory);
    let claimed = kept.claim(at(1), LEASE, 10).await.unwrap();
    let found: Vec<_> = claimed.iter().map(|one| (one.id, one.card.clone(), one.is_superseded)).collect();
    assert_eq!(found, [(second, None, true), (first, decided().card, false)], "the same bytes are sent");
}

#[tokio::test]
async fn an_event_that_is_taken_as_it_is_accepted_is_the_same_as_one_that_was_claimed() {
    let (directory, outbox) = new();
    let mut changed = pin!(outbox.changed());
    let (take, taken) = taking(at(30));
    let traced = Accept { traceparent: Some("00-1-2-01".to_owned()), ..event("a", 0) };
    let Ok(Acceptance::Accepted(id)) = outbox.accept_and_take(traced, take).await else { panic!("not accepted") };
    let taken = taken.try_recv().unwrap();
    assert!(!changed.as_mut().enable(), "there is nothing to claim");
    assert_eq!((id, state(&outbox, id).await), (taken.id, State::Leased));
    assert_eq!(due(&outbox, at(29)).await, []);
    let again = claim_one(&outbox, at(30)).await;
    assert_eq!(again.attempts, 1, "the lease ran out, and the attempt counts");
    assert_eq!(format!("{again:?}"), format!("{:?}", Claimed { attempts: 1, is_unknown: true, ..taken }));
    let (_copy, next) = killed(&directory);
    assert_eq!(due(&next, at(0)).await, [id], "a new process need not wait for the lease");
}

#[tokio::test]
async fn only_the_first_event_of_a_call_that_goes_on_is_taken_as_it_is_accepted() {
    let (_directory, outbox) = new();
    let first = accepted(&outbox, event("a", 0)).await;
    outbox.hang_up("hipcall", "b", at(0)).await.unwrap();
    for (event, want) in [(event("a", 1), "duplicate"), (bridged("a", 1), "due later"), (event("b", 1), "over")] {
        let mut changed = pin!(outbox.changed());
        let (take, taken) = taking(at(30));
        let became = match outbox.accept_and_take(event, take).await.unwrap() {
            Acceptance::Accepted(_) => "due later",
            Acceptance::Over(_) => "over",
            Acceptance::Duplicate => "duplicate",
        };
        assert_eq!(became, want);
        assert!(taken.recv().is_err(), "the room is given back: {want}");
        assert!(changed.as_mut().enable(), "what had no room meanwhile can be claimed: {want}");
    }
    let mut changed = pin!(outbox.changed());
    assert_eq!(outbox.accept(event("a", 1)).await.unwrap(), Acceptance::Duplicate);
    assert!(!changed.as_mut().enable(), "a duplicate concerns nobody");
    assert_eq!(due(&outbox, at(1)).await, [first]);
    outbox.settle(first, no_card().0, None, at(1)).await.unwrap();
    let (take, taken) = taking(at(30));
    let third = Accept { event: "call_later".to_owned(), ..event("a", 2) };
    assert!(matches!(outbox.accept_and_take(third, take).await, Ok(Acceptance::Accepted(_))));
    assert!(taken.recv().is_err(), "what became of the earlier events is for the claim to say");
}

#[tokio::test]
async fn a_settlement_is_written_with_others_or_before_somebody_looks_or_by_itself_soon() {
    let (_directory, outbox) = new();
    let (first, second) = (accepted(&outbox, event("a", 0)).await, accepted(&outbox, event("b", 0)).await);
    let sent = || Settlement::Sent { status: 201 };
    let mut settling = pin!(outbox.settle(first, sent(), None, at(1)));
    assert!(settling.as_mut().now_or_never().is_none());
    assert_eq!(state(&outbox, first).await, State::Pending, "nobody waits for it so far, so nothing is written");
    accepted(&outbox, event("c", 0)).await;
    assert_eq!(state(&outbox, first).await, State::Pending, "no sender waits for it");
    outbox.pending().await.unwrap();
    assert_eq!(state(&outbox, first).await, State::Sent, "who counts them, counts it");
    assert!(settling.await.unwrap());
    assert!(outbox.settle(second, sent(), None, at(1)).await.unwrap());
    assert_eq!(state(&outbox, second).await, State::Sent);

    let many = futures_util::future::join_all((0..100).map(|number| {
        let outbox = outbox.clone();
        async move {
            let id = accepted(&outbox, event(&format!("many-{number}"), 0)).await;
            outbox.settle(id, Settlement::Over, None, at(1)).await.unwrap()
        }
    }));
    assert!(many.await.into_iter().all(|is_settled| is_settled));
}
