//! Values that rules give: texts, numbers as texts, booleans.

use std::{borrow::Cow, str::FromStr as _};

use bigdecimal::BigDecimal;

use super::{
    json::{Json, Parsed},
    path::{Path, Place},
    scalar::Scalar,
};

/// The most letters of a number that is computed with. Longer ones are no counts or amounts.
const NUMBER_LETTERS_MAX: usize = 60;

/// Exponents of computed numbers are at most this far from 0, so that a sum stays short.
const EXPONENT_MAX: i64 = 60;

/// A value that a rule gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'r> {
    /// Absent, NULL, an empty text, or a word that means unknown.
    Null,
    Boolean(bool),
    /// A number, as a text.
    Number(Cow<'r, str>),
    Text(Cow<'r, str>),
}

impl Value<'_> {
    pub(crate) fn as_scalar(&self) -> Scalar<'_> {
        match self {
            Self::Null => Scalar::Null,
            Self::Boolean(value) => Scalar::Boolean(*value),
            Self::Number(text) => Scalar::Number(text),
            Self::Text(text) => Scalar::Text(text),
        }
    }

    /// The value as a text; `None` for NULL.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Null => None,
            Self::Boolean(value) => Some(if *value { "true" } else { "false" }),
            Self::Number(text) | Self::Text(text) => Some(text),
        }
    }

    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => Value::Boolean(value),
            Self::Number(text) => Value::Number(Cow::Owned(text.into_owned())),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// The value as a number; `None` for NULL.
    ///
    /// # Errors
    /// The reason why the value is not a number.
    pub(super) fn number(&self) -> Result<Option<BigDecimal>, String> {
        let Some(text) = self.text() else { return Ok(None) };
        let trimmed = text.trim_ascii();
        let short = trimmed.len() <= NUMBER_LETTERS_MAX;
        let parsed = if short { BigDecimal::from_str(trimmed).ok() } else { None };
        let parsed = parsed.filter(|number| number.fractional_digit_count().abs() <= EXPONENT_MAX);
        let shown: String = text.chars().take(40).collect();
        parsed.map(Some).ok_or_else(|| format!("`{}` is not a number", shown.escape_debug()))
    }
}

/// Whether a value is a word that means unknown: that text, or a number of that value.
pub(super) fn is_word(word: &str, text: &str) -> bool {
    let is_digit =
        |text: &str| text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    word == text
        || is_digit(word) && is_digit(text) && {
            let number = |text| Value::Text(Cow::Borrowed(text)).number().ok().flatten();
            number(word).is_some_and(|word| number(text) == Some(word))
        }
}

/// A value that is no object and no list.
pub(super) fn plain(json: &Json) -> Result<Value<'_>, String> {
    Ok(match json.parsed() {
        Parsed::Null => Value::Null,
        Parsed::Boolean(value) => Value::Boolean(*value),
        Parsed::Number(text) => Value::Number(Cow::Borrowed(text)),
        Parsed::Text(text) => Value::Text(Cow::Borrowed(&text.text)),
        Parsed::List(_) | Parsed::Object(_) => {
            return Err("an object or array where a value is expected".to_owned());
        }
    })
}

/// A value, and an object or a list as its JSON text.
pub(super) fn whole(json: &Json) -> Value<'_> {
    plain(json).unwrap_or_else(|_| Value::Text(Cow::Owned(json_of(json).to_string())))
}

fn json_of(json: &Json) -> serde_json::Value {
    match json.parsed() {
        Parsed::Null => serde_json::Value::Null,
        Parsed::Boolean(value) => (*value).into(),
        Parsed::Number(text) => text.parse().map_or_else(
            |_| serde_json::Value::String(text.to_string()),
            serde_json::Value::Number,
        ),
        Parsed::Text(text) => serde_json::Value::String(text.text.to_string()),
        Parsed::List(items) => items.iter().map(json_of).collect(),
        Parsed::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), json_of(value))).collect()
        }
    }
}

pub(super) fn seconds_and_nanos<'r>(path: &Path, place: &Place<'r>) -> Result<Value<'r>, String> {
    let values = path.values(place);
    let Some(json) = values.first() else { return Ok(Value::Null) };
    let Parsed::List(pair) = json.entered() else { return plain(json) };
    let [seconds, nanos] = pair.as_slice() else {
        return Err("is not a list of seconds and nanoseconds".to_owned());
    };
    let (seconds, nanos) = (plain(seconds)?.number()?, plain(nanos)?.number()?);
    let whole =
        seconds.zip(nanos).map(|(seconds, nanos)| seconds + nanos * BigDecimal::new(1.into(), 9));
    Ok(whole.map_or(Value::Null, |whole| shown(&whole)))
}

/// A number as a text without an exponent.
pub(super) fn shown(number: &BigDecimal) -> Value<'static> {
    Value::Number(Cow::Owned(number.normalized().to_plain_string()))
}
