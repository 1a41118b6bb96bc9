//! Makes a web service from its definition, or finds every mistake in it.
//!
//! The shape has been checked against the schema. Templates and expressions are only listed here, for others to compile;
//! nothing is asked.

use std::sync::Arc;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION};
use reqwest::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use reqwest::{Client, Url};
use secrecy::SecretString;
use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use super::answer::{Format, Reading};
use super::body::Tree;
use super::oauth2::Grant;
use super::{Auth, Http, Text, blank_segments};
use crate::problem::{Code, Fault, SECRET_HELP};
use crate::source::guard::is_private_literal;
use crate::source::{Form, Kind, Made, Parameter, Reach};

/// Stands in for an origin that comes from the environment while nothing may be looked up there.
const UNSET_ORIGIN: &str = "https://unset.invalid";

/// Headers that belong to the connection: another value would make one request into two, or lead to another host.
const OWN_HEADERS: [HeaderName; 8] =
    [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, TE, TRAILER, UPGRADE, ACCEPT_ENCODING];

const URL_HELP: &str = "write it out: https://crm.example.com/v1/contacts";

const PROXY_HELP: &str = "for example: http://proxy.example.com:3128";

pub(in crate::source) fn compile(definition: &Value, reach: &Reach<'_>) -> Result<Made, Vec<Fault>> {
    let private = definition.get("private").and_then(Value::as_bool).unwrap_or_default();
    let mut builder = Builder { reach, private, parameters: Vec::new(), faults: Vec::new() };
    let (origin, path, blank_segments) = builder.url(definition);
    let query = builder.query(definition);
    let headers = builder.headers(definition);
    let body = definition.get("body").map(|body| builder.tree(body, "/body"));
    let proxy = builder.proxy(definition.get("proxy"));
    let client = builder.client(proxy.as_deref());
    let auth = definition.get("auth").and_then(|auth| builder.auth(auth, proxy.as_deref(), client.as_ref()?));
    builder.sent_twice(&headers, auth.as_ref());
    let reading = builder.reading(definition);
    match (client, builder.faults.is_empty()) {
        (Some(client), true) => {
            let http = Http { client, origin, path, blank_segments, query, headers, body, auth, reading };
            Ok(Made { kind: Kind::Http(Box::new(http)), parameters: builder.parameters, faults: Vec::new() })
        }
        _ => Err(builder.faults),
    }
}

/// Collects the parameters and the mistakes of one definition.
struct Builder<'a> {
    reach: &'a Reach<'a>,
    private: bool,
    parameters: Vec<Parameter>,
    faults: Vec<Fault>,
}

