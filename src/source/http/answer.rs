//! What a web service answered: its status, its body within bounds, and the records in it.
//!
//! No message holds a part of the answer: it may be about a person. Nothing is sent from here.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use crate::source::guard::NoPublicAddress;
use crate::source::{Again, Failure, Question, Record, Records, owner};

/// Bytes of an answer after inflating; a contact is a few hundred.
pub(in crate::source) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The longest wait that is believed of a service that asks not to be asked: a wrong date must not silence it for a day.
const WAIT_MAX: Duration = Duration::from_secs(5 * 60);

/// The wait after "too many requests" without a time.
const WAIT_UNSAID: Duration = Duration::from_secs(1);

/// Records between two moments in which others may go on: to read their numbers takes some milliseconds.
const RECORDS_AT_A_TIME: usize = 200;

/// Many programs put it in front of what they write as UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How an answer is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) format: Format,
    /// Statuses that mean "no record".
    pub(super) none: BTreeSet<u16>,
}

/// What an answer is written in.
#[derive(Clone, Debug)]
pub(super) enum Format {
    Json {
        /// Where the records are.
        records: Option<JsonPath>,
        /// Where a record has its numbers.
        numbers: Vec<JsonPath>,
        /// What is there where the service says in its answer that it failed.
        failed: Option<JsonPath>,
    },
    Csv {
        /// The columns with a record's numbers.
        numbers: Vec<String>,
    },
}

impl Reading {
    pub(super) fn checks_numbers(&self) -> bool {
        match &self.format {
            Format::Json { numbers, .. } => !numbers.is_empty(),
            Format::Csv { numbers } => !numbers.is_empty(),
        }
    }

    pub(super) fn is_csv(&self) -> bool {
        matches!(self.format, Format::Csv { .. })
    }

    /// The media type that is asked for.
    pub(super) fn accepts(&self) -> &'static str {
        if self.is_csv() { "text/csv" } else { "application/json" }
    }

    /// The records of an answer that are this customer's.
    pub(super) async fn records(&self, response: Response, question: &Question) -> Result<Records, Failure> {
        let status = response.status();
        if self.none.contains(&status.as_u16()) || status == StatusCode::NO_CONTENT {
            return Ok(Records::default());
        }
        if !status.is_success() {
            return Err(refused(status, response.headers()));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_page = content_type.is_some_and(|value| value.to_ascii_lowercase().contains("html"));
        let body = body(response, BODY_BYTES_MAX).await?;
        let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&body).trim_ascii();
        let expected = if self.is_csv() { "CSV" } else { "JSON" };
        if body.is_empty() {
            return Err(Failure::lasting("its answer is empty"));
        }
        if body.starts_with(b"<?xml") {
            return Err(Failure::lasting(format!("its answer is XML, not {expected}")));
        }
        if is_page || body.starts_with(b"<") {
            let why = format!("its answer is HTML, not {expected}: it may want a login, or the URL is that of a page");
            return Err(Failure::lasting(why));
        }
        match &self.format {
            Format::Json { records, numbers, failed } => {
                let answer = json(body)?;
                let is_failure = |path: &JsonPath| path.query(&answer).all().into_iter().any(is_something);
                if failed.as_ref().is_some_and(is_failure) {
                    return Err(Failure::lasting("its answer says that it failed"));
                }
                found_in_json(&answer, records.as_ref(), numbers, question).await
            }
            Format::Csv { numbers } => found_in_csv(body, numbers, question).await,
        }
    }
}

