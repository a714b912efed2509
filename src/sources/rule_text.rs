//! Reads rules and conditions.

use std::str::FromStr as _;

use bigdecimal::BigDecimal;
use chrono::DateTime;
use regex::{Regex, RegexBuilder};
use toml::de::{DeTable, DeValue};

use super::{
    condition::{Condition, Test},
    path::Path,
    rule::{Base, Rule},
    scalar::TimeForm,
    text::{Node, Text, items},
};
use crate::base::Result;

/// The most memory of a compiled regular expression, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// How deep rules may be nested in rules.
const DEPTH_MAX: usize = 16;

const BASES: [&str; 5] = ["from", "sum", "minus", "join", "value"];
const CHANGES: [&str; 11] = [
    "if", "carry", "unknown", "strip", "factor", "round", "lenient", "unit", "origin", "zone",
    "default",
];

/// Reads the rules of a text.
pub(super) struct RuleReader<'t> {
    pub(super) text: Text<'t>,
    /// The words that mean NULL in every column.
    pub(super) unknown: Vec<String>,
    /// The rules with `carry` that were read so far.
    pub(super) carried: Vec<Rule>,
}

impl<'t> RuleReader<'t> {
    /// Reads the rule of a column, and how the column's times are written.
    pub(super) fn rule(&mut self, node: &Node<'t>) -> Result<(Rule, TimeForm)> {
        self.nested(node, 0)
    }

    fn nested(&mut self, node: &Node<'t>, depth: usize) -> Result<(Rule, TimeForm)> {
        let at = node.span().start;
        if depth > DEPTH_MAX {
            return Err(self.text.wrong(at, "rules are nested too deep"));
        }
        let DeValue::Table(table) = node.get_ref() else {
            let path = self.path(node)?;
            return Ok((self.plain(Base::Path(path)), TimeForm::default()));
        };
        let keys: Vec<_> = BASES.into_iter().chain(CHANGES).collect();
        self.text.only(table, &keys)?;
        let mut rule = self.base(table, at, depth)?;
        let time = self.time(table, &mut rule)?;
        for (key, value) in table {
            self.change(&mut rule, key.get_ref(), value)?;
        }
        if matches!(table.get("carry"), Some(carry) if self.text.boolean(carry)?) {
            let default = rule.default.take();
            rule.carried = Some(self.carried.len());
            self.carried.push(rule.clone());
            rule.default = default;
        }
        Ok((rule, time))
    }

    /// The rule without its changes.
    fn base(&mut self, table: &DeTable<'t>, at: usize, depth: usize) -> Result<Rule> {
        let mut given = table.iter().filter(|(key, _)| BASES.contains(&key.get_ref().as_ref()));
        let (Some((key, node)), None) = (given.next(), given.next()) else {
            return Err(self.text.wrong(at, "a rule has one of from, sum, minus, join and value"));
        };
        let base = match key.get_ref().as_ref() {
            "value" => Base::Constant(self.text.string(node)?),
            "from" if matches!(node.get_ref(), DeValue::String(_)) => Base::Path(self.path(node)?),
            other => {
                let parts = items(node).into_iter();
                let parts: Vec<_> = parts
                    .map(|part| self.nested(part, depth + 1).map(|(rule, _)| rule))
                    .collect::<Result<_>>()?;
                if parts.is_empty() {
                    return Err(self.text.wrong(node.span().start, "the list is empty"));
                }
                match other {
                    "from" => Base::First(parts),
                    "sum" => Base::Sum(parts),
                    "minus" => Base::Minus(parts),
                    _ => Base::Join(parts),
                }
            }
        };
        Ok(self.plain(base))
    }

    fn plain(&self, base: Base) -> Rule {
        let mut rule = Rule::of(base);
        rule.unknown.clone_from(&self.unknown);
        rule
    }

    fn path(&self, node: &Node<'t>) -> Result<Path> {
        let text = self.text.string(node)?;
        Path::parse(&text).map_err(|reason| self.text.wrong(node.span().start, reason))
    }

    fn change(&mut self, rule: &mut Rule, key: &str, node: &Node<'t>) -> Result<()> {
        let at = node.span().start;
        match key {
            "if" => rule.conditions = self.conditions(node)?,
            "unknown" => rule.unknown.extend(self.text.strings(node)?),
            "strip" => {
                for pattern in items(node) {
                    rule.strip.push(self.pattern(pattern)?);
                }
            }
            "factor" => {
                let factor = match node.get_ref() {
                    DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
                    _ => self.text.string(node)?,
                };
                let number = BigDecimal::from_str(&factor).ok();
                let number = number.filter(|_| factor.len() <= 40 && !factor.contains(['e', 'E']));
                let wrong = || self.text.wrong(at, format!("factor `{factor}` is not a number"));
                rule.factor = Some(number.ok_or_else(wrong)?);
            }
            "round" => rule.is_rounded = self.text.boolean(node)?,
            "lenient" => rule.is_lenient = self.text.boolean(node)?,
            "default" => rule.default = Some(self.text.string(node)?),
            _ => {}
        }
        Ok(())
    }

