//! A `when` as it was written → [`When`].
//!
//! The shape has been checked against the schema before; what is left are number patterns, list names and country codes.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::{
    CalleeTest, Condition, CustomerTest, LineTest, NumberSet, PatternError, Schedule, Schedules, Test, When, pattern,
};
use crate::event::{CustomerNumber, Direction, EventKind, Kind, Region};
use crate::expression::{Expression, Scope};
use crate::problem::{Code, Fault, did_you_mean, nearest};
use crate::shared::Shared;

/// What a `when` may refer to.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// `customer: {in: …}`.
    pub lists: &'a Lists,
    /// `schedule: …`.
    pub schedules: &'a Schedules,
    /// The names in `expr: …`.
    pub names: &'a dyn Scope,
    /// Conditions that were made with just these.
    pub made: &'a Made,
}

/// Conditions, by what is written.
#[derive(Clone, Debug, Default)]
pub struct Made(Shared<Condition>);

/// The number lists that a `customer` may name.
#[derive(Clone, Debug)]
pub struct Lists {
    lists: BTreeMap<String, NumberSet>,
    region: Region,
}

impl Lists {
    /// No list yet. `region` is how numbers without country code are read, where they may stand at all.
    pub fn new(region: Region) -> Lists {
        Lists { lists: BTreeMap::new(), region }
    }

    /// Adds a list of patterns. Those that can't be read are left out and told.
    pub fn add(&mut self, name: &str, patterns: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        let set = self.numbers(patterns, "", &mut faults);
        self.lists.insert(name.to_owned(), set);
        faults
    }

    /// Adds a list of the numbers in the cells of a table, each with its row. They are read as a caller's number is, so
    /// `0532 …` may stand there as well as `+90 532 …`; a cell that no number can be, such as `+90 216 555 XX XX`, is a
    /// pattern. The rows of those that are neither come back.
    pub fn add_cells(&mut self, name: &str, cells: impl Iterator<Item = (usize, String)>) -> Vec<usize> {
        let mut unreadable = Vec::new();
        let mut sets = Vec::new();
        for (row, cell) in cells {
            let is_pattern = cell.contains(['X', 'x', '*', '[']) || cell.contains("..");
            let number = CustomerNumber::parse((!is_pattern).then_some(&cell), self.region);
            match pattern::parse(number.e164().or(number.digits()).unwrap_or(if is_pattern { &cell } else { "" })) {
                Ok(set) => sets.push(set),
                Err(_) => unreadable.push(row),
            }
        }
        self.lists.insert(name.to_owned(), NumberSet::union(sets));
        unreadable
    }

    /// The union of patterns: one text or a list of them.
    fn numbers(&self, patterns: &Value, pointer: &str, faults: &mut Vec<Fault>) -> NumberSet {
        let mut sets = Vec::new();
        for (pointer, pattern) in one_or_many(patterns, pointer) {
            let Some(text) = pattern.as_str() else { continue };
            match pattern::parse(text) {
                Ok(set) => sets.push(set),
                Err(error) => faults.push(self.pattern_fault(text, pointer, &error)),
            }
        }
        NumberSet::union(sets)
    }

    fn pattern_fault(&self, text: &str, pointer: String, error: &PatternError) -> Fault {
        let fault = Fault::new(Code::NumberPattern, pointer, format!("`{text}` is not a number pattern: {error}"));
        let spaced: String = text.chars().filter(|character| character.is_ascii_digit()).collect();
        match (error, CustomerNumber::parse(Some(&spaced), self.region).e164()) {
            (PatternError::Character(_), _) if self.lists.contains_key(text) => {
                fault.help(format!("to name the list, write `{{in: {text}}}`"))
            }
            (PatternError::NotInternational | PatternError::ZeroAfterPlus, Some(e164)) => {
                fault.help(format!("in international form it is \"{e164}\"")).meant(Some(e164))
            }
            (PatternError::ZeroAfterPlus, None) => fault.help("leave the 0 out and write the country code: +90 532 …"),
            (PatternError::Range(_), _) if turned_around(text).is_some_and(|text| pattern::parse(&text).is_ok()) => {
                let text = turned_around(text).unwrap_or_default();
                fault.help(format!("write \"{text}\"")).meant(Some(&text))
            }
            _ => fault.help(
                "examples: \"+90*\", \"+44 20 7946 0XXX\", \"+90 5[34]2 123 45 67\", \"+4922155500..+4922155599\"",
            ),
        }
    }
}

/// What nearly every rule implies, made once.
static NOT_INTERNAL: LazyLock<Arc<Condition>> =
    LazyLock::new(|| implied("direction", "not internal, unless given", Test::NotInternal));
static CALL_INIT: LazyLock<Arc<Condition>> =
    LazyLock::new(|| implied("event", "call_init, unless given", Test::Event([EventKind::CallInit].into())));

