//! The algebra of measures: how a value is computed from parts that can be merged.
//!
//! Jobs write states, and the rewrite merges them. Both use this file, so they can't disagree:
//! [`partial`](State::partial) over raw rows, [`merge`](State::merge) over partials,
//! [`Function::finalize`](super::Function::finalize) once at the end. A final value is never
//! merged.
//!
//! A group's partial comes from a stored state ([`restored`](State::restored)), from a value that
//! all rows of the group share ([`repeated`](State::repeated)), or from the product of both
//! ([`scaled`](State::scaled)).

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType};
use datafusion::{
    common::ScalarValue,
    functions_aggregate::expr_fn::{bit_and, bit_or, bool_and, bool_or, count, max, min, sum},
    logical_expr::{Expr, ExprFunctionExt, cast, lit, when},
};

use super::sketch::{
    DISTINCT_ENCODING, PERCENTILES_ENCODING, distinct_merge, distinct_sketch, distinct_sketch_of,
    percentile_merge, percentile_sketch,
};
use crate::{
    base::{Error, Result},
    model::column::is_word,
};

/// The mergeable state of an aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The number of rows.
    Rows,
    /// The number of values that aren't NULL.
    Count,
    /// The sum in SQL's type for it, over numbers so small that no sum of them wraps.
    Sum,
    /// The sum of integers, or of decimals with many digits, in a type that has room for any
    /// number of them. A segment stores it in SQL's type for the sum.
    WideSum,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// Whether all values are true.
    BoolAnd,
    /// Whether any value is true.
    BoolOr,
    /// The bits that are set in all values.
    BitAnd,
    /// The bits that are set in any value.
    BitOr,
    /// The sum of the values' squares, as a decimal.
    Squares,
    /// A sketch of the distinct values.
    Distinct,
    /// A sketch of the distribution of the values.
    Percentiles,
}

/// A column of a segment: a state over a raw column or an expression. [`State::Rows`] has no
/// argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredState {
    /// The state.
    pub kind: State,
    /// The raw column's name, or the expression's text; `None` for [`State::Rows`].
    pub argument: Option<String>,
}

impl StoredState {
    /// The name of the segment's column, such as `cost_sum` and `(price * pieces)_sum`.
    #[must_use]
    pub fn name(&self) -> String {
        let argument = self.argument.as_deref().unwrap_or_default();
        let suffix = match self.kind {
            State::Rows => return "calls".to_owned(),
            State::Count => "count",
            State::Sum | State::WideSum => "sum",
            State::Min => "min",
            State::Max => "max",
            State::BoolAnd => "bool_and",
            State::BoolOr => "bool_or",
            State::BitAnd => "bit_and",
            State::BitOr => "bit_or",
            State::Squares => "squares",
            State::Distinct => "distinct",
            State::Percentiles => "percentiles",
        };
        if is_word(argument) {
            format!("{argument}_{suffix}")
        } else {
            format!("({argument})_{suffix}")
        }
    }

    /// Whether the segment's column can have NULLs.
    #[must_use]
    pub const fn nullable(&self) -> bool {
        !matches!(self.kind, State::Rows | State::Count)
    }
}

impl State {
    /// The state that a segment stores in place of this one.
    #[must_use]
    pub const fn stored(self) -> Self {
        match self {
            Self::WideSum => Self::Sum,
            other => other,
        }
    }

    /// The aggregate over raw rows, or over only those where `filter` holds. `kind` is the
    /// argument's type.
    ///
    /// # Errors
    /// `Internal` when DataFusion refuses the filter.
    pub fn partial(
        self,
        argument: Option<Expr>,
        kind: &DataType,
        filter: Option<Expr>,
    ) -> Result<Expr> {
        let argument = argument.unwrap_or_else(|| lit(ScalarValue::Int64(Some(1))));
        let aggregate = match self {
            Self::Rows | Self::Count => count(argument),
            Self::Sum => sum(argument),
            Self::WideSum => sum(cast(argument, wide(kind))),
            Self::Min => min(argument),
            Self::Max => max(argument),
            Self::BoolAnd => bool_and(argument),
            Self::BoolOr => bool_or(argument),
            Self::BitAnd => bit_and(argument),
            Self::BitOr => bit_or(argument),
            Self::Squares => sum(square(&argument, kind)),
            Self::Distinct => distinct_sketch(argument),
            Self::Percentiles => percentile_sketch(cast(argument, DataType::Float64)),
        };
        match filter {
            None => Ok(aggregate),
            Some(filter) => aggregate
                .filter(filter)
                .build()
                .map_err(|error| Error::internal("filtered aggregate").with_source(error)),
        }
    }

    /// This state's partial, from a segment's stored column. `kind` is the argument's type.
    #[must_use]
    pub fn restored(self, stored: Expr, kind: &DataType) -> Expr {
        match self {
            Self::WideSum => cast(stored, self.partial_type(kind)),
            _ => stored,
        }
    }

    /// The partial over `rows` rows that all have `value`; `None` when it can't be exact. `kind`
    /// is the type of `value`.
    ///
    /// # Errors
    /// `Internal` when DataFusion refuses the condition.
    pub fn repeated(self, value: Expr, rows: Expr, kind: &DataType) -> Result<Option<Expr>> {
        Ok(Some(match self {
            Self::Rows => rows,
            Self::Count => only(value.is_not_null(), rows)?,
            Self::Sum => match kind {
                DataType::Decimal128(..) => value * cast(rows, INTEGER),
                _ => return Ok(None),
            },
            Self::WideSum => match kind {
                DataType::Int64 => cast(value, INTEGER) * cast(rows, INTEGER),
                DataType::Decimal128(..) => cast(value, wide(kind)) * cast(rows, WIDE_INTEGER),
                _ => return Ok(None),
            },
            Self::Squares => square(&value, kind) * cast(rows, WIDE_INTEGER),
            Self::Min | Self::Max | Self::BoolAnd | Self::BoolOr | Self::BitAnd | Self::BitOr => {
                value
            }
            Self::Distinct => distinct_sketch_of(value),
            Self::Percentiles => return Ok(None),
        }))
    }

