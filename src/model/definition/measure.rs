//! Measures: what a rollup stores of its rows, such as `sum(cost)`, `count(*)`,
//! `sum(price * pieces)`.

use std::{fmt, str::FromStr};

use crate::{
    base::{Error, Result},
    model::{
        ColumnType,
        algebra::{Function, Quantile},
    },
};

/// A named measure of a rollup. Its text form is `sum(cost) as total_cost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The measure's name in the rollup's readable table.
    pub name: String,
    /// The aggregate function.
    pub function: Function,
    /// The function's argument: a column, or an expression over columns; `None` for `count(*)`.
    pub argument: Option<String>,
}

impl Measure {
    /// The reason why the function can't have an argument of type `kind`; `None` when it can.
    #[must_use]
    pub fn refusal(&self, kind: ColumnType) -> Option<String> {
        use ColumnType::{Boolean, Decimal, Float, Integer};
        let fits = match self.function {
            Function::Rows | Function::Count => true,
            Function::Sum | Function::Avg | Function::Variance { .. } if kind == Float => {
                return Some(
                    "a sum of floats depends on the order of addition, so it can't be exact; \
                     declare the column as decimal"
                        .to_owned(),
                );
            }
            Function::Variance { .. } => match kind {
                Decimal(_, scale) if scale > 19 => {
                    return Some("squares of over 19 digits after the point have no room".into());
                }
                kind => matches!(kind, Integer | Decimal(..)),
            },
            Function::Sum | Function::Avg => matches!(kind, Integer | Decimal(..)),
            Function::Min | Function::Max => !matches!(kind, Boolean | Float),
            Function::BoolAnd | Function::BoolOr => kind == Boolean,
            Function::BitAnd | Function::BitOr => kind == Integer,
            Function::ApproxDistinct => kind != Float,
            Function::ApproxPercentile(_) => matches!(kind, Integer | Decimal(..) | Float),
        };
        (!fits).then(|| format!("{} of a {kind} is not kept by rollups", self.function.name()))
    }

    /// The call, as SQL.
    #[must_use]
    pub fn call(&self) -> String {
        let (function, argument) = (self.function.name(), self.argument.as_deref().unwrap_or("*"));
        match self.function {
            Function::ApproxPercentile(quantile) => {
                format!("{function}({argument}, {})", quantile.value())
            }
            _ => format!("{function}({argument})"),
        }
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
                "measure `{text}` is not `function(argument) as name`, with count, sum, min, max, \
                 avg, bool_and, bool_or, bit_and, bit_or, var_pop, var_samp, stddev_pop, \
                 stddev_samp, approx_distinct, or approx_percentile(argument, quantile), over a \
                 column or an expression; such as `sum(cost) as total_cost`"
            ))
        };
        let (call, name) = text.rsplit_once(" as ").ok_or_else(wrong)?;
        let (function, arguments) = call.trim().split_once('(').ok_or_else(wrong)?;
        let arguments = arguments.strip_suffix(')').ok_or_else(wrong)?;
        let (function, argument) = match (function.trim(), arguments.trim()) {
            ("count", "*") => (Function::Rows, None),
            ("approx_percentile", arguments) => {
                let (argument, quantile) = arguments.rsplit_once(',').ok_or_else(wrong)?;
                let part = quantile.trim().parse().ok().and_then(Quantile::new);
                (Function::ApproxPercentile(part.ok_or_else(wrong)?), Some(argument.trim()))
            }
            (name, argument) => (Function::named(name).ok_or_else(wrong)?, Some(argument)),
        };
        if argument.is_some_and(|argument| argument.is_empty() || argument == "*") {
            return Err(wrong());
        }
        let name = name.trim().to_owned();
        Ok(Self { name, function, argument: argument.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_print_as_they_parse() {
        for text in ["count(*) as n", "sum(cost) as total_cost", "avg(rate) as r", "min(a) as b"]
            .into_iter()
            .chain(["approx_percentile(latency_ms, 0.95) as p95", "stddev_samp(a) as s"])
            .chain(["sum(cast(a as bigint) * b) as s", "approx_percentile(nullif(a, 0), 0.5) as p"])
        {
            assert_eq!(text.parse::<Measure>().unwrap().to_string(), text);
        }
        for text in ["sum(cost)", "median(x) as m", "sum(*) as s", "sum() as s", "sum(x as y"]
            .into_iter()
            .chain(["approx_percentile(x) as p", "approx_percentile(x, 2) as p", "sum(a b as c"])
        {
            assert!(text.parse::<Measure>().is_err(), "{text}");
        }
    }
}
