//! Second tries, and second requests beside the first.

use super::*;
use crate::source::Again;

fn retrying() -> Care {
    Care { retry: true, ..plain() }
}

fn hedging() -> Care {
    Care { hedge: Some(milliseconds(300)), ..plain() }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_be_over_is_tried_once_more_and_no_more() {
    let (desk, fake) = (
        desk(retrying()),
        Fake::new(|asked| match asked {
            0 | 2 | 3 => Reply(milliseconds(10), down()),
            _ => Reply(milliseconds(10), numbered(asked)),
        }),
    );
    let begun = Instant::now();
    let said = ask(&desk, &fake, &person(0)).await;
    assert_eq!((told(&said), said.tries), ((How::Asked, Ok(Some(1))), 2));
    assert!((120..130).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    let said = ask(&desk, &fake, &person(1)).await;
    assert_eq!((said.said.is_err(), said.tries, fake.asked()), (true, 2, 4));
    assert_eq!(desk.service.counts.retried.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_else_is_tried_again() {
    for again in [Again::No, Again::Unsent] {
        let failure = move || Err(Failure { why: "no".to_owned(), again });
        let (desk, fake) = (desk(retrying()), Fake::new(move |_| Reply(Duration::ZERO, failure())));
        let said = ask(&desk, &fake, &person(0)).await;
        assert_eq!((said.said.is_err(), said.tries, fake.asked()), (true, 1, 1), "{again:?}");
    }
    let (desk, fake) = (desk(plain()), Fake::new(|_| Reply(Duration::ZERO, down())));
    ask(&desk, &fake, &person(0)).await.said.unwrap_err();
    assert_eq!(fake.asked(), 1, "retry: false");
}

#[tokio::test(start_paused = true)]
async fn there_is_no_second_try_where_the_call_would_not_wait_for_it() {
    for (first_takes, asked) in [(890, 2), (900, 1), (950, 1)] {
        let (desk, fake) = (desk(retrying()), Fake::new(move |_| Reply(milliseconds(first_takes), down())));
        let said = ask(&desk, &fake, &person(0)).await;
        advance(seconds(2)).await;
        settle().await;
        assert_eq!((said.said.is_err(), fake.asked()), (true, asked), "{first_takes}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_that_opens_the_breaker_is_not_followed_by_a_second_try() {
    let (desk, fake) = (desk(Care { failures: 3, ..retrying() }), Fake::new(|_| Reply(Duration::ZERO, down())));
    ask(&desk, &fake, &person(0)).await.said.unwrap_err();
    ask(&desk, &fake, &person(1)).await.said.unwrap_err();
    assert_eq!(fake.asked(), 3, "two tries, then one");
}

#[tokio::test(start_paused = true)]
async fn a_second_request_is_sent_beside_a_slow_one_and_the_first_answer_counts() {
    let (desk, fake) =
        (desk(hedging()), Fake::new(|asked| Reply(milliseconds(if asked == 0 { 900 } else { 50 }), numbered(asked))));
    let begun = Instant::now();
    let said = ask(&desk, &fake, &person(0)).await;
    assert_eq!((told(&said), said.hedged), ((How::Asked, Ok(Some(1))), true));
    assert!((350..360).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(fake.under_way.load(SeqCst), 0, "the other one is dropped");
    let said = ask(&desk, &fake, &person(1)).await;
    assert_eq!((said.said.is_ok(), said.hedged, fake.asked()), (true, false, 3), "a quick one needs none");
}

#[tokio::test(start_paused = true)]
async fn where_one_of_two_requests_fails_the_other_may_still_answer() {
    for (first, second) in [((400, false), (200, true)), ((500, true), (50, false))] {
        let reply = move |(after, answers): (u64, bool), asked| {
            Reply(milliseconds(after), if answers { numbered(asked) } else { down() })
        };
        let fake = Fake::new(move |asked| reply(if asked == 0 { first } else { second }, asked));
        let said = ask(&desk(hedging()), &fake, &person(0)).await;
        assert_eq!((said.said.is_ok(), said.hedged), (true, true));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_service_gets_at_most_one_more_request_in_ten() {
    let (desk, fake) = (desk(hedging()), Fake::new(|asked| Reply(milliseconds(500), numbered(asked))));
    for index in 0..1_000 {
        ask(&desk, &fake, &person(index)).await.said.unwrap();
    }
    let second = fake.asked() - 1_000;
    assert!((100..=103).contains(&second), "{second}");
    assert_eq!(desk.service.counts.hedged.load(SeqCst) as usize, second);
}

#[tokio::test(start_paused = true)]
async fn a_second_request_takes_a_place_and_is_not_sent_where_there_is_none() {
    let care = Care { at_once: 2, ..hedging() };
    let (desk, fake) = (desk(care), Fake::new(|asked| Reply(milliseconds(500), numbered(asked))));
    let calls: Vec<_> = (0..2).map(|index| call(&desk, &fake, person(index), seconds(1))).collect();
    for call in calls {
        assert!(!call.await.unwrap().hedged);
    }
    assert_eq!((fake.asked(), fake.under_way_most.load(SeqCst)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn there_is_no_second_request_while_the_breaker_tries() {
    let (desk, fake) = (
        desk(Care { failures: 1, ..hedging() }),
        Fake::new(|asked| {
            Reply(milliseconds(500), if asked == 0 { Err(Failure::lasting("no")) } else { numbered(asked) })
        }),
    );
    // The first one may be asked twice, since nothing is known yet; its second request answers.
    assert!(ask(&desk, &fake, &person(0)).await.said.is_ok());
    let failing = Fake::new(|_| Reply(Duration::ZERO, down()));
    ask(&desk, &failing, &person(1)).await.said.unwrap_err();
    advance(seconds(30)).await;
    let probe = ask(&desk, &fake, &person(2)).await;
    assert_eq!((probe.said.is_ok(), probe.hedged), (true, false));
}
