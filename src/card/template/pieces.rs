//! The texts and the tags that a template is made of.
//!
//! Only where they mean one by one what they mean together; it does not read what is in a tag.

/// Texts and tags in their order, each with whether it is a tag. Nothing where the template has more than that: blocks,
/// comments, escapes, blanks that a tag takes away.
pub(super) fn of(template: &str) -> Option<Vec<(&str, bool)>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(begin) = rest.find("{{") {
        let (text, tag) = rest.split_at_checked(begin)?;
        let inside = tag.trim_start_matches('{');
        let brackets = tag.len() - inside.len();
        let content = inside.get(..inside.find('}')?)?;
        let (tag, behind) = tag.split_at_checked(content.len() + 2 * brackets)?;
        let is_closed = tag.trim_end_matches('}').len() + brackets == tag.len();
        if brackets > 3 || !is_closed || text.contains(['}', '\\']) || !is_plain(content) {
            return None;
        }
        if !text.is_empty() {
            pieces.push((text, false));
        }
        pieces.push((tag, true));
        rest = behind;
    }
    if !rest.is_empty() {
        // Without a tag behind them, brackets and backslashes are what they are.
        if !pieces.is_empty() && rest.contains('}') {
            return None;
        }
        pieces.push((rest, false));
    }
    Some(pieces)
}

/// Whether a value or a helper stands in the tag, and not the sign of something else.
fn is_plain(content: &str) -> bool {
    let begins = content.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && !content.starts_with("else") && !content.contains(['{', '~', '\\'])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::card::template::{Part, Piece, bounded};
    use crate::card::{Context, Flavour, Locale, Names, Renderer, Template};
    use crate::event::Region;
    use crate::problem::Fault;

    #[test]
    fn a_template_is_cut_at_its_tags() {
        let cut = |template| of(template).unwrap();
        assert_eq!(cut("Branch {17}"), [("Branch {17}", false)]);
        assert_eq!(
            cut("a: {{crm.a}}, {{{b}}}"),
            [("a: ", false), ("{{crm.a}}", true), (", ", false), ("{{{b}}}", true)]
        );
        assert_eq!(cut("{{money crm.a 'TRY'}}"), [("{{money crm.a 'TRY'}}", true)]);
        assert_eq!(cut(""), []);
        for other in [
            "{{#if a}}b{{/if}}",
            "{{! a}}",
            "{{~a}}",
            "{{a~}}",
            "\\{{a}}",
            "{{else}}",
            "{{a}",
            "{{a}}}",
            "{{{a}}",
            "{{ a}}",
            "{{a '}}'}}",
            "{{&a}}",
            "{{> a}}",
            "{{{{a}}}}",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    const TYPED: [&str; 34] = [
        "{{crm.a}}",
        "{{crm.b}}",
        "{{{crm.b}}}",
        "{{crm.no}}",
        "{{upper crm.a}}",
        "{{default crm.no 'a b'}}",
        "{{join crm.c ', '}}",
        "{{mask (upper crm.a)}}",
        "{{crm.c.[0]}}",
        "{{crm.c.1}}",
        "{{crm}}",
        "{{this.crm.a}}",
        "{{#if crm.a}}",
        "{{else}}",
        "{{/if}}",
        "{{! no }}",
        "{{~crm.a}}",
        "{{crm.a~}}",
        "{{&crm.b}}",
        "\\",
        " ",
        "  ",
        "\n",
        "a",
        "ş",
        "{",
        "}",
        "{{",
        "}}",
        "'",
        "(",
        "https://a/",
        "{{truncate crm.a 2}}",
        "{{nobody}}",
    ];

    /// What the template comes to as a whole, without being cut.
    fn whole(text: &str, flavour: Flavour, names: &Names) -> Result<Template, Vec<Fault>> {
        bounded(text).map_err(|fault| vec![fault])?;
        let part = Part::compile(text, names)?;
        Ok(Template { pieces: [Piece::Part(part.into())].into(), flavour })
    }

    /// What is asked of templates.
    fn seen(template: &Template) -> impl PartialEq + std::fmt::Debug + use<> {
        let mentions: BTreeSet<String> = template.mentions().map(str::to_owned).collect();
        let is_literal = template.is_literal();
        let values = (template.is_one_unescaped_value(), template.has_unescaped_value(), template.is_text_and_values());
        let shown = (template.is_only_values_of(&|_: &str| true), template.shows(&["crm.a"]));
        (mentions, is_literal, values, shown, template.literal_head().to_owned())
    }

    #[test]
    fn cut_or_not_a_template_says_the_same() {
        let locale = Locale {
            language: "en".parse().unwrap(),
            region: Region::default(),
            time_zone: jiff::tz::TimeZone::UTC,
            texts: Default::default(),
        };
        let renderer = Renderer::new(&locale);
        let context = Context::from(json!({"crm": {"a": "Jane & Co", "b": "<b>", "c": ["x", "y"]}}));
        let mut random = fastrand::Rng::with_seed(7);
        let (mut right, mut wrong, mut cut) = (0, 0, 0);
        for _ in 0..20_000 {
            let text: String = (0..random.usize(1..6)).map(|_| *random.choice(&TYPED).unwrap()).collect();
            let names = Names::default().open("crm");
            let flavour = if random.bool() { Flavour::Plain } else { Flavour::Encoded };
            match (Template::compile(&text, flavour, &names), whole(&text, flavour, &names)) {
                (Ok(one), Ok(other)) => {
                    assert_eq!(one.fill(&renderer, &context), other.fill(&renderer, &context), "{text}");
                    assert_eq!(seen(&one), seen(&other), "{text}");
                    right += 1;
                    cut += usize::from(one.pieces.len() > 1);
                }
                (one, other) => {
                    assert_eq!(one.err(), other.err(), "{text}");
                    wrong += 1;
                }
            }
        }
        assert!(right > 5_000 && wrong > 2_000 && cut > 2_000, "{right} right, {wrong} wrong, {cut} cut");
    }
}
