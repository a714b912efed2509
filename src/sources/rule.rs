//! Rules for values: how the value of a column is found in a record.

use std::borrow::Cow;

use bigdecimal::{BigDecimal, RoundingMode};
use regex::Regex;

use super::{
    carried::Carried,
    condition::Condition,
    path::{Path, Place},
    value::{Value, is_word, plain, seconds_and_nanos, shown, whole},
};

/// How a value is found.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(super) base: Base,
    /// The value is NULL unless all of these hold.
    pub(super) conditions: Vec<Condition>,
    /// The rule's place among the values that are carried from record to record.
    pub(super) carried: Option<usize>,
    pub(super) unknown: Vec<String>,
    pub(super) strip: Vec<Regex>,
    pub(super) factor: Option<BigDecimal>,
    pub(super) is_rounded: bool,
    pub(super) is_lenient: bool,
    /// Whether an object or a list is taken as its JSON text.
    pub(super) takes_whole: bool,
    pub(super) default: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Base {
    Path(Path),
    First(Vec<Rule>),
    Sum(Vec<Rule>),
    Minus(Vec<Rule>),
    Join(Vec<Rule>),
    Constant(String),
    /// `[seconds, nanoseconds]`, as seconds.
    SecondsAndNanos(Path),
}

impl Rule {
    pub(super) const fn of(base: Base) -> Self {
        Self {
            base,
            conditions: Vec::new(),
            carried: None,
            unknown: Vec::new(),
            strip: Vec::new(),
            factor: None,
            is_rounded: false,
            is_lenient: false,
            takes_whole: false,
            default: None,
        }
    }

    /// The first of these fields that is present.
    pub(super) fn by_names(names: impl IntoIterator<Item = String>) -> Self {
        let fields = names.into_iter().map(|name| Self::of(Base::Path(Path::of_field(name))));
        Self::of(Base::First(fields.collect()))
    }

    /// The name of the record's field that is the value, if the rule is nothing else.
    pub(crate) fn field(&self) -> Option<&str> {
        let Base::Path(path) = &self.base else { return None };
        let as_it_is = self.is_plain() && self.unknown.is_empty() && !self.is_lenient;
        if as_it_is { path.field() } else { None }
    }

    /// The value of every row, if the rule is nothing else.
    pub(crate) fn constant(&self) -> Option<&str> {
        let Base::Constant(text) = &self.base else { return None };
        let as_it_is = self.is_plain() && !self.unknown.contains(text) && !self.is_lenient;
        as_it_is.then_some(text)
    }

    /// Whether the rule never gives NULL.
    pub(crate) const fn has_default(&self) -> bool {
        self.default.is_some()
    }

    /// Gives another value than NULL to rows without one.
    pub(crate) fn set_default(&mut self, value: &str) {
        self.default = Some(value.to_owned());
    }

    /// Takes objects and lists as their JSON text.
    pub(crate) fn take_whole(&mut self) {
        self.takes_whole = true;
        if let Base::First(parts) | Base::Sum(parts) | Base::Minus(parts) | Base::Join(parts) =
            &mut self.base
        {
            parts.iter_mut().for_each(Self::take_whole);
        }
    }