    /// The partial over products `x * factor`, computed from `partial`, this state's partial over
    /// `x`; `None` when it can't be exact. All rows share the factor. `kinds` are the types of the
    /// product and of the factor.
    ///
    /// # Errors
    /// `Internal` when DataFusion refuses the condition.
    pub fn scaled(
        self,
        partial: Expr,
        factor: Expr,
        kinds: (&DataType, &DataType),
    ) -> Result<Option<Expr>> {
        Ok(match self {
            Self::Sum => Some(partial * factor),
            Self::WideSum => Some(match kinds {
                (DataType::Decimal128(..), of_factor @ DataType::Decimal128(..)) => {
                    partial * cast(factor, wide(of_factor))
                }
                (DataType::Decimal128(..), _) => partial * cast(factor, WIDE_INTEGER),
                _ => partial * cast(factor, INTEGER),
            }),
            Self::Count => Some(only(factor.is_not_null(), partial)?),
            _ => None,
        })
    }

    /// The aggregate that merges partials.
    #[must_use]
    pub fn merge(self, partial: Expr) -> Expr {
        match self {
            Self::Rows | Self::Count | Self::Sum | Self::WideSum | Self::Squares => sum(partial),
            Self::Min => min(partial),
            Self::Max => max(partial),
            Self::BoolAnd => bool_and(partial),
            Self::BoolOr => bool_or(partial),
            Self::BitAnd => bit_and(partial),
            Self::BitOr => bit_or(partial),
            Self::Distinct => distinct_merge(partial),
            Self::Percentiles => percentile_merge(partial),
        }
    }

    /// The type of a partial over an argument of type `argument`.
    #[must_use]
    pub fn partial_type(self, argument: &DataType) -> DataType {
        match (self, argument) {
            (Self::Rows | Self::Count, _) => DataType::Int64,
            (Self::WideSum, DataType::Decimal128(precision, scale)) => {
                DataType::Decimal256(precision + 10, *scale)
            }
            (Self::WideSum, _) => INTEGER_SUM,
            (Self::Sum, DataType::Decimal128(precision, scale)) => {
                DataType::Decimal128((precision + 10).min(DECIMAL128_MAX_PRECISION), *scale)
            }
            (Self::Squares, argument) => {
                DataType::Decimal256(DECIMAL256_MAX_PRECISION, 2 * scale_of(argument))
            }
            (Self::Distinct | Self::Percentiles, _) => DataType::Binary,
            (_, other) => other.clone(),
        }
    }

    /// The type in segments, over a column of type `column`. Squares are stored in 38 digits,
    /// which other readers of Parquet know, too. A sum of squares with more digits is an error of
    /// the job.
    #[must_use]
    pub fn stored_type(self, column: &DataType) -> DataType {
        match self {
            Self::Squares => DataType::Decimal128(DECIMAL128_MAX_PRECISION, 2 * scale_of(column)),
            _ => self.partial_type(column),
        }
    }

    /// The version of the stored form; `None` when the type alone defines the form.
    #[must_use]
    pub const fn encoding(self) -> Option<&'static str> {
        match self {
            Self::Distinct => Some(DISTINCT_ENCODING),
            Self::Percentiles => Some(PERCENTILES_ENCODING),
            _ => None,
        }
    }
}

/// The decimal type of an integer.
const INTEGER: DataType = DataType::Decimal128(20, 0);
/// The decimal type of a sum of integers.
const INTEGER_SUM: DataType = DataType::Decimal128(30, 0);
/// The decimal type of an integer beside decimals of 76 digits.
const WIDE_INTEGER: DataType = DataType::Decimal256(20, 0);

/// The most digits of a decimal that can be summed and averaged in 38 digits. A sum of 10^10 such
/// decimals has at most 34 digits. Its average takes 38 digits: four more after the point than the
/// sum.
const NARROW_DIGITS: u8 = 24;

/// Whether sums of numbers of type `kind` need a wider type than SQL gives them.
pub(super) const fn needs_room(kind: &DataType) -> bool {
    match kind {
        DataType::Int64 | DataType::UInt64 => true,
        DataType::Decimal128(precision, _) => *precision > NARROW_DIGITS,
        _ => false,
    }
}

/// Whether sums of stored sums of type `kind` need a wider type than SQL gives them.
pub(crate) const fn stored_needs_room(kind: &DataType) -> bool {
    match kind {
        DataType::Decimal128(precision, _) => *precision > NARROW_DIGITS + 10,
        kind => needs_room(kind),
    }
}

/// The type in which numbers of type `kind` are summed when they need room.
pub(super) fn wide(kind: &DataType) -> DataType {
    match kind {
        DataType::Decimal128(precision, scale) => DataType::Decimal256(*precision, *scale),
        _ => INTEGER,
    }
}

fn scale_of(kind: &DataType) -> i8 {
    match kind {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    }
}

/// The square of a value, exact in 76 digits, at twice the value's scale.
fn square(value: &Expr, kind: &DataType) -> Expr {
    let wide = DataType::Decimal256(DECIMAL128_MAX_PRECISION, scale_of(kind));
    cast(value.clone(), wide.clone()) * cast(value.clone(), wide)
}

fn only(condition: Expr, value: Expr) -> Result<Expr> {
    when(condition, value)
        .end()
        .map_err(|error| Error::internal("conditional partial").with_source(error))
}
