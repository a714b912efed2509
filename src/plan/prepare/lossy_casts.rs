//! Hides lossy casts from rules that treat every cast as lossless.
//!
//! ```text
//! CAST(cost AS BIGINT) = 1   ──▶  as_is(CAST(cost AS Int64)) = 1
//! ```
//!
//! DataFusion rewrites `CAST(cost AS BIGINT) = 1` to `cost = 1`, which drops 1.5. When a filter
//! fixes a cast of a column, as `CAST(timestamp AS DATE) = d` does, DataFusion also takes the
//! column for constant and drops it from ORDER BY. A function around the cast prevents both,
//! because DataFusion can't see through the function.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::{
        DFSchema,
        tree_node::{Transformed, TreeNode as _, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{BinaryExpr, Expr, ExprSchemable as _, LogicalPlan},
};

use crate::{
    model::{as_is, is_as_is},
    plan::expressions::changed,
};

/// Which casts are hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lossy {
    /// Casts between numbers, and of times to coarser times.
    Numbers,
    /// Casts of times to dates. They are hidden after the rewrite only, because the rewrite must
    /// recognize them.
    Dates,
}

/// Hides lossy casts of that kind wherever values are compared.
///
/// # Errors
/// DataFusion's, for a malformed plan.
pub(crate) fn keep(plan: LogicalPlan, which: Lossy) -> Result<LogicalPlan> {
    changed(plan, |expr, schema| expr.transform_down(|part| compared(part, schema, which)))
}

/// A comparison with the lossy casts in its operands hidden.
fn compared(expr: Expr, schema: &DFSchema, which: Lossy) -> Result<Transformed<Expr>> {
    let compares = match &expr {
        Expr::BinaryExpr(BinaryExpr { op, .. }) => op.supports_propagation(),
        Expr::Between(_) | Expr::InList(_) => true,
        _ => false,
    };
    if !compares {
        return Ok(Transformed::no(expr));
    }
    expr.map_children(|side| {
        side.transform_down(|part| {
            if is_as_is(&part) {
                return Ok(Transformed::new(part, false, TreeNodeRecursion::Jump));
            }
            let Expr::Cast(cast) = &part else { return Ok(Transformed::no(part)) };
            let from = cast.expr.get_type(schema)?;
            if !is_lossy(&from, cast.field.data_type(), which) {
                return Ok(Transformed::no(part));
            }
            Ok(Transformed::new(as_is(part), true, TreeNodeRecursion::Jump))
        })
    })
}

/// Whether the cast can map different values to one value.
fn is_lossy(from: &DataType, to: &DataType, which: Lossy) -> bool {
    use DataType::{Date32, Date64, Timestamp};
    match (from, to, which) {
        (Timestamp(..), Date32 | Date64, which) => which == Lossy::Dates,
        (_, _, Lossy::Dates) => false,
        (Timestamp(from, _), Timestamp(to, _), _) => fineness(*from) > fineness(*to),
        (from, to, _) if from.is_numeric() && to.is_numeric() => match (scale(from), scale(to)) {
            (Some(from), Some(to)) => from > to,
            _ => from != to && !(*from == DataType::Float32 && *to == DataType::Float64),
        },
        _ => false,
    }
}

const fn fineness(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

/// The number of digits after the decimal point. `None` for floats. An integer that is too large
/// for a smaller type is an error, so it never becomes another number.
fn scale(kind: &DataType) -> Option<i8> {
    match kind {
        kind if kind.is_integer() => Some(0),
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::test_root::rewritten;

    #[test]
    fn what_loses_something() {
        use DataType::{Date32, Decimal128, Float32, Float64, Int32, Int64, Timestamp};
        let micros = Timestamp(TimeUnit::Microsecond, None);
        for (from, to, lossy) in [
            (Decimal128(18, 12), Int64, true),
            (Decimal128(18, 12), Decimal128(18, 2), true),
            (Decimal128(18, 2), Decimal128(28, 4), false),
            (Int64, Decimal128(20, 0), false),
            (Int64, Int32, false),
            (Int64, Float64, true),
            (Float64, Int64, true),
            (Float32, Float64, false),
            (micros.clone(), Timestamp(TimeUnit::Second, None), true),
            (Timestamp(TimeUnit::Second, None), micros.clone(), false),
        ] {
            assert_eq!(is_lossy(&from, &to, Lossy::Numbers), lossy, "{from} {to}");
            assert!(!is_lossy(&from, &to, Lossy::Dates), "{from} {to}");
        }
        assert!(is_lossy(&micros, &Date32, Lossy::Dates));
        assert!(!is_lossy(&micros, &Date32, Lossy::Numbers));
    }

    #[test]
    fn a_cast_that_drops_digits_is_no_plain_comparison() {
        let sql = "SELECT count(*) FROM calls WHERE CAST(cost AS BIGINT) = 1";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: count(*) ASC NULLS LAST
          Projection: count(Int64(1)) AS count(*)
            Aggregate: groupBy=[[]], aggr=[[count(Int64(1))]]
              Filter: as_is(CAST(calls.cost AS Int64)) = Int64(1)
                TableScan: calls
        -- 10 days: 10 raw (no rollup serves)
        --   not daily: cost is not a dimension; add it to dimensions
        --   not hourly: cost is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }
}
