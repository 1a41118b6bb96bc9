//! The text of a template → what it is filled to with hostile values.

use std::sync::{Arc, LazyLock};

use callcard::card::{Context, Flavour, Names, Renderer, Template};
use serde_json::{Value, json};

use crate::world;

/// What is filled in can be no longer.
const FILLED_BYTES_MAX: usize = 16 * 1024;

static RENDERER: LazyLock<Arc<Renderer>> = LazyLock::new(|| {
    let directory = world::directory();
    let file = directory.path().join("main.yaml");
    let rules = "version: 1\ntexts: {tr: {company: Firma}}\nrules: [{name: a, card: none}]\n";
    std::fs::write(&file, rules).expect("a file can be written");
    world::loaded(&file, false).rules.expect("the rules are good").renderer
});

static VALUES: LazyLock<Vec<Context>> = LazyLock::new(|| {
    let deep = (0..60).fold(json!("deep"), |inner, _| json!({"a": inner}));
    let values = [
        json!({"crm": {
            "name": "O\"Brien \\ {{x}} A&B <b>\u{202e}\n", "number": 1234567.891, "date": "2026-03-02T11:15:00+03:00",
            "phone": "05321234567", "list": ["a", 1, null, {"b": 2}], "empty": "", "none": null, "yes": true, "count": 3,
            "all": (0..200).map(|n| json!({"n": n, "list": (0..20).collect::<Vec<_>>()})).collect::<Vec<_>>()},
            "customer": {"e164": "+905321234567", "number": "0532"}, "now": "2026-03-02T11:15:00+03:00", "event": deep}),
        json!({"crm": {
            "name": "ğ".repeat(9_000), "number": "-1e308", "date": "9999-12-31", "phone": [], "list": {}, "count": u64::MAX,
            "all": "x"}, "customer": null, "now": -1, "event": [[[[]]]]}),
        Value::Null,
    ];
    values.iter().map(|values| Context::wraps(values).expect("it is JSON")).collect()
});

/// The first byte chooses where the text stands; the rest is the text.
pub fn template(bytes: &[u8]) {
    let Some((first, text)) = bytes.split_first() else { return };
    let flavour = [Flavour::Plain, Flavour::Encoded, Flavour::Telephone][usize::from(*first) % 3];
    let text = String::from_utf8_lossy(text);
    let open = ["crm", "customer", "now", "event"].into_iter().fold(Names::default(), |names, name| names.open(name));
    let names = open.text("company", Vec::new());
    let Ok(template) = Template::compile(&text, flavour, &names) else { return };
    let mentions: Vec<&str> = template.mentions().collect();
    assert!(mentions.iter().all(|name| names.contains(name)), "{mentions:?}");
    for values in &*VALUES {
        let filled = template.fill(&RENDERER, values);
        assert_eq!(filled, template.fill(&RENDERER, values), "not the same twice");
        let Ok(filled) = filled else { continue };
        assert!(filled.len() <= FILLED_BYTES_MAX, "{} bytes", filled.len());
        assert!(filled.starts_with(template.literal_head()), "{filled:?} instead of {:?}…", template.literal_head());
        if template.is_literal() {
            assert_eq!(filled, template.literal_head());
        }
        // What a value says stays inside its place in a link.
        if flavour != Flavour::Plain && !template.has_unescaped_value() {
            let literal = |character: char| text.contains(character);
            let escapes = |character: char| "\"<>\\^`{|} \n&/?#".contains(character) && !literal(character);
            assert!(!filled.contains(escapes), "{filled:?}");
        }
    }
}
