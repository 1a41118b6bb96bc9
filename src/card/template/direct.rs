//! Fills what nearly every template is made of without the template engine: text, values, helpers of values, `if` and
//! `unless`.
//!
//! The engine makes a copy of each path, each text and each value on its way. What is not known here, and whatever is
//! refused on the way, is left to it: it fills the template from the beginning, or says what is wrong.

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{JsonRender, JsonTruthy, Output, Path, PathSeg};
use serde_json::Value;

use super::{Flavour, Limited, Piece};
use crate::card::helpers::{self, Renderer, escaped};

/// The filled text, or nothing where the template engine has to do it.
pub(super) fn fill(pieces: &[Piece], flavour: Flavour, renderer: &Renderer, values: &Value) -> Option<String> {
    let mut filling = Filling { flavour, renderer, values, output: Limited::default() };
    pieces.iter().try_for_each(|piece| match piece {
        Piece::Text(text) => filling.write(text),
        Piece::Part(part) => filling.elements(&part.compiled.elements),
    })?;
    Some(filling.output.text)
}

struct Filling<'a> {
    flavour: Flavour,
    renderer: &'a Renderer,
    values: &'a Value,
    output: Limited,
}

impl<'a> Filling<'a> {
    fn elements(&mut self, elements: &'a [TemplateElement]) -> Option<()> {
        elements.iter().try_for_each(|element| match element {
            TemplateElement::RawString(text) => self.write(text),
            TemplateElement::Comment(_) => Some(()),
            TemplateElement::Expression(call) => self.expression(call, self.flavour),
            TemplateElement::HtmlExpression(call) => self.expression(call, Flavour::Plain),
            TemplateElement::HelperBlock(call) => self.block(call),
            _ => None,
        })
    }

    /// A value, or what a helper makes of values; written in this flavour.
    fn expression(&mut self, call: &'a HelperTemplate, flavour: Flavour) -> Option<()> {
        let Parameter::Name(name) = &call.name else { return None };
        if !call.hash.is_empty() {
            return None;
        }
        // As most are: a text of a record, which need not be copied.
        if let (helpers::VALUE, [parameter]) = (name.as_str(), call.params.as_slice()) {
            let value = self.value(parameter)?;
            if !value.is_array() {
                return self.write(&escaped(&helpers::text(Some(&value)), flavour));
            }
        }
        let values: Vec<&Value> = call.params.iter().map(|parameter| self.value(parameter)).collect::<Option<_>>()?;
        let made = match self.renderer.run(name, self.flavour, &values, self.values)? {
            Value::String(text) => text,
            other => other.render(),
        };
        self.write(&escaped(&made, flavour))
    }

    fn block(&mut self, call: &'a HelperTemplate) -> Option<()> {
        let Parameter::Name(name) = &call.name else { return None };
        let ([parameter], true, None) = (call.params.as_slice(), call.hash.is_empty(), &call.block_param) else {
            return None;
        };
        let wanted = match name.as_str() {
            "if" => true,
            "unless" => false,
            _ => return None,
        };
        let holds = self.value(parameter)?.is_truthy(false) == wanted;
        let chosen = if holds { &call.template } else { &call.inverse };
        chosen.as_ref().map_or(Some(()), |chosen| self.elements(&chosen.elements))
    }

