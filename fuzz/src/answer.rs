//! What a web service may answer over the wire → the records of a customer, or why there are none.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use callcard::event::CustomerNumber;
use callcard::source::{Question, RECORDS_MAX, Reach, Source};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::world;

/// A service that answers every question with the same bytes, and sources that ask it.
struct Service {
    runtime: Runtime,
    says: Arc<Mutex<Vec<u8>>>,
    sources: Vec<Source>,
}

static SERVICE: LazyLock<Mutex<Service>> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let says = Arc::new(Mutex::new(Vec::new()));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
    let url = format!("http://{}/", listener.local_addr().expect("it has an address"));
    runtime.spawn(serve(listener, Arc::clone(&says)));
    let sources = definitions(&url).iter().map(compiled).collect();
    Mutex::new(Service { runtime, says, sources })
});

fn definitions(url: &str) -> [Value; 4] {
    let url = format!("{url}?n={{{{customer.e164}}}}");
    let http = |more: Value| {
        let mut http = json!({"url": url, "private": true});
        http.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        json!({"http": http})
    };
    [
        http(
            json!({"records": "$.results[*]", "numbers": ["$.phone", "$.mobile[*]"], "failed": "$.error", "none": [404]}),
        ),
        http(json!({"records": "$..contact"})),
        http(json!({"numbers": ["$..phone"]})),
        http(json!({"format": "csv", "numbers": ["phone"]})),
    ]
}

fn compiled(definition: &Value) -> Source {
    let root = std::env::temp_dir();
    let reach = Reach {
        root: &root,
        directory: &root,
        expand: &|text, _| Ok(text.to_owned()),
        network: world::network(),
        accounts: &[],
        region: world::region("TR"),
        answer_within: Duration::from_secs(2),
    };
    Source::compile(definition, &reach).unwrap_or_else(|faults| panic!("{faults:?}")).source
}

/// Answers one question a connection, without looking at it.
async fn serve(listener: TcpListener, says: Arc<Mutex<Vec<u8>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut question = vec![0; 4096];
        let _ = stream.read(&mut question).await;
        let answer = says.lock().expect("nobody else has it").clone();
        let _ = stream.write_all(&answer).await;
        let _ = stream.shutdown().await;
    }
}

/// The first byte chooses the source, the second whether the rest is a body or the whole answer with its head.
pub fn answer(bytes: &[u8]) {
    let [which, head, rest @ ..] = bytes else { return };
    let service = SERVICE.lock().expect("nobody else has it");
    let with_head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n".iter().chain(rest).copied();
    *service.says.lock().expect("nobody else has it") = if head % 4 == 0 { rest.to_vec() } else { with_head.collect() };
    let which = usize::from(*which) % service.sources.len();
    let customer = CustomerNumber::parse(Some("+905321234567"), world::region("TR"));
    let parameters = vec![json!("+905321234567")];
    let question = Question { account: "hipcall".to_owned(), customer, region: world::region("TR"), parameters };
    match service.runtime.block_on(service.sources[which].ask(&question)) {
        Ok(found) => {
            assert!(found.records.len() <= RECORDS_MAX, "{} records", found.records.len());
            let is_checked = service.sources[which].checks_numbers();
            let is_csv = service.sources[which].has_only_texts();
            for record in &found.records {
                assert!(!is_checked || says_number(&json!(record)), "somebody else's record: {record:?}");
                assert!(!is_csv || record.values().all(Value::is_string), "{record:?}");
            }
        }
        // Why it failed is told in our own words: the answer may be about a person.
        Err(failure) => {
            assert!(failure.why.len() < 300 && !failure.why.contains("canary"), "{}", failure.why);
        }
    }
}

/// Whether any leaf of a record is the customer's number.
fn says_number(value: &Value) -> bool {
    let is_it = |text: &str| CustomerNumber::parse(Some(text), world::region("TR")).e164() == Some("+905321234567");
    match value {
        Value::String(text) => is_it(text),
        Value::Number(number) => is_it(&number.to_string()),
        Value::Array(items) => items.iter().any(says_number),
        Value::Object(fields) => fields.values().any(says_number),
        Value::Null | Value::Bool(_) => false,
    }
}
