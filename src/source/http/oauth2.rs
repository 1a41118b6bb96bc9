//! OAuth2 tokens (RFC 6749): fetched once however many questions wait, renewed before they expire.
//!
//! Two grants are known: client credentials, and the refresh token where one is given. A refresh token that the service
//! replaces is used from then on, in memory alone: nothing is written anywhere. Written by hand, since it is one form that
//! is posted and one JSON that comes back; what a question has in bounds and guards holds for it, too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::answer;
use crate::source::Failure;

/// A token is a few kilobytes at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A fetch goes on when the question that began it has ended: what it brings is for all. It ends then.
const FETCH_WITHIN: Duration = Duration::from_secs(10);

/// For so long a failure is the answer to everybody, so that waiting calls do not storm the token service.
const FAILURE_KEPT: Duration = Duration::from_secs(1);

/// A token is renewed this long before it expires, or a fifth of its life where that is shorter.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// What the token service calls a mistake (RFC 6749, section 5.2). Any other word could be anything.
const ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// What a token is asked for with.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) client: Arc<Client>,
    /// What tells this client from others: whether it may go to private addresses, and its proxy.
    pub(super) way: SecretString,
    pub(super) url: Url,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    /// Whether the two stand in the header, and not in the form.
    pub(super) in_header: bool,
    pub(super) refresh_token: Option<SecretString>,
    /// Further fields of the form.
    pub(super) fields: Vec<(&'static str, String)>,
    /// The word in front of the token in the header of a question.
    pub(super) scheme: String,
}

/// A token as it goes into the header of a question.
#[derive(Clone, Debug)]
pub(super) struct Token {
    header: HeaderValue,
    /// Counts the tokens of a grant, from 1.
    count: u64,
    renew_at: Option<Instant>,
    expires_at: Option<Instant>,
}

/// The tokens of one grant, of which one is in use.
#[derive(Debug)]
pub(super) struct Tokens {
    grant: Grant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// Takes the place of the grant's own.
    refresh_token: Option<SecretString>,
    /// What everybody waits for; closed without a word where its runtime ended.
    fetching: Option<watch::Receiver<Option<Result<Token, Failure>>>>,
    failed: Option<(Instant, Failure)>,
    count: u64,
}

/// What the token service said.
struct Fetched {
    access_token: SecretString,
    refresh_token: Option<SecretString>,
    asked_at: Instant,
    lives: Option<Duration>,
}