    /// A literal, or the value at a path from the names that every template knows.
    fn value(&self, parameter: &'a Parameter) -> Option<&'a Value> {
        match parameter {
            Parameter::Literal(value) => Some(value),
            Parameter::Path(Path::Relative((segments, _))) if !segments.is_empty() => {
                let mut value = Some(self.values);
                for segment in segments {
                    let PathSeg::Named(name) = segment else { return None };
                    value = match value {
                        // What is no index is an error there.
                        Some(Value::Array(items)) => items.get(name.parse::<usize>().ok()?),
                        Some(Value::Object(fields)) => fields.get(name),
                        _ => None,
                    };
                }
                Some(value.unwrap_or(&Value::Null))
            }
            _ => None,
        }
    }

    fn write(&mut self, text: &str) -> Option<()> {
        if text.is_empty() { Some(()) } else { self.output.write(text).ok() }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;
    use serde_json::json;

    use crate::card::{Context, Locale, Names, Template};

    use super::*;

    const PATHS: [&str; 14] = [
        "crm.name",
        "crm.vip",
        "crm.balance",
        "crm.on",
        "crm.tags",
        "crm.tags.0",
        "crm.tags.name",
        "crm.tags.[1]",
        "crm.address.city",
        "crm.address",
        "crm/none",
        "crm",
        "now",
        "crm.[a b]",
    ];

    const TEXTS: [&str; 10] =
        ["", "Jane", " & <b> ", "\n", "\\", "'\"", "ç%/?#+", "{{!-- said by {{x}} --}}", "{{~! said ~}}", "\u{202e}x"];

    const CALLS: [&str; 16] = [
        "upper PATH",
        "lower PATH",
        "t 'greeting'",
        "phone PATH",
        "mask PATH",
        "urlencode PATH",
        "time PATH",
        "ago PATH",
        "truncate PATH 3",
        "money PATH 'TRY'",
        "default PATH PATH 'nobody'",
        "join PATH '; '",
        "number PATH 1",
        "date PATH 'long'",
        "upper (default PATH PATH)",
        "default PATH 7",
    ];

    const VALUES: [&str; 16] = [
        "null",
        "true",
        "false",
        "0",
        "-0.0",
        "7",
        "1250.50",
        "1e400",
        "\"\"",
        "\"  \"",
        "\"O'Brien & Söhne {{x}}\"",
        "\"2026-02-27\"",
        "\"+905321234567\"",
        "[]",
        "[\"a\", null, 3, [4], {}]",
        "{}",
    ];

    fn any<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
        of[random.usize(..of.len())]
    }

    /// A text as a rule may have it, blocks in blocks.
    fn text(random: &mut Rng, deep: usize) -> String {
        let piece = |random: &mut Rng| {
            let path = any(random, &PATHS);
            let tilde = any(random, &["", "", "", "~"]);
            match random.u32(..if deep == 0 { 6 } else { 8 }) {
                0 | 1 => any(random, &TEXTS).to_owned(),
                2 | 3 => format!("{{{{{tilde}{path}}}}}"),
                4 => format!("{{{{{{{path}}}}}}}"),
                5 => {
                    let mut call = any(random, &CALLS).to_owned();
                    while call.contains("PATH") {
                        call = call.replacen("PATH", any(random, &PATHS), 1);
                    }
                    format!("{{{{{call}{tilde}}}}}")
                }
                _ => {
                    let block = any(random, &["if", "if", "unless", "each"]);
                    let other = match random.u32(..4) {
                        0 => format!("{{{{else}}}}{}", text(random, deep - 1)),
                        1 => format!("{{{{else if {path}}}}}{}{{{{else}}}}no", text(random, deep - 1)),
                        _ => String::new(),
                    };
                    format!("{{{{#{block} {path}{tilde}}}}}{}{other}{{{{/{block}}}}}", text(random, deep - 1))
                }
            }
        };
        (0..random.usize(..4)).map(|_| piece(random)).collect()
    }

    fn values(random: &mut Rng) -> Value {
        let mut value = || serde_json::from_str(any(random, &VALUES)).unwrap_or(Value::Null);
        json!({
            "crm": {
                "name": value(), "vip": value(), "balance": value(), "on": value(), "a b": value(),
                "tags": value(), "address": {"city": value()},
            },
            "now": "2026-03-02T11:15:00+03:00",
        })
    }

    #[test]
    fn what_is_filled_without_the_template_engine_is_what_it_would_have_written() {
        let names = Names::default().open("crm").open("now").text("greeting", Vec::new());
        let locale = Locale {
            language: "tr".parse().unwrap(),
            region: Default::default(),
            time_zone: jiff::tz::TimeZone::UTC,
            texts: [("greeting".to_owned(), "Merhaba & hoş geldin".to_owned())].into(),
        };
        let (renderer, mut compared) = (Renderer::new(&locale), 0);
        for seed in 0..4_000 {
            let mut random = Rng::with_seed(seed);
            let (text, values) = (text(&mut random, 3), values(&mut random));
            for flavour in [Flavour::Plain, Flavour::Encoded, Flavour::Telephone] {
                let Ok(template) = Template::compile(&text, flavour, &names) else { continue };
                let Some(directly) = fill(&template.pieces, flavour, &renderer, &values) else { continue };
                let by_library = template.fill_by_library(&renderer, &Context::from(values.clone()));
                assert_eq!(Ok(directly), by_library, "seed {seed}: {text:?} in {flavour:?} with {values}");
                compared += 1;
            }
        }
        assert!(compared > 5_000, "only {compared} were filled here");
    }

    #[test]
    fn what_grows_or_is_no_index_is_left_to_the_template_engine() {
        let names = Names::default().open("crm");
        let renderer = Renderer::new(&Locale {
            language: "tr".parse().unwrap(),
            region: Default::default(),
            time_zone: jiff::tz::TimeZone::UTC,
            texts: Default::default(),
        });
        let long = json!({"crm": {"name": "x".repeat(10_000), "tags": ["a"]}});
        for text in
            ["{{crm.name}}{{crm.name}}{{crm.name}}", "{{crm.tags.first}}", "{{#each crm.tags}}{{this}}{{/each}}"]
        {
            let template = Template::compile(text, Flavour::Plain, &names).unwrap();
            assert_eq!(fill(&template.pieces, Flavour::Plain, &renderer, &long), None, "{text}");
        }
    }
}
