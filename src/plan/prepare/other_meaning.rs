//! Refuses expressions that DataFusion 55 computes with another meaning than SQL gives them.
//!
//! | written | computed as |
//! |---|---|
//! | `a - b < INTERVAL '1 day'` | a comparison of months, then days, then the rest |
//! | `… OVER (ORDER BY text RANGE 1 PRECEDING)` | all rows before |
//! | `var_pop(x) OVER (… ROWS 1 PRECEDING)`, and other statistics | with what is left of rows that left |
//! | `to_char(timestamp, 'YYYY-MM')` | the text YYYY-MM |
//! | `EXISTS (SELECT count(*) … WHERE inner = outer)` | whether there is such a row; it always has one |
//! | `EXISTS (SELECT … WHERE inner = outer OFFSET 1)` | without OFFSET |

use datafusion::{
    arrow::datatypes::DataType,
    common::{DFSchema, plan_err},
    error::Result,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable as _, LogicalPlan, Operator, WindowFrameBound,
        WindowFrameUnits,
        expr::{Exists, ScalarFunction, WindowFunction},
    },
};

/// Checks one part of an analyzed expression over the columns of `schema`.
///
/// # Errors
/// `Plan` when the part would be computed with another meaning.
pub(in crate::plan) fn check(part: &Expr, schema: &DFSchema) -> Result<()> {
    match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
            check_interval([left.as_ref(), right], schema)
        }
        Expr::Between(between) => check_interval([between.expr.as_ref(), &between.low], schema),
        Expr::InList(list) => check_interval([list.expr.as_ref()], schema),
        Expr::WindowFunction(call) => {
            check_moving(call)?;
            check_range(call, schema)
        }
        Expr::Exists(exists) => check_exists(exists),
        Expr::ScalarFunction(call) => check_format(call),
        _ => Ok(()),
    }
}

const fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn check_interval<'e>(sides: impl IntoIterator<Item = &'e Expr>, schema: &DFSchema) -> Result<()> {
    let is_interval = |side: &Expr| matches!(side.get_type(schema), Ok(DataType::Interval(_)));
    if sides.into_iter().any(is_interval) {
        return plan_err!(
            "intervals can't be compared: a month has no fixed length. Compare points in time: \
             a < b + INTERVAL '1 day' instead of a - b < INTERVAL '1 day'"
        );
    }
    Ok(())
}

/// A format of `to_char` for another engine, such as `YYYY-MM`, would be the answer itself.
fn check_format(call: &ScalarFunction) -> Result<()> {
    if call.func.name() == "to_char"
        && let Some(Expr::Literal(format, _)) = call.args.get(1)
        && let Some(Some(format)) = format.try_as_str()
        && !format.contains('%')
    {
        return plan_err!("`{format}` is no format of to_char; write '%Y-%m-%d %H:%M:%S'");
    }
    Ok(())
}

/// DataFusion subtracts the rows that leave a moving frame. What is left of them can be larger than
/// the rows that remain.
fn check_moving(call: &WindowFunction) -> Result<()> {
    const STATISTICS: [&str; 4] = ["var", "stddev", "co", "regr_"];
    let name = call.fun.name();
    let is_statistic = STATISTICS.iter().any(|start| name.starts_with(start)) && name != "count";
    if is_statistic && !call.params.window_frame.start_bound.is_unbounded() {
        return plan_err!(
            "{name} over a frame that moves isn't supported, as it would not be exact; begin the frame \
             with UNBOUNDED PRECEDING, or join the table with itself and group"
        );
    }
    Ok(())
}

fn check_range(call: &WindowFunction, schema: &DFSchema) -> Result<()> {
    let frame = &call.params.window_frame;
    let has_distance = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(by) | WindowFrameBound::Following(by) => !by.is_null(),
        WindowFrameBound::CurrentRow => false,
    };
    let is_text = |expr: &Expr| expr.get_type(schema).is_ok_and(|kind| kind.is_string());
    if frame.units == WindowFrameUnits::Range
        && (has_distance(&frame.start_bound) || has_distance(&frame.end_bound))
        && call.params.order_by.iter().any(|key| is_text(&key.expr))
    {
        return plan_err!(
            "RANGE with a distance needs an ORDER BY of a number or a time, as texts have no \
             distance; write ROWS or GROUPS"
        );
    }
    Ok(())
}

fn check_exists(exists: &Exists) -> Result<()> {
    if exists.subquery.outer_ref_columns.is_empty() {
        return Ok(());
    }
    let mut plan = exists.subquery.subquery.as_ref();
    loop {
        plan = match plan {
            LogicalPlan::Projection(node) => &node.input,
            LogicalPlan::Filter(node) => &node.input,
            LogicalPlan::SubqueryAlias(node) => &node.input,
            LogicalPlan::Sort(node) => &node.input,
            LogicalPlan::Aggregate(node) if node.group_expr.is_empty() => {
                return plan_err!(
                    "EXISTS of an aggregate without GROUP BY isn't supported beside a condition on \
                     the outer row: it always has a row. Write EXISTS (SELECT 1 …), or compare the \
                     aggregate: 0 < (SELECT count(*) …)"
                );
            }
            LogicalPlan::Limit(node) if node.skip.is_some() => {
                return plan_err!(
                    "EXISTS with OFFSET isn't supported beside a condition on the outer row; count \
                     instead: 1 < (SELECT count(*) …)"
                );
            }
            LogicalPlan::Limit(node) => &node.input,
            _ => return Ok(()),
        };
    }
}
