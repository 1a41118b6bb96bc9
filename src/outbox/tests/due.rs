//! Whose turn it is, what has expired, and what was spent.

use super::*;

fn of(account: &str, call_id: &str, second: i64) -> Accept {
    Accept { account: account.to_owned(), ..event(call_id, second) }
}

fn share(accounts: &[&str], at_most: usize) -> Share {
    Share { accounts: accounts.iter().map(|account| (*account).to_owned()).collect(), at_most }
}

fn names(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|one| one.call_id.as_str()).collect()
}

/// Settles what has expired, for a reason that names the call.
async fn expired(outbox: &Outbox, second: i64) -> Vec<String> {
    let settled = outbox.settle_expired(at(second), |one| format!("{} waited", one.call_id)).await.unwrap();
    settled.into_iter().map(|one| one.call_id).collect()
}

#[tokio::test]
async fn each_share_gets_its_newest_calls_and_no_more() {
    let (_directory, outbox) = new();
    for (account, call_id, second) in
        [("a", "a1", 1), ("a", "a5", 5), ("b", "b3", 3), ("c", "c2", 2), ("c", "c4", 4), ("d", "d9", 9)]
    {
        accepted(&outbox, of(account, call_id, second)).await;
    }
    let shares = Shares { named: vec![share(&["a", "b"], 2), share(&["d"], 0)], others: 1 };
    let claimed = outbox.claim(at(10), LEASE, shares.clone()).await.unwrap();
    assert_eq!(names(&claimed), ["a5", "c4", "b3"]);
    let claimed = outbox.claim(at(10), LEASE, shares).await.unwrap();
    assert_eq!(names(&claimed), ["c2", "a1"], "an account without a share waits");
    assert_eq!(outbox.oldest_pending().await.unwrap(), Some(at(1)));
}

#[tokio::test]
async fn what_expired_is_settled_together_with_its_reason() {
    let (_directory, outbox) = new();
    let ids = [accepted(&outbox, event("one", 0)).await, accepted(&outbox, event("two", 1)).await];
    accepted(&outbox, event("fresh", 30)).await;
    assert_eq!(expired(&outbox, 59).await, [""; 0]);
    assert_eq!(outbox.next_times(at(59), at(59)).await.unwrap(), (None, Some(at(60))));
    assert_eq!(expired(&outbox, 61).await, ["one", "two"]);
    let row = outbox.show(ids[1]).await.unwrap().unwrap().row;
    assert_eq!((row.state, row.reason.as_deref()), (State::TooLate, Some("two waited")));
    assert_eq!(expired(&outbox, 61).await, [""; 0]);
    assert_eq!(outbox.pending().await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_in_somebodys_hands_is_left_to_them() {
    let (_directory, outbox) = new();
    accepted(&outbox, event("leased", 0)).await;
    outbox.claim(at(59), LEASE, 10).await.unwrap();
    assert_eq!(expired(&outbox, 60).await, [""; 0]);
    assert_eq!(expired(&outbox, 89).await, [""; 0], "its worker is gone, and may have sent it");
    assert_eq!(expired(&outbox, 120).await, ["leased"], "nobody asked about it for a minute");
}

#[tokio::test]
async fn what_may_have_been_sent_is_left_to_be_asked_about_for_a_minute() {
    let (_directory, outbox) = new();
    let id = accepted(&outbox, event("sent", 0)).await;
    claim_one(&outbox, at(1)).await;
    outbox.ask_at(id, Some(decided().into()), at(2), "no answer".to_owned()).await.unwrap();
    assert_eq!(expired(&outbox, 119).await, [""; 0]);
    assert_eq!(expired(&outbox, 120).await, ["sent"]);
}

#[tokio::test]
async fn many_are_settled_in_steps_and_the_next_event_of_a_call_is_due_then() {
    let (_directory, outbox) = new();
    for number in 0..=EXPIRED_ROWS_MAX {
        accepted(&outbox, event(&format!("call-{number}"), 0)).await;
    }
    let later = Accept { event: "call_bridged".to_owned(), expires_at: at(500), ..event("call-0", 1) };
    accepted(&outbox, later).await;
    assert!(!names(&outbox.claim(at(2), LEASE, 1000).await.unwrap()).is_empty());
    let (first, second) = (expired(&outbox, 120).await, expired(&outbox, 120).await);
    assert_eq!((first.len(), second.len()), (EXPIRED_ROWS_MAX, 1));
    let claimed = outbox.claim(at(120), LEASE, 1000).await.unwrap();
    assert_eq!((names(&claimed), claimed[0].event.as_str()), (vec!["call-0"], "call_bridged"));
}

#[tokio::test]
async fn what_was_asked_of_the_api_lately_can_be_read() {
    let (_directory, outbox) = new();
    let settled = async |call_id: &str, second: i64, decided: Decided| {
        let id = accepted(&outbox, event(call_id, second)).await;
        claim_one(&outbox, at(second)).await;
        outbox.settle(id, Settlement::Sent { status: 201 }, Some(decided.into()), at(second + 1)).await.unwrap();
    };
    settled("long-ago", 0, decided()).await;
    settled("lately", 50, decided()).await;
    settled("without-a-card", 52, Decided { card: None, ..decided() }).await;
    let under_way = accepted(&outbox, event("under-way", 55)).await;
    claim_one(&outbox, at(55)).await;
    outbox.keep(under_way, decided().into()).await.unwrap();
    accepted(&outbox, event("waits", 56)).await;
    let mut spent: Vec<_> =
        outbox.spent(at(10), at(70)).await.unwrap().into_iter().map(|one| (one.at, one.attempts)).collect();
    spent.sort_unstable();
    assert_eq!(spent, [(at(51), 1), (at(53), 0), (at(70), 1)]);
}
