//! One row of a card: which keys it has, and what becomes of it when it is filled.

use handlebars::Context;
use serde::Serialize;
use serde_json::{Map, Value};

use super::each::Each;
use super::helpers::Renderer;
use super::link::{Link, Place};
use super::template::{Flavour, Template};
use super::{Names, clean, cut, is_present};
use crate::expression::{Expression, Scope};
use crate::problem::{Code, Fault};

/// Characters of a row's text unless it says `max`; the web phone's layout breaks not far beyond.
const TEXT_CHARACTERS: usize = 60;

/// Keys of a finished row; a map that has to grow takes as long again.
const KEYS_MAX: usize = 7;

/// The types of rows; the schema knows no other.
const KINDS: [&str; 3] = ["title", "shortText", "user"];

/// A row as rules define it.
#[derive(Debug)]
pub(super) struct Row {
    kind: &'static str,
    text: Option<Template>,
    label: Option<Template>,
    link: Option<Link>,
    // What few rows have takes no room in the others.
    ios: Option<Box<Link>>,
    android: Option<Box<Link>>,
    user: Option<Box<User>>,
    show: Option<Box<Show>>,
    each: Option<Box<Each>>,
    characters_max: usize,
}

/// What a row is shown for.
#[derive(Clone, Debug)]
enum Show {
    /// This value is there, not empty and not false.
    Path(Vec<String>),
    /// This is true.
    Expression(Expression),
}

/// The `user_id` of a `user` row.
#[derive(Clone, Debug)]
enum User {
    Literal(Value),
    Template(Template),
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowStep {
    /// The row's position in the card, from 1.
    pub row: usize,
    /// Whether it is shown.
    pub outcome: RowOutcome,
    /// Why it can't be said whether its `show` holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Links that were left out of it, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Why a row is shown or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOutcome {
    /// It is on the card.
    Shown,
    /// Its `show` is false, or what it names is absent, empty or false.
    NotAskedFor,
    /// Its text came out empty.
    Empty,
    /// It has an `each`, and there is no record.
    NoRecord,
    /// A limit was reached while it was filled.
    Failed(String),
}

impl Row {
    pub(super) fn compile(row: &Value, names: &Names) -> Result<Row, Vec<Fault>> {
        let empty = Map::new();
        let keys = row.as_object().unwrap_or(&empty);
        let each = Each::compile(keys, names)?;
        let names = each.as_ref().map_or(names, |(_, names)| names);
        let mut faults = Vec::new();
        let mut text = |key: &str| {
            let text = keys.get(key)?.as_str()?;
            Template::compile(text, Flavour::Plain, names).map_err(|found| extend(&mut faults, found, key)).ok()
        };
        let (body, label) = (text("text"), text("label"));
        let user = match keys.get("user_id") {
            Some(Value::String(_)) => text("user_id").map(User::Template),
            literal => literal.cloned().map(User::Literal),
        };
        if let Some(User::Template(template)) = &user
            && template.is_literal()
            && user_id(template.literal_head()).is_none()
        {
            let fault = Fault::new(Code::CardRow, "/user_id", "a user id is a whole number above 0");
            faults.push(fault.help("write the id that the phone system gave the colleague, or \"{{crm.owner_id}}\""));
        }
        let mut link = |key: &str, place: Place| {
            let text = keys.get(key)?.as_str()?;
            Link::compile(text, place, names).map_err(|found| extend(&mut faults, found, key)).ok()
        };
        let (web, ios, android) = (link("link", Place::Web), link("ios", Place::App), link("android", Place::App));
        let show = keys
            .get("show")
            .and_then(Value::as_str)
            .and_then(|text| Show::compile(text, names).map_err(|found| extend(&mut faults, found, "show")).ok());
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Row {
            kind: keys.get("type").and_then(|kind| KINDS.into_iter().find(|one| kind == one)).unwrap_or_default(),
            text: body,
            label,
            link: web,
            ios: ios.map(Box::new),
            android: android.map(Box::new),
            user: user.map(Box::new),
            show: show.map(Box::new),
            each: each.map(|(each, _)| Box::new(each)),
            characters_max: keys
                .get("max")
                .and_then(Value::as_u64)
                .and_then(|max| usize::try_from(max).ok())
                .unwrap_or(TEXT_CHARACTERS),
        })
    }

    pub(super) fn is_title(&self) -> bool {
        self.kind == "title"
    }

    /// How many rows it may become.
    pub(super) fn rows_max(&self) -> usize {
        self.each.as_ref().map_or(1, |each| each.at_most())
    }

    /// Whether its text or label shows one of these values.
    pub(super) fn shows(&self, values: &[&str]) -> bool {
        self.text.iter().chain(&self.label).any(|template| template.shows(values))
    }

    /// The names that its templates begin with.
    pub(super) fn mentions(&self) -> impl Iterator<Item = &str> {
        let templates = [self.text.as_ref(), self.label.as_ref(), self.user_template()].into_iter().flatten();
        let links = [self.link.as_ref(), self.ios.as_deref(), self.android.as_deref()].into_iter().flatten();
        templates
            .flat_map(Template::mentions)
            .chain(links.flat_map(Link::mentions))
            .chain(self.show.iter().flat_map(|show| show.mentions()))
            .chain(self.each.iter().filter_map(|each| each.first_name()))
    }

    fn user_template(&self) -> Option<&Template> {
        match self.user.as_deref()? {
            User::Template(template) => Some(template),
            User::Literal(_) => None,
        }
    }

