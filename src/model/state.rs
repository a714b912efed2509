//! The algebra of measures: how a value is made of parts that can be merged.
//!
//! The job writes states and the rewrite merges them, both by this file, so that they can't
//! disagree: `partial` over raw rows, `merge` over partials, `finalize` once at the end. A final is
//! never merged.
//!
//! | function | folds | final |
//! |---|---|---|
//! | `count(*)`, `count(x)` | its own count | `coalesce(sum, 0)` |
//! | `sum(x)` | sum | cast back to the type that `sum(x)` has |
//! | `min(x)`, `max(x)` | the same | the same |
//! | `avg(x)`, x decimal | sum, count | sum / count, cut 4 digits below x's scale |
//! | `avg(x)`, x integer | sum as decimal, count | both as doubles, divided once |
//!
//! `avg` of integers is defined here for every route: DataFusion's own adds up doubles, so beyond
//! 2^53 its last digit depends on the order of addition.

use arrow::datatypes::DataType;
use datafusion::{
    common::ScalarValue,
    functions::core::expr_fn::coalesce,
    functions_aggregate::expr_fn::{count, max, min, sum},
    logical_expr::{Expr, ExprFunctionExt, cast, lit},
};

use super::{ColumnType, Function};
use crate::base::{Error, Result};

/// One mergeable column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fold {
    /// The number of rows.
    Rows,
    /// The number of values that aren't NULL.
    Count,
    /// The sum in the type that SQL gives it. Integers wrap, as DataFusion's do.
    Sum,
    /// The sum of integers as a decimal, which has room for any number of them.
    WideSum,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
}

/// A column of a segment: a fold over a raw column (none for [`Fold::Rows`]).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredState {
    /// The fold.
    pub fold: Fold,
    /// The raw column.
    pub column: Option<String>,
}

impl StoredState {
    /// The segment column's name, such as `cost_sum`.
    #[must_use]
    pub fn name(&self) -> String {
        let column = self.column.as_deref().unwrap_or_default();
        match self.fold {
            Fold::Rows => "calls".to_owned(),
            Fold::Count => format!("{column}_count"),
            Fold::Sum | Fold::WideSum => format!("{column}_sum"),
            Fold::Min => format!("{column}_min"),
            Fold::Max => format!("{column}_max"),
        }
    }

    /// Whether a segment's rows can lack a value.
    #[must_use]
    pub const fn nullable(&self) -> bool {
        !matches!(self.fold, Fold::Rows | Fold::Count)
    }
}

impl Function {
    /// The folds that this function's value is made of, over an argument of that type.
    #[must_use]
    pub fn folds(self, argument: &DataType) -> Vec<Fold> {
        match self {
            Self::Rows => vec![Fold::Rows],
            Self::Count => vec![Fold::Count],
            Self::Sum => vec![Fold::Sum],
            Self::Min => vec![Fold::Min],
            Self::Max => vec![Fold::Max],
            Self::Avg if *argument == DataType::Int64 => vec![Fold::WideSum, Fold::Count],
            Self::Avg => vec![Fold::Sum, Fold::Count],
        }
    }

    /// What a segment stores for this function over a column of that type.
    #[must_use]
    pub fn stored_folds(self, column: ColumnType) -> Vec<Fold> {
        self.folds(&column.query_type()).into_iter().map(Fold::stored).collect()
    }

    /// The value, of the merged folds that [`folds`](Self::folds) names, in type `to`.
    ///
    /// # Errors
    /// `Internal` when the folds aren't those.
    pub fn finalize(self, merged: &[Expr], argument: &DataType, to: &DataType) -> Result<Expr> {
        match (self, merged) {
            (Self::Rows | Self::Count, [count]) => Ok(coalesce(vec![count.clone(), lit(0_i64)])),
            (Self::Sum | Self::Min | Self::Max, [value]) => Ok(cast(value.clone(), to.clone())),
            (Self::Avg, [sum, count]) => Ok(average(sum, count, argument, to)),
            _ => Err(Error::internal(format!("{self:?} of {} folds", merged.len()))),
        }
    }
}

/// Truncating decimal division at the scale of `to` is DataFusion's own rule for `avg`
/// (`DecimalAverager`), and so is Arrow's `/` (scale of the left side + 4).
fn average(sum: &Expr, count: &Expr, argument: &DataType, to: &DataType) -> Expr {
    let quotient = if *argument == DataType::Int64 {
        cast(sum.clone(), DataType::Float64) / cast(count.clone(), DataType::Float64)
    } else {
        // NULL, not a division by zero, where there is nothing to average.
        let counted = datafusion::functions::core::expr_fn::nullif(count.clone(), lit(0_i64));
        sum.clone() / cast(counted, DataType::Decimal128(20, 0))
    };
    cast(quotient, to.clone())
}

impl Fold {
    /// The fold that a segment stores in place of this one.
    #[must_use]
    pub const fn stored(self) -> Self {
        match self {
            Self::WideSum => Self::Sum,
            other => other,
        }
    }

    /// The aggregate over raw rows, or only those where `filter` holds.
    ///
    /// # Errors
    /// `Internal` when DataFusion refuses the filter.
    pub fn partial(self, argument: Option<Expr>, filter: Option<Expr>) -> Result<Expr> {
        let argument = argument.unwrap_or_else(|| lit(ScalarValue::Int64(Some(1))));
        let aggregate = match self {
            Self::Rows | Self::Count => count(argument),
            Self::Sum => sum(argument),
            Self::WideSum => sum(cast(argument, DataType::Decimal128(20, 0))),
            Self::Min => min(argument),
            Self::Max => max(argument),
        };
        match filter {
            None => Ok(aggregate),
            Some(filter) => aggregate
                .filter(filter)
                .build()
                .map_err(|error| Error::internal("filtered aggregate").with_source(error)),
        }
    }

    /// A segment's stored column as this fold's partial, only of the groups where `filter` holds.
    ///
    /// # Errors
    /// `Internal` when DataFusion refuses the condition.
    pub fn restored(self, stored: Expr, filter: Option<Expr>) -> Result<Expr> {
        let state = match self {
            // The type that `partial` has.
            Self::WideSum => cast(stored, DataType::Decimal128(30, 0)),
            _ => stored,
        };
        match filter {
            None => Ok(state),
            Some(filter) => datafusion::logical_expr::when(filter, state)
                .end()
                .map_err(|error| Error::internal("filtered state").with_source(error)),
        }
    }

    /// The aggregate over partials.
    #[must_use]
    pub fn merge(self, partial: Expr) -> Expr {
        match self {
            Self::Rows | Self::Count | Self::Sum | Self::WideSum => sum(partial),
            Self::Min => min(partial),
            Self::Max => max(partial),
        }
    }

    /// The type of a partial over an argument of that type.
    #[must_use]
    pub fn partial_type(self, argument: &DataType) -> DataType {
        match (self, argument) {
            (Self::Rows | Self::Count, _) => DataType::Int64,
            (Self::WideSum, _) => DataType::Decimal128(30, 0),
            (Self::Sum, DataType::Decimal128(precision, scale)) => {
                DataType::Decimal128((precision + 10).min(38), *scale)
            }
            (Self::Sum | Self::Min | Self::Max, other) => other.clone(),
        }
    }
}
