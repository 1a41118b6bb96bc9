//! `number` and `money`: decimal numbers as a language writes them.
//!
//! A number keeps the digits it came with; nothing is calculated, and nothing goes through a binary fraction that JSON
//! had not made one already. What is not plainly a number is not read: the caller shows it as it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fixed_decimal::{Decimal, SignDisplay, SignedRoundingMode, UnsignedRoundingMode};
use icu_decimal::DecimalFormatter;
use icu_experimental::dimension::currency::CurrencyType;
use icu_experimental::dimension::currency::formatter::CurrencyFormatter;
use icu_locale_core::Locale;
use serde_json::Value;

/// Digits of a number, zeros included. Nothing that is counted has more; `1e400` written out fills a screen.
const DIGITS_MAX: usize = 40;

/// Digits behind the decimal separator that a rule may ask for.
pub(super) const DECIMALS_MAX: u8 = 20;

/// Currencies whose form is kept. More than a company deals in; records could name any three letters.
const CURRENCIES_KEPT_MAX: usize = 32;

/// Writes numbers in one locale. What it needs for that is made at the first use and kept.
pub(super) struct Numbers {
    locale: Locale,
    plain: OnceLock<Option<DecimalFormatter>>,
    currencies: Mutex<BTreeMap<CurrencyType, Option<Arc<CurrencyForm>>>>,
}

type CurrencyForm = CurrencyFormatter<DecimalFormatter>;

impl Numbers {
    pub(super) fn new(locale: Locale) -> Numbers {
        Numbers { locale, plain: OnceLock::new(), currencies: Mutex::default() }
    }

    /// A number with the digits it has, or with exactly so many decimals (a half is rounded away from zero). `None`
    /// where it can't be read as a number.
    pub(super) fn number(&self, value: &Value, decimals: Option<&Value>) -> Option<String> {
        self.plain(read(value)?, decimals.and_then(read_decimals))
    }

    /// An amount with its currency and the decimals that this has. What is no currency is written behind the number.
    pub(super) fn money(&self, amount: &Value, currency: &Value) -> Option<String> {
        let amount = read(amount)?;
        let currency = currency.as_str().map(str::trim).unwrap_or_default();
        if let Some(form) = read_currency(currency).and_then(|currency| self.currency(currency)) {
            return Some(form.format_fixed_decimal(&amount).to_string());
        }
        let number = self.plain(amount, None)?;
        Some(if currency.is_empty() { number } else { format!("{number} {currency}") })
    }

    fn plain(&self, mut number: Decimal, decimals: Option<u8>) -> Option<String> {
        if let Some(decimals) = decimals {
            let last = -i16::from(decimals);
            number.round_with_mode(last, SignedRoundingMode::Unsigned(UnsignedRoundingMode::HalfExpand));
            number.absolute.pad_end(last);
        }
        number.apply_sign_display(SignDisplay::Negative);
        let plain =
            self.plain.get_or_init(|| DecimalFormatter::try_new((&self.locale).into(), Default::default()).ok());
        Some(plain.as_ref()?.format(&number).to_string())
    }

    fn currency(&self, currency: CurrencyType) -> Option<Arc<CurrencyForm>> {
        let mut kept = self.currencies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(form) = kept.get(&currency) {
            return form.clone();
        }
        let form = CurrencyForm::try_new_symbol((&self.locale).into(), currency, Default::default()).ok().map(Arc::new);
        if kept.len() < CURRENCIES_KEPT_MAX {
            kept.insert(currency, form.clone());
        }
        form
    }
}

/// Three letters, as ISO 4217 names currencies.
pub(super) fn read_currency(text: &str) -> Option<CurrencyType> {
    CurrencyType::try_from_str(text).ok()
}

/// How many decimals are asked for.
pub(super) fn read_decimals(value: &Value) -> Option<u8> {
    value.as_u64().and_then(|decimals| u8::try_from(decimals).ok()).filter(|decimals| *decimals <= DECIMALS_MAX)
}

/// A number of JSON, or a text that is plainly one: digits, perhaps a minus and a decimal point.
fn read(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Number(number) => number.to_string().replace("e+", "e"),
        Value::String(text) if is_plain(text.trim()) => text.trim().to_owned(),
        _ => return None,
    };
    let mut number = Decimal::try_from_str(&text).ok()?;
    number.absolute.trim_start();
    number.apply_sign_display(SignDisplay::Negative);
    (number.absolute.magnitude_range().count() <= DIGITS_MAX).then_some(number)
}

/// `1250.50`, `-3`; not `+90…` (a telephone number), `1,250` (which could be one and a quarter) or `1e5` (an order's).
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 2 * DIGITS_MAX && are_digits(whole) && are_digits(fraction)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formatters_are_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Numbers>();
        shared::<crate::card::Renderer>();
    }

    #[test]
    fn a_number_keeps_every_digit_up_to_a_limit() {
        let numbers = Numbers::new("tr".parse().unwrap());
        let written = |value: &str| numbers.number(&json!(value), None);
        assert_eq!(
            written("0.1000000000000000055511151231257827").as_deref(),
            Some("0,1000000000000000055511151231257827")
        );
        assert_eq!(written(&"1".repeat(DIGITS_MAX)).unwrap().chars().filter(char::is_ascii_digit).count(), DIGITS_MAX);
        for too_much in [DIGITS_MAX + 1, 2 * DIGITS_MAX, 10_000] {
            assert_eq!(written(&"1".repeat(too_much)), None, "{too_much}");
            assert_eq!(written(&format!("0.{}1", "0".repeat(too_much))), None, "{too_much}");
        }
        for value in [json!(1e300), json!(1e-300), json!(f64::MAX), json!(f64::MIN_POSITIVE)] {
            assert_eq!(numbers.number(&value, None), None, "{value}");
        }
        assert_eq!(numbers.number(&json!(u64::MAX), None).as_deref(), Some("18.446.744.073.709.551.615"));
        assert_eq!(numbers.number(&json!(i64::MIN), None).as_deref(), Some("-9.223.372.036.854.775.808"));
    }

    #[test]
    fn more_currencies_than_are_kept_are_written_all_the_same() {
        let numbers = Numbers::new("en-US".parse().unwrap());
        let letters = || 'A'..='Z';
        for code in letters().flat_map(|first| letters().map(move |second| format!("{first}X{second}"))) {
            let written = numbers.money(&json!(1250.5), &json!(code)).unwrap();
            assert!(written.contains("1,25"), "{code}: {written}");
        }
        assert_eq!(numbers.currencies.lock().unwrap().len(), CURRENCIES_KEPT_MAX);
        assert_eq!(numbers.money(&json!(1250.5), &json!("USD")).as_deref(), Some("$1,250.50"));
    }
}
