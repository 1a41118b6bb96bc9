//! Templates and rows with friendly and hostile values.

mod hostile;

use serde_json::{Value, json};

use super::{Card, CardTemplate, Flavour, Locale, Names, Renderer, Template};
use crate::event::Region;
use crate::problem::Code;

fn names() -> Names {
    Names::default().closed("customer", ["e164", "number"]).open("crm")
}

fn renderer(language: &str) -> Renderer {
    Renderer::new(&Locale {
        language: language.parse().unwrap(),
        region: Region::default(),
        time_zone: jiff::tz::TimeZone::get("Europe/Istanbul").unwrap(),
        texts: Default::default(),
    })
}

fn filled(text: &str, crm: Value) -> String {
    let template =
        Template::compile(text, Flavour::Plain, &names()).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    template.fill(&renderer("tr"), &json!({ "crm": crm }).into()).unwrap()
}

/// The codes of what is wrong with a text.
fn faults(text: &str) -> Vec<Code> {
    match Template::compile(text, Flavour::Plain, &names()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| fault.code).collect(),
    }
}

fn rows(card: Value, crm: Value) -> Value {
    let template = CardTemplate::compile(&card, &names()).unwrap_or_else(|faults| panic!("{card}: {faults:?}"));
    Value::Array(template.fill(&renderer("tr"), json!({ "crm": crm })).rows)
}

#[test]
fn helpers_change_one_value_into_another() {
    let crm = json!({"name": "ıŞık İnce", "note": "a longer note", "tags": ["a", "", "b", 3], "phone": "05321234567", "zero": 0, "no": null, "address": {"city": "İzmir"}});
    for (text, expected) in [
        ("{{upper crm.name}}", "IŞIK İNCE"),
        ("{{lower 'İSTANBUL ISPARTA'}}", "istanbul ısparta"),
        ("{{truncate crm.note 8}}", "a longe…"),
        ("{{truncate crm.note 80}}", "a longer note"),
        ("{{default crm.no 'nobody'}}", "nobody"),
        ("{{default crm.no crm.zero 'nobody'}}", "0"),
        ("{{join crm.tags}}", "a, b, 3"),
        ("{{join crm.tags ' · '}}", "a · b · 3"),
        ("{{phone crm.phone}}", "+90 532 123 45 67"),
        ("{{phone 'no number'}}", "no number"),
        ("{{mask crm.phone}}", "*********67"),
        ("{{mask '+90 532 123 45 67'}}", "+** *** *** ** 67"),
        ("{{mask 'a'}}", "*"),
        ("{{urlencode 'a b/ç&'}}", "a%20b%2F%C3%A7%26"),
        ("{{upper (truncate crm.note 3)}}", "A…"),
        ("{{#if crm.zero}}yes{{else}}no{{/if}}", "no"),
        ("{{#unless crm.no}}none{{/unless}}", "none"),
        ("{{#each crm.tags}}{{@index}}{{this}}{{#unless @last}},{{/unless}}{{/each}}", "0a,1,2b,33"),
        ("{{#each crm.tags as |tag i|}}{{i}}{{tag}}{{/each}}", "0a12b33"),
        ("{{#each crm.no}}x{{else}}nothing{{/each}}", "nothing"),
        ("{{crm.unknown}}{{upper crm.unknown}}", ""),
        ("{{crm.tags}}", "a, b, 3"),
        ("{{crm.address}}{{{crm.address}}}{{#if crm.name}}{{crm.address}}{{/if}}", ""),
        ("{{crm.address.city}}", "İzmir"),
    ] {
        assert_eq!(filled(text, crm.clone()), expected, "{text}");
    }
}

#[test]
fn upper_and_lower_follow_the_language() {
    let template = Template::compile("{{upper 'i'}}{{lower 'I'}}", Flavour::Plain, &names()).unwrap();
    assert_eq!(template.fill(&renderer("tr"), &json!({}).into()).unwrap(), "İı");
    assert_eq!(template.fill(&renderer("en"), &json!({}).into()).unwrap(), "Ii");
}

