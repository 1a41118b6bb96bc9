//! What the environment says. Nothing below the command line reads it.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{Ended, out, problems};
use crate::delivery::Outside;
use crate::problem::Problem;
use crate::rules::{
    Access, Account, Accounts, DEFAULT_ACCOUNT, DEFAULT_API, DEFAULT_REQUESTS_PER_MINUTE, Environment, SECRET_BITS_MIN,
    Secrets, checked_api, checked_date, is_weak,
};
use crate::source::Network;

/// An environment variable; one that is not Unicode does not exist.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Connections for HTTP sources.
pub(super) fn network() -> Result<Network> {
    Network::new().context("no HTTP client can be made")
}

/// What rules are compiled with.
pub(super) fn environment<'a>(secrets: Secrets<'a>, network: &'a Network, account: Option<Account>) -> Environment<'a> {
    Environment { secrets, network, accounts: Accounts::Written(account), proofs: false }
}

/// The clock and the chance of a real run.
pub(super) fn outside() -> Outside {
    Outside { now: Timestamp::now, chance: fastrand::f64 }
}

/// The account of the environment; `None` where no token is set.
pub(super) fn account() -> Result<Option<Account>> {
    let Some(token) = variable("HIPCALL_API_TOKEN").filter(|token| !token.is_empty()) else { return Ok(None) };
    let Some(webhook_secret) = secret("HIPCALL_WEBHOOK_SECRET") else {
        bail!(
            "HIPCALL_WEBHOOK_SECRET is not set: it is the last part of the webhook's address, and whoever knows it can ring"
        );
    };
    let api = variable("HIPCALL_API_URL").unwrap_or_else(|| DEFAULT_API.to_owned());
    let api = checked_api(&api).map_err(|message| anyhow::anyhow!("HIPCALL_API_URL: {message}"))?;
    let requests_per_minute = match variable("HIPCALL_REQUESTS_PER_MINUTE") {
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| *limit > 0)
            .context("HIPCALL_REQUESTS_PER_MINUTE is not a number above 0")?,
        None => DEFAULT_REQUESTS_PER_MINUTE,
    };
    let token_expires = variable("HIPCALL_API_TOKEN_EXPIRES").filter(|day| !day.is_empty());
    let token_expires = token_expires.map(|day| checked_date(&day)).transpose();
    let token_expires =
        token_expires.map_err(|message| anyhow::anyhow!("HIPCALL_API_TOKEN_EXPIRES: {message}, such as 2027-03-01"))?;
    Ok(Some(Account {
        name: DEFAULT_ACCOUNT.to_owned(),
        api,
        token: SecretString::from(token),
        token_expires,
        access: Access {
            secrets: [Some(webhook_secret), secret("HIPCALL_WEBHOOK_SECRET_OLD")].into_iter().flatten().collect(),
            ..Access::default()
        },
        requests_per_minute,
        budget: Arc::default(),
    }))
}

/// A secret of the environment that is set. One that is too short is told in the log.
pub(super) fn secret(name: &str) -> Option<SecretString> {
    let secret = SecretString::from(variable(name).filter(|secret| !secret.is_empty())?);
    if is_weak(&secret) {
        tracing::warn!(
            "{name} can be guessed: at least {SECRET_BITS_MIN} random bits were expected; `callcard secret` makes one"
        );
    }
    Some(secret)
}

/// Prints problems to stderr, for commands whose result is something else.
pub(super) fn tell(found: &[Problem]) {
    for problem in found {
        out::error(&problems::shown(problem, out::errors_have_colour()));
        out::error("");
    }
    if let Some(count) = problems::counted(found) {
        out::error(&count);
    }
}

/// Prints the problems of rules that can't be used.
pub(super) fn rejected(found: &[Problem]) -> Ended {
    tell(found);
    Ended::Wrong
}
