//! The helpers of templates, and the three ways in which `{{…}}` is written.
//!
//! A helper turns values into a value; it neither writes nor reads anything else. What it returns is escaped like any
//! other value, so `{{upper x}}` in a link is as safe as `{{x}}`.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use handlebars::{
    BlockContext, BlockParams, Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext,
    RenderError, RenderErrorReason, Renderable, ScopedJson,
};
use icu_casemap::CaseMapper;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Locale;
use super::number::Numbers;
use super::template::Flavour;
use super::time::Times;
use crate::event::CustomerNumber;

/// Names of all helpers and blocks.
pub(super) const NAMES: &[&str] = &[
    "ago",
    "date",
    "default",
    "each",
    "if",
    "join",
    "lower",
    "mask",
    "money",
    "number",
    "phone",
    "t",
    "time",
    "truncate",
    "unless",
    "upper",
    "urlencode",
];

/// The helper that writes a plain `{{path}}`. The blank keeps rules from naming it.
pub(super) const VALUE: &str = "a value";

/// RFC 3986's unreserved characters stay.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same for `tel:`, where a plus is part of the number (RFC 3966).
const TELEPHONE: &AsciiSet = &ENCODED.remove(b'+');

/// Digits that `mask` leaves readable.
const MASK_LEAVES: usize = 2;

/// Writes values as a locale does.
struct Writer {
    locale: Locale,
    numbers: Numbers,
    times: Times,
}

/// Fills templates in one locale.
pub struct Renderer {
    writer: Arc<Writer>,
    plain: Handlebars<'static>,
    encoded: Handlebars<'static>,
    telephone: Handlebars<'static>,
}

impl std::fmt::Debug for Renderer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Renderer")
    }
}

impl Renderer {
    /// A renderer whose helpers follow the locale.
    pub fn new(locale: &Locale) -> Renderer {
        let writer = Arc::new(Writer {
            locale: locale.clone(),
            numbers: Numbers::new(locale.tag()),
            times: Times::new(locale.tag(), locale.time_zone.clone()),
        });
        let registry = |flavour| registry(&writer, flavour);
        let (plain, encoded, telephone) =
            (registry(Flavour::Plain), registry(Flavour::Encoded), registry(Flavour::Telephone));
        Renderer { writer, plain, encoded, telephone }
    }

    pub(super) fn registry(&self, flavour: Flavour) -> &Handlebars<'static> {
        match flavour {
            Flavour::Plain => &self.plain,
            Flavour::Encoded => &self.encoded,
            Flavour::Telephone => &self.telephone,
        }
    }

    /// What a helper makes of values; `None` where it is none that turns values into one.
    pub(super) fn run(&self, name: &str, flavour: Flavour, values: &[&Value], root: &Value) -> Option<Value> {
        tool(name, flavour).map(|run| run(values, &self.writer, root))
    }
}

/// A text as it stands in a template of that flavour.
pub(super) fn escaped(text: &str, flavour: Flavour) -> Cow<'_, str> {
    match flavour {
        Flavour::Plain => Cow::Borrowed(text),
        Flavour::Encoded => utf8_percent_encode(text, ENCODED).into(),
        Flavour::Telephone => utf8_percent_encode(text, TELEPHONE).into(),
    }
}

fn registry(writer: &Arc<Writer>, flavour: Flavour) -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.register_escape_fn(move |text| escaped(text, flavour).into_owned());
    for name in NAMES.iter().chain([&VALUE]) {
        if let Some(run) = tool(name, flavour) {
            registry.register_helper(name, Box::new(Tool { run, writer: Arc::clone(writer) }));
        }
    }
    registry.register_helper("each", Box::new(Each));
    registry
}

