//! Breaks ties among aggregated rows by their other columns.
//!
//! ```text
//! row_number() OVER (ORDER BY n)   ──▶  row_number() OVER (ORDER BY n, d, model, …)
//! array_agg(model)                 ──▶  array_agg(model ORDER BY d, model, …)
//! corr(x, y)                       ──▶  corr over its rows sorted by x, y
//! ```
//!
//! SQL leaves the order of equal rows open. Without a tie break, the answer would depend on how
//! files were read. Windows that treat equal rows as peers on purpose, such as `rank()`, stay
//! unchanged.

use std::sync::Arc;

use datafusion::{
    common::{Column, DFSchema, tree_node::Transformed},
    error::Result,
    logical_expr::{
        Aggregate, AggregateUDF, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder,
        SortExpr, Window, WindowFrameUnits,
        expr::{AggregateFunction, AggregateFunctionParams},
    },
};

use crate::{
    model::{Function, in_order},
    plan::{block::calls, one_answer::order::orderable},
};

/// Window functions whose value depends on the order of equal rows.
const OF_ONE_ROW: [&str; 5] = ["row_number", "ntile", "lag", "lead", "first_value"];

/// Aggregates whose value depends on the order of rows.
const ORDERED: [&str; 5] = ["array_agg", "string_agg", "first_value", "last_value", "nth_value"];

/// Aggregates that compute with doubles in the order of rows, whatever the types of their
/// arguments.
const OF_DOUBLES: [&str; 14] = [
    "corr",
    "covar_pop",
    "covar_samp",
    "regr_slope",
    "regr_intercept",
    "regr_r2",
    "regr_avgx",
    "regr_avgy",
    "regr_sxx",
    "regr_syy",
    "regr_sxy",
    "approx_percentile_cont",
    "approx_percentile_cont_with_weight",
    "approx_median",
];

/// Extends the orders of windows to all columns of their input, where that matters. The extended
/// windows get a node above the unchanged ones, because all windows of a node share one order.
pub(in crate::plan) fn of_window(window: Window) -> Result<Transformed<LogicalPlan>> {
    let rest: Vec<_> = orderable(&window.input).map(|column| column.sort(true, false)).collect();
    let (mut same, mut continued) = (Vec::new(), Vec::new());
    for expr in &window.window_expr {
        match continued_window(expr, &rest) {
            None => same.push(expr.clone()),
            Some(found) => continued.push(found.alias(expr.schema_name().to_string())),
        }
    }
    if continued.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let columns = window.schema.iter().map(|pair| Expr::Column(Column::from(pair)));
    let columns: Vec<_> = columns.collect();
    let mut input = window.input;
    if !same.is_empty() {
        input = Arc::new(LogicalPlan::Window(Window::try_new(same, input)?));
    }
    let continued = LogicalPlan::Window(Window::try_new(continued, input)?);
    Ok(Transformed::yes(LogicalPlanBuilder::from(continued).project(columns)?.build()?))
}

fn continued_window(expr: &Expr, rest: &[SortExpr]) -> Option<Expr> {
    let Expr::WindowFunction(call) = expr.clone().unalias() else { return None };
    let mut call = call;
    let frame = &call.params.window_frame;
    let by_rows = frame.units == WindowFrameUnits::Rows;
    // A frame that begins with the partition's first row still does so under a longer order.
    let from_first = frame.units == WindowFrameUnits::Range && frame.start_bound.is_unbounded();
    let matters = by_rows || from_first && OF_ONE_ROW.contains(&call.fun.name());
    if !matters {
        return None;
    }
    let before = call.params.order_by.len();
    let fixed = call.params.partition_by.clone();
    extend(&mut call.params.order_by, rest, &fixed);
    (call.params.order_by.len() > before).then_some(Expr::WindowFunction(call))
}

