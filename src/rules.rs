//! Rule files → one immutable [`RuleSet`], or every problem in them.
//!
//! [`load`] is the only way to make a rule set, and it does all fallible work: what it returns can be swapped in by one
//! pointer. A rule set never changes, so a call that has begun with one ends with it. Nothing here decides a call.

mod access;
mod align;
mod allow;
mod cases;
mod compile;
mod costly;
mod dead;
mod file;
mod format;
mod index;
mod last_good;
mod letters;
mod lint;
mod matcher;
mod mutate;
mod origin;
mod proof;
mod reads;
mod reload;
mod schema;
mod secrets;
mod typed;
mod update;
mod watch;
mod written;
mod yaml;

pub use access::{
    Access, Encoding, SECRET_BITS_MIN, SECRETS_MAX, Signature, address_range, is_in as is_in_ranges, is_weak,
};
pub use align::{aligned, is_part_of};
pub use allow::Allowed;
pub use cases::{Case, Cases, Expected, ExpectedCard, Given, records_from_yaml};
pub use compile::{
    CALL_FIELDS, DEFAULT_ACCOUNT, DEFAULT_API, DEFAULT_REQUESTS_PER_MINUTE, NUMBER_FIELDS, SIGNIFICANT, VARIANTS,
    checked_api, checked_date,
};
pub use costly::Costly;
pub use file::files;
pub use format::{Unformatted, format};
pub use last_good::LastGood;
pub use mutate::{Change, MUTANTS_MAX, Mutation, Mutator};
pub use origin::{Asked, Filling, NamedSource, Origin, With};
use origin::{Fingerprint, with_inputs};
pub use proof::{OUTCOMES, Prover, Verdict, dimension as source_dimension, first};
pub use reload::{Live, Rejected, Status};
pub use schema::{RULES_SCHEMA, TESTS_SCHEMA};
pub use secrets::Secrets;
pub use update::{CameOut, Updated};
pub use written::Written;
pub(crate) use yaml::{Document, Node};

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use crate::card::{CardTemplate, Renderer};
use crate::condition::{Facts, Space, When};
use crate::event::{Direction, EventKind, Region};
use crate::problem::{Code, Place, Problem};
use crate::rate::Budget;
use crate::source::{AccountApi, Network, Refreshed, Source, Stub};
use matcher::Matcher;

/// Everything that decides about calls.
#[derive(Clone, Debug)]
pub struct RuleSet {
    /// The hash of the rule files: 12 hexadecimal digits of SHA-256.
    pub revision: String,
    /// What holds for all rules.
    pub defaults: Defaults,
    /// The phone-system accounts.
    pub accounts: Vec<Account>,
    /// The sources, in the order of the files; rules name them by position.
    pub sources: Vec<NamedSource>,
    /// The rules, in the order in which they are tried.
    pub rules: Arc<[Rule]>,
    matcher: Arc<Matcher>,
    /// Fills the parameters of sources.
    pub renderer: Arc<Renderer>,
}

/// `defaults` of a rule set.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// How numbers without country code are read.
    pub region: Region,
    /// In which zone times are written.
    pub time_zone: jiff::tz::TimeZone,
    /// From the webhook to the decision.
    pub decide_within: Duration,
    /// From the start of the call to its card.
    pub send_within: Duration,
    /// Which of the values that take long to make the rules name.
    pub costly: Costly,
}

/// A phone-system account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name in rules, logs and the webhook's address.
    pub name: String,
    /// The base of its API, which ends in `/api/v3`.
    pub api: Url,
    /// The API token.
    pub token: SecretString,
    /// The day on which the phone system takes the token for valid no longer, where somebody wrote it down.
    pub token_expires: Option<jiff::civil::Date>,
    /// What its webhooks must bring.
    pub access: Access,
    /// Requests that may be sent in a minute: cards, questions whether one arrived, and lookups.
    pub requests_per_minute: u32,
    /// What is left of them; shared by accounts that have the same token at the same API.
    pub budget: Arc<Budget>,
}