    fn time(&self, table: &DeTable<'t>, rule: &mut Rule) -> Result<TimeForm> {
        let mut form = TimeForm::default();
        if let Some(node) = table.get("unit") {
            form.unit_nanos = Some(match self.text.string(node)?.as_str() {
                "s" => 1_000_000_000,
                "ms" => 1_000_000,
                "us" => 1_000,
                "ns" => 1,
                "[s, ns]" => {
                    as_pairs(&mut rule.base);
                    1_000_000_000
                }
                other => {
                    let reason = format!("unit `{other}` is none of s, ms, us, ns and [s, ns]");
                    return Err(self.text.wrong(node.span().start, reason));
                }
            });
        }
        if let Some(node) = table.get("origin") {
            let origin = self.text.string(node)?;
            let parsed = DateTime::parse_from_rfc3339(&origin).map_err(|_| {
                let reason = format!("origin `{origin}` is not RFC 3339");
                self.text.wrong(node.span().start, reason)
            })?;
            form.origin = parsed.timestamp_micros();
        }
        if let Some(node) = table.get("zone") {
            if self.text.string(node)? != "UTC" {
                let reason = "zone must be \"UTC\"; other times need their offset in the text";
                return Err(self.text.wrong(node.span().start, reason));
            }
            form.is_utc = true;
        }
        Ok(form)
    }

    /// A condition, or a list of them.
    pub(super) fn conditions(&mut self, node: &Node<'t>) -> Result<Vec<Condition>> {
        let items = items(node).into_iter();
        items.map(|item| self.condition(self.text.table(item)?, item, &[])).collect()
    }

    /// The condition in a table, which may have other keys, too.
    pub(super) fn condition(
        &mut self,
        table: &DeTable<'t>,
        node: &Node<'t>,
        others: &[&str],
    ) -> Result<Condition> {
        let mut keys = vec!["field", "is", "not", "matches", "present", "equal", "any", "all"];
        keys.extend(others);
        self.text.only(table, &keys)?;
        let at = node.span().start;
        let given: Vec<_> = ["field", "equal", "any", "all"]
            .into_iter()
            .filter(|key| table.contains_key(*key))
            .collect();
        let [kind] = given.as_slice() else {
            return Err(self.text.wrong(at, "a condition has one of field, equal, any and all"));
        };
        let Some(value) = table.get(*kind) else {
            return Err(self.text.wrong(at, "a condition is empty"));
        };
        Ok(match *kind {
            "any" => Condition::Any(self.conditions(value)?),
            "all" => Condition::All(self.conditions(value)?),
            "equal" => {
                let sides = items(value).into_iter();
                let sides: Vec<_> = sides
                    .map(|side| self.nested(side, 1).map(|(rule, _)| rule))
                    .collect::<Result<_>>()?;
                let sides: Result<[Rule; 2], _> = sides.try_into();
                let wrong = |_| self.text.wrong(value.span().start, "equal compares two values");
                Condition::Equal(Box::new(sides.map_err(wrong)?))
            }
            _ => Condition::Field(self.path(value)?, self.test(table, at)?),
        })
    }

    fn test(&self, table: &DeTable<'t>, at: usize) -> Result<Test> {
        let tests = ["is", "not", "matches", "present"].into_iter();
        let mut given = tests.filter_map(|key| Some((key, table.get(key)?)));
        let test = match given.next() {
            None => Test::Present,
            Some(("is", words)) => Test::OneOf(self.text.strings(words)?),
            Some(("not", words)) => Test::NoneOf(self.text.strings(words)?),
            Some(("matches", pattern)) => Test::Matches(self.pattern(pattern)?),
            Some((_, value)) if self.text.boolean(value)? => Test::Present,
            Some(_) => Test::Missing,
        };
        if given.next().is_some() {
            let reason = "a condition on a field has one of is, not, matches and present";
            return Err(self.text.wrong(at, reason));
        }
        Ok(test)
    }

    fn pattern(&self, node: &Node<'t>) -> Result<Regex> {
        let text = self.text.string(node)?;
        RegexBuilder::new(&text).size_limit(PATTERN_BYTES_MAX).build().map_err(|error| {
            let reason = format!("`{text}` is not a regular expression: {error}");
            self.text.wrong(node.span().start, reason)
        })
    }
}

/// Reads the values at a rule's paths as `[seconds, nanoseconds]`.
fn as_pairs(base: &mut Base) {
    match base {
        Base::Path(path) => *base = Base::SecondsAndNanos(path.clone()),
        Base::First(rules) => rules.iter_mut().for_each(|rule| as_pairs(&mut rule.base)),
        _ => {}
    }
}
