//! Sources: places that know something about a customer.
//!
//! A source is asked a question and answers with records or fails; it knows no rule and no card. What comes back is
//! checked here: a record whose own numbers are not the customer's is dropped, whoever sent it. How often and how long it
//! is asked is not its own affair: that is kept by its [`Asker`].

mod asker;
mod csv;
mod fixed;
mod guard;
mod hipcall;
mod http;
mod index;
mod order;
mod owner;
mod sql;

pub use asker::{Asker, Care, Figures, How, Keep, Phase, Said};
pub use csv::{Csv, File, Layout, Refreshed, Sheet};
pub use fixed::Fixed;
pub use hipcall::{AccountApi, Hipcall};
pub use http::{Http, Network};
pub use sql::{Access, Sql};

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::event::{CustomerNumber, Region};
use crate::problem::{Code, Fault};
use order::Order;

/// One record: the fields of a customer, an order, an invoice.
pub type Record = Map<String, Value>;

/// Records that one answer may have; more than this is not an answer about one person.
pub const RECORDS_MAX: usize = 100;

/// The kinds of sources that are asked themselves, as they are written in the rules.
pub const KINDS: [&str; 5] = ["csv", "hipcall", "http", "sql", "static"];

/// A place that can be asked, and the order of what it answers.
#[derive(Clone, Debug)]
pub struct Source {
    kind: Kind,
    order: Option<Order>,
}

/// The kinds of sources.
#[derive(Clone, Debug)]
enum Kind {
    /// A table in a file.
    Csv(Csv),
    /// Records in the rules.
    Static(Fixed),
    /// The phone system's own directory.
    Hipcall(Hipcall),
    /// A web service.
    Http(Box<Http>),
    /// A database.
    Sql(Sql),
    /// Records given beforehand, for tests and `explain --records`; and the web service in whose place they are.
    Stub(Stub, Option<Box<Http>>),
}

/// What a source is asked. It owns what it holds: a question may outlive the call that asked it.
#[derive(Clone, Debug)]
pub struct Question {
    /// The phone-system account of the call.
    pub account: String,
    /// Who is calling, or called.
    pub customer: CustomerNumber,
    /// How numbers without country code are read.
    pub region: Region,
    /// The filled parameters, in the order of [`Compiled::parameters`]: a text is a string, an expression any value.
    pub parameters: Vec<Value>,
}

/// What a source said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    /// The records about this customer, in the source's order.
    pub records: Vec<Record>,
    /// How many were dropped because their numbers are somebody else's.
    pub dropped: usize,
}

/// Why a source has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In words without any part of the question or of a secret.
    pub why: String,
    /// Whether asking again may help.
    pub again: Again,
}

/// Whether asking again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// At once: a connection broke, a server was busy.
    Soon,
    /// Not before this time is over; the service said so.
    After(Duration),
    /// The answer would be the same.
    No,
    /// Nothing was asked: it is our own doing, and says nothing about the source.
    Unsent,
}

/// Records given beforehand.
#[derive(Clone, Debug)]
pub struct Stub {
    /// What it answers; `Err` where it is to fail.
    pub answer: Result<Vec<Record>, String>,
    /// How long it takes.
    pub after: Duration,
}

/// A part of a source's definition that is filled for each question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Where it stands in the definition.
    pub pointer: String,
    /// The text with its `{{…}}`, or the expression.
    pub text: String,
    /// How it is filled.
    pub form: Form,
    /// Whether the source is not asked where nothing is filled in: a search for nothing finds everybody.
    pub required: bool,
}

/// How a parameter is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A template; the text as it comes out.
    Text,
    /// A template whose values are percent-encoded.
    Encoded,
    /// An expression; its value as it is, of any type.
    Expression,
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
    /// The APIs of the phone-system accounts.
    pub accounts: &'a [AccountApi],
    /// How numbers without country code are read.
    pub region: Region,
    /// After this time a question is ended, whoever still waits.
    pub answer_within: Duration,
}

/// A kind made from its definition.
struct Made {
    kind: Kind,
    parameters: Vec<Parameter>,
    faults: Vec<Fault>,
}

impl Failure {
    /// A failure that asking again does not mend.
    pub fn lasting(why: impl Into<String>) -> Failure {
        Failure { why: why.into(), again: Again::No }
    }

    /// A failure that may be over in a moment.
    pub fn passing(why: impl Into<String>) -> Failure {
        Failure { why: why.into(), again: Again::Soon }
    }

    /// A question that could not be put to the source at all.
    pub fn unsent(why: impl Into<String>) -> Failure {
        Failure { why: why.into(), again: Again::Unsent }
    }
}