    /// Whether it depends on the sources if the row is shown.
    pub(super) fn is_conditional(&self, is_source: &impl Fn(&str) -> bool) -> bool {
        let mut texts = self.text.iter().chain(self.user_template());
        self.show.is_some() || self.each.is_some() || texts.any(|text| text.is_only_values_of(is_source))
    }

    /// The row, or one for each record, with what became of it.
    pub(super) fn fill(&self, renderer: &Renderer, context: &mut Context) -> Vec<(Option<Value>, RowStep)> {
        let Some(each) = &self.each else { return vec![self.fill_once(renderer, context)] };
        let records = each.records(context.data());
        if records.is_empty() {
            return vec![(None, RowStep { row: 0, outcome: RowOutcome::NoRecord, why: None, left_out: Vec::new() })];
        }
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            if let Some(values) = context.data_mut().as_object_mut() {
                values.insert(each.name().to_owned(), record);
            }
            rows.push(self.fill_once(renderer, context));
        }
        if let Some(values) = context.data_mut().as_object_mut() {
            values.remove(each.name());
        }
        rows
    }

    fn fill_once(&self, renderer: &Renderer, context: &Context) -> (Option<Value>, RowStep) {
        let (mut left_out, mut why) = (Vec::new(), None);
        let shown = self.show.as_ref().map_or(Ok(true), |show| show.holds(context.data()));
        if !shown.unwrap_or_else(|reason| {
            why = Some(reason);
            false
        }) {
            return (None, RowStep { row: 0, outcome: RowOutcome::NotAskedFor, why, left_out });
        }
        let (row, outcome) = match self.filled(renderer, context, &mut left_out) {
            Ok(row) => (Some(Value::Object(row)), RowOutcome::Shown),
            Err(outcome) => (None, outcome),
        };
        (row, RowStep { row: 0, outcome, why, left_out })
    }

    fn filled(
        &self,
        renderer: &Renderer,
        context: &Context,
        left_out: &mut Vec<String>,
    ) -> Result<Map<String, Value>, RowOutcome> {
        let fill = |template: &Template| {
            let text = template.fill(renderer, context).map_err(RowOutcome::Failed)?;
            Ok(cut(clean(text), self.characters_max))
        };
        let mut row = Map::with_capacity(KEYS_MAX);
        row.insert("type".to_owned(), Value::from(self.kind));
        if let Some(template) = &self.label {
            let label = fill(template)?;
            if !label.is_empty() {
                row.insert("label".to_owned(), Value::String(label));
            }
        }
        if let Some(template) = &self.text {
            let text = fill(template)?;
            if text.is_empty() {
                return Err(RowOutcome::Empty);
            }
            row.insert("text".to_owned(), Value::String(text));
        }
        match self.user.as_deref() {
            Some(User::Literal(id)) => {
                row.insert("user_id".to_owned(), id.clone());
            }
            Some(User::Template(template)) => {
                let id = fill(template)?;
                row.insert("user_id".to_owned(), Value::from(user_id(&id).ok_or(RowOutcome::Empty)?));
            }
            None => {}
        }
        if self.kind == "user" && !row.contains_key("label") {
            return Err(RowOutcome::Empty);
        }
        let links = [("link", self.link.as_ref()), ("ios", self.ios.as_deref()), ("android", self.android.as_deref())];
        for (key, link) in links {
            match link.map(|link| link.fill(renderer, context)) {
                Some(Ok(link)) => {
                    row.insert(key.to_owned(), Value::String(link));
                }
                Some(Err(why)) => left_out.push(format!("{key}: {why}")),
                None => {}
            }
        }
        Ok(row)
    }
}

impl Show {
    fn compile(text: &str, names: &Names) -> Result<Show, Vec<Fault>> {
        if segments(text).is_some() {
            return value_path(text, names, "").map(Show::Path).map_err(|fault| vec![fault]);
        }
        Expression::compile(text, names).map(Show::Expression)
    }

    fn mentions(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Show::Path(path) => Box::new(path.iter().take(1).map(String::as_str)),
            Show::Expression(expression) => Box::new(expression.mentions().iter().map(String::as_str)),
        }
    }

    /// Whether the row is shown, or why that can't be said.
    fn holds(&self, values: &Value) -> Result<bool, String> {
        match self {
            Show::Path(path) => Ok(is_present(look_up(values, path))),
            Show::Expression(expression) => expression.is_there(values),
        }
    }
}

/// A user id of the phone system.
fn user_id(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok().filter(|id| *id > 0)
}

fn extend(faults: &mut Vec<Fault>, found: Vec<Fault>, key: &str) {
    faults.extend(found.into_iter().map(|fault| fault.under(&format!("/{key}"))));
}

/// `caller.company` → its segments; `None` where it is something else.
fn segments(path: &str) -> Option<Vec<String>> {
    let plain = |segment: &str| {
        !segment.is_empty()
            && segment.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '-'))
    };
    path.split('.').all(plain).then(|| path.split('.').map(str::to_owned).collect())
}

/// The same, where it begins with a name that is known.
pub(super) fn value_path(path: &str, names: &Names, help: &str) -> Result<Vec<String>, Fault> {
    let Some(segments) = segments(path) else {
        return Err(Fault::new(Code::TemplateSyntax, "", format!("`{path}` is not the name of a value")).help(help));
    };
    let field = segments.get(1).map(String::as_str);
    match segments.first().and_then(|first| names.fault(first, field)) {
        Some(fault) => Err(fault),
        None => Ok(segments),
    }
}

pub(super) fn look_up<'a>(values: &'a Value, path: &[String]) -> &'a Value {
    path.iter()
        .try_fold(values, |value, segment| match value {
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
            other => other.get(segment),
        })
        .unwrap_or(&Value::Null)
}