#[test]
fn numbers_and_dates_follow_the_locale() {
    let crm = json!({"amount": 1250.5, "since": "2026-02-27", "at": "2026-03-02T23:30:00Z"});
    let context = json!({"crm": crm, "now": "2026-03-02T11:15:00+03:00"}).into();
    let names = names().open("now");
    for (text, in_turkish, in_english) in [
        ("{{number crm.amount 2}}", "1.250,50", "1,250.50"),
        ("{{money crm.amount 'TRY'}}", "₺1.250,50", "TRY 1,250.50"),
        ("{{date crm.at}}", "3 Mar 2026", "Mar 3, 2026"),
        ("{{time crm.at}}", "02:30", "2:30 AM"),
        ("{{ago crm.since}}", "3 gün önce", "3 days ago"),
        ("{{upper (ago crm.since)}}", "3 GÜN ÖNCE", "3 DAYS AGO"),
        ("{{#each (default crm.list crm.at)}}{{else}}{{ago now}}{{/each}}", "şimdi", "now"),
    ] {
        let template = Template::compile(text, Flavour::Plain, &names).unwrap();
        assert_eq!(template.fill(&renderer("tr"), &context).unwrap(), in_turkish, "{text}");
        assert_eq!(template.fill(&renderer("en"), &context).unwrap(), in_english, "{text}");
    }
}

#[test]
fn a_value_that_is_written_out_is_checked() {
    for text in [
        "{{number crm.a 0}}{{number crm.a 20}}{{number crm.a crm.b}}",
        "{{money crm.a 'TRY'}}{{money crm.a 'eur'}}{{money crm.a crm.b}}",
        "{{date crm.a 'short'}}{{date crm.a 'medium'}}{{date crm.a 'long'}}{{date crm.a 'full'}}{{date crm.a crm.b}}",
    ] {
        assert_eq!(faults(text), [], "{text}");
    }
    for text in [
        "{{number crm.a 21}}",
        "{{number crm.a -1}}",
        "{{number crm.a 1.5}}",
        "{{number crm.a '2'}}",
        "{{money crm.a 'lira'}}",
        "{{money crm.a '₺'}}",
        "{{money crm.a ''}}",
        "{{money crm.a true}}",
        "{{date crm.a 'Long'}}",
        "{{date crm.a 2}}",
        "{{upper (date crm.a 'dd.mm')}}",
        "{{truncate crm.a 'x'}}",
    ] {
        assert_eq!(faults(text), [Code::HelperValue], "{text}");
    }
}

#[test]
fn what_a_template_may_not_use_is_a_problem() {
    for (text, expected) in [
        ("{{", Code::TemplateSyntax),
        ("{{#if crm.a}}", Code::TemplateSyntax),
        ("{{upper}}", Code::TemplateSyntax),
        ("{{truncate crm.a}}", Code::TemplateSyntax),
        ("{{shout crm.a}}", Code::UnknownHelper),
        ("{{lookup crm 'a'}}", Code::UnknownHelper),
        ("{{custmer.e164}}", Code::TemplateName),
        ("{{upper custmer.e164}}", Code::TemplateName),
        ("{{customer.e146}}", Code::TemplateName),
        ("{{#if customer.nmuber}}a{{/if}}", Code::TemplateName),
        ("{{this}}", Code::TemplateName),
        ("{{@index}}", Code::TemplateName),
        ("{{> other}}", Code::Forbidden),
        ("{{#> other}}{{/other}}", Code::Forbidden),
        ("{{* deco}}", Code::Forbidden),
        ("{{#*inline \"x\"}}{{/inline}}", Code::Forbidden),
        ("{{{{raw}}}}a{{{{/raw}}}}", Code::Forbidden),
        ("{{#with crm}}{{a}}{{/with}}", Code::Forbidden),
    ] {
        assert!(faults(text).contains(&expected), "{text}: {:?}", faults(text));
    }
}

#[test]
fn what_would_exhaust_the_stack_is_refused_before_it_is_parsed() {
    for text in [
        format!("{}{}", "{{#if crm.a}}".repeat(9), "{{/if}}".repeat(9)),
        format!("{{{{#if crm.a}}}}{}{{{{/if}}}}", "{{else if crm.a}}".repeat(17)),
        format!("{{{{upper {}crm.a{}}}}}", "(upper ".repeat(50), ")".repeat(50)),
        format!("{{{{upper {}{}}}}}", "[".repeat(1000), "]".repeat(1000)),
        "x".repeat(4097),
    ] {
        assert_eq!(faults(&text), [Code::Forbidden], "{}", &text[..40]);
    }
}