fn implied(key: &'static str, wanted: &str, test: Test) -> Arc<Condition> {
    Arc::new(Condition { key, wanted: wanted.into(), implied: true, test })
}

impl When {
    /// Compiles the `when` of a rule; `None` where the rule has none. Without an `event` it means `call_init`, and
    /// without `internal` in any `direction` it never holds for an internal call.
    ///
    /// # Errors
    /// Every mistake in it, each with its pointer.
    pub fn compile(when: Option<&Value>, known: Vocabulary<'_>) -> Result<When, Vec<Fault>> {
        let mut faults = Vec::new();
        let empty = Map::new();
        let keys = when.and_then(Value::as_object).unwrap_or(&empty);
        let written = block(keys, "", known, &mut faults).conditions;
        let mut conditions = Vec::with_capacity(written.len() + 2);
        if !keys.contains_key("direction") && !names(when, "direction", |value| value == "internal") {
            conditions.push(Arc::clone(&NOT_INTERNAL));
        }
        if !names(when, "event", |_| true) {
            conditions.push(Arc::clone(&CALL_INIT));
        }
        conditions.extend(written);
        if faults.is_empty() { Ok(When { conditions: conditions.into() }) } else { Err(faults) }
    }
}

/// Whether `key` stands anywhere in the block or in those inside it, with a value that passes.
fn names(value: Option<&Value>, key: &str, passes: fn(&Value) -> bool) -> bool {
    match value {
        Some(Value::Object(map)) => map.iter().any(|(name, inner)| {
            (name == key && one_or_many(inner, "").iter().any(|(_, one)| passes(one)))
                || (matches!(name.as_str(), "any" | "not") && names(Some(inner), key, passes))
        }),
        Some(Value::Array(items)) => items.iter().any(|item| names(Some(item), key, passes)),
        _ => false,
    }
}

fn block(keys: &Map<String, Value>, pointer: &str, known: Vocabulary<'_>, faults: &mut Vec<Fault>) -> When {
    let conditions = keys.iter().filter_map(|(key, value)| {
        let make = || {
            let faults_before = faults.len();
            let condition = condition(key, value, &format!("{pointer}/{key}"), known, faults).ok_or(())?;
            if faults.len() > faults_before { Err(()) } else { Ok(condition) }
        };
        known.made.0.get_or_make(&format!("{key}: {value}"), make).ok()
    });
    When { conditions: conditions.collect() }
}