impl Builder<'_> {
    fn fault(&mut self, code: Code, pointer: &str, message: impl Into<String>, help: &str) {
        self.faults.push(Fault::new(code, pointer, message.into()).help(help));
    }

    fn expand(&mut self, text: &str, pointer: &str, unset: &str) -> String {
        (self.reach.expand)(text, unset).unwrap_or_else(|message| {
            self.fault(Code::Secret, pointer, message, SECRET_HELP);
            unset.to_owned()
        })
    }

    /// The text, where all of it is known: nothing in it comes from an environment that may not be looked at.
    fn known(&mut self, text: &str, pointer: &str) -> Option<String> {
        let expanded = self.expand(text, pointer, "a");
        let is_known = (self.reach.expand)(text, "b").is_ok_and(|other| other == expanded);
        is_known.then_some(expanded)
    }

    /// The URL as an origin, the text behind it, and how many segments of that are empty.
    fn url(&mut self, definition: &Value) -> (Url, Text, usize) {
        let written = definition.get("url").and_then(Value::as_str).unwrap_or_default();
        let text = self.expand(written, "/url", UNSET_ORIGIN);
        let after_scheme = text.find("://").map_or(0, |at| at + 3);
        let end = text
            .get(after_scheme..)
            .and_then(|rest| rest.find(['/', '?', '#']))
            .map_or(text.len(), |at| at + after_scheme);
        let (origin, rest) = text.split_at(end);
        let Some(origin) = asked_url(origin).filter(|_| !origin.contains("{{")) else {
            let message = "a URL begins with https:// or http:// and a host, without user, password or `{{…}}`";
            self.fault(Code::Source, "/url", message, URL_HELP);
            return (unset_origin(), Text::Parameter(0), 0);
        };
        let plain = with_letters(rest);
        if plain.contains('#') {
            self.fault(Code::Source, "/url", "a URL that is asked has no `#` part", URL_HELP);
        }
        self.private_literal(&origin, "/url");
        let blank = blank_segments(plain.split('?').next().unwrap_or_default());
        (origin, self.filled(written, rest.to_owned(), "/url", Form::Encoded, true), blank)
    }

    fn private_literal(&mut self, url: &Url, pointer: &str) {
        if is_private_literal(url) && !self.private {
            let help = "if the source is meant to be there, add `private: true`";
            self.fault(Code::PrivateAddress, pointer, "this is a private or loopback address", help);
        }
    }

    /// A text with its secrets: a parameter where it has a `{{…}}`.
    fn text(&mut self, written: &str, pointer: &str, required: bool) -> Text {
        let text = self.expand(written, pointer, "unset");
        self.filled(written, text, pointer, Form::Text, required)
    }

    /// The same, of a text that has been expanded. What a secret has in it is never a template.
    fn filled(&mut self, written: &str, text: String, pointer: &str, form: Form, required: bool) -> Text {
        if !text.contains("{{") || !written.contains("{{") {
            return Text::Literal(SecretString::from(text));
        }
        if text.matches("{{").count() > written.matches("{{").count() {
            let message = "a secret with `{{` in it can't stand beside a `{{…}}`";
            self.fault(Code::Secret, pointer, message, "give it a text of its own");
        }
        self.parameter(text, pointer, form, required);
        Text::Parameter(self.parameters.len() - 1)
    }

    fn parameter(&mut self, text: String, pointer: &str, form: Form, required: bool) {
        self.parameters.push(Parameter { pointer: pointer.to_owned(), text, form, required });
    }

    /// A value with something to fill in at its leaves. Nothing filled in at one of them would often mean everybody.
    fn tree(&mut self, value: &Value, pointer: &str) -> Tree {
        match value {
            Value::String(text) => Tree::Text(self.text(text, pointer, true)),
            Value::Array(items) => {
                Tree::List(items.iter().enumerate().map(|(at, item)| self.tree(item, &below(pointer, &at))).collect())
            }
            Value::Object(entries) => match sole_expression(entries) {
                Some(expression) => {
                    self.parameter(expression.to_owned(), &below(pointer, &"expr"), Form::Expression, true);
                    Tree::Filled(self.parameters.len() - 1)
                }
                None => Tree::Map(
                    entries.iter().map(|(key, value)| (key.clone(), self.tree(value, &below(pointer, key)))).collect(),
                ),
            },
            scalar => Tree::Value(scalar.clone()),
        }
    }

    fn query(&mut self, definition: &Value) -> Vec<(String, Tree)> {
        let entries = definition.get("query").and_then(Value::as_object).into_iter().flatten();
        entries.map(|(name, value)| (name.clone(), self.tree(value, &below("/query", name)))).collect()
    }

    fn headers(&mut self, definition: &Value) -> Vec<(HeaderName, Text)> {
        let entries = definition.get("headers").and_then(Value::as_object).into_iter().flatten();
        let mut headers = Vec::new();
        for (name, value) in entries {
            let pointer = below("/headers", name);
            let text = self.text(value.as_str().unwrap_or_default(), &pointer, false);
            headers.extend(self.header_name(name, &pointer).map(|header| (header, text)));
        }
        headers
    }

    fn header_name(&mut self, name: &str, pointer: &str) -> Option<HeaderName> {
        match HeaderName::try_from(name) {
            Ok(header) if OWN_HEADERS.contains(&header) => {
                let message = format!("the header `{name}` belongs to the connection");
                self.fault(Code::Source, pointer, message, "take it out: Callcard sends what it must be");
                None
            }
            Ok(header) => Some(header),
            Err(_) => {
                let message = format!("`{name}` is not the name of a header");
                self.fault(Code::Source, pointer, message, "header names are letters, digits and dashes");
                None
            }
        }
    }

    /// The value of a header that is a secret.
    fn secret_header(&mut self, text: &str, pointer: &str) -> Option<HeaderValue> {
        let Ok(mut value) = HeaderValue::from_str(text) else {
            let message = "this secret has characters that headers can't have";
            self.fault(Code::Secret, pointer, message, "look for a line break or a letter that is not ASCII in it");
            return None;
        };
        value.set_sensitive(true);
        Some(value)
    }

    fn auth(&mut self, auth: &Value, proxy: Option<&str>, client: &Arc<Client>) -> Option<Auth> {
        let text = |pointer: &str| auth.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if auth.get("bearer").is_some() {
            let token = self.expand(text("/bearer"), "/auth/bearer", "unset");
            let value = self.secret_header(&format!("Bearer {token}"), "/auth/bearer")?;
            return Some(Auth::Header(AUTHORIZATION, value));
        }
        if auth.get("header").is_some() {
            let name = self.header_name(text("/header/name"), "/auth/header/name");
            let value = self.expand(text("/header/value"), "/auth/header/value", "unset");
            let value = self.secret_header(&value, "/auth/header/value");
            return Some(Auth::Header(name?, value?));
        }
        if let Some(definition) = auth.get("oauth2") {
            let grant = self.grant(definition, proxy, client)?;
            return Some(Auth::Tokens(self.reach.network.tokens(grant)));
        }
        let user = self.expand(text("/basic/user"), "/auth/basic/user", "unset");
        let password = self.expand(text("/basic/password"), "/auth/basic/password", "unset").into();
        Some(Auth::Basic { user, password })
    }

    fn grant(&mut self, definition: &Value, proxy: Option<&str>, client: &Arc<Client>) -> Option<Grant> {
        let text = |key: &str| definition.get(key).and_then(Value::as_str);
        let pointer = |key: &str| format!("/auth/oauth2/{key}");
        let mut expanded = |key: &str| Some(self.expand(text(key)?, &pointer(key), "unset"));
        let (client_id, client_secret) = (expanded("client_id")?, expanded("client_secret")?);
        let (refresh_token, audience) = (expanded("refresh_token"), expanded("audience"));
        let scopes = definition.get("scopes").and_then(Value::as_array).into_iter().flatten().enumerate();
        let scopes: Vec<String> = scopes
            .filter_map(|(at, scope)| Some(self.expand(scope.as_str()?, &pointer(&format!("scopes/{at}")), "unset")))
            .collect();
        let mut fields = Vec::new();
        fields.extend((!scopes.is_empty()).then(|| ("scope", scopes.join(" "))));
        fields.extend(audience.map(|audience| ("audience", audience)));
        let scheme = text("scheme").unwrap_or("Bearer").to_owned();
        let url = match self.known(text("token_url")?, &pointer("token_url")) {
            None => unset_origin(),
            Some(url) => match asked_url(&url).filter(|url| url.fragment().is_none()) {
                Some(url) => url,
                None => {
                    let message =
                        "this is no URL with https:// or http:// and a host, and without user, password and `#` part";
                    let help = "for example: https://login.example.com/oauth/token";
                    self.fault(Code::Source, &pointer("token_url"), message, help);
                    return None;
                }
            },
        };
        self.private_literal(&url, &pointer("token_url"));
        Some(Grant {
            client: Arc::clone(client),
            way: format!("{} {}", self.private, proxy.unwrap_or_default()).into(),
            url,
            client_id,
            client_secret: client_secret.into(),
            in_header: text("client_in") == Some("basic"),
            refresh_token: refresh_token.map(SecretString::from),
            fields,
            scheme,
        })
    }

    /// Where `auth` and a header of the request are the same one, nobody knows which counts.
    fn sent_twice(&mut self, headers: &[(HeaderName, Text)], auth: Option<&Auth>) {
        let sent = match auth {
            None => return,
            Some(Auth::Header(name, _)) => name.clone(),
            Some(_) => AUTHORIZATION,
        };
        if headers.iter().any(|(name, _)| *name == sent) {
            let message = format!("the header `{sent}` is sent by `auth` and by `headers`");
            self.fault(Code::Source, "/headers", message, "take it out of one of them");
        }
    }

    /// The proxy's URL, which may hold a password: it is in no message.
    fn proxy(&mut self, proxy: Option<&Value>) -> Option<String> {
        let text = self.known(proxy?.as_str()?, "/proxy")?;
        let url = Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().or(url.fragment()).is_none()
        });
        match url {
            Some(url) => self.private_literal(&url, "/proxy"),
            None => {
                let message = "a proxy is a URL with http:// or https:// and a host, and nothing behind it";
                self.fault(Code::Source, "/proxy", message, PROXY_HELP);
            }
        }
        Some(text)
    }

    fn client(&mut self, proxy: Option<&str>) -> Option<Arc<Client>> {
        if !self.faults.is_empty() {
            // A proxy that is no URL makes no client.
            return self.reach.network.client(self.private, None).ok();
        }
        let client = self.reach.network.client(self.private, proxy);
        if client.is_err() {
            self.fault(Code::Source, "/proxy", "no connections can be made with this proxy", PROXY_HELP);
        }
        client.ok()
    }

    fn reading(&mut self, definition: &Value) -> Reading {
        let numbers = definition.get("numbers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let none = definition.get("none").and_then(Value::as_array).into_iter().flatten();
        let none = none.filter_map(|status| u16::try_from(status.as_u64()?).ok()).collect();
        let format = if definition.get("format").and_then(Value::as_str) == Some("csv") {
            for key in ["records", "failed"].into_iter().filter(|key| definition.get(key).is_some()) {
                let message = format!("`{key}` looks into JSON, and this source answers in CSV");
                self.fault(Code::Source, &below("", &key), message, "take it out: each line is a record");
            }
            Format::Csv { numbers: numbers.iter().filter_map(Value::as_str).map(str::to_owned).collect() }
        } else {
            let paths = numbers.iter().enumerate();
            Format::Json {
                records: definition.get("records").and_then(|path| self.json_path(path, "/records")),
                failed: definition.get("failed").and_then(|path| self.json_path(path, "/failed")),
                numbers: paths.filter_map(|(at, path)| self.json_path(path, &below("/numbers", &at))).collect(),
            }
        };
        Reading { format, none }
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
}

/// A URL that can be asked: with a host, and without user and password.
fn asked_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_asked = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    (is_asked && url.has_host()).then_some(url)
}

#[expect(clippy::expect_used, reason = "the constant is a URL")]
fn unset_origin() -> Url {
    Url::parse(UNSET_ORIGIN).expect("a URL")
}

/// `{expr: …}` and nothing else stands for the value of an expression.
fn sole_expression(entries: &Map<String, Value>) -> Option<&str> {
    entries.get("expr").and_then(Value::as_str).filter(|_| entries.len() == 1)
}

/// The text with a letter in place of each `{{…}}`, which may hold slashes and such of its own.
fn with_letters(text: &str) -> String {
    let parts = text.split("{{").enumerate().map(|(at, part)| match part.split_once("}}") {
        Some((_, behind)) if at > 0 => format!("x{}", behind.trim_start_matches('}')),
        _ => part.to_owned(),
    });
    parts.collect()
}

fn below(pointer: &str, key: &impl ToString) -> String {
    format!("{pointer}/{}", key.to_string().replace('~', "~0").replace('/', "~1"))
}
