//! When a token is used, renewed and given up, by a clock of the test's own.

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::advance;

use super::*;

/// The tokens of a service at this port.
fn tokens(port: u16) -> Arc<Tokens> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Arc::new(Tokens::new(Grant {
        client: Arc::new(Client::builder().no_proxy().build().unwrap()),
        way: "".into(),
        url: Url::parse(&format!("http://127.0.0.1:{port}/token")).unwrap(),
        client_id: "callcard".to_owned(),
        client_secret: "secret".into(),
        in_header: false,
        refresh_token: None,
        fields: Vec::new(),
        scheme: "Bearer".to_owned(),
    }))
}

fn fetched(lives: Option<u64>) -> Result<Fetched, Failure> {
    let lives = lives.map(Duration::from_secs);
    Ok(Fetched { access_token: "t".into(), refresh_token: None, asked_at: Instant::now(), lives })
}

fn is_fetching(tokens: &Tokens) -> bool {
    tokens.locked().fetching.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_a_minute_before_it_expires_and_nobody_waits_for_that() {
    let tokens = tokens(9);
    tokens.keep(fetched(Some(3600))).unwrap();
    advance(Duration::from_secs(3539)).await;
    assert_eq!(tokens.token().now_or_never().unwrap().unwrap().count, 1);
    assert!(!is_fetching(&tokens));
    advance(Duration::from_secs(1)).await;
    assert_eq!(tokens.token().now_or_never().unwrap().unwrap().count, 1);
    assert!(is_fetching(&tokens), "the next one is on its way");
    advance(Duration::from_secs(60)).await;
    assert!(tokens.token().now_or_never().is_none(), "this one has expired");
}

#[tokio::test(start_paused = true)]
async fn a_short_lived_token_is_renewed_in_the_last_fifth_of_its_life_and_one_without_end_never() {
    let tokens = tokens(9);
    tokens.keep(fetched(Some(10))).unwrap();
    advance(Duration::from_millis(7_999)).await;
    tokens.token().now_or_never().unwrap().unwrap();
    assert!(!is_fetching(&tokens));
    advance(Duration::from_millis(1)).await;
    tokens.token().now_or_never().unwrap().unwrap();
    assert!(is_fetching(&tokens));
    tokens.keep(fetched(None)).unwrap();
    advance(Duration::from_secs(100 * 24 * 3600)).await;
    assert_eq!(tokens.token().now_or_never().unwrap().unwrap().count, 2);
    assert!(!is_fetching(&tokens));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_everybody_s_answer_for_a_second_and_then_forgotten() {
    let tokens = tokens(9);
    tokens.keep(Err(Failure::lasting("no"))).unwrap_err();
    advance(Duration::from_millis(999)).await;
    assert_eq!(tokens.token().now_or_never().unwrap().unwrap_err().why, "no");
    advance(Duration::from_millis(1)).await;
    assert!(tokens.token().now_or_never().is_none());
    assert!(is_fetching(&tokens));
}

#[tokio::test(start_paused = true)]
async fn of_many_who_were_refused_with_one_token_only_the_first_lets_another_be_fetched() {
    let tokens = tokens(9);
    let first = tokens.keep(fetched(None)).unwrap();
    assert!(tokens.newer_than(&first).now_or_never().is_none());
    assert!(is_fetching(&tokens));
    tokens.keep(fetched(None)).unwrap();
    assert_eq!(tokens.newer_than(&first).now_or_never().unwrap().unwrap().count, 2);
    assert!(!is_fetching(&tokens));
}

#[tokio::test]
async fn a_fetch_goes_on_when_the_question_that_began_it_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tokens = tokens(listener.local_addr().unwrap().port());
    assert!(tokens.token().now_or_never().is_none(), "it waits, and gives up at once");
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"client_secret=secret") {
        assert_ne!(connection.read_buf(&mut read).await.unwrap(), 0, "the whole form comes");
    }
    let body = r#"{"access_token":"t","refresh_token":"next"}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let waits = tokens.token();
    connection.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(waits.await.unwrap().count, 1);
    assert_eq!(tokens.locked().refresh_token.as_ref().unwrap().expose_secret(), "next");
    assert!(listener.accept().now_or_never().is_none(), "nobody asked a second time");
}
