//! What PostgreSQL answers, from its binary forms to JSON.
//!
//! The forms are those of the `…send` functions in <https://github.com/postgres/postgres/tree/master/src/backend/utils/adt>.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sqlx::TypeInfo;
use sqlx::postgres::{PgTypeInfo, PgTypeKind};

use crate::source::sql::{answer, decimal};

/// Numbers of types: <https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>.
pub(super) mod oid {
    pub const BOOL: u32 = 16;
    pub const BYTEA: u32 = 17;
    pub const CHAR: u32 = 18;
    pub const NAME: u32 = 19;
    pub const INT8: u32 = 20;
    pub const INT2: u32 = 21;
    pub const INT4: u32 = 23;
    pub const TEXT: u32 = 25;
    pub const OID: u32 = 26;
    pub const JSON: u32 = 114;
    pub const XML: u32 = 142;
    pub const FLOAT4: u32 = 700;
    pub const FLOAT8: u32 = 701;
    pub const UNKNOWN: u32 = 705;
    pub const BPCHAR: u32 = 1042;
    pub const VARCHAR: u32 = 1043;
    pub const DATE: u32 = 1082;
    pub const TIME: u32 = 1083;
    pub const TIMESTAMP: u32 = 1114;
    pub const TIMESTAMPTZ: u32 = 1184;
    pub const NUMERIC: u32 = 1700;
    pub const UUID: u32 = 2950;
    pub const JSONB: u32 = 3802;
}

/// From when on dates and times are counted.
pub(super) const EPOCH: DateTime = jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0);

/// The first byte of a `jsonb`: the version of its form.
pub(super) const JSONB_VERSION: u8 = 1;

/// A value; `None` where it has no form here.
pub(super) fn json(bytes: &[u8], kind: &PgTypeInfo) -> Option<Value> {
    match kind.kind() {
        PgTypeKind::Array(element) => return array(bytes, element),
        PgTypeKind::Domain(inner) => return json(bytes, inner),
        PgTypeKind::Enum(_) => return text(bytes),
        _ => {}
    }
    Some(match kind.oid()?.0 {
        oid::BOOL => Value::from(bytes.first()? != &0),
        oid::INT2 => Value::from(i16::from_be_bytes(bytes.try_into().ok()?)),
        oid::INT4 => Value::from(i32::from_be_bytes(bytes.try_into().ok()?)),
        oid::INT8 => Value::from(i64::from_be_bytes(bytes.try_into().ok()?)),
        oid::OID => Value::from(u32::from_be_bytes(bytes.try_into().ok()?)),
        oid::FLOAT4 => decimal::of_f32(f32::from_be_bytes(bytes.try_into().ok()?)),
        oid::FLOAT8 => Value::from(f64::from_be_bytes(bytes.try_into().ok()?)),
        oid::NUMERIC => numeric(bytes)?,
        oid::DATE => date(i32::from_be_bytes(bytes.try_into().ok()?))?,
        oid::TIME => Value::from(time(i64::from_be_bytes(bytes.try_into().ok()?))),
        oid::TIMESTAMP => timestamp(i64::from_be_bytes(bytes.try_into().ok()?), false)?,
        oid::TIMESTAMPTZ => timestamp(i64::from_be_bytes(bytes.try_into().ok()?), true)?,
        oid::UUID => Value::from(uuid(bytes)?),
        oid::JSON => serde_json::from_slice(bytes).ok()?,
        oid::JSONB => serde_json::from_slice(bytes.strip_prefix(&[JSONB_VERSION])?).ok()?,
        oid::BYTEA => Value::from(answer::hex(bytes)),
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR | oid::XML | oid::UNKNOWN => text(bytes)?,
        _ if kind.name().eq_ignore_ascii_case("citext") => text(bytes)?,
        _ => return None,
    })
}

fn text(bytes: &[u8]) -> Option<Value> {
    std::str::from_utf8(bytes).ok().map(Value::from)
}