impl Token {
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl Tokens {
    pub(super) fn new(grant: Grant) -> Tokens {
        Tokens { grant, state: Mutex::default() }
    }

    /// The token in use, or the first.
    ///
    /// # Errors
    /// Why there is none to be had.
    pub(super) async fn token(self: &Arc<Self>) -> Result<Token, Failure> {
        self.counted_above(0).await
    }

    /// A token that came after this one, which the service refused.
    ///
    /// # Errors
    /// Why there is none to be had.
    pub(super) async fn newer_than(self: &Arc<Self>, refused: &Token) -> Result<Token, Failure> {
        self.counted_above(refused.count).await
    }

    async fn counted_above(self: &Arc<Self>, count: u64) -> Result<Token, Failure> {
        let mut told = {
            let (mut state, now) = (self.locked(), Instant::now());
            let usable = |token: &&Token| token.count > count && token.expires_at.is_none_or(|at| now < at);
            if let Some(token) = state.token.as_ref().filter(usable).cloned() {
                if token.renew_at.is_some_and(|at| at <= now) {
                    // Nobody has to wait for the next one while this one is good.
                    let _ = self.fetch(&mut state);
                }
                return Ok(token);
            }
            self.fetch(&mut state)?
        };
        let said = told.wait_for(Option::is_some).await.ok().and_then(|said| said.clone());
        said.unwrap_or_else(|| Err(Failure::passing("the request for a token was given up")))
    }

    /// What is being fetched; begins where nothing is.
    fn fetch(self: &Arc<Self>, state: &mut State) -> Result<watch::Receiver<Option<Result<Token, Failure>>>, Failure> {
        if let Some(told) = state.fetching.as_ref().filter(|told| told.has_changed().is_ok()) {
            return Ok(told.clone());
        }
        if let Some((_, failure)) = state.failed.as_ref().filter(|(at, _)| at.elapsed() < FAILURE_KEPT) {
            return Err(failure.clone());
        }
        let (tell, told) = watch::channel(None);
        let tokens = Arc::clone(self);
        let refresh_token = state.refresh_token.clone().or_else(|| self.grant.refresh_token.clone());
        // Of its own: a question that ends must not take the token of all others with it, nor a refresh token that the
        // service has just replaced.
        tokio::spawn(async move {
            let fetched = timeout(FETCH_WITHIN, tokens.grant.fetch(refresh_token.as_ref())).await;
            let fetched = fetched.unwrap_or_else(|_| Err(Failure::passing("it did not answer in time")));
            let fetched = fetched.map_err(|failure| Failure { why: of_token(&failure.why), ..failure });
            let _ = tell.send(Some(tokens.keep(fetched)));
        });
        state.fetching = Some(told.clone());
        Ok(told)
    }

    fn keep(&self, fetched: Result<Fetched, Failure>) -> Result<Token, Failure> {
        let mut state = self.locked();
        state.fetching = None;
        let token = fetched.and_then(|fetched| {
            state.refresh_token = fetched.refresh_token.clone().or_else(|| state.refresh_token.take());
            state.count += 1;
            fetched.token(&self.grant.scheme, state.count)
        });
        match &token {
            Ok(token) => (state.token, state.failed) = (Some(token.clone()), None),
            Err(failure) => state.failed = Some((Instant::now(), failure.clone())),
        }
        token
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A source's failure that is really that of its token service.
fn of_token(why: &str) -> String {
    format!("there is no token: of the token service, {why}")
}

impl Grant {
    /// What makes two grants the same.
    pub(super) fn identity(&self) -> Vec<String> {
        let refresh_token = self.refresh_token.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let mut identity = vec![
            self.way.expose_secret().to_owned(),
            self.url.to_string(),
            self.client_id.clone(),
            self.client_secret.expose_secret().to_owned(),
            self.in_header.to_string(),
            refresh_token.to_owned(),
            self.scheme.clone(),
        ];
        identity.extend(self.fields.iter().flat_map(|(name, value)| [(*name).to_owned(), value.clone()]));
        identity
    }

    async fn fetch(&self, refresh_token: Option<&SecretString>) -> Result<Fetched, Failure> {
        let asked_at = Instant::now();
        let mut form: Vec<(&str, &str)> = match refresh_token {
            Some(token) => vec![("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())],
            None => vec![("grant_type", "client_credentials")],
        };
        form.extend(self.fields.iter().map(|(name, value)| (*name, value.as_str())));
        let mut request = self.client.post(self.url.clone()).header(ACCEPT, "application/json");
        if self.in_header {
            // Encoded before they are joined with a colon (RFC 6749, section 2.3.1).
            let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let password = encoded(self.client_secret.expose_secret());
            request = request.basic_auth(encoded(&self.client_id), Some(password));
        } else {
            form.extend([
                ("client_id", self.client_id.as_str()),
                ("client_secret", self.client_secret.expose_secret()),
            ]);
        }
        let response = request.form(&form).send().await.map_err(|error| answer::broken(&error))?;
        read(response, asked_at).await
    }
}

async fn read(response: Response, asked_at: Instant) -> Result<Fetched, Failure> {
    let status = response.status();
    let refused = (!status.is_success()).then(|| answer::refused(status, response.headers()));
    let body = answer::body(response, ANSWER_BYTES_MAX).await;
    let answer: Option<Value> = body.as_ref().ok().and_then(|body| serde_json::from_slice(body).ok());
    let field = |name: &str| answer.as_ref().and_then(|answer| answer.get(name));
    let secret = |name: &str| field(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(failure) = refused {
        let error = ERRORS.into_iter().find(|error| field("error").and_then(Value::as_str) == Some(error));
        let why = error.map_or_else(|| failure.why.clone(), |error| format!("{}, `{error}`", failure.why));
        return Err(Failure { why, ..failure });
    }
    body.as_ref().map_err(Clone::clone)?;
    let access_token = secret("access_token").ok_or_else(|| Failure::lasting("its answer has no `access_token`"))?;
    // A number, but some write it as a text.
    let seconds = field("expires_in").and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok()));
    Ok(Fetched {
        access_token: access_token.into(),
        refresh_token: secret("refresh_token").map(SecretString::from),
        asked_at,
        lives: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    })
}

impl Fetched {
    fn token(&self, scheme: &str, count: u64) -> Result<Token, Failure> {
        let text = format!("{scheme} {}", self.access_token.expose_secret());
        let mut header = HeaderValue::try_from(text)
            .map_err(|_| Failure::lasting(of_token("its token has characters that headers can't have")))?;
        header.set_sensitive(true);
        let at = |lives: Duration| self.asked_at.checked_add(lives);
        let renewed = |lives: Duration| lives.saturating_sub(RENEWED_BEFORE.min(lives / 5));
        Ok(Token { header, count, renew_at: self.lives.map(renewed).and_then(at), expires_at: self.lives.and_then(at) })
    }
}

#[cfg(test)]
mod tests;
