//! The aggregate functions that can be computed from mergeable parts, by their SQL names.
//!
//! | function | states | final |
//! |---|---|---|
//! | `count(*)`, `count(x)` | count | `coalesce(count, 0)` |
//! | `sum(x)` | sum | sum, cast back to the type of `sum(x)` |
//! | `min`, `max`, `bool_and`, `bool_or`, `bit_and`, `bit_or` | the state of that name | its value |
//! | `avg(x)`, x decimal | sum, count | sum / count, truncated at x's scale + 4 |
//! | `avg(x)`, x integer, or a decimal cast to double | sum as decimal, count | both cast to double, then divided once |
//! | `var_pop`, `var_samp`, `stddev_pop`, `stddev_samp` | count n, sum s, sum of squares q | (n q - s²) / n², or (n q - s²) / (n (n - 1)); for `stddev`, its root |
//! | `approx_distinct`, `approx_percentile` | sketch | its estimate |
//!
//! `avg` of integers and the variances are defined here for every route. DataFusion's own
//! functions add up doubles, so their last digits depend on the order of addition. Here the sums
//! are exact. Only the final operations round.

use arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType};
use datafusion::{
    functions::{
        core::expr_fn::{coalesce, nullif},
        math::expr_fn::sqrt,
    },
    logical_expr::{Expr, cast, lit, when},
};

use super::{
    State,
    narrowed::narrowed,
    sketch::{distinct_estimate, percentile_estimate},
    state::{needs_room, wide},
};
use crate::{
    base::{Error, Result},
    model::ColumnType,
};

/// An aggregate function that can be computed from mergeable parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// `count(*)`: the number of rows.
    Rows,
    /// `count(x)`: the number of rows where x isn't NULL. Never treated as `count(*)`.
    Count,
    /// `sum(x)`: NULL when all values are NULL.
    Sum,
    /// `min(x)`.
    Min,
    /// `max(x)`.
    Max,
    /// `avg(x)`: stored as sum and count, and divided last.
    Avg,
    /// `bool_and(x)`.
    BoolAnd,
    /// `bool_or(x)`.
    BoolOr,
    /// `bit_and(x)`.
    BitAnd,
    /// `bit_or(x)`.
    BitOr,
    /// `var_pop`, `var_samp`, `stddev_pop` or `stddev_samp`.
    Variance {
        /// Whether the rows are a sample: the divisor is n - 1 instead of n.
        sample: bool,
        /// Whether it is the standard deviation, the root of the variance.
        root: bool,
    },
    /// `approx_distinct(x)`: the approximate number of distinct values.
    ApproxDistinct,
    /// `approx_percentile(x, q)`: the approximate value below which the fraction q of all values
    /// lies.
    ApproxPercentile(Quantile),
}

/// A fraction from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quantile(u64);

impl Quantile {
    /// The fraction `part`; `None` when it isn't from 0 to 1.
    #[must_use]
    pub fn new(part: f64) -> Option<Self> {
        (0.0..=1.0).contains(&part).then(|| Self((part + 0.0).to_bits()))
    }

    /// The fraction.
    #[must_use]
    pub const fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Function {
    /// The function of one column with that SQL name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let variance = |sample, root| Self::Variance { sample, root };
        Some(match name {
            "count" => Self::Count,
            "sum" => Self::Sum,
            "min" => Self::Min,
            "max" => Self::Max,
            "avg" => Self::Avg,
            "bool_and" => Self::BoolAnd,
            "bool_or" => Self::BoolOr,
            "bit_and" => Self::BitAnd,
            "bit_or" => Self::BitOr,
            "var" | "var_samp" => variance(true, false),
            "var_pop" => variance(false, false),
            "stddev" | "stddev_samp" => variance(true, true),
            "stddev_pop" => variance(false, true),
            "approx_distinct" => Self::ApproxDistinct,
            _ => return None,
        })
    }

