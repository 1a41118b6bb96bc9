//! One card: reading a number, writing values, filling five rows, the whole decision.

use callcard::card::{CardTemplate, Context, Flavour, Locale, Names, Renderer, Template};
use callcard::engine::Outcome;
use callcard::event::{CustomerNumber, Region};
use callcard::source::Stub;
use divan::Bencher;
use serde_json::{Value, json};

use crate::ratio::{hash_look_up, nanoseconds};
use crate::{call, decided, loaded};

/// Five rows with what cards have: texts, a link, a condition, an amount, a date.
fn five_rows() -> Value {
    json!([
        {"type": "title", "text": "{{crm.full_name}}", "link": "https://crm.example.com/contacts/{{crm.id}}"},
        {"type": "shortText", "label": "{{#if crm.vip}}VIP{{else}}Company{{/if}}", "text": "{{crm.company}}"},
        {"type": "shortText", "label": "Balance", "text": "{{money crm.balance 'TRY'}}", "show": "crm.balance"},
        {"type": "shortText", "label": "Last order", "text": "{{date crm.ordered_on}}, {{ago crm.ordered_on}}"},
        {"type": "user", "label": "In charge", "user_id": "{{crm.owner_id}}"},
    ])
}

fn record() -> Value {
    json!({"id": 1001, "full_name": "Ayşe Yılmaz", "company": "Yılmaz Mobilya", "vip": true, "balance": 1250.5,
        "ordered_on": "2026-02-27", "owner_id": 1121})
}

fn locale() -> Locale {
    let time_zone = jiff::tz::TimeZone::get("Europe/Istanbul").unwrap();
    Locale { language: "tr".parse().unwrap(), region: Region::default(), time_zone, texts: Default::default() }
}

fn number() -> impl Fn() -> Option<String> {
    || {
        let number = CustomerNumber::parse(divan::black_box(Some("0532 123 45 67")), Region::default());
        number.e164().map(str::to_owned)
    }
}

fn new_renderer() -> impl Fn() -> Renderer {
    let locale = locale();
    move || Renderer::new(&locale)
}

/// One text with a helper, filled.
fn helper(text: &str) -> impl Fn() -> String {
    let template = Template::compile(text, Flavour::Plain, &Names::default().open("crm")).unwrap();
    let renderer = Renderer::new(&locale());
    let context = Context::from(json!({"crm": record(), "now": "2026-03-02T11:15:00+03:00"}));
    move || template.fill(&renderer, &context).unwrap()
}

fn card() -> impl Fn() -> usize {
    let template = CardTemplate::compile(&five_rows(), &Names::default().open("crm")).unwrap();
    let renderer = Renderer::new(&locale());
    let values = json!({"crm": record(), "now": "2026-03-02T11:15:00+03:00"});
    move || {
        let rows = template.fill(&renderer, values.clone()).rows.len();
        assert_eq!(rows, 5);
        rows
    }
}

fn decision() -> impl Fn() -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let rules = json!({
        "version": 1,
        "sources": {"crm": {"http": {"url": "https://crm.example.com/", "query": {"phone": "{{customer.e164}}"}}}},
        "rules": [
            {"name": "from-abroad", "when": {"customer": {"country": ["GB", "DE"]}}, "card": "none"},
            {"name": "known", "when": {"direction": "inbound", "customer": "+90*"}, "needs": {"crm": "one"}, "card": five_rows()},
            {"name": "unknown", "card": "none"},
        ],
    });
    std::fs::write(directory.path().join("rules.yaml"), rules.to_string()).unwrap();
    let stub = Stub { answer: Ok(vec![record().as_object().unwrap().clone()]), after: std::time::Duration::ZERO };
    let rules = loaded(directory.path()).with_stubs(&[("crm".to_owned(), stub)]);
    let call = call(json!({"caller_number": "0532 123 45 67", "number_id": 328}));
    decided(rules, call)
}

#[divan::bench]
fn a_hash_look_up(bencher: Bencher<'_, '_>) {
    bencher.bench_local(hash_look_up());
}

#[divan::bench]
fn a_number_read_and_normalised(bencher: Bencher<'_, '_>) {
    bencher.bench_local(number());
}

#[divan::bench]
fn a_renderer_made(bencher: Bencher<'_, '_>) {
    bencher.bench_local(new_renderer());
}

#[divan::bench(args = ["{{crm.company}}", "{{money crm.balance 'TRY'}}", "{{date crm.ordered_on}}", "{{ago crm.ordered_on}}"])]
fn a_text_filled(bencher: Bencher<'_, '_>, text: &str) {
    bencher.bench_local(helper(text));
}

#[divan::bench]
fn a_card_of_five_rows_filled(bencher: Bencher<'_, '_>) {
    bencher.bench_local(card());
}

#[divan::bench]
fn a_call_decided(bencher: Bencher<'_, '_>) {
    bencher.bench_local(decision());
}

/// Prints each figure as a ratio to a hash look-up.
pub fn ratios() {
    let reference = nanoseconds(hash_look_up());
    println!("\n{:<36} {:>12} {:>16}", "card", "nanoseconds", "× hash look-up");
    for (what, figure) in [
        ("a hash look-up", reference),
        ("a number read and normalised", nanoseconds(number())),
        ("a card of five rows filled", nanoseconds(card())),
        ("a call decided, sources stubbed", nanoseconds(decision())),
    ] {
        println!("{what:<36} {figure:>12.0} {:>16.1}", figure / reference);
    }
}