#[test]
fn each_inside_each_ends_at_a_limit_and_not_when_the_day_is_over() {
    let items: Vec<Value> = (0..1000).map(|_| json!(vec!["a"; 1000])).collect();
    let deep = "{{#each crm.all}}{{#each this}}{{#each ../this}}{{/each}}{{/each}}{{/each}}";
    let template = Template::compile(deep, Flavour::Plain, &names()).unwrap();
    let error = template.fill(&renderer("tr"), &json!({"crm": {"all": items}}).into()).unwrap_err();
    assert!(error.contains("steps"), "{error}");
}

#[test]
fn hostile_values_stay_values() {
    let hostile = "O\"Brien \\ {{x}} A&B <b>\u{202E}evil\u{0}\r\nline";
    let card = json!([
        {"type": "title", "text": "{{crm.name}}", "link": "https://crm.example.com/{{crm.name}}?q={{crm.name}}#x"},
        {"type": "shortText", "label": "{{crm.name}}", "text": "{{{crm.name}}}", "ios": "crm://{{crm.name}}"},
    ]);
    let rows = rows(card, json!({"name": hostile}));
    let clean = "O\"Brien \\ {{x}} A&B <b>evil  line";
    assert_eq!(rows[0]["text"], clean);
    assert_eq!(rows[1]["text"], clean);
    assert_eq!(rows[1]["label"], clean);
    let encoded = "O%22Brien%20%5C%20%7B%7Bx%7D%7D%20A%26B%20%3Cb%3E%E2%80%AEevil%00%0D%0Aline";
    assert_eq!(rows[0]["link"], format!("https://crm.example.com/{encoded}?q={encoded}#x"));
    assert_eq!(rows[1]["ios"], format!("crm://{encoded}"));
    assert!(Card::check(rows.as_array().unwrap().clone()).is_ok());
}

#[test]
fn long_texts_are_cut_with_an_ellipsis() {
    let card =
        json!([{"type": "shortText", "text": "{{crm.a}}"}, {"type": "shortText", "text": "{{crm.a}}", "max": 5}]);
    let rows = rows(card, json!({"a": "ş".repeat(10_000)}));
    assert_eq!(rows[0]["text"], format!("{}…", "ş".repeat(59)));
    assert_eq!(rows[1]["text"], "şşşş…");
}

#[test]
fn rows_come_and_go_with_their_values() {
    let card = json!([
        {"type": "title", "text": "{{crm.name}}"},
        {"type": "shortText", "text": "always", "show": "crm.flag"},
        {"type": "shortText", "text": "listed", "show": "crm.list.0.x"},
        {"type": "user", "label": "Owner", "user_id": "{{crm.owner}}"},
        {"type": "user", "label": "Boss", "user_id": 3},
    ]);
    assert_eq!(
        rows(card.clone(), json!({"name": "", "flag": false, "owner": "x"})),
        json!([{"type": "user", "label": "Boss", "user_id": 3}])
    );
    assert_eq!(
        rows(card, json!({"name": 7, "flag": 0, "list": [{"x": "y"}], "owner": "12"})),
        json!([
            {"type": "title", "text": "7"},
            {"type": "shortText", "text": "always"},
            {"type": "shortText", "text": "listed"},
            {"type": "user", "label": "Owner", "user_id": 12},
            {"type": "user", "label": "Boss", "user_id": 3},
        ])
    );
}

#[test]
fn a_row_with_each_comes_once_a_record() {
    let card = json!([
        {"type": "title", "text": "{{crm.name}}"},
        {"each": "crm", "as": "one", "type": "shortText", "label": "{{one.n}}", "text": "{{one.name}} of {{crm.count}}"},
        {"each": "crm.orders", "as": "order", "at_most": 1, "type": "shortText", "text": "{{order}}", "show": "order"},
        {"each": "crm.none", "as": "other", "type": "shortText", "text": "never"},
    ]);
    let all = json!([{"n": 1, "name": "A"}, {"n": 2, "name": ""}, {"n": 3, "name": "C"}, {"n": 4, "name": "D"}]);
    let crm = json!({"name": "A", "count": 4, "all": all, "orders": ["x", "y"]});
    assert_eq!(
        rows(card, crm),
        json!([
            {"type": "title", "text": "A"},
            {"type": "shortText", "label": "1", "text": "A of 4"},
            {"type": "shortText", "label": "2", "text": "of 4"},
            {"type": "shortText", "label": "3", "text": "C of 4"},
            {"type": "shortText", "text": "x"},
        ])
    );
}

