//! The aggregate functions that can be made of mergeable parts, by their SQL names.
//!
//! | function | states | final |
//! |---|---|---|
//! | `count(*)`, `count(x)` | its own count | `coalesce(sum, 0)` |
//! | `sum(x)` | sum | cast back to the type that `sum(x)` has |
//! | `min`, `max`, `bool_and`, `bool_or`, `bit_and`, `bit_or` | the same | the same |
//! | `avg(x)`, x decimal | sum, count | sum / count, cut 4 digits below x's scale |
//! | `avg(x)`, x integer, or a decimal cast to double | sum as decimal, count | both as doubles, divided once |
//! | `var_pop`, `var_samp`, `stddev_pop`, `stddev_samp` | count, sum, sum of squares | (n q - s²) / n², or / n (n - 1); its root |
//! | `approx_distinct`, `approx_percentile` | sketch | its estimate |
//!
//! `avg` of integers and the variances are defined here for every route: DataFusion's own add up
//! doubles, so that their last digits depend on the order of addition. Here the sums are exact, and
//! rounded once.

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
    /// `bool_and(x)`.
    BoolAnd,
    /// `bool_or(x)`.
    BoolOr,
    /// `bit_and(x)`.
    BitAnd,
    /// `bit_or(x)`.
    BitOr,
    /// `var_pop`, `var_samp`, `stddev_pop` or `stddev_samp`.
    Spread {
        /// Of a sample: divided by n - 1.
        sample: bool,
        /// The standard deviation: its root.
        root: bool,
    },
    /// `approx_distinct(x)`: about how many different values there are.
    ApproxDistinct,
    /// `approx_percentile(x, q)`: about the value below which the part q of all values lies.
    ApproxPercentile(Quantile),
}

/// A part of 1, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quantile(u64);

impl Quantile {
    /// That part, if it is one.
    #[must_use]
    pub fn new(part: f64) -> Option<Self> {
        (0.0..=1.0).contains(&part).then(|| Self((part + 0.0).to_bits()))
    }

    /// The part.
    #[must_use]
    pub const fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl Function {
    /// The function of one column that SQL calls so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let spread = |sample, root| Self::Spread { sample, root };
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
            "var" | "var_samp" => spread(true, false),
            "var_pop" => spread(false, false),
            "stddev" | "stddev_samp" => spread(true, true),
            "stddev_pop" => spread(false, true),
            "approx_distinct" => Self::ApproxDistinct,
            _ => return None,
        })
    }

    /// Its SQL name.
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
            Self::Spread { sample: true, root: false } => "var_samp",
            Self::Spread { sample: false, root: false } => "var_pop",
            Self::Spread { sample: true, root: true } => "stddev_samp",
            Self::Spread { sample: false, root: true } => "stddev_pop",
            Self::ApproxDistinct => "approx_distinct",
            Self::ApproxPercentile(_) => "approx_percentile",
        }
    }

    /// Whether DataFusion's own would add up doubles where ours is exact.
    #[must_use]
    pub const fn is_made_exact(self) -> bool {
        matches!(self, Self::Avg | Self::Spread { .. })
    }

    /// Whether DataFusion's own, over an argument of that type, could wrap: a sum that is too large
    /// for its type.
    #[must_use]
    pub const fn can_wrap(self, argument: &DataType) -> bool {
        matches!(self, Self::Sum) && needs_room(argument)
    }

    /// An argument of a function that [can wrap](Self::can_wrap) in a type in which it can't.
    #[must_use]
    pub(crate) fn with_room(argument: Expr, kind: &DataType) -> Expr {
        cast(argument, wide(kind))
    }

    /// The states that this function's value is made of, over an argument of that type.
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
            Self::Spread { .. } => vec![State::Count, sum, State::Squares],
            Self::ApproxDistinct => vec![State::Distinct],
            Self::ApproxPercentile(_) => vec![State::Percentiles],
        }
    }

    /// What a segment stores for this function over a column of that type.
    #[must_use]
    pub fn stored_states(self, column: ColumnType) -> Vec<State> {
        self.states(&column.query_type()).into_iter().map(State::stored).collect()
    }

    /// The value, of the merged states that [`states`](Self::states) names, in type `to`; a sum that
    /// has no room there is an error of the query, which calls it `name`.
    ///
    /// # Errors
    /// `Internal` when the states aren't those.
    pub fn finalize(
        self,
        merged: &[Expr],
        argument: &DataType,
        (to, name): (&DataType, &str),
    ) -> Result<Expr> {
        match (self, merged) {
            (Self::Rows | Self::Count, [count]) => Ok(coalesce(vec![count.clone(), lit(0_i64)])),
            (Self::Avg, [sum, count]) => Ok(average(sum, count, argument, to)),
            (Self::Spread { sample, root }, [count, sum, squares]) => {
                spread(count, sum, squares, argument, sample, root)
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

/// Truncating decimal division at the scale of `to` is DataFusion's own rule for `avg`
/// (`DecimalAverager`), and so is Arrow's `/` (scale of the left side + 4).
fn average(sum: &Expr, count: &Expr, argument: &DataType, to: &DataType) -> Expr {
    let quotient = if *argument == DataType::Int64 || *to == DataType::Float64 {
        cast(sum.clone(), DataType::Float64) / cast(count.clone(), DataType::Float64)
    } else {
        // NULL, not a division by zero, where there is nothing to average.
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

/// `n q - s²` is exact in 76 digits, and never negative; only the division and the root round.
fn spread(
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