/// The helpers that turn values into a value.
fn tool(name: &str, flavour: Flavour) -> Option<Run> {
    let run: Run = match name {
        VALUE => |values, _, _| join(values.first().copied(), None),
        "t" => |values, by, _| Value::String(by.locale.texts.get(&*text(values.first())).cloned().unwrap_or_default()),
        "upper" => |values, by, _| {
            let language = &by.locale.language;
            map_text(values, |text| CaseMapper::new().uppercase_to_string(text, language).into_owned())
        },
        "lower" => |values, by, _| {
            let language = &by.locale.language;
            map_text(values, |text| CaseMapper::new().lowercase_to_string(text, language).into_owned())
        },
        "number" => |values, by, _| written(values, |value| by.numbers.number(value, values.get(1).copied())),
        "money" => {
            |values, by, _| written(values, |value| by.numbers.money(value, values.get(1).unwrap_or(&&Value::Null)))
        }
        "date" => |values, by, _| written(values, |value| by.times.date(value, values.get(1).copied())),
        "time" => |values, by, _| written(values, |value| by.times.time(value)),
        // Seen from the start of the call.
        "ago" => |values, by, root| {
            let now = root.get("now").unwrap_or(&Value::Null);
            written(values, |value| by.times.ago(value, now))
        },
        "truncate" => |values, _, _| {
            let at_most = values.get(1).and_then(|value| value.as_u64()).unwrap_or(u64::MAX);
            map_text(values, |text| super::cut(text.to_owned(), usize::try_from(at_most).unwrap_or(usize::MAX)))
        },
        "default" => |values, _, _| {
            let chosen = values.iter().find(|value| super::is_present(value));
            chosen.map_or(Value::Null, |value| (*value).clone())
        },
        "join" => |values, _, _| join(values.first().copied(), values.get(1).copied()),
        "phone" => |values, by, _| {
            map_text(values, |text| {
                let number = CustomerNumber::parse(Some(text), by.locale.region);
                number.international().map_or_else(|| text.to_owned(), Into::into)
            })
        },
        "mask" => |values, _, _| map_text(values, mask),
        "urlencode" => match flavour {
            Flavour::Plain => |values, _, _| map_text(values, |text| escaped(text, Flavour::Encoded).into_owned()),
            // Everything is percent-encoded there; it must not be done twice.
            Flavour::Encoded | Flavour::Telephone => |values, _, _| map_text(values, str::to_owned),
        },
        _ => return None,
    };
    Some(run)
}

/// Whether a name is a helper or a block.
pub fn is_helper(name: &str) -> bool {
    NAMES.contains(&name)
}

/// How many values a helper takes; `None` where there is no such helper outside blocks.
pub(super) fn arguments(name: &str) -> Option<RangeInclusive<usize>> {
    match name {
        "upper" | "lower" | "t" | "phone" | "mask" | "urlencode" | "time" | "ago" => Some(1..=1),
        "truncate" | "money" => Some(2..=2),
        "default" => Some(2..=8),
        "join" | "number" | "date" => Some(1..=2),
        _ => None,
    }
}

/// How a helper is written.
pub(super) fn example(name: &str) -> String {
    let values = match name {
        "truncate" => "crm.note 20",
        "default" => "crm.nickname crm.full_name",
        "join" => "crm.tags ', '",
        "phone" | "mask" => "customer.e164",
        "t" => "\"company\"",
        "number" => "crm.points 0",
        "money" => "crm.balance 'TRY'",
        "date" => "crm.due_on 'long'",
        "time" | "ago" => "crm.called_at",
        _ => "crm.company",
    };
    format!("{name} {values}")
}

/// A number of values in words.
pub(super) fn counted(range: &RangeInclusive<usize>) -> String {
    match (range.start(), range.end()) {
        (1, 1) => "one value".to_owned(),
        (low, high) if low == high => format!("{low} values"),
        (low, high) => format!("{low} to {high} values"),
    }
}

/// The values of the call, and what has been said, come last.
type Run = fn(&[&Value], &Writer, &Value) -> Value;

/// One helper.
struct Tool {
    run: Run,
    writer: Arc<Writer>,
}