impl Account {
    /// Its API, for sources that ask it.
    fn api(&self) -> AccountApi {
        AccountApi {
            account: self.name.clone(),
            api: self.api.clone(),
            token: self.token.clone(),
            requests_per_minute: self.requests_per_minute,
            budget: Arc::clone(&self.budget),
        }
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: Arc<str>,
    /// Where it is written.
    pub place: Place,
    /// Which calls it is about.
    pub when: When,
    /// What the sources must have said, by position in [`RuleSet::sources`].
    pub needs: Vec<(usize, Need)>,
    /// The card; `None` where the rule says `card: none`.
    pub card: Option<Arc<CardTemplate>>,
    /// The sources that the card mentions, by position.
    pub card_sources: Vec<usize>,
    /// Fills the card in the rule's language.
    pub renderer: Arc<Renderer>,
}

/// What a rule needs of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Exactly one record.
    One,
    /// More than one.
    Many,
    /// One or many.
    Some,
    /// An answer without records.
    None,
    /// No answer.
    Failed,
}

impl Need {
    /// The need that a word of the language stands for.
    pub fn parse(word: &str) -> Option<Need> {
        [Need::One, Need::Many, Need::Some, Need::None, Need::Failed].into_iter().find(|need| need.as_str() == word)
    }

    /// The word in rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Need::One => "one",
            Need::Many => "many",
            Need::Some => "some",
            Need::None => "none",
            Need::Failed => "failed",
        }
    }

    /// Whether it holds for an answer: the number of records, or `None` where the source failed.
    pub fn holds(self, count: Option<usize>) -> bool {
        match self {
            Need::One => count == Some(1),
            Need::Many => count.is_some_and(|count| count > 1),
            Need::Some => count.is_some_and(|count| count > 0),
            Need::None => count == Some(0),
            Need::Failed => count.is_none(),
        }
    }
}

/// What rule files are compiled with.
pub struct Environment<'a> {
    /// Where `${…}` comes from.
    pub secrets: Secrets<'a>,
    /// Connections for HTTP sources.
    pub network: &'a Network,
    /// Which accounts count.
    pub accounts: Accounts,
    /// Whether what can be proved about the rules is told, too. It takes seconds for very many rules.
    pub proofs: bool,
}

/// Which accounts count.
#[derive(Clone, Debug)]
pub enum Accounts {
    /// Those that the rules name; where they name none, this one.
    Written(Option<Account>),
    /// Every account of the rules under its own name, but with the API and the secrets of this one. For the demo.
    Instead(Account),
}

/// What came of reading a rule directory.
#[derive(Debug)]
pub struct Loaded {
    /// The rules, unless an error keeps them from taking effect.
    pub rules: Option<RuleSet>,
    /// The tests beside them.
    pub cases: Cases,
    /// Every problem of every file, in the order of the files.
    pub problems: Vec<Problem>,
    /// Those that a comment in the files allows, in the same order.
    pub allowed: Vec<Allowed>,
    /// The files they come from.
    pub written: Written,
}

/// Reads and compiles a rule directory, or a single rule file.
pub fn load(path: &Path, environment: &Environment<'_>) -> Loaded {
    let mut directory = file::Directory::read(path);
    let root = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
    let mut problems = std::mem::take(&mut directory.problems);
    let is_unread = !problems.is_empty();
    problems.append(&mut directory.slips);
    let (compiled, kept) = compile::compile(&directory.rules, root, environment, &mut problems);
    if is_unread {
        // What a file that can't be read defines is not known: only the file is told, not every name that may be in it.
        problems.retain(|problem| !is_about_a_name(problem));
    }
    if environment.proofs && !problems.iter().any(Problem::is_error) {
        problems.extend(dead::problems(&directory.rules, &compiled));
    }
    let known: Vec<&str> = compiled.rules.iter().map(|rule| rule.name.as_ref()).collect();
    let cases = cases::read(&directory.tests, root, &known, &compiled, &mut problems);
    environment.secrets.hide(directory.rules.iter().map(|document| document.file.text.as_str()), &mut problems);
    let mut allowed = allow::allow(directory.rules.iter().chain(&directory.tests), environment.proofs, &mut problems);
    problems.sort_by(|a, b| by_place(a).cmp(&by_place(b)));
    // An alias says the same again.
    problems.dedup();
    allowed.sort_by(|a, b| by_place(&a.problem).cmp(&by_place(&b.problem)));
    let valid = !problems.iter().any(Problem::is_error);
    let written = Written { rules: directory.rules, tests: directory.tests, kept };
    Loaded { rules: valid.then_some(compiled), cases, problems, allowed, written }
}

