//! A web service: asked with GET, or with POST where there is a body; answered in JSON or CSV.
//!
//! The origin is written in the rules; what is filled in can only change the path, the query, the values of headers and
//! the leaves of the body. It keeps no answer and asks once: caching and second tries are not here. The one exception is
//! an OAuth2 token that the service no longer takes: then the question is put again with a new one.

pub(super) mod answer;
mod body;
mod definition;
mod network;
mod oauth2;

pub(super) use definition::compile;
pub use network::Network;

use std::sync::Arc;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Failure, Question, Records};
use answer::Reading;
use body::Tree;
use oauth2::Tokens;

/// A web service; copies share its connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: Arc<Client>,
    origin: Url,
    path: Text,
    /// How many segments of the path are empty as it is written.
    blank_segments: usize,
    query: Vec<(String, Tree)>,
    headers: Vec<(HeaderName, Text)>,
    body: Option<Tree>,
    auth: Option<Auth>,
    reading: Reading,
}

/// A text that is the same for every question, or one of its parameters.
#[derive(Clone, Debug)]
enum Text {
    Literal(SecretString),
    Parameter(usize),
}

#[derive(Clone, Debug)]
enum Auth {
    /// A header that is the same for every question.
    Header(HeaderName, HeaderValue),
    Basic {
        user: String,
        password: SecretString,
    },
    Tokens(Arc<Tokens>),
}

type Parts<'a> = (Url, Vec<(&'a str, String)>, HeaderMap);

impl Http {
    /// Whether the definition says where a record has its numbers.
    pub(super) fn checks_numbers(&self) -> bool {
        self.reading.checks_numbers()
    }

    /// Whether all fields of its records are texts.
    pub(super) fn has_only_texts(&self) -> bool {
        self.reading.is_csv()
    }

    pub(super) async fn ask(&self, question: &Question) -> Result<Records, Failure> {
        let Some(request) = self.request(&question.parameters)? else { return Ok(Records::default()) };
        let response = self.send(request).await?;
        self.reading.records(response, question).await
    }

    /// Whether these parameters make a question.
    pub(super) fn can_be_asked(&self, parameters: &[Value]) -> Result<bool, Failure> {
        Ok(self.parts(parameters)?.is_some())
    }

    /// The question without its authentication; `None` where a part of the path is empty.
    fn request(&self, parameters: &[Value]) -> Result<Option<RequestBuilder>, Failure> {
        let Some((url, query, headers)) = self.parts(parameters)? else { return Ok(None) };
        let request = match &self.body {
            None => self.client.get(url),
            Some(body) => self.client.post(url).body(body.filled(parameters).to_string()),
        };
        Ok(Some(request.headers(headers).query(&query)))
    }

    /// Where it is asked, with which parameters and headers.
    fn parts(&self, parameters: &[Value]) -> Result<Option<Parts<'_>>, Failure> {
        let Some(url) = self.filled_url(parameters)? else { return Ok(None) };
        let mut query = Vec::with_capacity(self.query.len());
        for (name, value) in &self.query {
            add_to_query(&mut query, name, value.filled(parameters))?;
        }
        Ok(Some((url, query, self.filled_headers(parameters)?)))
    }

    /// Sends it with what authenticates it. A token that is refused is fetched anew, once.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        match &self.auth {
            None => sent(request).await,
            Some(Auth::Header(name, value)) => sent(request.header(name, value)).await,
            Some(Auth::Basic { user, password }) => {
                sent(request.basic_auth(user, Some(password.expose_secret()))).await
            }
            Some(Auth::Tokens(tokens)) => {
                let token = tokens.token().await?;
                let again = request.try_clone();
                let response = sent(request.header(AUTHORIZATION, token.header())).await?;
                match again {
                    Some(again) if response.status() == StatusCode::UNAUTHORIZED => {
                        let token = tokens.newer_than(&token).await?;
                        sent(again.header(AUTHORIZATION, token.header())).await
                    }
                    _ => Ok(response),
                }
            }
        }
    }

    /// Whether it is asked with GET.
    pub(super) fn is_get(&self) -> bool {
        self.body.is_none()
    }

    /// The origin with the filled path. A filled segment that climbs is refused: servers resolve it. One that is empty
    /// leads to another place, often to everybody: that is `None`.
    fn filled_url(&self, parameters: &[Value]) -> Result<Option<Url>, Failure> {
        let filled = self.path.filled(parameters);
        let (path, query) = filled.split_once('?').map_or((filled, None), |(path, query)| (path, Some(query)));
        // Many servers take an encoded slash for a slash.
        let plain = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
        if plain.split(['/', '\\']).any(|segment| matches!(segment, "." | "..")) {
            return Err(Failure::unsent("a filled path segment is `..`"));
        }
        if blank_segments(path) > self.blank_segments {
            return Ok(None);
        }
        // Not joined: a path that begins with two slashes would be another host.
        let mut url = self.origin.clone();
        url.set_path(path);
        url.set_query(query);
        Ok(Some(url))
    }

    fn filled_headers(&self, parameters: &[Value]) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 2);
        headers.insert(ACCEPT, HeaderValue::from_static(self.reading.accepts()));
        if self.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, text) in &self.headers {
            let mut value = HeaderValue::from_str(text.filled(parameters)).map_err(|_| {
                Failure::unsent(format!("the filled header `{name}` has characters that headers can't have"))
            })?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        Ok(headers)
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

async fn sent(request: RequestBuilder) -> Result<Response, Failure> {
    request.send().await.map_err(|error| answer::broken(&error))
}

/// A list is a parameter that stands there once for each item.
fn add_to_query<'a>(query: &mut Vec<(&'a str, String)>, name: &'a str, value: Value) -> Result<(), Failure> {
    match value {
        Value::Null => {}
        Value::String(text) => query.push((name, text)),
        Value::Bool(_) | Value::Number(_) => query.push((name, value.to_string())),
        Value::Array(items) if !items.iter().any(Value::is_array) => {
            items.into_iter().try_for_each(|item| add_to_query(query, name, item))?;
        }
        Value::Array(_) | Value::Object(_) => {
            return Err(Failure::unsent(format!(
                "the filled parameter `{name}` is neither a text nor a list of texts"
            )));
        }
    }
    Ok(())
}

/// How many segments of a path are empty; the first slash begins it.
fn blank_segments(path: &str) -> usize {
    path.split('/').skip(1).filter(|segment| segment.is_empty()).count()
}

#[cfg(test)]
mod tests;