#[test]
fn a_record_of_each_has_the_fields_of_its_table_and_a_name_of_its_own() {
    let names = Names::default().closed("people", ["name", "count", "all"]);
    let codes = |row: Value| match CardTemplate::compile(&json!([row]), &names) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect(),
    };
    let row = |each: &str, name: &str, text: &str| json!({"each": each, "as": name, "type": "shortText", "text": text});
    assert_eq!(codes(row("people", "one", "{{one.name}}")), []);
    assert_eq!(codes(row("people", "one", "{{one.nmae}}")), [("/0/text".to_owned(), Code::TemplateName)]);
    assert_eq!(codes(row("peple", "one", "{{one.name}}")), [("/0/each".to_owned(), Code::TemplateName)]);
    assert_eq!(codes(row("people", "people", "{{people.name}}")), [("/0/as".to_owned(), Code::ReservedName)]);
    assert_eq!(codes(row("people", "upper", "x")), [("/0/as".to_owned(), Code::ReservedName)]);
}

#[test]
fn a_link_says_where_it_leads_before_any_value() {
    let compiles =
        |link: &str| CardTemplate::compile(&json!([{"type": "title", "text": "a", "link": link}]), &names()).is_ok();
    for link in [
        "https://crm.example.com/{{crm.id}}",
        "http://crm.example.com:8080?x={{crm.id}}",
        "https://crm.example.com",
        "tel:{{customer.e164}}",
        "mailto:{{crm.mail}}",
        "{{{crm.url}}}",
    ] {
        assert!(compiles(link), "{link}");
    }
    for link in [
        "{{crm.url}}",
        "https://{{crm.host}}/",
        "https://crm.{{crm.host}}/",
        "https://crm.example.com{{crm.rest}}",
        "//crm.example.com/",
        "javascript:alert({{crm.id}})",
        "https://a@b/",
        "https://crm.example.com/{{{crm.id}}}",
        "{{{crm.url}}}/x",
        "ftp://crm.example.com/",
    ] {
        assert!(!compiles(link), "{link}");
    }
}

#[test]
fn a_whole_url_from_a_record_must_be_https() {
    let link = |url: &str| {
        rows(json!([{"type": "title", "text": "a", "link": "{{{crm.url}}}"}]), json!({ "url": url }))[0]["link"].clone()
    };
    assert_eq!(link("https://crm.example.com/1?a=b"), "https://crm.example.com/1?a=b");
    for url in [
        "http://crm.example.com/",
        "javascript:alert(1)",
        "https://",
        "https://a b/",
        "https://good.example@evil/",
        "https://a\\@b/",
        "",
    ] {
        assert_eq!(link(url), Value::Null, "{url}");
    }
}

#[test]
fn a_telephone_link_keeps_its_plus() {
    let rows = rows(json!([{"type": "title", "text": "a", "link": "tel:{{crm.phone}}"}]), json!({"phone": "+90 532"}));
    assert_eq!(rows[0]["link"], "tel:+90%20532");
}

#[test]
fn equal_rows_of_two_cards_are_one_and_under_other_names_they_are_not() {
    let names = names();
    let card = |title: &str, names: &Names| {
        let card =
            json!([{"type": "title", "text": title}, {"type": "shortText", "label": "City", "text": "{{crm.city}}"}]);
        CardTemplate::compile(&card, names).unwrap()
    };
    let (one, two, other) = (card("Branch 1", &names), card("Branch 2", &names), card("Branch 1", &names.clone()));
    let shared = |a: &CardTemplate, b: &CardTemplate| {
        a.rows.iter().zip(&b.rows).map(|(a, b)| std::sync::Arc::ptr_eq(a, b)).collect::<Vec<_>>()
    };
    assert_eq!((shared(&one, &two), shared(&one, &other)), (vec![false, true], vec![false, false]));
}
