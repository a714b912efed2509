//! What a rollup keeps of its rows: `sum(cost)`, `count(*)`, `avg(cache_hit_rate)`.

use std::{fmt, str::FromStr};

use super::ColumnType;
use crate::base::{Error, Result};

/// An aggregate function that can be merged from parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// `count(*)`: rows.
    Rows,
    /// `count(x)`: rows where x isn't NULL. Never the same as `count(*)`.
    Count,
    /// `sum(x)`; NULL over nothing but NULLs.
    Sum,
    /// `min(x)`.
    Min,
    /// `max(x)`.
    Max,
    /// `avg(x)`: stored as sum and count, divided last.
    Avg,
}

/// A named measure of a rollup. Its text form is `sum(cost) as total_cost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Its name in the rollup's readable table.
    pub name: String,
    /// The function.
    pub function: Function,
    /// The column it is over; none for `count(*)`.
    pub column: Option<String>,
}

impl Measure {
    /// Why this function can't be over a column of that type, if it can't.
    #[must_use]
    pub fn refusal(&self, kind: ColumnType) -> Option<String> {
        match (self.function, kind) {
            (Function::Sum | Function::Avg, ColumnType::Float) => Some(
                "a sum of floats depends on the order of addition, so it can't be exact; declare \
                 the column as decimal"
                    .to_owned(),
            ),
            (
                Function::Sum | Function::Avg,
                ColumnType::Text | ColumnType::Boolean | ColumnType::Timestamp,
            ) => Some(format!("a {kind} can't be summed")),
            (Function::Min | Function::Max, ColumnType::Boolean | ColumnType::Float) => {
                Some(format!("the least or greatest {kind} is not kept by rollups"))
            }
            _ => None,
        }
    }

    /// The call, as SQL.
    #[must_use]
    pub fn call(&self) -> String {
        let column = self.column.as_deref().unwrap_or("*");
        let function = match self.function {
            Function::Rows | Function::Count => "count",
            Function::Sum => "sum",
            Function::Min => "min",
            Function::Max => "max",
            Function::Avg => "avg",
        };
        format!("{function}({column})")
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.call(), self.name)
    }
}

impl FromStr for Measure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!(
                "measure `{text}` is not `function(column) as name`, with count, sum, min, max or \
                 avg; such as `sum(cost) as total_cost`"
            ))
        };
        let (call, name) = text.split_once(" as ").ok_or_else(wrong)?;
        let (function, column) = call.trim().split_once('(').ok_or_else(wrong)?;
        let column = column.strip_suffix(')').ok_or_else(wrong)?.trim();
        let (function, column) = match (function.trim(), column) {
            ("count", "*") => (Function::Rows, None),
            (_, "" | "*") => return Err(wrong()),
            ("count", column) => (Function::Count, Some(column)),
            ("sum", column) => (Function::Sum, Some(column)),
            ("min", column) => (Function::Min, Some(column)),
            ("max", column) => (Function::Max, Some(column)),
            ("avg", column) => (Function::Avg, Some(column)),
            _ => return Err(wrong()),
        };
        let name = name.trim().to_owned();
        Ok(Self { name, function, column: column.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_print_as_they_parse() {
        for text in ["count(*) as n", "sum(cost) as total_cost", "avg(rate) as r", "min(a) as b"] {
            assert_eq!(text.parse::<Measure>().unwrap().to_string(), text);
        }
        for text in ["sum(cost)", "median(x) as m", "sum(*) as s", "sum() as s", "sum(x as y"] {
            assert!(text.parse::<Measure>().is_err(), "{text}");
        }
    }
}
