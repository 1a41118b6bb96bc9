//! `date`, `time` and `ago`: when something was or will be, as a language writes it.
//!
//! Without clock: `ago` is told what now is. The calendar is the locale's own (Buddhist in `th-TH`, Persian in `fa-IR`).

use std::sync::OnceLock;

use icu_datetime::fieldsets::{T, YMD, YMDE};
use icu_datetime::{DateTimeFormatter, NoCalendarFormatter, input};
use icu_decimal::input::Decimal;
use icu_experimental::relativetime::options::Numeric;
use icu_experimental::relativetime::{RelativeTimeFormatter, RelativeTimeFormatterOptions};
use icu_locale_core::Locale;
use icu_provider::DataError;
use jiff::civil::{self, DateDifference};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};
use serde_json::Value;

use super::moment::Moment;

/// The styles of `date`, from the shortest: Unicode's own names.
pub(super) const STYLES: [&str; 4] = ["short", "medium", "long", "full"];

/// The style where none is named, or one that a record makes up.
const DEFAULT_STYLE: &str = "medium";

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Writes dates and times in one locale and zone. What it needs for that is made at the first use and kept.
pub(super) struct Times {
    locale: Locale,
    zone: TimeZone,
    short: Lazy<DateTimeFormatter<YMD>>,
    medium: Lazy<DateTimeFormatter<YMD>>,
    long: Lazy<DateTimeFormatter<YMD>>,
    full: Lazy<DateTimeFormatter<YMDE>>,
    clock: Lazy<NoCalendarFormatter<T>>,
    /// By [`Span`].
    relative: [Lazy<RelativeTimeFormatter>; 6],
}

type Lazy<Form> = OnceLock<Option<Form>>;

/// The units of `ago`.
#[derive(Clone, Copy)]
enum Span {
    Seconds,
    Minutes,
    Hours,
    Days,
    Months,
    Years,
}

impl Times {
    pub(super) fn new(locale: Locale, zone: TimeZone) -> Times {
        Times {
            locale,
            zone,
            short: Lazy::new(),
            medium: Lazy::new(),
            long: Lazy::new(),
            full: Lazy::new(),
            clock: Lazy::new(),
            relative: Default::default(),
        }
    }

    /// The date of a value, in one of [`STYLES`]. `None` where it has none.
    pub(super) fn date(&self, value: &Value, style: Option<&Value>) -> Option<String> {
        let date = match Moment::read(value, &self.zone)? {
            Moment::Day(date) => date,
            Moment::Instant(instant) => self.zone.to_datetime(instant).date(),
            Moment::Clock(_) => return None,
        };
        let date =
            input::Date::try_new_iso(i32::from(date.year()), unsigned(date.month()), unsigned(date.day())).ok()?;
        let by = |form: &Lazy<DateTimeFormatter<YMD>>, fields: YMD| {
            let form = form.get_or_init(|| DateTimeFormatter::try_new((&self.locale).into(), fields).ok());
            Some(form.as_ref()?.format(&date).to_string())
        };
        match style.and_then(Value::as_str).unwrap_or(DEFAULT_STYLE) {
            "short" => by(&self.short, YMD::short()),
            "long" => by(&self.long, YMD::long()),
            "full" => {
                let full = || DateTimeFormatter::try_new((&self.locale).into(), YMDE::long()).ok();
                Some(self.full.get_or_init(full).as_ref()?.format(&date).to_string())
            }
            _ => by(&self.medium, YMD::medium()),
        }
    }

    /// The hour and minute of a value. `None` where it has none.
    pub(super) fn time(&self, value: &Value) -> Option<String> {
        let time = match Moment::read(value, &self.zone)? {
            Moment::Clock(time) => time,
            Moment::Instant(instant) => self.zone.to_datetime(instant).time(),
            Moment::Day(_) => return None,
        };
        let time = input::Time::try_new(unsigned(time.hour()), unsigned(time.minute()), 0, 0).ok()?;
        let clock = || NoCalendarFormatter::try_new((&self.locale).into(), T::hm()).ok();
        Some(self.clock.get_or_init(clock).as_ref()?.format(&time).to_string())
    }

    /// How far from `now`: "3 days ago", "tomorrow". `None` where one of the two is no date.
    pub(super) fn ago(&self, value: &Value, now: &Value) -> Option<String> {
        let Moment::Instant(now) = Moment::read(now, &self.zone)? else { return None };
        let today = self.zone.to_datetime(now).date();
        let (span, count) = match Moment::read(value, &self.zone)? {
            Moment::Day(date) => between_days(today, date)?,
            Moment::Instant(instant) => {
                let hours = between_instants(now, instant);
                let days = between_days(today, self.zone.to_datetime(instant).date())?;
                hours.unwrap_or(days)
            }
            Moment::Clock(_) => return None,
        };
        let form = self.relative.get(span as usize)?.get_or_init(|| relative(&self.locale, span).ok());
        Some(form.as_ref()?.format(Decimal::from(count)).to_string())
    }
}

/// What is less than a day away, in the largest unit of which there is one whole.
fn between_instants(now: Timestamp, then: Timestamp) -> Option<(Span, i64)> {
    let seconds = then.duration_since(now).as_secs();
    match seconds.abs() {
        0..MINUTE => Some((Span::Seconds, 0)),
        MINUTE..HOUR => Some((Span::Minutes, seconds / MINUTE)),
        HOUR..DAY => Some((Span::Hours, seconds / HOUR)),
        _ => None,
    }
}

/// Calendar days, whatever the hour: from yesterday's evening to this morning is one. From a month on, months; from a year, years.
fn between_days(today: civil::Date, date: civil::Date) -> Option<(Span, i64)> {
    let apart = today.until(DateDifference::new(date).largest(Unit::Year)).ok()?;
    let units = [
        (Span::Years, i64::from(apart.get_years())),
        (Span::Months, i64::from(apart.get_months())),
        (Span::Days, i64::from(apart.get_days())),
    ];
    units.into_iter().find(|(span, count)| *count != 0 || matches!(span, Span::Days))
}

/// "now", "today" and "yesterday" in words; but not "last year", which is not what a year ago means.
fn relative(locale: &Locale, span: Span) -> Result<RelativeTimeFormatter, DataError> {
    let (words, numbers) = (
        RelativeTimeFormatterOptions::default().with_numeric(Numeric::Auto),
        RelativeTimeFormatterOptions::default().with_numeric(Numeric::Always),
    );
    match span {
        Span::Seconds => RelativeTimeFormatter::try_new_long_second(locale.into(), words),
        Span::Minutes => RelativeTimeFormatter::try_new_long_minute(locale.into(), numbers),
        Span::Hours => RelativeTimeFormatter::try_new_long_hour(locale.into(), numbers),
        Span::Days => RelativeTimeFormatter::try_new_long_day(locale.into(), words),
        Span::Months => RelativeTimeFormatter::try_new_long_month(locale.into(), numbers),
        Span::Years => RelativeTimeFormatter::try_new_long_year(locale.into(), numbers),
    }
}

/// Months, days, hours and minutes are never negative, though jiff's type could be.
fn unsigned(part: i8) -> u8 {
    part.unsigned_abs()
}
