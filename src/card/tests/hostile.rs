//! Values of any shape in every helper that reads numbers and dates: nothing panics, nothing explodes.

use serde_json::{Value, json};

use super::super::{Flavour, Locale, Names, Renderer, Template};
use crate::event::Region;

/// Values from this seed; a failure names the value.
const SEED: u64 = 20_260_302;

/// Values tried in each language.
const VALUES: usize = 400;

/// Room for the longest form of any language: forty digits with separators of three bytes each, or the value itself.
const BYTES_MAX: usize = 400;

/// Languages with calendars, digits and scripts of their own, and one that there is not.
const LANGUAGES: [&str; 9] = ["tr", "en-US", "ar-SA", "fa-IR", "th-TH", "hi-IN", "ja-JP", "he-IL", "xx"];

/// Pieces that dates and numbers are made of, and some that they are not.
const PIECES: [&str; 28] = [
    "2026",
    "-03",
    "-02",
    "T",
    " ",
    "10:00",
    ":00",
    "Z",
    "+03:00",
    "-",
    "+",
    ".",
    ",",
    "0",
    "9999",
    "1e",
    "e400",
    "[Europe/Istanbul]",
    "99",
    "-000001-01-01",
    "+012026",
    "24:00",
    "١",
    "\u{202E}",
    "\0",
    "NaN",
    "{{now}}",
    "W01-1",
];

/// Values of every kind, the same in each run.
struct Hostile(fastrand::Rng);

impl Hostile {
    fn next(&mut self) -> Value {
        let number = self.0.u64(..);
        match self.0.usize(..8) {
            0 => json!(number.cast_signed()),
            1 => json!(f64::from_bits(number)),
            2 => json!((number >> 14).cast_signed() - (1 << 49)),
            3 => json!(format!("{:04}-{:02}-{:02}", number % 10_000, 1 + self.0.usize(..12), 1 + self.0.usize(..31))),
            4 => json!(format!("{}.{}", number.cast_signed(), self.0.u64(..))),
            5 => json!([number]),
            _ => json!((0..self.0.usize(..7)).map(|_| PIECES[self.0.usize(..PIECES.len())]).collect::<String>()),
        }
    }
}

#[test]
fn no_value_makes_a_helper_panic_or_write_without_end() {
    let names = Names::default().open("crm").open("now");
    let templates: Vec<Template> = [
        "{{number crm.a}}",
        "{{number crm.a crm.b}}",
        "{{money crm.a crm.b}}",
        "{{money crm.a 'TRY'}}",
        "{{date crm.a}}",
        "{{date crm.a 'short'}}",
        "{{date crm.a 'full'}}",
        "{{date crm.a crm.b}}",
        "{{time crm.a}}",
        "{{ago crm.a}}",
    ]
    .into_iter()
    .map(|text| Template::compile(text, Flavour::Plain, &names).unwrap())
    .collect();
    let mut hostile = Hostile(fastrand::Rng::with_seed(SEED));
    for language in LANGUAGES {
        let time_zone = jiff::tz::TimeZone::get("Pacific/Apia").unwrap();
        let locale = Locale {
            language: language.parse().unwrap(),
            region: Region::default(),
            time_zone,
            texts: Default::default(),
        };
        let renderer = Renderer::new(&locale);
        for _ in 0..VALUES {
            let (a, b, now) = (hostile.next(), hostile.next(), hostile.next());
            let context = json!({"crm": {"a": a, "b": b}, "now": now}).into();
            for template in &templates {
                let written = template.fill(&renderer, &context).unwrap();
                assert!(written.len() <= BYTES_MAX, "{language}, {a}, {b}, {now}: {written}");
                assert_eq!(written, template.fill(&renderer, &context).unwrap(), "the same value gives the same bytes");
            }
        }
    }
}

#[test]
fn a_helper_sees_ten_thousand_digits_and_stays_calm() {
    let names = Names::default().open("crm");
    let renderer = Renderer::new(&Locale {
        language: "tr".parse().unwrap(),
        region: Region::default(),
        time_zone: jiff::tz::TimeZone::UTC,
        texts: Default::default(),
    });
    for digits in ["7".repeat(10_000), format!("0.{}", "7".repeat(10_000)), "1e400".to_owned()] {
        for helper in ["number crm.a", "number crm.a 20", "money crm.a 'TRY'", "date crm.a", "time crm.a", "ago crm.a"]
        {
            let template = Template::compile(&format!("{{{{{helper}}}}}"), Flavour::Plain, &names).unwrap();
            let written = template.fill(&renderer, &json!({"crm": {"a": digits}}).into()).unwrap();
            assert_eq!(written, digits, "{helper}");
        }
    }
}