/// Whether the problem may be gone once everything can be read: the name, or the text, may be defined there.
fn is_about_a_name(problem: &Problem) -> bool {
    matches!(problem.code, Code::UnknownName | Code::TemplateName | Code::NoRule | Code::MissingText)
}

/// The order of the files, and of the lines in each.
fn by_place(problem: &Problem) -> (&str, usize, usize, Code) {
    (&problem.place.file.path, problem.place.line, problem.place.column, problem.code)
}

impl RuleSet {
    /// The account with this name.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    /// The names of the accounts; that of the environment's where the rules name none.
    pub fn account_names(&self) -> Vec<&str> {
        let names: Vec<&str> = self.accounts.iter().map(|account| account.name.as_str()).collect();
        if names.is_empty() { vec![DEFAULT_ACCOUNT] } else { names }
    }

    /// Whether any rule could be about such an event; the others need not be stored.
    pub fn can_want(&self, event: &EventKind, direction: Option<Direction>) -> bool {
        self.matcher.can_want(event, direction)
    }

    /// The space in which its rules are compared.
    pub fn space(&self) -> &Space {
        self.matcher.space()
    }

    /// Reads the tables again whose files have changed since they were read, and did not change since the last call; says
    /// what became of each. It may take seconds, and a call that asks in the meantime sees the old table.
    pub fn refresh_tables(&self) -> Vec<Refreshed> {
        let sources = self.sources.iter().filter_map(|source| match &source.origin {
            Origin::Asked(asked) => Some(&asked.source),
            Origin::First(_) => None,
        });
        sources.filter_map(|source| source.refresh()).collect()
    }

    /// Sources and all that they wait for, by position.
    pub fn with_inputs(&self, sources: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        with_inputs(&self.sources, sources)
    }

    /// Proofs about its rules.
    pub fn prover(&self) -> Prover<'_> {
        Prover::new(&self.rules, self.space(), self.sources.len())
    }

    /// The rules whose `when` holds for the call, in order. It takes as long for many rules as for few, where they differ
    /// in the customer's number, the line, the agent or the callee.
    pub fn matching<'a>(&'a self, facts: &Facts<'_>) -> impl Iterator<Item = &'a Rule> {
        let candidates = self.matcher.candidates(facts.call).filter_map(|position| self.rules.get(position));
        candidates.filter(|rule| rule.when.holds(facts))
    }

    /// Forgets what is kept of sources' answers about a customer: how many answers, by source.
    pub fn forget(&self, e164: &str) -> Vec<(Arc<str>, usize)> {
        let asked = self.sources.iter().filter_map(|source| match &source.origin {
            Origin::Asked(asked) => Some((Arc::clone(&source.name), asked.asker.forget(e164))),
            Origin::First(_) => None,
        });
        asked.filter(|(_, answers)| *answers > 0).collect()
    }

    /// The same with other rules.
    #[must_use]
    pub fn with_rules(&self, rules: Vec<Rule>) -> RuleSet {
        let matcher = Arc::new(Matcher::new(&self.account_names(), &rules));
        RuleSet { rules: rules.into(), matcher, ..self.clone() }
    }

    /// The same rules with records given beforehand instead of sources. A source that is not among them has none; one made
    /// of others has theirs, unless it is among them itself.
    pub fn with_stubs(&self, stubs: &[(String, Stub)]) -> RuleSet {
        let mut rules = self.clone();
        for source in &mut rules.sources {
            let given = stubs.iter().find(|(name, _)| **name == *source.name).map(|(_, stub)| stub.clone());
            if given.is_none() && matches!(source.origin, Origin::First(_)) {
                continue;
            }
            let stub = given.unwrap_or(Stub { answer: Ok(Vec::new()), after: Duration::ZERO });
            // It still waits for what its parameters mention, and is not asked where they are empty.
            source.origin = Origin::Asked(match &source.origin {
                Origin::Asked(asked) => {
                    Asked { source: Arc::new(asked.source.stubbed(stub)), asker: Arc::default(), ..asked.clone() }
                }
                Origin::First(_) => Asked {
                    source: Arc::new(Source::stub(stub)),
                    asker: Arc::default(),
                    fingerprint: [0; 32],
                    parameters: Vec::new(),
                    inputs: Vec::new(),
                    timeout: None,
                },
            });
        }
        rules
    }
}
