//! Sources: places that know something about a customer.
//!
//! A source is asked a question and answers with records or fails; it knows no rule and no card. What comes back is
//! checked here: a record whose own numbers are not the customer's is dropped, whoever sent it. Time limits are kept by
//! the caller, who knows the deadline.

mod csv;
mod guard;
mod http;

pub use csv::{Csv, Sheet, rows_without_number};
pub use guard::Network;
pub use http::Http;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::event::{CustomerNumber, Region};
use crate::problem::{Code, Fault};

/// One record: the fields of a customer, an order, an invoice.
pub type Record = Map<String, Value>;

/// Records that one answer may have; more than this is not an answer about one person.
pub const RECORDS_MAX: usize = 100;

/// A place that can be asked.
#[derive(Clone, Debug)]
pub enum Source {
    /// A table in a file.
    Csv(Csv),
    /// A web service.
    Http(Box<Http>),
    /// Records given beforehand, for tests and `explain --records`.
    Stub(Stub),
}

/// What a source is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who is calling, or called.
    pub customer: &'a CustomerNumber,
    /// How numbers without country code are read.
    pub region: Region,
    /// The filled parameters, in the order of [`Compiled::parameters`].
    pub parameters: &'a [String],
}

/// What a source said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    /// The records about this customer, in the source's order.
    pub records: Vec<Record>,
    /// How many were dropped because their numbers are somebody else's.
    pub dropped: usize,
}

/// Records given beforehand.
#[derive(Clone, Debug)]
pub struct Stub {
    /// What it answers; `Err` where it is to fail.
    pub answer: Result<Vec<Record>, String>,
    /// How long it takes.
    pub after: Duration,
}

/// A text in a source's definition that is filled for each question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Where it stands in the definition.
    pub pointer: String,
    /// The text with its `{{…}}`.
    pub text: String,
    /// Whether what is filled in is percent-encoded.
    pub encoded: bool,
}

/// A source made from its definition.
#[derive(Debug)]
pub struct Compiled {
    /// The source.
    pub source: Source,
    /// What has to be filled for each question.
    pub parameters: Vec<Parameter>,
    /// Warnings.
    pub faults: Vec<Fault>,
}

/// What a definition may reach while it is compiled.
pub struct Reach<'a> {
    /// The rule directory; no file outside it is opened.
    pub root: &'a Path,
    /// The directory of the file that holds the definition.
    pub directory: &'a Path,
    /// Expands `${NAME}` and `${file:PATH}`. The second argument stands in for a value that is not looked up.
    pub expand: &'a dyn Fn(&str, &str) -> Result<String, String>,
    /// Connections for HTTP sources.
    pub network: &'a Network,
    /// How numbers without country code are read.
    pub region: Region,
}

impl Source {
    /// Makes a source from its definition, whose shape has been checked against the schema.
    ///
    /// # Errors
    /// Every mistake in it, each with its pointer.
    pub fn compile(definition: &Value, reach: &Reach<'_>) -> Result<Compiled, Vec<Fault>> {
        match (definition.get("csv"), definition.get("http")) {
            (Some(csv), None) => csv::compile(csv, reach).map_err(|faults| under(faults, "/csv")),
            (None, Some(http)) => http::compile(http, reach).map_err(|faults| under(faults, "/http")),
            (None, None) => Err(vec![
                Fault::new(Code::Source, "", "a source needs its kind")
                    .help("write `csv:`, `http:` or `first:` under the name"),
            ]),
            _ => {
                Err(vec![Fault::new(Code::Source, "", "a source has one kind, not two").help("make two sources of it")])
            }
        }
        .map(|mut compiled| {
            let kind = if definition.get("csv").is_some() { "/csv" } else { "/http" };
            compiled.faults = under(compiled.faults, kind);
            for parameter in &mut compiled.parameters {
                parameter.pointer.insert_str(0, kind);
            }
            compiled
        })
    }

    /// The fields that its records have, where that is known beforehand.
    pub fn columns(&self) -> Option<&[String]> {
        match self {
            Source::Csv(csv) => Some(csv.columns()),
            Source::Http(_) | Source::Stub(_) => None,
        }
    }

    /// The kind, as it is written in the rules.
    pub fn kind(&self) -> &'static str {
        match self {
            Source::Csv(_) => "csv",
            Source::Http(_) => "http",
            Source::Stub(_) => "stub",
        }
    }

    /// Asks. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// Why there is no answer, in words without any part of the question or of a secret.
    pub async fn ask(&self, question: Question<'_>) -> Result<Records, String> {
        let mut records = match self {
            Source::Csv(csv) => csv.ask(question.customer),
            Source::Http(http) => http.ask(question).await?,
            Source::Stub(stub) => {
                // A sleep of no time at all still takes a tick of the clock, a millisecond.
                if !stub.after.is_zero() {
                    tokio::time::sleep(stub.after).await;
                }
                Records { records: stub.answer.clone()?, dropped: 0 }
            }
        };
        records.records.truncate(RECORDS_MAX);
        Ok(records)
    }
}

fn under(faults: Vec<Fault>, pointer: &str) -> Vec<Fault> {
    faults.into_iter().map(|fault| fault.under(pointer)).collect()
}

/// The path of a data file, which must lie inside the rule directory also behind links.
fn inside(path: &str, reach: &Reach<'_>) -> Result<PathBuf, String> {
    let full = reach.directory.join(path);
    let real = full.canonicalize().map_err(|error| format!("`{path}` can't be opened: {error}"))?;
    let root = reach.root.canonicalize().map_err(|error| format!("the rule directory can't be opened: {error}"))?;
    if real.starts_with(&root) { Ok(real) } else { Err(format!("`{path}` lies outside the rule directory")) }
}
