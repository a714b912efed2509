//! Converts the texts of a log to typed values, exactly: no number passes through a float, except
//! into a float column.

use std::borrow::Cow;

use arrow::{
    compute::kernels::cast_utils::string_to_datetime,
    datatypes::{DECIMAL128_MAX_PRECISION, Decimal128Type, DecimalType as _},
};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use crate::base::MICROS_PER_DAY;

/// A value as the input has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar<'a> {
    /// Absent, `null`, or an empty CSV field.
    Null,
    /// Text.
    Text(&'a str),
    /// The text of a number.
    Number(&'a str),
    /// A whole number, from a typed file.
    Integer(i64),
    /// A number without its point, and how many of its digits are behind the point; from a typed
    /// file.
    Decimal(i128, i8),
    /// A boolean.
    Boolean(bool),
    /// An instant in microseconds since 1970, UTC, from a typed file.
    Micros(i64),
}

impl<'a> Scalar<'a> {
    /// The text, or the number as text; `None` for all other values.
    fn text(&self) -> Option<Cow<'a, str>> {
        match *self {
            Self::Text(text) | Self::Number(text) => Some(Cow::Borrowed(text)),
            Self::Integer(value) => Some(Cow::Owned(value.to_string())),
            Self::Decimal(value, scale) => Some(Cow::Owned(Decimal128Type::format_decimal(
                value,
                DECIMAL128_MAX_PRECISION,
                scale,
            ))),
            Self::Null | Self::Boolean(_) | Self::Micros(_) => None,
        }
    }
}

/// How an input writes times, where the value itself doesn't say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeForm {
    /// The unit of epoch numbers, in nanoseconds. With `None`, a number's magnitude decides.
    pub(crate) unit_nanos: Option<i64>,
    /// The instant that epoch numbers count from, in microseconds since 1970, UTC.
    pub(crate) origin: i64,
    /// Whether a text without a zone is known to be UTC.
    pub(crate) is_utc: bool,
}

pub(crate) fn boolean(scalar: &Scalar<'_>) -> Result<bool, String> {
    match scalar {
        Scalar::Boolean(value) => Ok(*value),
        other => match other.text().as_deref() {
            Some("true" | "True" | "TRUE" | "1") => Ok(true),
            Some("false" | "False" | "FALSE" | "0") => Ok(false),
            _ => Err(format!("{} is not true or false", shown(other))),
        },
    }
}

pub(crate) fn float(scalar: &Scalar<'_>) -> Result<f64, String> {
    let parsed = scalar.text().and_then(|text| text.trim().parse().ok());
    parsed
        .filter(|value: &f64| value.is_finite())
        .ok_or_else(|| format!("{} is not a number", shown(scalar)))
}

/// The text itself; numbers and booleans as text.
pub(crate) fn text<'a>(scalar: &Scalar<'a>) -> Result<Cow<'a, str>, String> {
    match scalar {
        Scalar::Boolean(value) => Ok(Cow::Borrowed(if *value { "true" } else { "false" })),
        other => other.text().ok_or_else(|| "is not text".to_owned()),
    }
}

pub(crate) fn integer(scalar: &Scalar<'_>) -> Result<i64, String> {
    if let Scalar::Integer(value) = scalar {
        return Ok(*value);
    }
    let text = scalar.text().ok_or_else(|| format!("{} is not a number", shown(scalar)))?;
    let text = text.trim_ascii();
    if let Ok(value) = text.parse() {
        return Ok(value);
    }
    match scaled(text, 0) {
        None => Err(format!("{} is not a number", shown(scalar))),
        Some(Scaled::TooLarge) => Err(format!("{text} is too large for a 64-bit integer")),
        Some(Scaled::Rounded { .. }) => Err(format!("{text} is not a whole number")),
        Some(Scaled::Exact(value)) => {
            i64::try_from(value).map_err(|_| format!("{text} is too large for a 64-bit integer"))
        }
    }
}

/// The number at the given scale, without its point. Digits beyond the scale are rounded half
/// away from zero.
pub(crate) fn decimal(scalar: &Scalar<'_>, precision: u8, scale: i8) -> Result<i128, String> {
    if let Scalar::Decimal(value, given) = scalar
        && *given == scale
        && value.unsigned_abs() < 10_u128.pow(u32::from(precision))
    {
        return Ok(*value);
    }
    let text = scalar.text().ok_or_else(|| format!("{} is not a number", shown(scalar)))?;
    let text = text.trim_ascii();
    let too_large = || format!("{text} is too large for decimal({precision},{scale})");
    match scaled(text, scale) {
        None => Err(format!("{} is not a number", shown(scalar))),
        Some(Scaled::TooLarge) => Err(too_large()),
        Some(Scaled::Exact(value) | Scaled::Rounded { nearest: value, .. }) => {
            let fits = value.unsigned_abs() < 10_u128.pow(u32::from(precision));
            fits.then_some(value).ok_or_else(too_large)
        }
    }
}

/// A quotient at the given scale, without its point, rounded half away from zero. A quotient over
/// 0 is 0. `None` when the quotient does not fit the precision.
pub(crate) fn ratio(part: i64, whole: i64, precision: u8, scale: i8) -> Option<i128> {
    if whole == 0 {
        return Some(0);
    }
    let (part, whole) = (i128::from(part), i128::from(whole));
    let scaled = part.checked_mul(10_i128.checked_pow(u32::try_from(scale).ok()?)?)?;
    let rounded = scaled / whole;
    let away = (scaled % whole).unsigned_abs() * 2 >= whole.unsigned_abs();
    let sign = if (part < 0) == (whole < 0) { 1 } else { -1 };
    let value = if away { rounded + sign } else { rounded };
    (value.unsigned_abs() < 10_u128.pow(u32::from(precision))).then_some(value)
}