fn condition(
    key: &str,
    value: &Value,
    here: &str,
    known: Vocabulary<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Condition> {
    let (key, test) = match key {
        "account" => ("account", Test::Account(texts(value))),
        "event" => ("event", Test::Event(texts(value).iter().map(|name| EventKind::from(name.as_str())).collect())),
        "direction" => {
            ("direction", Test::Direction(texts(value).iter().filter_map(|name| Direction::parse(name)).collect()))
        }
        "customer" => ("customer", Test::Customer(Box::new(customer(value, here, known.lists, faults)))),
        "line" => {
            let numbers = known.lists.numbers(value, here, faults);
            ("line", Test::Line(Box::new(LineTest { ids: integers(value), numbers })))
        }
        "callee" => (
            "callee",
            Test::Callee(Box::new(CalleeTest {
                kinds: value.get("type").map(texts).unwrap_or_default(),
                ids: value.get("id").map(integers).unwrap_or_default(),
            })),
        ),
        "user" => ("user", Test::User(integers(value))),
        "schedule" => ("schedule", Test::Schedule(schedules(value, here, known.schedules, faults))),
        "expr" => {
            let compiled = Expression::test(value.as_str().unwrap_or_default(), known.names);
            let expression =
                compiled.map_err(|found| faults.extend(found.into_iter().map(|fault| fault.under(here)))).ok()?;
            ("expr", Test::Expr(Box::new(expression)))
        }
        "any" => {
            let blocks = one_or_many(value, here);
            let blocks = blocks.iter().filter_map(|(at, item)| Some(block(item.as_object()?, at, known, faults)));
            ("any", Test::Any(blocks.collect()))
        }
        "not" => ("not", Test::Not(block(value.as_object()?, here, known, faults))),
        _ => return None,
    };
    let wanted = match &test {
        Test::Schedule(schedules) => schedules.iter().map(Schedule::text).collect::<Vec<_>>().join(" or "),
        Test::Expr(expression) => expression.text().to_owned(),
        _ => written(value),
    };
    Some(Condition { key, wanted: wanted.into(), implied: false, test })
}

fn customer(value: &Value, pointer: &str, lists: &Lists, faults: &mut Vec<Fault>) -> CustomerTest {
    let Some(parts) = value.as_object() else {
        return CustomerTest { numbers: Some(lists.numbers(value, pointer, faults)), ..CustomerTest::default() };
    };
    let mut test = CustomerTest::default();
    for (key, value) in parts {
        let here = format!("{pointer}/{key}");
        match key.as_str() {
            "number" => test.numbers = Some(lists.numbers(value, &here, faults)),
            "in" => test.lists = Some(named_lists(value, &here, lists, faults)),
            "country" => test.countries = Some(countries(value, &here, faults)),
            "kind" => test.kinds = Some(texts(value).iter().filter_map(|name| Kind::parse(name)).collect()),
            "withheld" => test.withheld = value.as_bool(),
            _ => {}
        }
    }
    test
}

fn named_lists(value: &Value, pointer: &str, lists: &Lists, faults: &mut Vec<Fault>) -> NumberSet {
    let mut sets = Vec::new();
    for (pointer, name) in one_or_many(value, pointer) {
        let name = name.as_str().unwrap_or_default();
        match lists.lists.get(name) {
            Some(set) => sets.push(set.clone()),
            None => {
                let mut fault = Fault::new(Code::UnknownName, pointer, format!("no list is named `{name}`"));
                fault.help = did_you_mean(name, lists.lists.keys().map(String::as_str))
                    .or_else(|| Some("lists are defined under `lists`".to_owned()));
                faults.push(fault.meant(nearest(name, lists.lists.keys().map(String::as_str))));
            }
        }
    }
    NumberSet::union(sets)
}

fn schedules(value: &Value, pointer: &str, known: &Schedules, faults: &mut Vec<Fault>) -> Vec<Schedule> {
    let mut schedules = Vec::new();
    for (pointer, one) in one_or_many(value, pointer) {
        match known.find(one.as_str().unwrap_or_default(), &pointer) {
            Ok(schedule) => schedules.extend(schedule),
            Err(fault) => faults.push(fault),
        }
    }
    schedules
}

fn countries(value: &Value, pointer: &str, faults: &mut Vec<Fault>) -> Vec<String> {
    let mut countries = Vec::new();
    for (pointer, country) in one_or_many(value, pointer) {
        let country = country.as_str().unwrap_or_default();
        match Region::parse(country) {
            Some(region) => countries.push(region.as_str().to_owned()),
            None => faults.push(
                Fault::new(Code::WrongValue, pointer, format!("`{country}` is not a country"))
                    .help("countries are written as in ISO 3166: TR, GB, DE"),
            ),
        }
    }
    countries
}

/// A range with its ends in the other order.
fn turned_around(text: &str) -> Option<String> {
    let (low, high) = text.split_once("..")?;
    Some(format!("{}..{}", high.trim(), low.trim()))
}

/// The items of a list with their pointers, or the value itself.
fn one_or_many<'a>(value: &'a Value, pointer: &str) -> Vec<(String, &'a Value)> {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(position, item)| (format!("{pointer}/{position}"), item)).collect()
        }
        one => vec![(pointer.to_owned(), one)],
    }
}

fn texts(value: &Value) -> Vec<String> {
    one_or_many(value, "").iter().filter_map(|(_, one)| one.as_str().map(str::to_owned)).collect()
}

fn integers(value: &Value) -> Vec<i64> {
    let id = |one: &Value| one.as_i64().or_else(|| one.as_str()?.parse().ok());
    one_or_many(value, "").iter().filter_map(|(_, one)| id(one)).collect()
}

/// A value as a person would write it on one line.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            format!(
                "{{{}}}",
                map.iter().map(|(key, value)| format!("{key}: {}", written(value))).collect::<Vec<_>>().join(", ")
            )
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug)]
    struct NoNames;

    impl Scope for NoNames {
        fn fault(&self, name: &str, _: Option<&str>) -> Option<Fault> {
            Some(Fault::new(Code::TemplateName, "", format!("`{name}` stands for nothing")))
        }

        fn is_text(&self, _: &str, _: &str) -> bool {
            false
        }
    }

    #[test]
    fn equal_conditions_of_two_rules_are_one_and_a_mistake_is_told_in_each() {
        let (lists, schedules) = (Lists::new(Region::default()), Schedules::new(Region::default()));
        let known = Vocabulary { lists: &lists, schedules: &schedules, names: &NoNames, made: &Made::default() };
        let when = |customer: &str| json!({"direction": "inbound", "customer": customer});
        let [one, two] = ["+90 532*", "+90 533*"].map(|customer| When::compile(Some(&when(customer)), known).unwrap());
        let shared = one.conditions.iter().zip(&two.conditions).map(|(one, two)| (one.key, Arc::ptr_eq(one, two)));
        assert_eq!(shared.collect::<Vec<_>>(), [("event", true), ("direction", true), ("customer", false)]);
        for _ in 0..2 {
            let faults = When::compile(Some(&json!({"not": {"customer": {"in": "nobody"}}})), known).unwrap_err();
            assert_eq!(faults.iter().map(|fault| fault.pointer.as_str()).collect::<Vec<_>>(), ["/not/customer/in"]);
        }
    }
}
