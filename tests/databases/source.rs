//! A source of the kind `sql`, compiled and asked as the engine does.

use std::path::Path;
use std::time::Duration;

use callcard::event::{CustomerNumber, Region};
use callcard::problem::Fault;
use callcard::source::{Failure, Network, Question, Reach, Record, Records, Source};
use serde_json::{Value, json};

use super::server::Server;

/// The customer of every question.
pub const NUMBER: &str = "+905321234567";

/// Longer than any question here takes that is not meant to be stopped.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Compiles a source whose URL is a secret, as it should be.
pub fn compiled(url: &str, rest: Value, answer_within: Duration) -> Result<Source, Vec<Fault>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = Network::new().unwrap();
    let mut sql = json!({"database": "${DATABASE}"});
    sql.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let expand = |text: &str, _: &str| Ok(text.replace("${DATABASE}", url));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let region = Region::default();
    let reach =
        Reach { root: here, directory: here, expand: &expand, network: &network, accounts: &[], region, answer_within };
    Source::compile(&json!({"sql": sql}), &reach).map(|compiled| compiled.source)
}

/// A source with a statement of so many parameters.
pub fn source(url: &str, query: &str, parameters: usize) -> Source {
    quick(url, query, parameters, ANSWER_WITHIN)
}

/// The same with another time in which it answers.
pub fn quick(url: &str, query: &str, parameters: usize, answer_within: Duration) -> Source {
    let names: Vec<&str> = std::iter::repeat_n("customer.e164", parameters).collect();
    compiled(url, json!({"query": query, "parameters": names}), answer_within).unwrap()
}

/// What a call asks.
pub fn question(parameters: &[Value]) -> Question {
    let region = Region::default();
    let customer = CustomerNumber::parse(Some(NUMBER), region);
    Question { account: "hipcall".to_owned(), customer, region, parameters: parameters.to_vec() }
}

/// After each restart of the server the next question has its answer.
pub async fn comes_back(server: &Server) {
    let (source, asked) = (source(&server.url("reader"), "select 1 as v", 0), question(&[]));
    for answer in futures_util::future::join_all((0..4).map(|_| source.ask(&asked))).await {
        answer.unwrap();
    }
    server.stop();
    assert_eq!(source.ask(&asked).await.unwrap_err().why, "it can't be connected to");
    server.start_again();
    source.ask(&asked).await.unwrap();
    // And where nobody asked in between, so that the broken connections are still kept.
    server.stop();
    server.start_again();
    source.ask(&asked).await.unwrap();
}

/// Asks until the server works on it, as the statement `active` counts, and then gives the question up.
pub async fn given_up_while_active(server: &Server, source: &Source, asked: &Question, active: &str) {
    /// Between two looks at the server, in which the question goes on.
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    let mut asking = std::pin::pin!(source.ask(asked));
    while server.run(active) != "1" {
        if let Ok(said) = tokio::time::timeout(LOOK_EVERY, &mut asking).await {
            panic!("it ended before it was seen: {said:?}");
        }
    }
}

pub async fn ask(source: &Source, parameters: &[Value]) -> Result<Records, Failure> {
    source.ask(&question(parameters)).await
}

/// The one record of an answer.
pub async fn one(url: &str, query: &str, parameters: &[Value]) -> Record {
    let said = ask(&source(url, query, parameters.len()), parameters).await;
    let records = said.unwrap_or_else(|failure| panic!("`{query}` failed: {}", failure.why)).records;
    assert_eq!(records.len(), 1, "{query}");
    records.into_iter().next().unwrap()
}

/// The one value of an answer, whose column is named `v`.
pub async fn value(url: &str, query: &str, parameters: &[Value]) -> Value {
    one(url, query, parameters).await["v"].clone()
}

/// Why there is no answer.
pub async fn why(url: &str, query: &str, parameters: &[Value]) -> String {
    ask(&source(url, query, parameters.len()), parameters).await.unwrap_err().why
}

/// Texts that would do harm were they part of a statement.
pub fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = [
        "'",
        "''",
        "\"",
        "`",
        "\\",
        "\\'",
        "'; drop table people; --",
        "' or '1'='1",
        "$1",
        "?",
        "{{x}}",
        "%",
        "--",
        "/*",
        "🦀 ğüşiöç",
        "\u{202e}abc",
        "",
        " ",
    ]
    .map(str::to_owned)
    .into();
    texts.push("ç'\"".repeat(3_334));
    texts
}