/// Extends the orders of the aggregate's calls to all columns of its input, where that matters.
pub(in crate::plan) fn of_aggregate(mut aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let schema = aggregate.input.schema();
    let rest: Vec<_> = orderable(&aggregate.input).map(|column| column.sort(true, false)).collect();
    let mut changed = false;
    let calls = aggregate.aggr_expr.iter().map(|expr| {
        let Expr::AggregateFunction(AggregateFunction { func, mut params }) =
            expr.clone().unalias()
        else {
            return Ok(expr.clone());
        };
        if adds_doubles(&func, &params, schema)? {
            changed = true;
            let name = expr.schema_name().to_string();
            let call = AggregateFunction { func: in_order(&func), params };
            return Ok(Expr::AggregateFunction(call).alias(name));
        }
        if !ORDERED.contains(&func.name()) {
            return Ok(expr.clone());
        }
        let before = params.order_by.clone();
        params.order_by = each_once(params.order_by);
        if params.distinct {
            // Distinct values can be ordered by themselves alone.
            let value = params.args.first().map(|value| value.clone().sort(true, false));
            extend(&mut params.order_by, value.as_slice(), &[]);
        } else {
            extend(&mut params.order_by, &rest, &[]);
        }
        if params.order_by == before {
            return Ok(expr.clone());
        }
        changed = true;
        let name = expr.schema_name().to_string();
        Ok(Expr::AggregateFunction(AggregateFunction { func, params }).alias(name))
    });
    let calls = calls.collect::<Result<Vec<_>>>()?;
    if !changed {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    aggregate.aggr_expr = calls;
    Ok(Transformed::yes(LogicalPlan::Aggregate(aggregate)))
}

/// Whether the call adds up doubles in the order of its rows. Variances and deviations of other
/// numbers are computed from exact sums ([`exact`](super::exact)).
fn adds_doubles(
    called: &AggregateUDF,
    params: &AggregateFunctionParams,
    schema: &DFSchema,
) -> Result<bool> {
    let (Some(function @ Function::Variance { .. }), [argument]) =
        (calls::function(called.name(), &params.args), params.args.as_slice())
    else {
        return Ok(OF_DOUBLES.contains(&called.name()));
    };
    let argument = calls::exact_argument(function, argument, schema)?;
    Ok(params.distinct || calls::adds_floats(function, &argument.get_type(schema)?))
}

/// The order without keys that an earlier key decides. DataFusion 55 panics on such keys.
pub(in crate::plan) fn each_once(order: Vec<SortExpr>) -> Vec<SortExpr> {
    let mut once: Vec<SortExpr> = Vec::with_capacity(order.len());
    for key in order {
        let expr = key.expr.unalias_nested().data;
        if once.iter().all(|known| known.expr != expr) {
            once.push(SortExpr { expr, ..key });
        }
    }
    once
}

/// Adds the keys that an order lacks. Expressions in `fixed` are constant among the ordered rows,
/// so they aren't added.
fn extend(order: &mut Vec<SortExpr>, rest: &[SortExpr], fixed: &[Expr]) {
    for key in rest {
        let is_known =
            order.iter().any(|known| known.expr == key.expr) || fixed.contains(&key.expr);
        if !is_known {
            order.push(key.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn ties_of_a_window_are_broken_by_the_other_columns() {
        let sql = "SELECT org, n, row_number() OVER (ORDER BY n) FROM (SELECT org, count(*) AS n FROM calls GROUP BY org)";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: calls.org ASC NULLS LAST, n ASC NULLS LAST, row_number() ORDER BY [n ASC NULLS LAST] RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW ASC NULLS LAST
          Projection: calls.org, n, row_number() ORDER BY [n ASC NULLS LAST] RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            Projection: calls.org, n, row_number() ORDER BY [n ASC NULLS LAST] RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
              WindowAggr: windowExpr=[[row_number() ORDER BY [n ASC NULLS LAST, calls.org ASC NULLS LAST] RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW AS row_number() ORDER BY [n ASC NULLS LAST] RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW]]
                Projection: calls.org, count(Int64(1)) AS count(*) AS n
                  Projection: group_0 AS org, coalesce(state_0, Int64(0)) AS count(Int64(1))
                    Aggregate: groupBy=[[group_0]], aggr=[[sum(state_0) AS state_0]]
                      Union
                        Projection: CAST(daily.org AS Utf8View) AS group_0, CAST(daily.calls AS Int64) AS state_0
                          TableScan: daily
                        Projection: CAST(group_0 AS Utf8View) AS group_0, CAST(state_0 AS Int64) AS state_0
                          Aggregate: groupBy=[[calls.org AS group_0]], aggr=[[count(Int64(1)) AS state_0]]
                            TableScan: calls
        -- 10 days: 8 from daily, 1 raw (no segment), 1 segment + 1 late leaf raw
        --   not hourly: org is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }
}
