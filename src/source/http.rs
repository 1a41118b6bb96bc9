//! A web service, asked with GET and answered in JSON.
//!
//! The origin is written in the rules; what is filled in can only change the path, the query and the values of headers.
//! It keeps no answer and asks once: caching and second tries are not here.

use std::collections::BTreeSet;

use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::{Again, Failure, Form, Kind, Made, Parameter, Question, Reach, Records, guard, owner};
use crate::problem::{Code, Fault, SECRET_HELP};

/// Bytes of an answer after inflating; a contact is a few hundred.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Stands in for an origin that comes from the environment while nothing may be looked up there.
const UNSET_ORIGIN: &str = "https://unset.invalid";

/// A web service; copies share its connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
    origin: Url,
    path: Text,
    query: Vec<(String, Text)>,
    headers: Vec<(HeaderName, Text)>,
    auth: Option<Auth>,
    records: Option<JsonPath>,
    numbers: Vec<JsonPath>,
    none: BTreeSet<u16>,
}

/// A text that is the same for every question, or one of its parameters.
#[derive(Clone, Debug)]
enum Text {
    Literal(SecretString),
    Parameter(usize),
}

#[derive(Clone, Debug)]
enum Auth {
    Bearer(SecretString),
    Basic { user: String, password: SecretString },
}

pub(super) fn compile(definition: &Value, reach: &Reach<'_>) -> Result<Made, Vec<Fault>> {
    let mut builder = Builder { reach, parameters: Vec::new(), faults: Vec::new() };
    let private = definition.get("private").and_then(Value::as_bool).unwrap_or_default();
    let (origin, path) = builder.url(definition, private);
    let http = Http {
        client: reach.network.client(private).clone(),
        origin,
        path,
        query: builder.texts(definition, "query"),
        headers: builder.headers(definition),
        auth: builder.auth(definition.get("auth")),
        records: definition.get("records").and_then(|path| builder.json_path(path, "/records")),
        numbers: builder.numbers(definition),
        none: definition
            .get("none")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|status| u16::try_from(status.as_u64()?).ok())
            .collect(),
    };
    if builder.faults.is_empty() {
        Ok(Made { kind: Kind::Http(Box::new(http)), parameters: builder.parameters, faults: Vec::new() })
    } else {
        Err(builder.faults)
    }
}

/// Collects the parameters and the mistakes of one definition.
struct Builder<'a> {
    reach: &'a Reach<'a>,
    parameters: Vec<Parameter>,
    faults: Vec<Fault>,
}

impl Builder<'_> {
    fn fault(&mut self, code: Code, pointer: &str, message: String, help: &str) {
        self.faults.push(Fault::new(code, pointer, message).help(help));
    }

    fn expand(&mut self, text: &str, pointer: &str, unset: &str) -> String {
        (self.reach.expand)(text, unset).unwrap_or_else(|message| {
            self.fault(Code::Secret, pointer, message, SECRET_HELP);
            unset.to_owned()
        })
    }

    /// The URL as an origin and the text behind it.
    fn url(&mut self, definition: &Value, private: bool) -> (Url, Text) {
        let written = definition.get("url").and_then(Value::as_str).unwrap_or_default();
        let text = self.expand(written, "/url", UNSET_ORIGIN);
        let after_scheme = text.find("://").map_or(0, |at| at + 3);
        let end = text
            .get(after_scheme..)
            .and_then(|rest| rest.find(['/', '?', '#']))
            .map_or(text.len(), |at| at + after_scheme);
        let (origin, rest) = text.split_at(end);
        let help = "write it out: https://crm.example.com/v1/contacts";
        let parsed = Url::parse(origin).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let origin = match parsed {
            Some(url) if !origin.contains("{{") && url.username().is_empty() && url.password().is_none() => url,
            _ => {
                let message =
                    "a URL begins with https:// or http:// and a host, without user, password or `{{…}}`".to_owned();
                self.fault(Code::Source, "/url", message, help);
                return (self.unset(), Text::Parameter(0));
            }
        };
        if rest.contains('#') {
            self.fault(Code::Source, "/url", "a URL that is asked has no `#` part".to_owned(), help);
        }
        let literal_address = origin.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        if literal_address.is_some_and(|address| !guard::is_public(address)) && !private {
            let message = "this is a private or loopback address".to_owned();
            self.fault(
                Code::PrivateAddress,
                "/url",
                message,
                "if the source is meant to be there, add `private: true`",
            );
        }
        (origin, self.text(rest.to_owned(), "/url", Form::Encoded, true))
    }

    #[expect(clippy::expect_used, reason = "the constant is a URL")]
    fn unset(&self) -> Url {
        Url::parse(UNSET_ORIGIN).expect("a URL")
    }

    /// A text that has been expanded: a parameter where it has a `{{…}}`.
    fn text(&mut self, text: String, pointer: &str, form: Form, required: bool) -> Text {
        if !text.contains("{{") {
            return Text::Literal(SecretString::from(text));
        }
        self.parameters.push(Parameter { pointer: pointer.to_owned(), text, form, required });
        Text::Parameter(self.parameters.len() - 1)
    }

    fn texts(&mut self, definition: &Value, key: &str) -> Vec<(String, Text)> {
        let entries = definition.get(key).and_then(Value::as_object).into_iter().flatten();
        entries
            .map(|(name, value)| {
                let pointer = format!("/{key}/{}", name.replace('~', "~0").replace('/', "~1"));
                let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let text = self.expand(&written, &pointer, "unset");
                (name.clone(), self.text(text, &pointer, Form::Text, key == "query"))
            })
            .collect()
    }

    fn headers(&mut self, definition: &Value) -> Vec<(HeaderName, Text)> {
        let mut headers = Vec::new();
        for (name, text) in self.texts(definition, "headers") {
            match HeaderName::try_from(&name) {
                Ok(header) => headers.push((header, text)),
                Err(_) => self.fault(
                    Code::Source,
                    &format!("/headers/{name}"),
                    format!("`{name}` is not the name of a header"),
                    "header names are letters, digits and dashes",
                ),
            }
        }
        headers
    }

    fn auth(&mut self, auth: Option<&Value>) -> Option<Auth> {
        let auth = auth?;
        if let Some(token) = auth.get("bearer").and_then(Value::as_str) {
            return Some(Auth::Bearer(self.expand(token, "/auth/bearer", "unset").into()));
        }
        let part = |key: &str| auth.pointer(&format!("/basic/{key}")).and_then(Value::as_str).unwrap_or_default();
        let user = self.expand(part("user"), "/auth/basic/user", "unset");
        let password = self.expand(part("password"), "/auth/basic/password", "unset").into();
        Some(Auth::Basic { user, password })
    }

    fn json_path(&mut self, path: &Value, pointer: &str) -> Option<JsonPath> {
        let text = path.as_str().unwrap_or_default();
        match JsonPath::parse(text) {
            Ok(path) => Some(path),
            Err(error) => {
                let message = format!("`{text}` is not a JSONPath: {}", error.message());
                self.fault(Code::JsonPath, pointer, message, "examples: `$.results[*]`, `$.phone` (RFC 9535)");
                None
            }
        }
    }

    fn numbers(&mut self, definition: &Value) -> Vec<JsonPath> {
        let paths = definition.get("numbers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        paths
            .iter()
            .enumerate()
            .filter_map(|(index, path)| self.json_path(path, &format!("/numbers/{index}")))
            .collect()
    }
}