impl Source {
    /// Makes a source from its definition, whose shape has been checked against the schema.
    ///
    /// # Errors
    /// Every mistake in it, each with its pointer.
    pub fn compile(definition: &Value, reach: &Reach<'_>) -> Result<Compiled, Vec<Fault>> {
        let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| definition.get(*kind).is_some()).collect();
        let [kind] = kinds.as_slice() else {
            let (message, help) = if kinds.is_empty() {
                let kinds = KINDS.map(|kind| format!("`{kind}:`")).join(", ");
                ("a source needs its kind", format!("write {kinds} or `first:` under the name"))
            } else {
                ("a source has one kind, not two", "make two sources of it".to_owned())
            };
            return Err(vec![Fault::new(Code::Source, "", message).help(help)]);
        };
        let (inner, pointer) = (definition.get(*kind).unwrap_or(&Value::Null), format!("/{kind}"));
        let made = match *kind {
            "csv" => csv::compile(inner, reach),
            "static" => fixed::compile(inner, reach),
            "sql" => sql::compile(inner, reach),
            "hipcall" => hipcall::compile(inner, reach),
            _ => http::compile(inner, reach),
        };
        let mut made = made.map_err(|faults| under(faults, &pointer))?;
        for parameter in &mut made.parameters {
            parameter.pointer.insert_str(0, &pointer);
        }
        let order = definition.get("order_by").and_then(Value::as_str).map(Order::by);
        let source = Source { kind: made.kind, order };
        if let Some(fault) = source.order.as_ref().and_then(|order| order.fault(source.columns()?)) {
            return Err(vec![fault.under("/order_by")]);
        }
        Ok(Compiled { source, parameters: made.parameters, faults: under(made.faults, &pointer) })
    }

    /// Records given beforehand.
    pub fn stub(stub: Stub) -> Source {
        Source { kind: Kind::Stub(stub, None), order: None }
    }

    /// Records given beforehand in its place, in its order. They are no answer to what it would not be asked.
    pub fn stubbed(&self, stub: Stub) -> Source {
        let service = match &self.kind {
            Kind::Http(service) => Some(service.clone()),
            _ => None,
        };
        Source { kind: Kind::Stub(stub, service), order: self.order.clone() }
    }

    /// The fields that its records have, where that is known beforehand.
    pub fn columns(&self) -> Option<&[String]> {
        match &self.kind {
            Kind::Csv(csv) => Some(csv.columns()),
            Kind::Static(fixed) => Some(fixed.columns()),
            Kind::Hipcall(_) | Kind::Http(_) | Kind::Sql(_) | Kind::Stub(..) => None,
        }
    }

    /// Whether all fields of its records are texts.
    pub fn has_only_texts(&self) -> bool {
        match &self.kind {
            Kind::Csv(_) => true,
            Kind::Http(http) => http.has_only_texts(),
            Kind::Hipcall(_) | Kind::Sql(_) | Kind::Static(_) | Kind::Stub(..) => false,
        }
    }

    /// Whether no record of somebody else can pass: it looks at the numbers of each.
    pub fn checks_numbers(&self) -> bool {
        match &self.kind {
            Kind::Csv(_) | Kind::Hipcall(_) | Kind::Static(_) | Kind::Stub(..) => true,
            Kind::Http(http) => http.checks_numbers(),
            Kind::Sql(sql) => sql.checks_numbers(),
        }
    }

    /// How many questions at a time are right where the definition does not say; `None` where that is not known.
    pub fn default_at_once(&self) -> Option<usize> {
        match &self.kind {
            Kind::Sql(sql) => Some(sql.connections()),
            _ => None,
        }
    }

    /// The kind, as it is written in the rules.
    pub fn kind(&self) -> &'static str {
        match &self.kind {
            Kind::Csv(_) => "csv",
            Kind::Static(_) => "static",
            Kind::Hipcall(_) => "hipcall",
            Kind::Http(_) => "http",
            Kind::Sql(_) => "sql",
            Kind::Stub(..) => "stub",
        }
    }

    /// Whether its records are at hand: there is nobody to be asked with care.
    pub fn is_at_hand(&self) -> bool {
        matches!(self.kind(), "csv" | "static" | "stub")
    }

    /// Whether the same question may be put to it twice at the same time without changing anything there.
    pub fn may_be_hedged(&self) -> bool {
        matches!(&self.kind, Kind::Http(http) if http.is_get())
    }

    /// Reads the file of a table again, where it has changed; says what became of that.
    pub fn refresh(&self) -> Option<Refreshed> {
        match &self.kind {
            Kind::Csv(csv) => csv.refresh(),
            _ => None,
        }
    }

    /// Asks, once. Must run inside a tokio runtime; dropping the future ends the question.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, question: &Question) -> Result<Records, Failure> {
        let mut records = match &self.kind {
            Kind::Csv(csv) => csv.ask(&question.customer),
            Kind::Static(fixed) => fixed.ask(&question.customer),
            // Boxed: each of the futures around it would hold it once more, and they are moved.
            Kind::Hipcall(hipcall) => Box::pin(hipcall.ask(question)).await?,
            Kind::Http(http) => Box::pin(http.ask(question)).await?,
            Kind::Sql(sql) => Box::pin(sql.ask(question)).await?,
            Kind::Stub(stub, service) => {
                if let Some(service) = service
                    && !service.can_be_asked(&question.parameters)?
                {
                    return Ok(Records::default());
                }
                // A sleep of no time at all still takes a tick of the clock, a millisecond.
                if !stub.after.is_zero() {
                    tokio::time::sleep(stub.after).await;
                }
                Records { records: stub.answer.clone().map_err(Failure::lasting)?, dropped: 0 }
            }
        };
        if let Some(order) = &self.order {
            order.sort(&mut records.records);
        }
        records.records.truncate(RECORDS_MAX);
        Ok(records)
    }

    /// Who a database takes us for, after it has read the statement; `None` where the source is no database.
    pub async fn access(&self) -> Option<Result<Access, Failure>> {
        match &self.kind {
            Kind::Sql(sql) => Some(sql.access().await),
            _ => None,
        }
    }
}

fn under(faults: Vec<Fault>, pointer: &str) -> Vec<Fault> {
    faults.into_iter().map(|fault| fault.under(pointer)).collect()
}

/// The path of a data file, seen from the directory of the file that names it. It must lie inside the rule directory, also
/// behind links.
fn inside(path: &str, directory: &Path, root: &Path) -> Result<PathBuf, String> {
    let full = directory.join(path);
    let real = full.canonicalize().map_err(|error| format!("`{path}` can't be opened: {error}"))?;
    let root = root.canonicalize().map_err(|error| format!("the rule directory can't be opened: {error}"))?;
    if real.starts_with(&root) { Ok(real) } else { Err(format!("`{path}` lies outside the rule directory")) }
}
