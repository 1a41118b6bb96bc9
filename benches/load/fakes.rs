//! The fake card API and the fake CRM: they answer at once, and note when which card came in.

use std::io::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::calls::{CUSTOMERS, Calls, name};
use crate::wire::{Message, Wire};

/// A server on a port of its own; it ends when it is dropped.
pub struct Fake {
    pub address: SocketAddr,
    _connections: JoinSet<()>,
}

impl Fake {
    async fn start(answer: impl Fn(&Message<'_>) -> String + Clone + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answer.clone();
                open.spawn(async move {
                    // The server under test closes its connections when it ends.
                    let _ = serve(stream, answer).await;
                });
                while open.try_join_next().is_some() {}
            }
        });
        Fake { address, _connections: connections }
    }

    /// Takes every card. Who asks whether a call has one, has not sent it.
    pub async fn card_api(calls: Arc<Calls>) -> Fake {
        let [taken, none] = [("201 Created", "{}"), ("200 OK", "[]")]
            .map(|(status, data)| response(status, &format!("{{\"data\":{data}}}")));
        Fake::start(move |request| {
            if request.head.starts_with("GET ") {
                return none.clone();
            }
            let call = request.head.split(' ').nth(1).and_then(|path| path.strip_prefix("/api/v3/calls/"));
            let call = call.and_then(|path| path.strip_suffix("/cards")).unwrap_or_default();
            calls.card(call, request.body);
            taken.clone()
        })
        .await
    }

    /// Knows every customer: `GET /contacts?phone=%2B90532…`.
    pub async fn crm() -> Fake {
        Fake::start(|request| {
            let query = request.head.split(' ').nth(1).and_then(|path| path.split_once("phone="));
            let digits: String =
                query.map(|(_, digits)| digits.chars().filter(char::is_ascii_digit).collect()).unwrap_or_default();
            // Of `%2B90532…` seven digits are the customer's.
            let customer = digits.get(digits.len().saturating_sub(7)..).and_then(|digits| digits.parse().ok());
            match customer.filter(|customer| *customer < CUSTOMERS) {
                Some(customer) => response("200 OK", &format!("[{}]", record(customer))),
                None => response("200 OK", "[]"),
            }
        })
        .await
    }
}

/// A customer as the CRM tells it; the table has the same columns.
pub fn record(customer: usize) -> serde_json::Value {
    let city = ["Denizli", "Istanbul", "London", "Köln"][customer % 4];
    let tier = ["", "gold"][customer % 2];
    serde_json::json!({
        "phone": crate::calls::number(customer),
        "id": customer.to_string(),
        "full_name": name(customer),
        "company": format!("Company {} Ltd.", customer / 10),
        "city": city,
        "tier": tier,
        "balance": format!("{}.50", customer * 3),
    })
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn serve(stream: TcpStream, answer: impl Fn(&Message<'_>) -> String) -> Result<(), Error> {
    let mut wire = Wire::new(stream);
    while let Some(request) = wire.next().await? {
        let answer = answer(&request);
        wire.stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