impl HelperDef for Tool {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let values: Vec<&Value> = helper.params().iter().map(|parameter| parameter.value()).collect();
        Ok(ScopedJson::Derived((self.run)(&values, &self.writer, context.data())))
    }
}

/// `each` over a list or the values of an object, counted by the output so that it can't run without end.
struct Each;

impl HelperDef for Each {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        state: &mut RenderContext<'reg, 'rc>,
        output: &mut dyn Output,
    ) -> HelperResult {
        let value = helper.param(0).ok_or(RenderErrorReason::ParamNotFoundForIndex("each", 0))?.value();
        let items: Vec<(Value, &Value)> = match value {
            Value::Array(items) => items.iter().enumerate().map(|(index, item)| (Value::from(index), item)).collect(),
            Value::Object(fields) => fields.iter().map(|(key, item)| (Value::from(key.as_str()), item)).collect(),
            _ => Vec::new(),
        };
        if items.is_empty() {
            return helper.inverse().map_or(Ok(()), |inverse| inverse.render(registry, context, state, output));
        }
        let Some(template) = helper.template() else { return Ok(()) };
        let last = items.len() - 1;
        for (index, (key, item)) in items.iter().enumerate() {
            output.write("")?;
            let mut block = BlockContext::new();
            block.set_base_value((*item).clone());
            block.set_local_var("index", Value::from(index));
            block.set_local_var("key", key.clone());
            block.set_local_var("first", Value::from(index == 0));
            block.set_local_var("last", Value::from(index == last));
            let mut parameters = BlockParams::new();
            if let Some(name) = helper.block_param() {
                parameters.add_value(name, (*item).clone())?;
            } else if let Some((name, key_name)) = helper.block_param_pair() {
                parameters.add_value(name, (*item).clone())?;
                parameters.add_value(key_name, key.clone())?;
            }
            block.set_block_params(parameters);
            state.push_block(block);
            let rendered = template.render(registry, context, state, output);
            state.pop_block();
            rendered?;
        }
        Ok(())
    }
}

/// The first value as it was written by `write`, or as it is where that could not read it: better than nothing. Blanks
/// that do not break lines become ordinary ones, which a person can type who expects them in a test.
fn written(values: &[&Value], write: impl FnOnce(&Value) -> Option<String>) -> Value {
    let value = values.first().copied();
    match value.and_then(write) {
        Some(text) => Value::String(text.replace(['\u{a0}', '\u{202f}'], " ")),
        None => join(value, None),
    }
}

/// A value as text; nothing for lists, objects and nothing.
pub(super) fn text<'a>(value: Option<&&'a Value>) -> Cow<'a, str> {
    match value {
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(Value::Bool(_) | Value::Number(_)) => value.map(|value| value.to_string()).unwrap_or_default().into(),
        _ => Cow::Borrowed(""),
    }
}

/// The first value's text, changed. An empty one stays one: there is nothing to change.
fn map_text(values: &[&Value], change: impl FnOnce(&str) -> String) -> Value {
    let text = text(values.first());
    Value::String(if text.is_empty() { String::new() } else { change(&text) })
}

fn join(list: Option<&Value>, separator: Option<&Value>) -> Value {
    let Some(Value::Array(items)) = list else { return Value::String(text(list.as_ref()).into_owned()) };
    let separator = separator.and_then(Value::as_str).unwrap_or(", ");
    let items: Vec<Cow<'_, str>> = items.iter().map(|item| text(Some(&item))).filter(|item| !item.is_empty()).collect();
    Value::String(items.join(separator))
}

/// Every letter and digit but the last two becomes `*`; blanks and signs stay, so that the form can be recognised.
fn mask(text: &str) -> String {
    let shown = text.chars().filter(|character| character.is_alphanumeric()).count();
    let hidden = shown.saturating_sub(MASK_LEAVES).max(shown.min(1));
    let mut seen = 0;
    text.chars()
        .map(|character| {
            if !character.is_alphanumeric() {
                return character;
            }
            seen += 1;
            if seen <= hidden { '*' } else { character }
        })
        .collect()
}
