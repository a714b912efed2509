//! Whether a rollup can serve a block, and its rows in the block's terms.
//!
//! All raw rows folded into one rollup row agree on its dimensions and its bucket. So an expression
//! over these alone has one value for all of them, and may be computed from the rollup row instead:
//!
//! 1. A dimension's column stays itself.
//! 2. `date` is the bucket's date.
//! 3. The time column stands only inside a function that is constant over each bucket, and there it
//!    is the bucket's first instant: `date_trunc` of a unit, and `date_part` of a field, that the
//!    grain divides; the cast to a date.
//! 4. A predicate on time that is exactly a span is the cover's to answer; any other follows 1 to
//! 3.
//! 5. Each aggregate's folds are stored, over the same column; its own filter follows 1 to 3.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::{
        Column, ScalarValue,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    error::{DataFusionError, Result},
    logical_expr::{Cast, Expr, cast, expr::ScalarFunction},
};

use super::{
    Refusal,
    shape::{Block, Call},
    time_filter::{self, TimeFilter, is_instant},
};
use crate::{
    base::Grain,
    model::{DATE_COLUMN, Dataset, Rollup, StoredState},
};

/// A block in a rollup's columns.
#[derive(Clone, Debug)]
pub(super) struct Derivation {
    /// The grouping expressions.
    pub(super) group: Vec<Expr>,
    /// The filters besides the span.
    pub(super) filters: Vec<Expr>,
    /// The partial of each fold of each call, in order.
    pub(super) states: Vec<Expr>,
}

/// Derives the block from the rollup, or says why not.
pub(super) fn derive(
    block: &Block,
    rollup: &Rollup,
    dataset: &Dataset,
) -> Result<Result<Derivation, Refusal>> {
    let terms = Terms { rollup, time: dataset.time_column() };
    let mut refusal = None;
    let mut keep = |found: Result<Expr, Refusal>| match found {
        Ok(expr) => Some(expr),
        Err(why) => {
            refusal.get_or_insert(why);
            None
        }
    };
    let mut derivation = Derivation { group: vec![], filters: vec![], states: vec![] };
    for expr in &block.group {
        derivation.group.extend(keep(terms.map(expr)?));
    }
    for conjunct in &block.conjuncts {
        let exact = time_filter::read(conjunct, dataset.time_column());
        if !matches!(exact, TimeFilter::Exact(_)) {
            derivation.filters.extend(keep(terms.map(conjunct)?));
        }
    }
    for call in &block.calls {
        match terms.states(call)? {
            Ok(states) => derivation.states.extend(states),
            Err(why) => {
                refusal.get_or_insert(why);
            }
        }
    }
    Ok(refusal.map_or(Ok(derivation), Err))
}

struct Terms<'a> {
    rollup: &'a Rollup,
    time: &'a str,
}

impl Terms<'_> {
    fn map(&self, expr: &Expr) -> Result<Result<Expr, Refusal>> {
        let mut refusal = None;
        let mapped = expr.clone().transform_down(|node| {
            if self.constant_in_bucket(&node) {
                let at_start = self.at_bucket_start(node)?;
                return Ok(Transformed::new(at_start, true, TreeNodeRecursion::Jump));
            }
            match &node {
                Expr::Column(column) if column.name == DATE_COLUMN => {
                    Ok(Transformed::new(self.bucket_date(), true, TreeNodeRecursion::Jump))
                }
                Expr::Column(column) if column.name == self.time => {
                    let expression = expr.to_string();
                    let grain = self.rollup.grain();
                    refusal = Some(Refusal::FinerThanGrain { expression, grain });
                    Ok(Transformed::new(node, false, TreeNodeRecursion::Stop))
                }
                Expr::Column(column) if !self.rollup.has_dimension(&column.name) => {
                    refusal = Some(Refusal::NotADimension(column.name.clone()));
                    Ok(Transformed::new(node, false, TreeNodeRecursion::Stop))
                }
                _ => Ok(Transformed::no(node)),
            }
        })?;
        Ok(refusal.map_or(Ok(mapped.data), Err))
    }

    /// Rule 5.
    fn states(&self, call: &Call) -> Result<Result<Vec<Expr>, Refusal>> {
        let column = match &call.argument {
            None => None,
            Some(Expr::Column(column)) => Some(column.name.clone()),
            Some(_) => return Ok(Err(Refusal::Expression(call.text.clone()))),
        };
        let filter = match call.filter.as_ref().map(|filter| self.map(filter)).transpose()? {
            None => None,
            Some(Ok(filter)) => Some(filter),
            Some(Err(refusal)) => return Ok(Err(refusal)),
        };
        let mut states = Vec::new();
        for fold in call.function.folds(&call.argument_type) {
            let state = StoredState { fold: fold.stored(), column: column.clone() };
            if !self.rollup.stores(&state) {
                return Ok(Err(Refusal::NotStored(call.text.clone())));
            }
            let stored = Expr::Column(Column::from_name(state.name()));
            let partial = fold
                .restored(stored, filter.clone())
                .map_err(|error| DataFusionError::External(Box::new(error)))?;
            states.push(partial);
        }
        Ok(Ok(states))
    }

    /// Rule 3.
    fn constant_in_bucket(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Cast(Cast { expr, field }) => {
                *field.data_type() == DataType::Date32 && is_instant(expr, self.time)
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                let [Expr::Literal(unit, _), instant] = args.as_slice() else { return false };
                let Some(Some(unit)) = unit.try_as_str() else { return false };
                is_instant(instant, self.time)
                    && matches!(func.name(), "date_trunc" | "date_part")
                    && divides(self.rollup.grain(), func.name(), &unit.to_ascii_lowercase())
            }
            _ => false,
        }
    }

    fn at_bucket_start(&self, expr: Expr) -> Result<Expr> {
        let mapped = expr.transform_down(|node| match &node {
            Expr::Column(column) if column.name == self.time => {
                Ok(Transformed::new(self.bucket_start(), true, TreeNodeRecursion::Jump))
            }
            _ => Ok(Transformed::no(node)),
        })?;
        Ok(mapped.data)
    }

    fn bucket(&self) -> Expr {
        Expr::Column(Column::from_name(self.rollup.bucket_column()))
    }

    fn bucket_date(&self) -> Expr {
        match self.rollup.grain() {
            Grain::Day => self.bucket(),
            Grain::Hour => cast(self.bucket(), DataType::Date32),
        }
    }

    fn bucket_start(&self) -> Expr {
        match self.rollup.grain() {
            Grain::Day => {
                cast(self.bucket(), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
            }
            Grain::Hour => self.bucket(),
        }
    }
}

/// Whether a unit of `date_trunc`, or a field of `date_part`, is constant over each bucket.
fn divides(grain: Grain, function: &str, unit: &str) -> bool {
    matches!(
        (grain, function, unit),
        (Grain::Hour, _, "hour")
            | (_, _, "day" | "week" | "month" | "quarter" | "year")
            | (_, "date_part", "dow" | "doy" | "isodow" | "isoyear")
    )
}

/// The filter that a piece adds where it answers less than its file holds: `[start, end)` of
/// `column`.
pub(super) fn within(column: &str, span: crate::base::Span) -> Expr {
    let column = || Expr::Column(Column::from_name(column));
    let at = |micros| {
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())), None)
    };
    column().gt_eq(at(span.start)).and(column().lt(at(span.end)))
}
