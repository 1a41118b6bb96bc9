//! How many requests at the same time, and how many a minute.

use super::*;
use crate::source::asker::budget::Pace;

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_under_way_than_may_be() {
    let (desk, fake) =
        (desk(Care { at_once: 3, ..plain() }), Fake::new(|count| Reply(milliseconds(100), numbered(count))));
    let begun = Instant::now();
    let calls: Vec<_> = (0..12).map(|index| call(&desk, &fake, person(index), seconds(1))).collect();
    for call in calls {
        call.await.unwrap().said.unwrap();
    }
    assert_eq!((fake.asked(), fake.under_way_most.load(SeqCst)), (12, 3));
    assert!((400..410).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_queue() {
    let (desk, fake) =
        (desk(Care { at_once: 1, ..plain() }), Fake::new(|count| Reply(milliseconds(500), numbered(count))));
    let first = call(&desk, &fake, person(0), seconds(1));
    settle().await;
    let impatient: Vec<_> = (1..10).map(|index| call(&desk, &fake, person(index), milliseconds(200))).collect();
    settle().await;
    let gone = call(&desk, &fake, person(10), seconds(1));
    settle().await;
    let patient = call(&desk, &fake, person(11), seconds(2));
    settle().await;
    gone.abort();
    for call in impatient {
        let why = "its turn did not come in time (`at_once: 1`)";
        assert_eq!(told(&call.await.unwrap()), (How::Refused, Err(why.to_owned())));
    }
    assert_eq!(told(&first.await.unwrap()).1, Ok(Some(0)));
    assert_eq!(told(&patient.await.unwrap()).1, Ok(Some(1)), "the one behind those that left");
    assert_eq!(fake.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_somebody_still_wants_stays_in_the_queue() {
    let (desk, fake) =
        (desk(Care { at_once: 1, ..plain() }), Fake::new(|count| Reply(milliseconds(500), numbered(count))));
    let first = call(&desk, &fake, person(0), seconds(1));
    settle().await;
    let leader = call(&desk, &fake, person(1), seconds(2));
    settle().await;
    let follower = call(&desk, &fake, person(1), seconds(2));
    settle().await;
    leader.abort();
    first.await.unwrap().said.unwrap();
    // The question's own time is one second from its beginning, and the first one took half of it.
    assert_eq!(told(&follower.await.unwrap()), (How::Shared, Ok(Some(1))));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_may_not_be_asked_in_its_time_fails_at_once() {
    let (desk, fake) =
        (desk(Care { per_minute: Some(30), ..plain() }), Fake::new(|count| Reply(Duration::ZERO, numbered(count))));
    for index in 0..5 {
        ask(&desk, &fake, &person(index)).await.said.unwrap();
    }
    let begun = Instant::now();
    let said = ask(&desk, &fake, &person(5)).await;
    let why = "its turn would come in 2000 ms (`per_minute: 30`)";
    assert_eq!(told(&said), (How::Refused, Err(why.to_owned())));
    assert!(begun.elapsed() <= milliseconds(2), "{:?}", begun.elapsed());
    advance(milliseconds(1_500)).await;
    let begun = Instant::now();
    ask(&desk, &fake, &person(6)).await.said.unwrap();
    assert!((490..=510).contains(&begun.elapsed().as_millis()), "it waits where there is time: {:?}", begun.elapsed());
}

#[test]
fn the_pace_is_kept_over_any_time() {
    for seed in 0..50 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let per_minute = chance.u32(1..600);
        let (mut pace, begun) = (Pace::new(per_minute), Instant::now());
        let (mut now, mut asked) = (begun, Vec::new());
        for _ in 0..2_000 {
            now += milliseconds(chance.u64(..1_000));
            if let Ok(at) = pace.reserve(now, now + seconds(chance.u64(..3))) {
                assert!(at >= now);
                asked.push(at);
            }
        }
        assert!(asked.is_sorted());
        for (index, from) in asked.iter().enumerate() {
            let in_a_minute = asked[index..].iter().take_while(|at| **at < *from + seconds(60)).count();
            assert!(in_a_minute <= per_minute as usize + 5, "seed {seed}: {in_a_minute} of {per_minute}");
        }
        let minutes = (now - begun).as_secs_f64() / 60.0;
        let possible = (f64::from(per_minute) * minutes).min(2_000.0);
        assert!(asked.len() as f64 > possible * 0.5, "seed {seed}: {} of {possible}", asked.len());
    }
}
