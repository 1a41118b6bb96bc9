//! Parameters in the binary forms that PostgreSQL wants: `1234` and `"1234"` are the same to a column of numbers.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde_json::Value;
use sqlx::TypeInfo;
use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgTypeKind};
use sqlx::{Postgres, Type};

use super::value::{EPOCH, JSONB_VERSION, oid};

/// Digits on each side of a decimal's point; money has about fifteen.
const DIGITS_MAX: usize = 1000;

/// A parameter; no bytes where it is null.
pub(super) struct Bound {
    kind: PgTypeInfo,
    bytes: Option<Vec<u8>>,
}

impl Bound {
    /// A value as this type; `None` where it is no such thing.
    pub(super) fn new(value: &Value, kind: &PgTypeInfo) -> Option<Bound> {
        let bytes = if value.is_null() { None } else { Some(bytes(value, kind)?) };
        Some(Bound { kind: kind.clone(), bytes })
    }
}

impl Type<Postgres> for Bound {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(sqlx::postgres::types::Oid(oid::UNKNOWN))
    }
}

impl Encode<'_, Postgres> for Bound {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let Some(bytes) = &self.bytes else { return Ok(IsNull::Yes) };
        buffer.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.kind.clone())
    }
}

fn bytes(value: &Value, kind: &PgTypeInfo) -> Option<Vec<u8>> {
    match kind.kind() {
        PgTypeKind::Array(element) => return array(value, element),
        PgTypeKind::Domain(inner) => return bytes(value, inner),
        PgTypeKind::Enum(_) => return text(value).map(String::into_bytes),
        _ => {}
    }
    let oid = kind.oid()?.0;
    let written = || text(value).map(|text| text.trim().to_owned());
    Some(match oid {
        oid::BOOL => vec![boolean(&written()?)?.into()],
        oid::INT2 => i16::try_from(whole(value)?).ok()?.to_be_bytes().to_vec(),
        oid::INT4 => i32::try_from(whole(value)?).ok()?.to_be_bytes().to_vec(),
        oid::INT8 => whole(value)?.to_be_bytes().to_vec(),
        oid::FLOAT4 => written()?.parse::<f32>().ok()?.to_be_bytes().to_vec(),
        oid::FLOAT8 => written()?.parse::<f64>().ok()?.to_be_bytes().to_vec(),
        oid::NUMERIC => numeric(&written()?)?,
        oid::UUID => uuid(&written()?)?,
        oid::DATE => {
            let date: Date = written()?.parse().ok()?;
            let days = date.to_datetime(EPOCH.time()).duration_since(EPOCH).as_hours() / 24;
            i32::try_from(days).ok()?.to_be_bytes().to_vec()
        }
        oid::TIMESTAMP => microseconds(written()?.parse().ok()?)?,
        oid::TIMESTAMPTZ => {
            let instant: Timestamp = written()?.parse().ok()?;
            microseconds(jiff::tz::TimeZone::UTC.to_datetime(instant))?
        }
        oid::JSON => value.to_string().into_bytes(),
        oid::JSONB => [&[JSONB_VERSION], value.to_string().as_bytes()].concat(),
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::UNKNOWN => text(value)?.into_bytes(),
        _ if kind.name().eq_ignore_ascii_case("citext") => text(value)?.into_bytes(),
        _ => return None,
    })
}

/// A single value as text. PostgreSQL has no text with a zero in it.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(is) => is.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.contains('\0')).then_some(text)
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Some(true),
        "false" | "f" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number, also one that an expression made a double of.
fn whole(value: &Value) -> Option<i64> {
    /// Below this every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let real = number.as_f64().filter(|real| real.fract() == 0.0 && real.abs() < EXACT)?;
            format!("{real:.0}").parse().ok()
        }),
        _ => text(value)?.trim().parse().ok(),
    }
}

/// A decimal in groups of four digits around the point.
fn numeric(text: &str) -> Option<Vec<u8>> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.len() <= DIGITS_MAX && part.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        // `1e20` is how a great double is written.
        let real: f64 = text.parse().ok().filter(|real: &f64| real.is_finite() && text.contains(['e', 'E']))?;
        return numeric(&format!("{real}"));
    }
    let missing = |length: usize| "0".repeat(length.next_multiple_of(4) - length);
    let padded = [missing(whole.len()).as_str(), whole, fraction, missing(fraction.len()).as_str()].concat();
    let group = |digits: &[u8]| digits.iter().fold(0u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let groups: Vec<u16> = padded.as_bytes().chunks(4).map(group).collect();
    let weight = i16::try_from(whole.len().div_ceil(4)).ok()? - 1;
    let (count, scale) = (u16::try_from(groups.len()).ok()?, u16::try_from(fraction.len()).ok()?);
    let sign: u16 = if negative { 0x4000 } else { 0 };
    let head = [count, weight.cast_unsigned(), sign, scale];
    Some(head.into_iter().chain(groups).flat_map(u16::to_be_bytes).collect())
}

fn uuid(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|character| *character != '-').collect();
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    if digits.len() != 32 || digits.contains('+') {
        return None;
    }
    (0..32).step_by(2).map(byte).collect()
}

fn microseconds(time: DateTime) -> Option<Vec<u8>> {
    i64::try_from(time.duration_since(EPOCH).as_micros()).ok().map(|since| since.to_be_bytes().to_vec())
}

/// A list of one dimension.
fn array(value: &Value, element: &PgTypeInfo) -> Option<Vec<u8>> {
    let items = value.as_array()?;
    let has_null = i32::from(items.iter().any(Value::is_null));
    let dimensions = i32::from(!items.is_empty());
    let mut array = [dimensions.to_be_bytes(), has_null.to_be_bytes(), element.oid()?.0.to_be_bytes()].concat();
    if !items.is_empty() {
        array.extend([i32::try_from(items.len()).ok()?.to_be_bytes(), 1i32.to_be_bytes()].concat());
    }
    for item in items {
        if item.is_null() {
            array.extend((-1i32).to_be_bytes());
            continue;
        }
        let bytes = bytes(item, element)?;
        array.extend(i32::try_from(bytes.len()).ok()?.to_be_bytes());
        array.extend(bytes);
    }
    Some(array)
}