impl Http {
    /// Whether the definition says where a record has its numbers.
    pub(super) fn checks_numbers(&self) -> bool {
        !self.numbers.is_empty()
    }

    pub(super) async fn ask(&self, question: &Question) -> Result<Records, Failure> {
        let url = self.filled_url(&question.parameters)?;
        let query: Vec<(&str, &str)> =
            self.query.iter().map(|(name, text)| (name.as_str(), text.filled(&question.parameters))).collect();
        let mut request = self.client.get(url).headers(self.filled_headers(&question.parameters)?).query(&query);
        match &self.auth {
            Some(Auth::Bearer(token)) => request = request.bearer_auth(token.expose_secret()),
            Some(Auth::Basic { user, password }) => request = request.basic_auth(user, Some(password.expose_secret())),
            None => {}
        }
        let response = request.send().await.map_err(|error| describe(&error))?;
        let status = response.status();
        if self.none.contains(&status.as_u16()) || status == StatusCode::NO_CONTENT {
            return Ok(Records::default());
        }
        if !status.is_success() {
            let again = if status.is_server_error() { Again::Soon } else { Again::No };
            return Err(Failure { why: format!("it answered with status {}", status.as_u16()), again });
        }
        let answer: Value =
            serde_json::from_slice(&body(response).await?).map_err(|_| Failure::lasting("its answer is not JSON"))?;
        Ok(self.records(&answer, question))
    }

    /// The origin with the filled path. A filled segment that climbs is refused: servers resolve it.
    fn filled_url(&self, parameters: &[Value]) -> Result<Url, Failure> {
        let path = self.path.filled(parameters);
        let path_only = path.split('?').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
        if path_only.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(Failure::lasting("a filled path segment is `..`"));
        }
        let url = self.origin.join(if path.is_empty() { "/" } else { path });
        url.ok()
            .filter(|url| url.origin() == self.origin.origin())
            .ok_or_else(|| Failure::lasting("the filled URL can't be read"))
    }

    fn filled_headers(&self, parameters: &[Value]) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 1);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        for (name, text) in &self.headers {
            let mut value = HeaderValue::from_str(text.filled(parameters)).map_err(|_| {
                Failure::lasting(format!("the filled header `{name}` has characters that headers can't have"))
            })?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        Ok(headers)
    }

    /// The records of an answer that are this customer's.
    fn records(&self, answer: &Value, question: &Question) -> Records {
        let found: Vec<&Value> = match (&self.records, answer) {
            (Some(path), _) => path.query(answer).all(),
            (None, Value::Array(items)) => items.iter().collect(),
            (None, one) => vec![one],
        };
        let mut records = Records::default();
        for record in found {
            let Some(fields) = record.as_object() else { continue };
            let numbers = self.numbers.iter().flat_map(|path| path.query(record).all());
            if self.numbers.is_empty() || owner::is_of(numbers, question) {
                records.records.push(fields.clone());
            } else {
                records.dropped += 1;
            }
        }
        records
    }
}

impl Text {
    fn filled<'a>(&'a self, parameters: &'a [Value]) -> &'a str {
        match self {
            Text::Literal(text) => text.expose_secret(),
            Text::Parameter(position) => parameters.get(*position).and_then(Value::as_str).unwrap_or_default(),
        }
    }
}

async fn body(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(Failure::lasting(format!("its answer has more than {BODY_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why a request failed, without its URL: that may hold the customer's number.
fn describe(error: &reqwest::Error) -> Failure {
    Failure::passing(if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it can't be connected to"
    } else if error.is_decode() || error.is_body() {
        "its answer broke off"
    } else {
        "the request failed"
    })
}
