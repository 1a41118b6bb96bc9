//! What is given again, until when, and what is forgotten.

use super::*;
use crate::source::asker::kept::{Kept, Key};

#[tokio::test(start_paused = true)]
async fn an_answer_is_fresh_then_stale_then_gone() {
    let (desk, fake) = (desk(keeping()), Fake::new(|count| Reply(Duration::ZERO, numbered(count))));
    let jane = question_of(JANE);
    assert_eq!(told(&ask(&desk, &fake, &jane).await), (How::Asked, Ok(Some(0))));
    advance(seconds(300) - milliseconds(1)).await;
    assert_eq!(told(&ask(&desk, &fake, &jane).await), (How::Cache, Ok(Some(0))));
    advance(milliseconds(1)).await;
    assert_eq!(told(&ask(&desk, &fake, &jane).await), (How::Stale, Ok(Some(0))));
    settle().await;
    assert_eq!(told(&ask(&desk, &fake, &jane).await), (How::Cache, Ok(Some(1))), "fetched in the background");
    advance(seconds(3600)).await;
    assert_eq!(told(&ask(&desk, &fake, &jane).await), (How::Asked, Ok(Some(2))));
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_given_while_the_source_fails_and_not_a_moment_longer() {
    let (desk, fake) =
        (desk(keeping()), Fake::new(|count| Reply(milliseconds(5), if count == 0 { numbered(0) } else { down() })));
    let jane = question_of(JANE);
    ask(&desk, &fake, &jane).await.said.unwrap();
    let given_at = Instant::now();
    for minute in 5..60 {
        let due = given_at + seconds(minute * 60);
        advance(due - Instant::now()).await;
        assert_eq!(told(&ask(&desk, &fake, &jane).await), (How::Stale, Ok(Some(0))), "{minute}");
        settle().await;
    }
    assert!((6..56).contains(&fake.asked()), "the breaker held back some of the 55: {}", fake.asked());
    advance(given_at + seconds(3600) - Instant::now() - milliseconds(1)).await;
    assert_eq!(told(&ask(&desk, &fake, &jane).await), (How::Stale, Ok(Some(0))));
    advance(milliseconds(1)).await;
    assert!(ask(&desk, &fake, &jane).await.said.is_err());
}

#[tokio::test(start_paused = true)]
async fn one_background_question_is_enough_for_many_calls() {
    let (desk, fake) =
        (desk(keeping()), Fake::new(|count| Reply(milliseconds(if count == 0 { 0 } else { 200 }), numbered(count))));
    ask(&desk, &fake, &question_of(JANE)).await.said.unwrap();
    advance(seconds(400)).await;
    for _ in 0..20 {
        assert_eq!(told(&ask(&desk, &fake, &question_of(JANE)).await), (How::Stale, Ok(Some(0))));
    }
    settle().await;
    assert_eq!(fake.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn that_nobody_is_known_is_kept_for_its_own_time_and_never_stale() {
    let (desk, fake) = (desk(keeping()), Fake::new(|_| Reply(Duration::ZERO, Ok(Records::default()))));
    let jane = question_of(JANE);
    for (later, how) in [(0, How::Asked), (29_999, How::Cache), (1, How::Asked), (30_000, How::Asked)] {
        advance(milliseconds(later)).await;
        assert_eq!(told(&ask(&desk, &fake, &jane).await), (how, Ok(None)), "{later}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_records_takes_the_place_of_one_with_records() {
    let (desk, fake) = (
        desk(keeping()),
        Fake::new(|count| Reply(Duration::ZERO, if count == 0 { numbered(0) } else { Ok(Records::default()) })),
    );
    let jane = question_of(JANE);
    ask(&desk, &fake, &jane).await.said.unwrap();
    advance(seconds(301)).await;
    assert_eq!(told(&ask(&desk, &fake, &jane).await).0, How::Stale);
    settle().await;
    assert_eq!(told(&ask(&desk, &fake, &jane).await), (How::Cache, Ok(None)));
}

#[tokio::test(start_paused = true)]
async fn without_a_cache_nothing_is_kept() {
    let (desk, fake) = (desk(plain()), Fake::new(|count| Reply(Duration::ZERO, numbered(count))));
    for count in 0..3 {
        assert_eq!(told(&ask(&desk, &fake, &question_of(JANE)).await), (How::Asked, Ok(Some(count))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_is_forgotten_and_what_is_under_way_is_not_kept() {
    let (desk, fake) = (desk(keeping()), Fake::new(|count| Reply(milliseconds(100), numbered(count))));
    let asker = Asker { desk: Some(Arc::clone(&desk)) };
    let (jane, other) = (question_of(JANE), person(1));
    let more = Question { parameters: Vec::new(), ..jane.clone() };
    for question in [&jane, &more, &other] {
        ask(&desk, &fake, question).await.said.unwrap();
    }
    assert_eq!(asker.forget("+90532123456"), 0, "a part of a number is nobody's");
    assert_eq!(asker.forget(JANE), 2);
    assert_eq!(told(&ask(&desk, &fake, &other).await).0, How::Cache);
    // The question of before is answered, and the next one is asked again.
    let under_way = call(&desk, &fake, jane.clone(), seconds(1));
    settle().await;
    assert_eq!(asker.forget(JANE), 0);
    assert_eq!(told(&under_way.await.unwrap()), (How::Asked, Ok(Some(3))));
    assert_eq!(told(&ask(&desk, &fake, &jane).await), (How::Asked, Ok(Some(4))));
    assert_eq!(told(&ask(&desk, &fake, &jane).await), (How::Cache, Ok(Some(4))));
}

#[test]
fn answers_are_bounded_in_number_and_the_least_wanted_goes_first() {
    let now = Instant::now();
    let mut kept = Kept::new(Keep { fresh: seconds(60), entries: 3, ..Keep::default() });
    let key = |index| Key::of(&person(index));
    let answer = || Arc::new(numbered(0).unwrap());
    for index in 0..3 {
        kept.put(key(index), answer(), now);
    }
    assert!(kept.get(&key(0), now).is_some());
    kept.put(key(3), answer(), now);
    let there: Vec<bool> = (0..4).map(|index| kept.get(&key(index), now).is_some()).collect();
    assert_eq!(there, [true, false, true, true]);
    assert_eq!(kept.len(), 3);
}

#[test]
fn answers_are_bounded_in_bytes_and_the_count_of_them_stays_right() {
    let (now, bytes) = (Instant::now(), 100_000);
    let mut kept = Kept::new(Keep { fresh: seconds(60), bytes, ..Keep::default() });
    let of_size = |size: usize| Arc::new(records(&json!([{ "note": "n".repeat(size) }])));
    let mut chance = fastrand::Rng::with_seed(7);
    for round in 0..2_000 {
        let key = Key::of(&person(chance.usize(..200)));
        kept.put(key.clone(), of_size(chance.usize(..20_000)), now);
        assert!(kept.bytes() <= bytes, "round {round}");
        assert!(kept.get(&key, now).is_some(), "round {round}");
    }
    assert!(kept.len() > 3);
    kept.put(Key::of(&person(0)), of_size(bytes), now);
    assert!(kept.get(&Key::of(&person(0)), now).is_none(), "larger than all there is");
    let forgotten: usize = (0..200).map(|index| kept.forget(person(index).customer.e164().unwrap())).sum();
    assert!(forgotten > 3);
    assert_eq!((kept.len(), kept.bytes()), (0, 0));
}

#[test]
fn an_answer_that_nobody_asked_for_again_does_not_stay_for_ever() {
    let now = Instant::now();
    let mut kept = Kept::new(Keep { fresh: seconds(60), ..Keep::default() });
    for index in 0..100 {
        kept.put(Key::of(&person(index)), Arc::new(numbered(0).unwrap()), now);
    }
    kept.put(Key::of(&person(100)), Arc::new(numbered(0).unwrap()), now + seconds(60));
    assert_eq!(kept.len(), 1);
}
