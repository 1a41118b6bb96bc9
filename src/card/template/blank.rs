//! Whether a text can come out empty.
//!
//! Told from the template alone; what the values are is not its business.

use handlebars::template::{Parameter, TemplateElement};

use super::{Piece, Template, name_of};

impl Template {
    /// Whether it is nothing but values of such names, so that it can come out empty: nothing is always written beside
    /// them, and no other name stands in it.
    pub fn is_only_values_of(&self, is_such: &impl Fn(&str) -> bool) -> bool {
        let named = self.mentions().next().is_some() && self.mentions().all(is_such);
        let mut pieces = self.pieces.iter();
        named
            && !pieces.any(|piece| match piece {
                Piece::Text(text) => !text.trim().is_empty(),
                Piece::Part(part) => writes_always(&part.compiled.elements),
            })
    }
}

/// Whether some of it is written whatever the values are.
fn writes_always(elements: &[TemplateElement]) -> bool {
    let is_text = |parameter: &Parameter| matches!(parameter, Parameter::Literal(serde_json::Value::String(text)) if !text.trim().is_empty());
    elements.iter().any(|element| match element {
        TemplateElement::RawString(text) => !text.trim().is_empty(),
        TemplateElement::HtmlExpression(call) | TemplateElement::Expression(call) => {
            matches!(name_of(&call.name).as_str(), "default" | "t") && call.params.last().is_some_and(is_text)
        }
        TemplateElement::HelperBlock(call) => match (&call.template, &call.inverse) {
            (Some(one), Some(other)) => writes_always(&one.elements) && writes_always(&other.elements),
            _ => false,
        },
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{Flavour, Names};

    #[test]
    fn only_a_text_of_nothing_but_values_can_come_out_empty() {
        let names = Names::default().open("crm").open("customer").text("company", Vec::new());
        let can = |text: &str| {
            Template::compile(text, Flavour::Plain, &names).unwrap().is_only_values_of(&|name: &str| name == "crm")
        };
        assert!(can("{{crm.name}}") && can(" {{upper crm.name}} {{crm.city}} "));
        assert!(can("{{#if crm.vip}}VIP{{/if}}") && can("{{default crm.name crm.company}}"));
        assert!(!can("Jane") && !can("{{crm.count}} people") && !can("{{default crm.name 'nobody'}}"));
        assert!(!can("{{#if crm.vip}}VIP{{else}}Customer{{/if}}") && !can("{{t 'company'}}"));
        assert!(!can("{{customer.international}}") && !can("{{default crm.name customer.e164}}"));
    }
}