/// Gives the instant in microseconds since the epoch, and whether the value has no time zone and
/// was taken as UTC.
///
/// Without a unit in the [`TimeForm`], the magnitude of an epoch number decides its unit: below
/// 10^11 seconds (until the year 5138), below 10^14 milliseconds, below 10^17 microseconds, else
/// nanoseconds. An epoch number is first rounded to six digits behind its point. Then digits
/// finer than a microsecond are cut.
pub(crate) fn instant(scalar: &Scalar<'_>, form: TimeForm) -> Result<(i64, bool), String> {
    let text = match scalar {
        Scalar::Micros(micros) => return Ok((*micros, false)),
        other => other.text().ok_or_else(|| format!("{} is not a time", shown(other)))?,
    };
    let text = text.trim_ascii();
    // The usual form has a faster parser.
    if text.ends_with('Z')
        && let Ok(time) = string_to_datetime(&Utc, text)
    {
        return Ok((time.timestamp_micros(), false));
    }
    // The number times a million, so that fractions of seconds count: microseconds, if the unit
    // is seconds.
    if let Some(number) = scaled(text, 6) {
        let micros = epoch(&number, form).ok_or_else(|| format!("{text} is out of range"))?;
        return Ok((micros, false));
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok((time.timestamp_micros(), false));
    }
    for pattern in ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%d %H:%M:%S%.f%#z"] {
        if let Ok(time) = DateTime::parse_from_str(text, pattern) {
            return Ok((time.timestamp_micros(), false));
        }
    }
    for pattern in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, pattern) {
            return Ok((time.and_utc().timestamp_micros(), !form.is_utc));
        }
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok((i64::from(date.to_epoch_days()) * MICROS_PER_DAY, !form.is_utc));
    }
    Err(format!("{} is not a time; write RFC 3339 or an epoch number", shown(scalar)))
}

/// The instant of an epoch number, in microseconds since 1970. `number` is a million times the
/// epoch number. `None` when the instant is out of range.
fn epoch(number: &Scaled, form: TimeForm) -> Option<i64> {
    let (Scaled::Exact(micros) | Scaled::Rounded { cut: micros, .. }) = number else { return None };
    let whole = micros / 1_000_000;
    let unit = form.unit_nanos.map_or_else(
        || match whole.unsigned_abs() {
            0..100_000_000_000 => 1_000_000_000,
            100_000_000_000..100_000_000_000_000 => 1_000_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1_000,
            _ => 1,
        },
        i128::from,
    );
    let since = micros.checked_mul(unit).map(|scaled| scaled.div_euclid(1_000_000_000));
    i64::try_from(since?).ok()?.checked_add(form.origin)
}

enum Scaled {
    Exact(i128),
    /// Digits beyond the scale were rounded half away from zero, or cut.
    Rounded {
        nearest: i128,
        cut: i128,
    },
    TooLarge,
}

/// The number in `text` times `10^scale`; `None` when `text` is not a decimal number.
fn scaled(text: &str, scale: i8) -> Option<Scaled> {
    short_scaled(text, scale).map(Scaled::Exact).or_else(|| long_scaled(text, scale))
}

/// A faster [`scaled`] for most numbers: plain digits that fit 64 bits and are no finer than the
/// scale. `None` for all other texts.
fn short_scaled(text: &str, scale: i8) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if unsigned.len() > 18 {
        return None;
    }
    let (mut value, mut digits, mut point) = (0_i64, 0, None);
    for byte in unsigned.bytes() {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + i64::from(byte - b'0');
                digits += 1;
            }
            b'.' if point.is_none() => point = Some(digits),
            _ => return None,
        }
    }
    let missing = scale.checked_sub(digits - point.unwrap_or(digits))?;
    let power = 10_i64.checked_pow(u32::try_from(missing).ok()?)?;
    let value = i128::from(if negative { -value } else { value }) * i128::from(power);
    (digits > 0).then_some(value)
}

fn long_scaled(text: &str, scale: i8) -> Option<Scaled> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        None => (unsigned, 0),
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = || whole.bytes().chain(fraction.bytes());
    if !digits().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let leading = digits().take_while(|digit| *digit == b'0').count();
    let count = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
    // How many significant digits stand before the point after scaling.
    let kept = count + i64::from(exponent) + i64::from(scale);
    let mut significant = digits().skip(leading);
    if significant.clone().all(|digit| digit == b'0') {
        return Some(Scaled::Exact(0));
    }
    if kept > 38 {
        return Some(Scaled::TooLarge);
    }
    let mut value = 0_i128;
    for _ in 0..kept.max(0) {
        value = value * 10 + i128::from(significant.next().unwrap_or(b'0') - b'0');
    }
    let next = if kept < 0 { b'0' } else { significant.next().unwrap_or(b'0') };
    let exact = next == b'0' && (kept >= 0 && significant.all(|digit| digit == b'0'));
    let signed = |value: i128| if negative { -value } else { value };
    let nearest = signed(value + i128::from(next >= b'5'));
    Some(if exact {
        Scaled::Exact(nearest)
    } else {
        Scaled::Rounded { nearest, cut: signed(value) }
    })
}

fn shown(scalar: &Scalar<'_>) -> String {
    let text = match scalar {
        Scalar::Null => return "null".to_owned(),
        Scalar::Boolean(value) => return value.to_string(),
        Scalar::Micros(micros) => return micros.to_string(),
        number_or_text => number_or_text.text().unwrap_or_default(),
    };
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.escape_debug())
}

#[cfg(test)]
#[path = "scalar_tests.rs"]
mod tests;
