//! Which values the rules name anywhere, so that the others are not made for each call.
//!
//! Told from the text of the rule files: what might be a name counts as one, also in a comment. It reads no template.

/// Values that are made only where the rules name them. What is not made is not there or `null`, which nobody sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costly {
    /// `call`.
    pub call: bool,
    /// `line`.
    pub line: bool,
    /// `event`: a copy of the whole webhook.
    pub event: bool,
    /// `national` and `international` of `customer` and `line`, each of which takes as long as a row of the card.
    pub display_forms: bool,
    /// `customer.variants` and `customer.significant`: to make them takes longer than to decide everything else.
    pub written_forms: bool,
    /// `all` of the sources: a copy of their records.
    pub records: bool,
}

impl Costly {
    /// All of them.
    pub const ALL: Costly =
        Costly { call: true, line: true, event: true, display_forms: true, written_forms: true, records: true };

    /// Those that the texts of rule files name.
    pub(super) fn named_in<'a>(texts: impl Iterator<Item = &'a str>) -> Costly {
        let mut named = Costly::default();
        for text in texts {
            let is_hidden = hides_letters(text);
            let has_anything = is_hidden || chooses_later(text);
            let has = |word: &str| has_anything || names(text, word);
            named.call |= has("call");
            named.line |= has("line");
            named.event |= has("event");
            named.display_forms |= has_anything || text.contains("national") || goes_through_a_number(text);
            named.written_forms |= is_hidden || text.contains(super::SIGNIFICANT) || text.contains(super::VARIANTS);
            // A row's `each: crm`, too, is about all records.
            named.records |= has("all") || text.contains("each");
        }
        named
    }
}

/// Whether a letter of a name may be written by its number: `\x61`, `\u0061`. Those of other alphabets often are.
fn hides_letters(text: &str) -> bool {
    let is_ascii = |behind: &str| behind.starts_with(['4', '5', '6', '7']);
    ["\\x", "\\u00", "\\U000000"].iter().any(|sign| text.split(sign).skip(1).any(is_ascii))
}

/// Whether a word stands somewhere, and not as a key.
fn names(text: &str, word: &str) -> bool {
    places(text, word).any(|(before, behind)| {
        let is_key = behind.trim_start_matches(['"', '\'']).starts_with(':');
        // Between `?` and `:` it is one of two values.
        !is_key || before.trim_end().ends_with('?')
    })
}

/// Where a whole word stands: what is before it, and what behind.
fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let is_of_a_word = |character: char| character.is_alphanumeric() || character == '_';
    let around =
        text.match_indices(word).filter_map(move |(at, _)| Some((text.get(..at)?, text.get(at + word.len()..)?)));
    around.filter(move |(before, behind)| !before.ends_with(is_of_a_word) && !behind.starts_with(is_of_a_word))
}

/// What stands between `{{` and `}}`.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).filter_map(|rest| rest.split("}}").next())
}

/// Whether it is seen only while a call is decided what is named: `{{#each @root}}`, `{{#each ..}}`, `crm[call.direction]`.
fn chooses_later(text: &str) -> bool {
    let is_of_a_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | ')' | ']');
    // Not an item by its number or its name, nor what only a JSONPath has there: `$.results[*]`.
    let is_computed = |index: &str| {
        index.starts_with(|first: char| !first.is_ascii_digit() && !matches!(first, '"' | '\'' | '*' | '?' | '-' | ':'))
    };
    let mut indices = text.match_indices('[').filter_map(|(at, _)| Some((text.get(..at)?, text.get(at + 1..)?)));
    indices.any(|(before, index)| before.ends_with(is_of_a_name) && is_computed(index.trim_start()))
        || tags(text).any(|tag| tag.contains("@root") || tag.contains(".."))
}

/// Whether a template goes through all fields of a number: `{{#each customer}}`.
fn goes_through_a_number(text: &str) -> bool {
    let is_whole = |tag, name| places(tag, name).any(|(_, behind)| !behind.starts_with(['.', '/']));
    tags(text).any(|tag| ["customer", "line"].iter().any(|name| is_whole(tag, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Costly {
        Costly::named_in([text].into_iter())
    }

    #[test]
    fn what_no_rule_names_is_not_made() {
        for text in [
            "when: {event: call_bridged, customer: \"+90[2-5]XX*\", line: 328, callee: {type: team}}",
            "{\"when\":{\"event\":\"call_init\",\"line\":[1]},\"card\":\"customer\"}",
            "text: \"{{customer.e164}} {{caller/kind}} {{overall}} {{crm.lines}}\"",
            "expr: customer.kind == 'mobile' && has(customer['e164']) && [1, 2][0] == 1",
            "records: $.results[*], numbers: [$.phones[?@.main].number, $.mobile[-1:]]",
            "needs: {crm: one}, label: \"\\u00fc\\u015f\\xe7\"",
        ] {
            assert_eq!(named(text), Costly::default(), "{text}");
        }
    }

    #[test]
    fn whatever_may_name_a_value_has_it_made() {
        let nothing = Costly::default;
        for (costly, texts) in [
            (Costly { call: true, ..nothing() }, ["{{call.id}}", "expr: has(call.user_id)", "show: call"].as_slice()),
            (Costly { line: true, ..nothing() }, &["{{line.id}}", "expr: \"line['id'] == 1\"", "size(line)"]),
            (Costly { event: true, ..nothing() }, &["{{event.data.uuid}}", "event == null", "(true ? event:now)"]),
            (Costly { display_forms: true, ..nothing() }, &["{{customer.international}}", "customer['national']"]),
            (Costly { written_forms: true, ..nothing() }, &["{expr: customer.variants}", "{{customer.significant}}"]),
            (Costly { records: true, ..nothing() }, &["{{crm.all.0.name}}", "- each: crm", "crm.all.exists(one, one)"]),
            (
                Costly { display_forms: true, records: true, ..nothing() },
                &["{{#each customer}}{{this}}{{/each}}", "{{#each customer as |value|}}"],
            ),
            (
                Costly { written_forms: false, ..Costly::ALL },
                &["{{#each crm.all}}{{#each @root}}", "{{#each crm.all}}{{#each ..}}", "each: customer[crm.field]"],
            ),
            (Costly::ALL, &["{{customer.\\x6eational}}", "{{customer.n\\u0061tional}}"]),
        ] {
            texts.iter().for_each(|text| assert_eq!(named(text), costly, "{text}"));
        }
    }
}
