//! Why an attempt to get a certificate failed: in kinds that decide when the next one comes, and in words for the log.

use instant_acme::{Error, Problem};

use crate::phone::{plain, root_cause};

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No answer, or one that says nothing about us: the next attempt may come soon.
    Unreachable,
    /// The authority was asked too often.
    RateLimited,
    /// The authority said no: it could not reach us, a name is not ours, the account may not.
    Refused,
    /// The authority does not know the account any more, so another one has to be made.
    NoAccount,
    /// It is this machine's doing: a disk that can't be written, a clock that is wrong.
    Failed,
}

impl Kind {
    /// All outcomes that are counted beside `issued`.
    pub(super) const OUTCOMES: [&str; 4] = ["unreachable", "rate_limited", "refused", "failed"];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::Unreachable => "unreachable",
            Kind::RateLimited => "rate_limited",
            Kind::Refused | Kind::NoAccount => "refused",
            Kind::Failed => "failed",
        }
    }

    /// Whether it was an answer that would not be another one in a moment.
    pub(super) fn is_answer(self) -> bool {
        self != Kind::Unreachable
    }
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// On one line, short, whatever the authority said.
    pub(super) why: String,
}

impl Failure {
    pub(super) fn new(kind: Kind, why: &str) -> Failure {
        Failure { kind, why: plain(why) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match &error {
            Error::Api(problem) => Failure::new(kind(problem), &words(problem)),
            Error::Timeout(_) => Failure::new(Kind::Unreachable, "it did not come to an end with the order in time"),
            Error::Crypto | Error::KeyRejected => Failure::new(Kind::Failed, &error.to_string()),
            error => Failure::new(Kind::Unreachable, &root_cause(error)),
        }
    }
}

/// By the types of RFC 8555, section 6.7.
fn kind(problem: &Problem) -> Kind {
    let name = problem.r#type.as_deref().and_then(|name| name.strip_prefix("urn:ietf:params:acme:error:"));
    match name {
        Some("rateLimited") => Kind::RateLimited,
        Some("accountDoesNotExist") => Kind::NoAccount,
        Some("badNonce" | "serverInternal") => Kind::Unreachable,
        _ if problem.status == Some(429) => Kind::RateLimited,
        _ if problem.status.is_some_and(|status| status >= 500) => Kind::Unreachable,
        _ => Kind::Refused,
    }
}

/// What it says, with what it says about each name, and without the prefix that all types have.
fn words(problem: &Problem) -> String {
    let each = problem.subproblems.iter().map(ToString::to_string);
    let said: Vec<String> = problem.detail.clone().into_iter().chain(each).collect();
    let name = problem.r#type.as_deref().and_then(|name| name.rsplit(':').next());
    match (said.is_empty(), name) {
        (true, name) => name.unwrap_or("it gave no reason").to_owned(),
        (false, Some(name)) => format!("{name}: {}", said.join("; ")),
        (false, None) => said.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(problem: &str) -> (Kind, String) {
        let failure = Failure::from(Error::Api(serde_json::from_str(problem).unwrap()));
        (failure.kind, failure.why)
    }

    #[test]
    fn the_kind_of_a_failure_is_told_by_type_and_status() {
        let of = |name: &str| failure(&format!(r#"{{"type": "urn:ietf:params:acme:error:{name}"}}"#)).0;
        assert_eq!(of("rateLimited"), Kind::RateLimited);
        assert_eq!(of("accountDoesNotExist"), Kind::NoAccount);
        assert_eq!(of("badNonce"), Kind::Unreachable);
        assert_eq!(of("serverInternal"), Kind::Unreachable);
        assert_eq!(of("unauthorized"), Kind::Refused);
        assert_eq!(failure(r#"{"status": 503}"#).0, Kind::Unreachable);
        assert_eq!(failure(r#"{"status": 429}"#).0, Kind::RateLimited);
        assert_eq!(failure("{}"), (Kind::Refused, "it gave no reason".to_owned()));
    }

    #[test]
    fn what_the_authority_says_stays_on_one_line() {
        let said = r#"{"type": "urn:ietf:params:acme:error:connection", "detail": "192.0.2.1:\n refused\u001b[31m",
            "subproblems": [{"identifier": {"type": "dns", "value": "a.example.com"}, "detail": "none"}]}"#;
        assert_eq!(failure(said).1, "connection: 192.0.2.1: refused [31m; for \"a.example.com\": none");
    }
}
