//! A fake CRM: what HTTP sources ask. It records every question and answers as it was told.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::host::{Host, Reply, Request};

/// The bearer token that rules send to it.
pub const TOKEN: &str = "crm-token-canary-77b1";

struct State {
    asked: Vec<Request>,
    answer: Answer,
}

/// What is answered to a request, and how many came before it on the same path.
type Answer = Arc<dyn Fn(&Request, usize) -> Reply + Send + Sync>;

/// The fake CRM.
pub struct Crm {
    host: Host,
    state: Arc<Mutex<State>>,
}

impl Crm {
    /// A CRM that answers every question so.
    pub fn start(reply: Reply) -> Crm {
        Crm::answering(move |_, _| reply.clone())
    }

    /// A CRM whose answer depends on the request, and on how many came before it on the same path.
    pub fn answering(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Crm {
        let state = Arc::new(Mutex::new(State { asked: Vec::new(), answer: Arc::new(answer) }));
        let shared = Arc::clone(&state);
        let host = Host::start(move |request| {
            let (answer, before) = {
                let mut state = shared.lock().unwrap();
                let before = state.asked.iter().filter(|earlier| earlier.path() == request.path()).count();
                state.asked.push(request.clone());
                (Arc::clone(&state.answer), before)
            };
            answer(&request, before)
        });
        Crm { host, state }
    }

    /// A CRM that knows these records.
    pub fn knowing(records: &Value) -> Crm {
        Crm::start(found(records))
    }

    /// From now on every question is answered so.
    pub fn always(&self, reply: Reply) {
        self.state.lock().unwrap().answer = Arc::new(move |_, _| reply.clone());
    }

    pub fn port(&self) -> u16 {
        self.host.address.port()
    }

    pub fn asked(&self) -> Vec<Request> {
        self.state.lock().unwrap().asked.clone()
    }

    /// What was asked at this path.
    pub fn asked_at(&self, path: &str) -> Vec<Request> {
        self.asked().into_iter().filter(|request| request.path() == path).collect()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.host.connections()
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
