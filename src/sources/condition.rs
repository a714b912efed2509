//! Conditions on a row or a record.

use regex::Regex;

use super::{
    carried::Carried,
    path::{Path, Place},
    rule::Rule,
    value::{Value, plain},
};

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// The value at the path.
    Field(Path, Test),
    /// Both numbers are equal, or one is missing.
    Equal(Box<[Rule; 2]>),
    Any(Vec<Self>),
    All(Vec<Self>),
}

/// What a condition asks of a value.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Present,
    Missing,
    OneOf(Vec<String>),
    NoneOf(Vec<String>),
    Matches(Regex),
}

impl Condition {
    /// Whether the condition holds.
    ///
    /// # Errors
    /// The reason why two values can't be compared: one is not a number.
    pub(crate) fn holds(&self, place: &Place<'_>, carried: &Carried) -> Result<bool, String> {
        match self {
            Self::Field(path, test) => Ok(test.holds(path, place)),
            Self::Equal(rules) => {
                let [left, right] = rules.as_ref();
                let left = left.value(place, carried)?.number()?;
                let right = right.value(place, carried)?.number()?;
                Ok(left.zip(right).is_none_or(|(left, right)| left == right))
            }
            Self::Any(conditions) => {
                for condition in conditions {
                    if condition.holds(place, carried)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::All(conditions) => {
                for condition in conditions {
                    if !condition.holds(place, carried)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// Calls `each` with every path of the condition.
    pub(crate) fn each_path(&self, each: &mut dyn FnMut(&Path)) {
        match self {
            Self::Field(path, _) => each(path),
            Self::Equal(rules) => rules.iter().for_each(|rule| rule.each_path(each)),
            Self::Any(conditions) | Self::All(conditions) => {
                for condition in conditions {
                    condition.each_path(each);
                }
            }
        }
    }
}

impl Test {
    fn holds(&self, path: &Path, place: &Place<'_>) -> bool {
        let values = path.values(place);
        // An object or a list is present, but has no text.
        let value = values.first().map(|json| plain(json).ok());
        let is_present = value.as_ref().is_some_and(|value| {
            value.as_ref().is_none_or(|value| value.text().is_some_and(|text| !text.is_empty()))
        });
        let text = value.as_ref().and_then(|value| value.as_ref()).and_then(Value::text);
        match self {
            Self::Present => is_present,
            Self::Missing => !is_present,
            Self::OneOf(words) => text.is_some_and(|text| words.iter().any(|word| word == text)),
            Self::NoneOf(words) => text.is_none_or(|text| words.iter().all(|word| word != text)),
            Self::Matches(pattern) => text.is_some_and(|text| pattern.is_match(text)),
        }
    }
}
