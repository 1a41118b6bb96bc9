//! Schedules: what they mean, what they refuse, and that no text can hold up a call.

use jiff::civil::{DateTime, date};

use super::{DAY, Schedule};
use crate::event::Region;

fn parse(text: &str) -> Schedule {
    Schedule::parse(text, Region::default()).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn refused(text: &str) -> String {
    Schedule::parse(text, Region::default()).unwrap_err().message
}

fn open_at(text: &str, local: &str) -> bool {
    parse(text).open_at(local.parse().unwrap())
}

/// `Tu 05:59` in the week of 2 March 2026.
fn at(day_and_time: &str) -> String {
    let (day, time) = day_and_time.split_once(' ').unwrap();
    let day = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"].iter().position(|one| *one == day).unwrap();
    format!("2026-03-{:02}T{time}", day + 2)
}

#[test]
fn a_window_holds_its_first_minute_and_not_its_last() {
    let office = "Mo-Fr 09:00-18:00; Sa 09:00-13:00";
    for (local, expected) in [
        ("Mo 08:59:59", false),
        ("Mo 09:00:00", true),
        ("Fr 17:59:59.999", true),
        ("Fr 18:00:00", false),
        ("Sa 12:59", true),
        ("Sa 13:00", false),
        ("Su 12:00", false),
    ] {
        assert_eq!(open_at(office, &at(local)), expected, "{local}");
    }
}

#[test]
fn a_window_over_midnight_goes_on_into_the_next_day() {
    for (text, local, expected) in [
        ("22:00-06:00", "Tu 05:59", true),
        ("22:00-06:00", "Tu 06:00", false),
        ("Fr 22:00-26:00", "Sa 01:59", true),
        ("Fr 22:00-02:00", "Sa 02:00", false),
        ("Su 22:00-02:00", "Mo 01:00", true),
        ("Mo-Fr 18:00-24:00", "Sa 00:00", false),
        ("Mo-Fr 18:00-24:00", "Fr 23:59", true),
        // As in the specification: `;` replaces whole days, also what goes on from the day before; `,` adds.
        ("Mo-Th 18:00-02:00; Fr-Sa 18:00-04:00", "Fr 01:00", false),
        ("Mo-Th 18:00-02:00, Fr-Sa 18:00-04:00", "Fr 01:00", true),
        ("Mo-Th 18:00-02:00, Fr-Sa 18:00-04:00", "Su 03:00", true),
    ] {
        assert_eq!(open_at(text, &at(local)), expected, "{text} {local}");
    }
}

#[test]
fn off_and_unknown_are_not_open() {
    for (text, local, expected) in [
        ("24/7", "We 00:00", true),
        ("off", "We 12:00", false),
        ("24/7; We 12:00-14:00 off", "We 12:00", false),
        ("24/7; We 12:00-14:00 off", "We 14:00", true),
        ("Mo-Fr 09:00-18:00; We off", "We 12:00", false),
        ("Mo-Fr 09:00-18:00 unknown", "We 12:00", false),
        ("Mo-Fr 09:00-18:00 \"by appointment\"", "We 12:00", true),
        ("17:00+", "We 23:59", true),
        ("10:00-20:00,12:00-13:00", "We 19:00", true),
    ] {
        assert_eq!(open_at(text, &at(local)), expected, "{text} {local}");
    }
}

#[test]
fn dates_years_weeks_and_holidays_count() {
    for (text, local, expected) in [
        ("Mo-Su 09:00-18:00; Dec 24-Jan 2 off", "2026-12-31T12:00", false),
        ("Mo-Su 09:00-18:00; Dec 24-Jan 2 off", "2027-01-03T12:00", true),
        ("Mo-Su 09:00-18:00; 2026 Mar 20-22 off", "2026-03-21T12:00", false),
        ("Mo-Su 09:00-18:00; 2026 Mar 20-22 off", "2027-03-21T12:00", true),
        ("week 10 Mo 09:00-18:00", "2026-03-02T12:00", true),
        ("week 10 Mo 09:00-18:00", "2026-03-09T12:00", false),
        ("Mo[1] 09:00-18:00", "2026-03-02T12:00", true),
        ("Mo[1] 09:00-18:00", "2026-03-09T12:00", false),
        ("easter off; Mo-Su 09:00-18:00; easter off", "2026-04-05T12:00", false),
        ("Mo-Fr 09:00-18:00; PH off", "2026-10-29T12:00", false),
        ("Mo-Fr 09:00-18:00; PH off", "2026-10-28T12:00", true),
        ("PH 10:00-12:00", "2026-10-29T11:00", true),
    ] {
        assert_eq!(open_at(text, local), expected, "{text} {local}");
    }
}

#[test]
fn a_text_that_can_not_be_read_says_where() {
    for (text, expected) in [
        ("Mo-Fr 9-18", "character 7 on: `9-18`"),
        ("Mo–Fr 09:00–18:00", "character 3 on: `–Fr"),
        ("İş günü", "character 1 on: `İş günü`"),
        ("Mo-Fr 09:00-18:00;", "something is missing at its end"),
        ("Mo-Fr 09:00", "something is missing at its end"),
        ("Mo-Fr 09:00-49:00", "character 13 on"),
        ("2026-2020 Mo 09:00-18:00", "the year 2026 comes before 2020"),
        ("week 10-5 Mo 09:00-18:00", "week 10 comes before week 5"),
        ("sunrise-sunset", "a schedule has no place"),
        ("(dusk+23:59)-30:00", "a schedule has no place"),
        ("09:00-18:00/01:30", "are moments, not hours"),
        (&"Mo,".repeat(700), "at most 2000 bytes"),
    ] {
        let message = refused(text);
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn holidays_that_nobody_knows_are_not_taken_for_none() {
    let parsed = |text: &str, country: &str| Schedule::parse(text, Region::parse(country).unwrap());
    assert!(parsed("PH off", "TR").is_ok() && parsed("PH off", "DE").is_ok());
    let error = parsed("Mo-Fr 09:00-18:00; PH off", "IQ").unwrap_err();
    assert!(error.message.contains("no public holidays"), "{error:?}");
    assert!(parsed("SH off", "GB").unwrap_err().message.contains("no school holidays (`SH`) are known for GB"));
}

#[test]
fn a_week_is_given_as_its_minutes_exactly_where_every_week_is_the_same() {
    let weekly = |text: &str| parse(text).weekly().map(<[_]>::to_vec);
    let day = |day: u16, from: u16, to: u16| (day * DAY + from * 60, day * DAY + to * 60);
    assert_eq!(weekly("24/7"), Some(vec![day(0, 0, 168)]));
    assert_eq!(weekly("off"), Some(vec![]));
    assert_eq!(weekly("Mo,We 09:00-18:00"), Some(vec![day(0, 9, 18), day(2, 9, 18)]));
    assert_eq!(weekly("Fr-Su 22:00-02:00"), Some(vec![day(0, 0, 2), day(4, 22, 26), day(5, 22, 26), day(6, 22, 24)]));
    assert_eq!(weekly("Mo 00:00-24:00; Tu 00:00-12:00"), Some(vec![day(0, 0, 36)]));
    for text in ["Mo[1]", "Mo-Fr 09:00-18:00; PH off", "2026 Mo", "Jan Mo", "week 2 Mo", "easter off", "Dec 24 off"] {
        assert_eq!(weekly(text), None, "{text}");
    }
}

/// Texts from pieces of the grammar, the same ones in each run.
fn random_texts(count: usize) -> impl Iterator<Item = String> {
    const PIECES: [&str; 48] = [
        "Mo",
        "Tu-Fr",
        "Sa-Mo",
        "Su",
        "Mo[1]",
        "Fr[-1]",
        "We[2-4,5]",
        "Th[1] +400 days",
        "PH",
        "PH -9999 days",
        "SH",
        ",",
        ", ",
        "; ",
        " || ",
        " ",
        "-",
        "+",
        "/",
        "09:00-18:00",
        "22:00-06:00",
        "00:00-24:00",
        "00:00-48:00",
        "23:59-00:00",
        "12:00+",
        "24/7",
        "off",
        "unknown",
        "open",
        "\"x\"",
        "2026",
        "1900-9999/7",
        "2020-2030/9999",
        "9999 Dec 31",
        "1900 Jan 1",
        "Jan",
        "Feb 29",
        "Feb 30-Feb 29",
        "Dec 24-Jan 2",
        "easter",
        "easter -9999 days",
        "9999 easter +9999 days",
        "week 1-53/2",
        "week 53",
        "Jan 31 +Mo -9999 days",
        "Feb Su[5]-Mar 1",
        "Jun 31",
        "month",
    ];
    let mut random = fastrand::Rng::with_seed(20_260_302);
    (0..count).map(move |_| {
        let pieces = 1 + random.usize(..8);
        (0..pieces).map(|_| PIECES[random.usize(..PIECES.len())]).collect()
    })
}

#[test]
fn no_readable_text_aborts_and_a_week_is_what_its_days_are() {
    let moments: Vec<DateTime> = [
        DateTime::MIN,
        date(1899, 12, 31).at(23, 59, 0, 0),
        date(1900, 1, 1).at(0, 0, 0, 0),
        date(2024, 2, 29).at(12, 0, 0, 0),
        date(2026, 12, 31).at(23, 59, 59, 0),
        DateTime::MAX,
    ]
    .into_iter()
    .chain((0..21).map(|hours| date(2026, 3, 2).at(1, 30, 0, 0) + jiff::Span::new().hours(hours * 8)))
    .collect();
    let (mut readable, mut weekly) = (0, 0);
    for text in random_texts(6000) {
        let Ok(schedule) = Schedule::parse(&text, Region::parse("NL").unwrap()) else { continue };
        readable += 1;
        moments.iter().for_each(|moment| _ = schedule.open_at(*moment));
        let Some(week) = schedule.weekly() else { continue };
        weekly += 1;
        assert!(week.iter().all(|(start, end)| start < end && *end <= 7 * DAY), "{text}: {week:?}");
        assert!(week.windows(2).all(|pair| pair[0].1 < pair[1].0), "{text}: {week:?}");
        for hours in 0..168 {
            let moment = date(2031, 6, 2).at(0, 30, 0, 0) + jiff::Span::new().hours(hours);
            let expected = schedule.0.hours.is_open(moment.to_string().parse().unwrap());
            assert_eq!(schedule.open_at(moment), expected, "{text} {moment}");
        }
    }
    assert!(readable > 400 && weekly > 150, "{readable} readable, {weekly} of them weekly");
}

#[test]
fn a_text_with_as_many_windows_as_fit_is_read_and_answered() {
    let windows: Vec<String> =
        (0..720).map(|at| format!("{}:{:02}-{}:{:02}", at / 30, at % 30 * 2, at / 30, at % 30 * 2 + 1)).collect();
    let text = format!("PH,Mo-Su {}", windows[..170].join(","));
    assert!(open_at(&text, "2026-03-02T05:38") && !open_at(&text, "2026-03-02T05:39"));
    let text = format!("PH off; {}", ["Jan-Dec 00:00-48:00"; 90].join(", "));
    assert!(open_at(&text, "2026-03-02T05:38"));
    assert!(!open_at(&format!("PH off{}", "; Mo".repeat(400)), "2026-03-03T05:38"));
}