/// A `numeric`: groups of four digits. What is no number is nothing.
fn numeric(bytes: &[u8]) -> Option<Value> {
    const NEGATIVE: u16 = 0x4000;
    const SPECIAL: u16 = 0xC000;
    let mut words = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes(pair.try_into().unwrap_or_default()));
    let (count, weight, sign, scale) = (words.next()?, words.next()?.cast_signed(), words.next()?, words.next()?);
    if sign & SPECIAL == SPECIAL {
        return Some(Value::Null);
    }
    let groups: Vec<u16> = words.take(count.into()).collect();
    let group = |position: i32| usize::try_from(position).ok().and_then(|at| groups.get(at)).copied().unwrap_or(0);
    let whole: String = (0..=i32::from(weight)).map(|position| format!("{:04}", group(position))).collect();
    let whole = whole.trim_start_matches('0');
    let mut text = String::from(if sign == NEGATIVE { "-" } else { "" });
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        // Below 0.0001 the groups of zeros in front are not sent.
        let first = i32::from(weight) + 1;
        let fraction: String =
            (0..i32::from(scale.div_ceil(4))).map(|place| format!("{:04}", group(first + place))).collect();
        text.push('.');
        text.push_str(fraction.get(..scale.into())?);
    }
    Some(decimal::json(&text))
}

/// Days since the epoch.
fn date(days: i32) -> Option<Value> {
    if let Some(endless) = endless(days, i32::MIN, i32::MAX) {
        return Some(endless);
    }
    let since = SignedDuration::from_hours(i64::from(days) * 24);
    Some(Value::from(EPOCH.checked_add(since).ok()?.date().to_string()))
}

/// Microseconds since the epoch; `with_offset` where it is a point in time.
fn timestamp(microseconds: i64, with_offset: bool) -> Option<Value> {
    if let Some(endless) = endless(microseconds, i64::MIN, i64::MAX) {
        return Some(endless);
    }
    let time = EPOCH.checked_add(SignedDuration::from_micros(microseconds)).ok()?;
    if !with_offset {
        return Some(Value::from(time.to_string()));
    }
    let instant: Timestamp = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(Value::from(instant.to_string()))
}

/// The first and the last number of a kind stand for ever.
fn endless<T: PartialEq>(value: T, first: T, last: T) -> Option<Value> {
    if value == first {
        return Some(Value::from("-infinity"));
    }
    (value == last).then(|| Value::from("infinity"))
}

/// Microseconds since midnight; 24:00:00 is one, too.
fn time(microseconds: i64) -> String {
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest > 0 {
        text.push_str(format!(".{rest:06}").trim_end_matches('0'));
    }
    text
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let digits = answer::hex(bytes);
    let part = |from: usize, to: usize| digits.get(from..to);
    Some([part(0, 8)?, part(8, 12)?, part(12, 16)?, part(16, 20)?, part(20, 32)?].join("-"))
}

/// An array: its dimensions, then its elements with their lengths. One of several dimensions is a list of lists.
fn array(bytes: &[u8], element: &PgTypeInfo) -> Option<Value> {
    let mut words = Words(bytes);
    let dimensions = words.next()?;
    words.next()?;
    words.next()?;
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(usize::try_from(words.next()?).ok()?);
        words.next()?;
    }
    if lengths.is_empty() {
        return Some(Value::Array(Vec::new()));
    }
    list(&mut words, &lengths, element)
}

fn list(words: &mut Words<'_>, lengths: &[usize], element: &PgTypeInfo) -> Option<Value> {
    let Some((length, inner)) = lengths.split_first() else {
        return match usize::try_from(words.next()?) {
            Ok(length) => json(words.take(length)?, element),
            // A length below zero is a null.
            Err(_) => Some(Value::Null),
        };
    };
    (0..*length).map(|_| list(words, inner, element)).collect::<Option<Vec<Value>>>().map(Value::Array)
}

/// Numbers of four bytes, and bytes between them.
struct Words<'b>(&'b [u8]);

impl<'b> Words<'b> {
    fn next(&mut self) -> Option<i32> {
        self.take(4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes)
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
