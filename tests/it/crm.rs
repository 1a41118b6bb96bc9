//! A fake CRM: what HTTP sources ask. It records every question and answers as it was told.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::host::{Host, Reply, Request};

/// The bearer token that rules send to it.
pub const TOKEN: &str = "crm-token-canary-77b1";

struct State {
    asked: Vec<Request>,
    reply: Reply,
}

/// The fake CRM.
pub struct Crm {
    host: Host,
    state: Arc<Mutex<State>>,
}

impl Crm {
    /// A CRM that answers every question so.
    pub fn start(reply: Reply) -> Crm {
        let state = Arc::new(Mutex::new(State { asked: Vec::new(), reply }));
        let shared = Arc::clone(&state);
        let host = Host::start(move |request| {
            let mut state = shared.lock().unwrap();
            state.asked.push(request);
            state.reply.clone()
        });
        Crm { host, state }
    }

    /// A CRM that knows these records.
    pub fn knowing(records: &Value) -> Crm {
        Crm::start(found(records))
    }

    /// From now on every question is answered so.
    pub fn always(&self, reply: Reply) {
        self.state.lock().unwrap().reply = reply;
    }

    pub fn port(&self) -> u16 {
        self.host.address.port()
    }

    pub fn asked(&self) -> Vec<Request> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The `http:` part of a source that asks it; `more` holds further keys, indented by six blanks.
    pub fn source(&self, more: &str) -> String {
        format!(
            "    http:
      url: http://127.0.0.1:{}/v1/contacts
      query: {{phone: \"{{{{customer.e164}}}}\"}}
      auth: {{bearer: \"${{CRM_TOKEN}}\"}}
      records: $.results[*]
      numbers: [$.phone, $.mobile]
      none: [404]
      private: true
{more}",
            self.port()
        )
    }
}

/// The answer that holds these records.
pub fn found(records: &Value) -> Reply {
    Reply::json(200, &serde_json::json!({ "results": records }))
}

/// An answer that is a web page.
pub fn page(status: u16) -> Reply {
    Reply::Answer {
        status,
        headers: vec![("content-type".into(), "text/html".into())],
        body: b"<!doctype html><h1>Welcome</h1>".to_vec(),
    }
}