    /// The function's SQL name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows | Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
            Self::BoolAnd => "bool_and",
            Self::BoolOr => "bool_or",
            Self::BitAnd => "bit_and",
            Self::BitOr => "bit_or",
            Self::Variance { sample: true, root: false } => "var_samp",
            Self::Variance { sample: false, root: false } => "var_pop",
            Self::Variance { sample: true, root: true } => "stddev_samp",
            Self::Variance { sample: false, root: true } => "stddev_pop",
            Self::ApproxDistinct => "approx_distinct",
            Self::ApproxPercentile(_) => "approx_percentile",
        }
    }

    /// Whether DataFusion's own function would add up doubles where this one is exact.
    #[must_use]
    pub const fn is_made_exact(self) -> bool {
        matches!(self, Self::Avg | Self::Variance { .. })
    }

    /// Whether DataFusion's own function can wrap over an argument of that type. It wraps when a
    /// sum is too large for its type.
    #[must_use]
    pub const fn can_wrap(self, argument: &DataType) -> bool {
        matches!(self, Self::Sum) && needs_room(argument)
    }

    /// Casts the argument of a function that [can wrap](Self::can_wrap) to a type in which it
    /// can't.
    #[must_use]
    pub(crate) fn with_room(argument: Expr, kind: &DataType) -> Expr {
        cast(argument, wide(kind))
    }

    /// The states that the function's value is computed from, over an argument of that type.
    #[must_use]
    pub fn states(self, argument: &DataType) -> Vec<State> {
        let sum = if needs_room(argument) { State::WideSum } else { State::Sum };
        match self {
            Self::Rows => vec![State::Rows],
            Self::Count => vec![State::Count],
            Self::Sum => vec![sum],
            Self::Min => vec![State::Min],
            Self::Max => vec![State::Max],
            Self::Avg => vec![sum, State::Count],
            Self::BoolAnd => vec![State::BoolAnd],
            Self::BoolOr => vec![State::BoolOr],
            Self::BitAnd => vec![State::BitAnd],
            Self::BitOr => vec![State::BitOr],
            Self::Variance { .. } => vec![State::Count, sum, State::Squares],
            Self::ApproxDistinct => vec![State::Distinct],
            Self::ApproxPercentile(_) => vec![State::Percentiles],
        }
    }

    /// The states that a segment stores for this function, over a column of that type.
    #[must_use]
    pub fn stored_states(self, column: ColumnType) -> Vec<State> {
        self.states(&column.query_type()).into_iter().map(State::stored).collect()
    }

    /// The function's value in type `to`, from the merged states that [`states`](Self::states)
    /// lists. A sum too large for `to` is an error of the query, which calls the sum `name`.
    ///
    /// # Errors
    /// `Internal` when `merged` has another number of states.
    pub fn finalize(
        self,
        merged: &[Expr],
        argument: &DataType,
        (to, name): (&DataType, &str),
    ) -> Result<Expr> {
        match (self, merged) {
            (Self::Rows | Self::Count, [count]) => Ok(coalesce(vec![count.clone(), lit(0_i64)])),
            (Self::Avg, [sum, count]) => Ok(average(sum, count, argument, to)),
            (Self::Variance { sample, root }, [count, sum, squares]) => {
                variance(count, sum, squares, argument, sample, root)
            }
            (Self::ApproxDistinct, [sketch]) => Ok(distinct_estimate(sketch.clone())),
            (Self::ApproxPercentile(quantile), [sketch]) => {
                Ok(percentile_estimate(sketch.clone(), quantile.value()))
            }
            (Self::Sum, [sum]) if needs_room(argument) => Ok(narrowed(sum.clone(), to, name)),
            (_, [value]) => Ok(cast(value.clone(), to.clone())),
            _ => Err(Error::internal(format!("{self:?} of {} states", merged.len()))),
        }
    }
}

/// The average. Decimal division truncates at the scale of `to`. This is DataFusion's own rule for
/// `avg` (`DecimalAverager`), and also Arrow's for `/` (the left side's scale + 4).
fn average(sum: &Expr, count: &Expr, argument: &DataType, to: &DataType) -> Expr {
    let quotient = if *argument == DataType::Int64 || *to == DataType::Float64 {
        cast(sum.clone(), DataType::Float64) / cast(count.clone(), DataType::Float64)
    } else {
        // When there is nothing to average, the result is NULL, not a division by zero.
        let counted = nullif(count.clone(), lit(0_i64));
        let integer = if needs_room(argument) {
            DataType::Decimal256(20, 0)
        } else {
            DataType::Decimal128(20, 0)
        };
        sum.clone() / cast(counted, integer)
    };
    cast(quotient, to.clone())
}

/// `n q - s²` is exact in 76 digits, and never negative. Only the later operations on doubles
/// round.
fn variance(
    count: &Expr,
    sum: &Expr,
    squares: &Expr,
    argument: &DataType,
    sample: bool,
    root: bool,
) -> Result<Expr> {
    let scale = match argument {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    };
    let wide = |expr: &Expr, scale| {
        cast(expr.clone(), DataType::Decimal256(DECIMAL256_MAX_PRECISION, scale))
    };
    let numerator = wide(count, 0) * wide(squares, 2 * scale) - wide(sum, scale) * wide(sum, scale);
    let double = |expr: Expr| cast(expr, DataType::Float64);
    let less = i64::from(sample);
    let pairs = double(count.clone()) * double(count.clone() - lit(less));
    let variance = double(numerator) / pairs;
    let value = if root { sqrt(variance) } else { variance };
    when(count.clone().gt(lit(less)), value)
        .end()
        .map_err(|error| Error::internal("variance").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_their_own() {
        for name in ["count", "sum", "avg", "var_pop", "var_samp", "stddev_pop", "bit_or"] {
            assert_eq!(Function::named(name).unwrap().name(), name);
        }
        assert_eq!(Function::named("median"), None);
        assert_eq!(Quantile::new(1.5), None);
        assert_eq!(Quantile::new(f64::NAN), None);
        assert_eq!(Quantile::new(-0.0), Quantile::new(0.0));
    }
}
