//! The reference: the same job written by hand for one purpose, with the same libraries. A webhook, a customer from a table
//! in memory or from the CRM, five rows, one request.
//!
//! It has what such a handler has on its first day: no rules, no disk, no schema, no retry, no limits. What it has accepted
//! is gone when it ends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::send::SECRET;

#[derive(Clone, Deserialize)]
struct Customer {
    phone: String,
    id: String,
    full_name: String,
    company: String,
    city: String,
    tier: String,
    balance: String,
}

#[derive(Deserialize)]
struct Event {
    event: String,
    data: Call,
}

#[derive(Deserialize)]
struct Call {
    uuid: String,
    direction: String,
    caller_number: Option<String>,
}

/// Where customers are.
enum Customers {
    Table(HashMap<String, Customer>),
    Crm(String),
}

struct Handler {
    client: Client,
    card_api: String,
    customers: Customers,
}

/// Serves until it is killed; says on stdout where. `customers` is the file of the table, or the CRM's URL.
pub async fn serve(card_api: String, customers: String) {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let customers = if customers.starts_with("http") {
        Customers::Crm(customers)
    } else {
        let mut reader = csv::Reader::from_path(customers).unwrap();
        let rows = reader.deserialize::<Customer>().map(Result::unwrap);
        Customers::Table(rows.map(|customer| (customer.phone.clone(), customer)).collect())
    };
    let handler = Arc::new(Handler { client: Client::builder().no_proxy().build().unwrap(), card_api, customers });
    let router = axum::Router::new().route("/webhooks/{account}/{secret}", post(receive)).with_state(handler);
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}

async fn receive(
    State(handler): State<Arc<Handler>>,
    Path((_, secret)): Path<(String, String)>,
    Json(event): Json<Event>,
) -> Response {
    if secret != SECRET {
        return StatusCode::NOT_FOUND.into_response();
    }
    if event.event == "call_init" && event.data.direction == "inbound" {
        tokio::spawn(async move { handler.send_card(event.data).await });
    }
    Json(json!({"status": "accepted"})).into_response()
}

impl Handler {
    async fn send_card(&self, call: Call) {
        let Some(number) = call.caller_number else { return };
        let Some(customer) = self.find(&number).await else { return };
        let url = format!("{}/calls/{}/cards", self.card_api, call.uuid);
        let request = self.client.post(url).bearer_auth("token").header(CONTENT_TYPE, "application/json");
        let answer = request.body(card(&customer).to_string()).send().await;
        if let Ok(answer) = answer {
            let _ = answer.bytes().await;
        }
    }

    async fn find(&self, number: &str) -> Option<Customer> {
        match &self.customers {
            Customers::Table(table) => table.get(number).cloned(),
            Customers::Crm(url) => {
                let answer = self.client.get(url).query(&[("phone", number)]).send().await.ok()?;
                let found: Vec<Customer> = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
                found.into_iter().next()
            }
        }
    }
}

fn card(customer: &Customer) -> Value {
    let label = if customer.tier.is_empty() { "Company" } else { "VIP" };
    let link = format!("https://crm.example.com/contacts/{}", customer.id);
    json!({"card": [
        {"type": "title", "text": customer.full_name, "link": link},
        {"type": "shortText", "label": label, "text": customer.company},
        {"type": "shortText", "label": "Balance", "text": customer.balance},
        {"type": "shortText", "label": "City", "text": customer.city},
        {"type": "shortText", "label": "Number", "text": customer.phone},
    ]})
}
