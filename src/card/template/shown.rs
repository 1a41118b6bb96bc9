//! Which values of a template come to be read on the card.
//!
//! What is only asked (`{{#if …}}`) or masked is not shown. Values of a record inside `each` are not followed.

use handlebars::Path;
use handlebars::template::{HelperTemplate, Parameter, TemplateElement};

use super::{Template, name_of};

impl Template {
    /// Whether it shows one of these values, written as in the template: `customer.e164`.
    pub(in crate::card) fn shows(&self, values: &[&str]) -> bool {
        self.parts().any(|part| any(&part.compiled, values))
    }
}

fn any(template: &handlebars::Template, values: &[&str]) -> bool {
    template.elements.iter().any(|element| match element {
        TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => call_shows(call, values),
        TemplateElement::HelperBlock(call) => {
            call.template.iter().chain(&call.inverse).any(|template| any(template, values))
        }
        _ => false,
    })
}

/// A value that stands alone is the parameter of a helper, too.
fn call_shows(call: &HelperTemplate, values: &[&str]) -> bool {
    name_of(&call.name) != "mask" && call.params.iter().chain([&call.name]).any(|value| shown(value, values))
}

fn shown(parameter: &Parameter, values: &[&str]) -> bool {
    match parameter {
        Parameter::Path(Path::Relative((_, raw))) => values.contains(&raw.as_str()),
        Parameter::Name(name) => values.contains(&name.as_str()),
        Parameter::Subexpression(inner) => match inner.element.as_ref() {
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => call_shows(call, values),
            _ => false,
        },
        _ => false,
    }
}
