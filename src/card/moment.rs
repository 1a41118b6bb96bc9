//! Values that say when: dates and times as records have them.
//!
//! ISO 8601 in texts, Unix time in numbers. It guesses at no other order of day and month and reads no clock.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use serde_json::Value;

/// A longer text is no date, whatever it begins with.
const TEXT_BYTES_MAX: usize = 64;

/// From here on a number counts milliseconds: as seconds it would be the year 5138, as milliseconds it is 1973.
const MILLISECONDS_FROM: f64 = 1e11;

/// What a value says about when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A date without time: the same everywhere.
    Day(Date),
    /// A time of day without date.
    Clock(Time),
    /// A point in time.
    Instant(Timestamp),
}

impl Moment {
    /// Reads a value; a date and time without offset is in `zone`. `None` where it says no such thing, or a year that is not
    /// written with four digits.
    pub(super) fn read(value: &Value, zone: &TimeZone) -> Option<Moment> {
        let moment = match value {
            Value::String(text) => Moment::of_text(text.trim(), zone)?,
            Value::Number(number) => Moment::Instant(unix(number.as_f64()?)?),
            _ => return None,
        };
        let year = match moment {
            Moment::Clock(_) => 1,
            Moment::Day(date) => date.year(),
            Moment::Instant(instant) => zone.to_datetime(instant).year(),
        };
        (1..=9999).contains(&year).then_some(moment)
    }

    fn of_text(text: &str, zone: &TimeZone) -> Option<Moment> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        if text.contains(':') && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.')) {
            return text.parse().ok().map(Moment::Clock);
        }
        let pieces = Pieces::parse(text).ok()?;
        if pieces.time_zone_annotation().is_some() && pieces.offset().is_none() {
            return None;
        }
        let Some(time) = pieces.time() else { return Some(Moment::Day(pieces.date())) };
        let zone = pieces.to_numeric_offset().map_or_else(|| zone.clone(), TimeZone::fixed);
        Some(Moment::Instant(zone.to_timestamp(pieces.date().to_datetime(time)).ok()?))
    }
}

/// Seconds or milliseconds since 1970, told apart by their size.
fn unix(number: f64) -> Option<Timestamp> {
    let milliseconds = if number.abs() < MILLISECONDS_FROM { number * 1000.0 } else { number };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float too large for it becomes the largest, which is no time"
    )]
    Timestamp::from_millisecond(milliseconds.round() as i64).ok()
}
