//! A source that fails is left alone, then tried with one question.

use super::*;
use crate::source::Again;
use crate::source::asker::Phase;
use crate::source::asker::breaker::{Breaker, Verdict};

/// A source that is down until it was asked so often.
fn down_until(count: usize) -> Arc<Fake> {
    Fake::new(move |asked| Reply(milliseconds(10), if asked < count { down() } else { numbered(asked) }))
}

#[tokio::test(start_paused = true)]
async fn after_failures_in_a_row_it_is_not_asked_and_then_tried_once() {
    let (desk, fake) = (desk(plain()), down_until(6));
    for index in 0..5 {
        assert_eq!(told(&ask(&desk, &fake, &person(index)).await), (How::Asked, Err("it is down".to_owned())));
    }
    assert_eq!(desk.service.phase(), Phase::Open);
    let said = ask(&desk, &fake, &person(5)).await;
    let why = "it is not asked for another 30 s after 5 failures in a row";
    assert_eq!(told(&said), (How::Refused, Err(why.to_owned())));
    advance(milliseconds(18_001)).await;
    let why = "it is not asked for another 12 s after 5 failures in a row";
    assert_eq!(told(&ask(&desk, &fake, &person(5)).await).1, Err(why.to_owned()));
    assert_eq!(fake.asked(), 5);
    // The probe fails, so there is another pause.
    advance(seconds(12)).await;
    assert_eq!(desk.service.phase(), Phase::HalfOpen);
    let probe = call(&desk, &fake, person(6), seconds(1));
    settle().await;
    let why = "another question finds out whether it answers again";
    assert_eq!(told(&ask(&desk, &fake, &person(7)).await), (How::Refused, Err(why.to_owned())));
    assert!(probe.await.unwrap().said.is_err());
    assert_eq!((desk.service.phase(), fake.asked()), (Phase::Open, 6));
    // The next one is answered.
    advance(seconds(30)).await;
    assert_eq!(told(&ask(&desk, &fake, &person(8)).await), (How::Asked, Ok(Some(6))));
    assert_eq!(desk.service.phase(), Phase::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_answer_begins_the_count_anew_and_time_outs_count() {
    let (desk, fake) = (
        desk(plain()),
        Fake::new(|asked| match asked {
            4 => Reply(Duration::ZERO, numbered(asked)),
            _ => Reply(seconds(3600), down()),
        }),
    );
    for index in 0..9 {
        assert_eq!(desk.service.phase(), Phase::Closed, "{index}");
        assert_eq!(ask(&desk, &fake, &person(index)).await.said.is_ok(), index == 4);
        advance(milliseconds(5)).await;
        settle().await;
    }
    assert_eq!(desk.service.phase(), Phase::Closed);
    ask(&desk, &fake, &person(9)).await.said.unwrap_err();
    advance(milliseconds(5)).await;
    settle().await;
    assert_eq!(desk.service.phase(), Phase::Open);
}

#[tokio::test(start_paused = true)]
async fn questions_that_wait_for_their_turn_are_not_asked_when_it_opens() {
    let (desk, fake) = (desk(Care { at_once: 1, ..plain() }), down_until(1000));
    let calls: Vec<_> = (0..100).map(|index| call(&desk, &fake, person(index), seconds(1))).collect();
    for call in calls {
        call.await.unwrap().said.unwrap_err();
    }
    assert_eq!(fake.asked(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_is_our_own_doing_says_nothing_about_the_source() {
    let (desk, fake) = (desk(plain()), Fake::new(|_| Reply(Duration::ZERO, Err(Failure::unsent("`..` in a path")))));
    for index in 0..20 {
        ask(&desk, &fake, &person(index)).await.said.unwrap_err();
    }
    assert_eq!((desk.service.phase(), fake.asked()), (Phase::Closed, 20));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_when_to_come_back_is_left_alone_for_that_time() {
    for (told_for, left_alone) in [(7, 7), (86_400, 300)] {
        let later = move |asked| {
            let failure = Failure { why: "429".to_owned(), again: Again::After(seconds(told_for)) };
            Reply(Duration::ZERO, if asked == 0 { Err(failure) } else { numbered(asked) })
        };
        let (desk, fake) = (desk(Care { retry: true, ..plain() }), Fake::new(later));
        ask(&desk, &fake, &person(0)).await.said.unwrap_err();
        assert_eq!(fake.asked(), 1, "no second try");
        advance(seconds(left_alone) - milliseconds(1)).await;
        let why = "it is not asked for another 1 s: it said so itself";
        assert_eq!(told(&ask(&desk, &fake, &person(1)).await), (How::Refused, Err(why.to_owned())));
        advance(milliseconds(1)).await;
        assert_eq!(told(&ask(&desk, &fake, &person(1)).await), (How::Asked, Ok(Some(1))));
    }
}

/// Whatever happens in which order: it is open only after enough failures in a row or because it was told to, at most one
/// question is a probe, and after a pause there is always a way back.
#[test]
fn no_order_of_events_leaves_it_in_a_wrong_state() {
    for seed in 0..300 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let (most, pause) = (chance.u32(1..5), seconds(10));
        let mut breaker = Breaker::new(most, pause);
        let (mut now, mut passes, mut in_a_row) = (Instant::now(), Vec::new(), 0);
        for step in 0..200 {
            now += milliseconds(chance.u64(..4_000));
            let before = breaker.state();
            if chance.bool() {
                let may = breaker.refusal(now).is_none();
                let admitted = breaker.admit(now);
                assert_eq!(admitted.is_ok(), may, "seed {seed} step {step}");
                if let Ok(pass) = admitted {
                    if before == Phase::Open {
                        assert!(breaker.refusal(now).is_some(), "seed {seed} step {step}: two probes");
                    }
                    passes.push((pass, before));
                }
            } else if !passes.is_empty() {
                let (pass, admitted_in) = passes.swap_remove(chance.usize(..passes.len()));
                let verdict =
                    [Verdict::Answered, Verdict::Failed, Verdict::Failed, Verdict::Nothing][chance.usize(..4)];
                breaker.record(pass, verdict, now);
                let counts = before == Phase::Closed || (before == Phase::HalfOpen && admitted_in == Phase::Open);
                in_a_row = match verdict {
                    Verdict::Answered if counts => 0,
                    Verdict::Failed if counts => in_a_row + 1,
                    _ => in_a_row,
                };
                let expected = match (counts, verdict, before) {
                    (false, ..) => before,
                    (_, Verdict::Answered, _) => Phase::Closed,
                    (_, Verdict::Failed, Phase::HalfOpen) => Phase::Open,
                    (_, Verdict::Failed, _) if in_a_row >= most => Phase::Open,
                    (_, Verdict::Nothing, Phase::HalfOpen) => Phase::Open,
                    _ => before,
                };
                assert_eq!(breaker.state(), expected, "seed {seed} step {step}: {verdict:?} in {before:?}");
            }
        }
        // Every probe ends, and then it can be asked again after the pause.
        for (pass, _) in passes {
            breaker.record(pass, Verdict::Failed, now);
        }
        assert!(breaker.admit(now + pause).is_ok(), "seed {seed}");
    }
}