    /// The keys that the rule's paths look for first.
    pub(crate) fn first_keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        self.each_path(&mut |path| keys.extend(path.first_key().map(str::to_owned)));
        keys
    }

    /// The value for a row.
    ///
    /// # Errors
    /// The reason why the value can't be found: it is an object, or it is not the number that the
    /// rule needs.
    pub(crate) fn value<'r>(
        &'r self,
        place: &Place<'r>,
        carried: &'r Carried,
    ) -> Result<Value<'r>, String> {
        let value = match self.carried {
            Some(at) => carried.get(at).clone(),
            None => self.own_value(place, carried)?,
        };
        Ok(match (&self.default, value) {
            (Some(default), Value::Null) => Value::Text(Cow::Borrowed(default)),
            (_, value) => value,
        })
    }

    /// Like [`value`](Self::value), without what other records carry and without the default.
    pub(super) fn own_value<'r>(
        &'r self,
        place: &Place<'r>,
        carried: &'r Carried,
    ) -> Result<Value<'r>, String> {
        for condition in &self.conditions {
            if !condition.holds(place, carried)? {
                return Ok(Value::Null);
            }
        }
        let value = self.base_value(place, carried)?;
        if self.is_unknown(&value) {
            return Ok(Value::Null);
        }
        self.changed(value)
    }

    fn base_value<'r>(
        &'r self,
        place: &Place<'r>,
        carried: &'r Carried,
    ) -> Result<Value<'r>, String> {
        match &self.base {
            Base::Constant(text) => Ok(Value::Text(Cow::Borrowed(text))),
            Base::Path(path) => match path.values(place).first() {
                None => Ok(Value::Null),
                Some(json) if self.takes_whole => Ok(whole(json)),
                Some(json) => plain(json),
            },
            Base::SecondsAndNanos(path) => seconds_and_nanos(path, place),
            Base::First(rules) => {
                for rule in rules {
                    let value = rule.value(place, carried)?;
                    let is_number = !self.is_lenient || value.number().is_ok();
                    if value != Value::Null && !self.is_unknown(&value) && is_number {
                        return Ok(value);
                    }
                }
                Ok(Value::Null)
            }
            Base::Sum(rules) => {
                let mut sum = None;
                for rule in rules {
                    for number in self.numbers(rule, place, carried)? {
                        sum = Some(sum.unwrap_or_default() + number);
                    }
                }
                Ok(sum.map_or(Value::Null, |sum| shown(&sum)))
            }
            Base::Minus(rules) => {
                let Some((first, others)) = rules.split_first() else { return Ok(Value::Null) };
                let mut numbers = self.numbers(first, place, carried)?.into_iter();
                let Some(mut rest) = numbers.next() else { return Ok(Value::Null) };
                for rule in others {
                    for number in self.numbers(rule, place, carried)? {
                        rest -= number;
                    }
                }
                Ok(shown(&rest))
            }
            Base::Join(rules) => {
                let mut joined = String::new();
                for (at, rule) in rules.iter().enumerate() {
                    let value = rule.value(place, carried)?;
                    let Some(text) = value.text() else { return Ok(Value::Null) };
                    if at > 0 {
                        joined.push(':');
                    }
                    joined.push_str(text);
                }
                Ok(Value::Text(Cow::Owned(joined)))
            }
        }
    }

    /// The numbers of a part of a sum. A path gives all its values.
    fn numbers<'r>(
        &'r self,
        part: &'r Self,
        place: &Place<'r>,
        carried: &'r Carried,
    ) -> Result<Vec<BigDecimal>, String> {
        let values = match &part.base {
            Base::Path(path)
                if part.conditions.is_empty()
                    && part.carried.is_none()
                    && part.default.is_none() =>
            {
                let values = path.values(place).into_iter().map(plain);
                let known = values
                    .filter(|value| !value.as_ref().is_ok_and(|value| part.is_unknown(value)));
                known.map(|value| part.changed(value?)).collect::<Result<Vec<_>, _>>()?
            }
            _ => vec![part.value(place, carried)?],
        };
        let known = values.iter().filter(|value| !self.is_unknown(value));
        let numbers = known.filter_map(|value| match value.number() {
            Err(_) if self.is_lenient => None,
            number => number.transpose(),
        });
        numbers.collect()
    }

    /// Whether the rule is a path and nothing else.
    fn is_plain(&self) -> bool {
        self.conditions.is_empty()
            && self.carried.is_none()
            && self.strip.is_empty()
            && self.factor.is_none()
            && !self.is_rounded
            && self.default.is_none()
    }

    fn is_unknown(&self, value: &Value<'_>) -> bool {
        value.text().is_none_or(|text| {
            text.is_empty() || self.unknown.iter().any(|word| is_word(word, text))
        })
    }

    /// The value after the rule's changes.
    fn changed<'r>(&self, value: Value<'r>) -> Result<Value<'r>, String> {
        let mut value = value;
        for pattern in &self.strip {
            if let Some(text) = value.text() {
                let stripped = pattern.replace(text, "");
                if stripped.len() < text.len() {
                    value = Value::Text(Cow::Owned(stripped.into_owned()));
                }
            }
        }
        if self.factor.is_none() && !self.is_rounded && !self.is_lenient {
            return Ok(value);
        }
        let number = match value.number() {
            Err(_) if self.is_lenient => return Ok(Value::Null),
            number => number?,
        };
        let Some(mut number) = number else { return Ok(Value::Null) };
        if let Some(factor) = &self.factor {
            number *= factor;
        }
        if self.is_rounded {
            number = number.with_scale_round(0, RoundingMode::HalfUp);
        }
        Ok(shown(&number))
    }

    /// Calls `each` with every path of the rule.
    pub(crate) fn each_path(&self, each: &mut dyn FnMut(&Path)) {
        match &self.base {
            Base::Path(path) | Base::SecondsAndNanos(path) => each(path),
            Base::First(rules) | Base::Sum(rules) | Base::Minus(rules) | Base::Join(rules) => {
                for rule in rules {
                    rule.each_path(each);
                }
            }
            Base::Constant(_) => {}
        }
        self.conditions.iter().for_each(|condition| condition.each_path(each));
    }
}
