//! One question is under way, however many calls ask it, and no call's end is another's.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_hundred_calls_with_one_question_are_one_request() {
    for care in [plain(), keeping()] {
        let (desk, fake) = (desk(care), Fake::new(|count| Reply(milliseconds(100), numbered(count))));
        let calls: Vec<_> = (0..100).map(|_| call(&desk, &fake, question_of(JANE), seconds(1))).collect();
        let mut shared = 0;
        for call in calls {
            let said = call.await.unwrap();
            assert_eq!(told(&said).1, Ok(Some(0)));
            shared += usize::from(said.how == How::Shared);
        }
        assert_eq!((fake.asked(), shared), (1, 99));
        assert!(desk.papers.lock().unwrap().under_way.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn another_account_parameter_or_person_is_another_question() {
    let (desk, fake) = (desk(keeping()), Fake::new(|count| Reply(milliseconds(10), numbered(count))));
    let jane = question_of(JANE);
    let other = Question { account: "other".to_owned(), ..jane.clone() };
    let with = Question { parameters: vec![json!([JANE])], ..jane.clone() };
    for (index, question) in [jane, other, with, person(1)].iter().enumerate() {
        assert_eq!(told(&ask(&desk, &fake, question).await), (How::Asked, Ok(Some(index as u64))));
    }
    assert_eq!(fake.asked(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_first_call_is_not_the_end_of_the_others() {
    for care in [plain(), keeping()] {
        let (desk, fake) = (desk(care), Fake::new(|count| Reply(milliseconds(500), numbered(count))));
        let leader = call(&desk, &fake, question_of(JANE), seconds(1));
        settle().await;
        let impatient = call(&desk, &fake, question_of(JANE), milliseconds(100));
        let follower = call(&desk, &fake, question_of(JANE), seconds(1));
        settle().await;
        leader.abort();
        assert!(impatient.await.unwrap().said.is_err());
        assert_eq!(told(&follower.await.unwrap()), (How::Shared, Ok(Some(0))));
        assert_eq!(fake.asked(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_to_all_and_not_kept() {
    let (desk, fake) = (
        desk(keeping()),
        Fake::new(|count| Reply(milliseconds(50), if count == 0 { down() } else { numbered(count) })),
    );
    let calls: Vec<_> = (0..3).map(|_| call(&desk, &fake, question_of(JANE), seconds(1))).collect();
    for call in calls {
        assert_eq!(told(&call.await.unwrap()).1, Err("it is down".to_owned()));
    }
    assert_eq!(told(&ask(&desk, &fake, &question_of(JANE)).await), (How::Asked, Ok(Some(1))));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_fails_for_all_who_wait_and_blocks_nothing() {
    let (desk, fake) = (
        desk(Care { at_once: 1, ..keeping() }),
        Fake::new(|count| {
            assert!(count > 0, "as this test wants it");
            Reply(Duration::ZERO, numbered(count))
        }),
    );
    let calls: Vec<_> = (0..3).map(|_| call(&desk, &fake, question_of(JANE), seconds(1))).collect();
    for call in calls {
        assert_eq!(told(&call.await.unwrap()).1, Err("it broke off: a defect of the program".to_owned()));
    }
    assert_eq!(told(&ask(&desk, &fake, &question_of(JANE)).await), (How::Asked, Ok(Some(1))));
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_fills_the_cache() {
    let (desk, fake) = (desk(keeping()), Fake::new(|count| Reply(milliseconds(9_999), numbered(count))));
    let said = ask(&desk, &fake, &question_of(JANE)).await;
    assert_eq!(told(&said), (How::Late, Err("it did not answer in time".to_owned())));
    advance(milliseconds(9_000)).await;
    settle().await;
    assert_eq!(told(&ask(&desk, &fake, &question_of(JANE)).await), (How::Cache, Ok(Some(0))));
}

#[tokio::test(start_paused = true)]
async fn a_question_ends_by_itself_with_its_time() {
    for (care, end) in [(plain(), 1_000), (keeping(), 10_000)] {
        let (desk, fake) = (desk(care), Fake::new(|_| Reply(seconds(3600), down())));
        call(&desk, &fake, question_of(JANE), milliseconds(100)).await.unwrap().said.unwrap_err();
        advance(milliseconds(end - 102)).await;
        settle().await;
        assert_eq!(fake.under_way.load(SeqCst), 1, "{end}");
        advance(milliseconds(4)).await;
        settle().await;
        assert_eq!(fake.under_way.load(SeqCst), 0, "{end}");
        assert!(desk.papers.lock().unwrap().under_way.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn thousands_of_calls_against_a_source_that_hangs_hold_little_and_all_end() {
    let (desk, fake) = (desk(plain()), Fake::new(|_| Reply(seconds(3600), down())));
    let begun = Instant::now();
    let calls: Vec<_> = (0..5_000).map(|index| call(&desk, &fake, person(index), seconds(1))).collect();
    settle().await;
    assert_eq!(desk.papers.lock().unwrap().under_way.len(), 8 + super::super::WAITING_MAX);
    let mut refused = 0;
    for call in calls {
        let said = call.await.unwrap();
        assert!(said.said.is_err());
        refused += usize::from(said.how == How::Refused);
    }
    assert!(begun.elapsed() < milliseconds(1_010), "{:?}", begun.elapsed());
    assert_eq!((fake.asked(), refused), (8, 4_992));
    settle().await;
    advance(milliseconds(10)).await;
    settle().await;
    assert_eq!(fake.under_way.load(SeqCst), 0);
    assert!(desk.papers.lock().unwrap().under_way.is_empty());
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}