/// An answer that ends too early was cut off on its way; any other mistake would come again.
fn json(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_eof() {
            Failure::passing("its answer broke off")
        } else {
            Failure::lasting("its answer is not JSON")
        }
    })
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// What stands in place of a record without being one is no answer: taken for nobody it would make every customer an
/// unknown one. Nobody is what PHP's services write as an empty list, or as `false`.
async fn found_in_json(
    answer: &Value,
    records: Option<&JsonPath>,
    numbers: &[JsonPath],
    question: &Question,
) -> Result<Records, Failure> {
    let records: Vec<&Value> = match (records, answer) {
        (Some(path), _) => path.query(answer).all(),
        (None, Value::Array(items)) => items.iter().collect(),
        (None, one) => vec![one],
    };
    let mut found = Records::default();
    for record in records {
        let fields = match record {
            Value::Object(fields) => fields,
            nothing if !is_something(nothing) => continue,
            Value::Array(_) => {
                let why =
                    "its answer has a list where `records` expects a record: `[*]` behind a path stands for its items";
                return Err(Failure::lasting(why));
            }
            _ => return Err(Failure::lasting("its answer has no record where `records` expects one")),
        };
        let values = numbers.iter().flat_map(|path| path.query(record).all());
        found.add(fields, !numbers.is_empty(), values, question).await;
    }
    Ok(found)
}

/// The first line names the columns; every field is a text.
async fn found_in_csv(body: &[u8], numbers: &[String], question: &Question) -> Result<Records, Failure> {
    let unreadable = |_: ::csv::Error| Failure::lasting("its answer is not CSV");
    let mut reader = ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_reader(body);
    let columns = reader.headers().map_err(unreadable)?.clone();
    if let Some(missing) = numbers.iter().find(|name| !columns.iter().any(|column| column == name.as_str())) {
        return Err(Failure::lasting(format!("its answer has no column `{missing}`")));
    }
    let mut records = Records::default();
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let fields: Map<String, Value> =
            columns.iter().zip(&row).map(|(column, text)| (column.to_owned(), Value::from(text))).collect();
        let values = numbers.iter().filter_map(|name| fields.get(name));
        records.add(&fields, !numbers.is_empty(), values, question).await;
    }
    Ok(records)
}

impl Records {
    /// Adds a record, unless it is checked and somebody else's. An answer of a megabyte may have many thousands: a call
    /// that has nothing to do with it must not wait for all of them.
    async fn add<'a>(
        &mut self,
        fields: &Record,
        is_checked: bool,
        numbers: impl IntoIterator<Item = &'a Value>,
        question: &Question,
    ) {
        if !is_checked || owner::is_of(numbers, question) {
            self.records.push(fields.clone());
        } else {
            self.dropped += 1;
        }
        if (self.records.len() + self.dropped).is_multiple_of(RECORDS_AT_A_TIME) {
            tokio::task::yield_now().await;
        }
    }
}

/// The body, unless it is longer than this. What is longer is not read to its end.
pub(in crate::source) async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let too_long = || Failure::lasting(format!("its answer has more than {bytes_max} bytes"));
    if response.content_length().is_some_and(|length| length > bytes_max as u64) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why a request failed, without its URL: that may hold the customer's number.
pub(in crate::source) fn broken(error: &reqwest::Error) -> Failure {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(one) = cause.filter(|one| !one.is::<NoPublicAddress>()) {
        cause = one.source();
    }
    if cause.is_some() {
        return Failure::lasting("its name leads to no public address, and it has no `private: true`");
    }
    if is_distrusted(error) {
        return Failure::lasting("its certificate is not valid, or from an authority that is not trusted here");
    }
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

fn is_distrusted(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if matches!(one.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        // What an I/O error holds is not its source.
        cause = match one.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(held) => Some(held),
            None => one.source(),
        };
    }
    false
}

