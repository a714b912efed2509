//! Warning rules: comparisons that mark rows as odd. An odd row can be honest, so it is stored.

use std::{fmt, str::FromStr};

use crate::base::{Error, Result};

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A column's value.
    Column(String),
    /// A whole number.
    Number(i64),
}

/// The relation of the left side to the right side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Less,
    /// `>`
    Greater,
}

/// A comparison that marks a row as odd, such as `cached_tokens > input_tokens`. A comparison with
/// NULL never marks a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarningRule {
    /// The column on the left.
    pub left: String,
    /// The comparison operator.
    pub relation: Relation,
    /// The right side.
    pub right: Operand,
}

impl FromStr for WarningRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid(format!("`{text}` is not `column < x` or `column > x`"));
        let words: Vec<_> = text.split_whitespace().collect();
        let &[left, relation, right] = words.as_slice() else { return Err(wrong()) };
        let relation = match relation {
            "<" => Relation::Less,
            ">" => Relation::Greater,
            _ => return Err(wrong()),
        };
        let right =
            right.parse().map_or_else(|_| Operand::Column(right.to_owned()), Operand::Number);
        Ok(Self { left: left.to_owned(), relation, right })
    }
}

impl fmt::Display for WarningRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = match self.relation {
            Relation::Less => '<',
            Relation::Greater => '>',
        };
        match &self.right {
            Operand::Column(right) => write!(f, "{} {relation} {right}", self.left),
            Operand::Number(right) => write!(f, "{} {relation} {right}", self.left),
        }
    }
}