/// What a status that is no success says about asking again.
pub(in crate::source) fn refused(status: StatusCode, headers: &HeaderMap) -> Failure {
    let again = match status.as_u16() {
        429 => Again::After(wait(headers).unwrap_or(WAIT_UNSAID)),
        503 => wait(headers).map_or(Again::Soon, Again::After),
        408 | 500 | 502 | 504 => Again::Soon,
        _ => Again::No,
    };
    Failure { why: format!("it answered with status {}", status.as_u16()), again }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date, which is measured by the service's own clock.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text(RETRY_AFTER)?;
    let wait = if asked.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(asked.parse().ok()?)
    } else {
        let time = |text| DateTimeParser::new().parse_timestamp(text).ok();
        Duration::try_from(time(asked)?.duration_since(time(text(DATE)?)?)).unwrap_or_default()
    };
    Some(wait.min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;
    use crate::event::{CustomerNumber, Region};

    async fn found(answer: Value, path: Option<&str>) -> Result<usize, Failure> {
        let region = Region::default();
        let customer = CustomerNumber::parse(Some("+905321234567"), region);
        let question = Question { account: String::new(), customer, region, parameters: Vec::new() };
        let path = path.map(|path| JsonPath::parse(path).unwrap());
        found_in_json(&answer, path.as_ref(), &[], &question).await.map(|found| found.records.len())
    }

    #[tokio::test]
    async fn what_is_no_record_where_one_is_expected_is_a_failure_and_not_nobody() {
        let answer = json!({"results": [{"id": 1}, {"id": 2}], "total": 2, "next": null, "first": [], "last": false});
        assert_eq!(found(answer.clone(), Some("$.results[*]")).await, Ok(2));
        for nobody in ["$.next", "$.first", "$.last", "$.nothing", "$.nothing[*]"] {
            assert_eq!(found(answer.clone(), Some(nobody)).await, Ok(0), "{nobody}");
        }
        assert!(found(answer.clone(), Some("$.results")).await.unwrap_err().why.contains("`[*]`"));
        assert!(found(answer, Some("$.total")).await.is_err());
        assert!(found(json!("try again later"), None).await.is_err());
        assert_eq!((found(json!(null), None).await, found(json!([null]), None).await), (Ok(0), Ok(0)));
    }

    #[tokio::test]
    async fn while_a_long_answer_is_read_others_go_on() {
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(found(json!(vec![json!({"id": 1}); 10 * RECORDS_AT_A_TIME]), None).await, Ok(2000));
        assert_eq!(turns.load(Ordering::Relaxed), 10);
        other.abort();
    }

    fn again(status: u16, headers: &[(HeaderName, &str)]) -> Again {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        refused(StatusCode::from_u16(status).unwrap(), &headers).again
    }

    #[test]
    fn a_status_says_whether_asking_again_helps() {
        for status in [408, 500, 502, 503, 504] {
            assert_eq!(again(status, &[]), Again::Soon, "{status}");
        }
        for status in [302, 400, 401, 403, 404, 405, 410, 422, 501, 505] {
            assert_eq!(again(status, &[(RETRY_AFTER, "3")]), Again::No, "{status}");
        }
        assert_eq!(again(429, &[]), Again::After(WAIT_UNSAID));
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_by_the_clock_of_the_service() {
        for status in [429, 503] {
            assert_eq!(again(status, &[(RETRY_AFTER, "7")]), Again::After(Duration::from_secs(7)));
            assert_eq!(again(status, &[(RETRY_AFTER, "999999")]), Again::After(WAIT_MAX), "it is not believed");
        }
        let date = (DATE, "Mon, 02 Mar 2026 08:15:27 GMT");
        let asked = |text| again(503, &[date.clone(), (RETRY_AFTER, text)]);
        assert_eq!(asked("Mon, 02 Mar 2026 08:15:57 GMT"), Again::After(Duration::from_secs(30)));
        assert_eq!(asked("Mon, 02 Mar 2026 08:15:20 GMT"), Again::After(Duration::ZERO), "it is over");
        for odd in ["", "soon", "-5", "1.5", "99999999999999999999999999"] {
            assert!(matches!(again(429, &[(RETRY_AFTER, odd)]), Again::After(WAIT_UNSAID)) || odd.is_empty(), "{odd}");
        }
        assert_eq!(again(503, &[(RETRY_AFTER, "Mon, 02 Mar 2026 08:15:57 GMT")]), Again::Soon, "it says no time");
    }
}
