//! One definition of sums, averages and variances for every route.
//!
//! ```text
//! Aggregate: avg(CAST(x AS Float64))  ──▶  Projection: CAST(sum AS Float64) / count
//!                                            Aggregate: sum(CAST(x AS Decimal)), count(x)
//! Aggregate: sum(i)                   ──▶  Projection: narrowed(sum)
//!                                            Aggregate: sum(CAST(i AS Decimal))
//! WindowAggr: sum(i) OVER …           ──▶  Projection: narrowed(sum)
//!                                            WindowAggr: sum(CAST(i AS Decimal)) OVER …
//! Aggregate: sum(f), avg(f)           ──▶  Projection: sum, sum / count
//!                                            Aggregate: double_sum(f), count(f)
//! WindowAggr: sum(f), avg(f) OVER …   ──▶  the same with double_sum(f) OVER …, count(f) OVER …
//! ```
//!
//! A block over segments computes these functions from exact sums ([`Function`]). Every other
//! block must do so too, or the last digit could depend on the route. A sum that is too large for
//! its SQL type is an error, where DataFusion's sum wraps (apache/datafusion#17539). A sum of
//! doubles is rounded once, so the result doesn't depend on the order in which rows are read.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchema, tree_node::Transformed},
    error::Result,
    functions_aggregate::count::count_udaf,
    logical_expr::{
        Aggregate, AggregateUDF, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, Window,
        WindowFunctionDefinition, cast,
        expr::{AggregateFunction, AggregateFunctionParams, WindowFunction, WindowFunctionParams},
        lit,
    },
};

use crate::{
    model::{Function, double_sum, narrowed},
    plan::block::calls::{adds_floats, exact_argument, function},
};

/// What replaces a call.
enum Exact {
    /// The call itself.
    Same,
    /// The function's value, computed from these merged states.
    Folded { function: Function, kind: DataType, merged: Vec<Expr> },
    /// The call in a wider type, to be narrowed to its own type.
    Narrowed(Expr),
    /// This expression.
    Value(Expr),
}

/// Makes the calls of an aggregate or a window exact. Sums of integers and decimals, and the
/// averages and variances made of them, are computed in a type that can hold every sum.
pub(in crate::plan) fn exact(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Aggregate(aggregate) => exact_aggregate(aggregate),
        LogicalPlan::Window(window) => exact_window(window),
        node => Ok(Transformed::no(node)),
    }
}

fn exact_aggregate(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let mut folded = Vec::new();
    let mut finals = Vec::new();
    let prefix = new_prefix(&aggregate.schema);
    for (at, expr) in aggregate.aggr_expr.iter().enumerate() {
        let name = |part: usize| format!("{prefix}{at}_{part}");
        let column = |part| Expr::Column(Column::from_name(name(part)));
        let exact = match expr.clone().unalias() {
            Expr::AggregateFunction(call) => exact_call(&call, aggregate.input.schema(), column)?,
            _ => None,
        };
        let Some((calls, made)) = exact else {
            folded.push(expr.clone());
            finals.push(Exact::Same);
            continue;
        };
        let calls = calls.into_iter().enumerate();
        folded.extend(calls.map(|(part, call)| call.alias(name(part))));
        finals.push(made);
    }
    if finals.iter().all(|made| matches!(made, Exact::Same)) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let outputs = outputs(&aggregate.schema, finals)?;
    let input = Arc::clone(&aggregate.input);
    let exact = Aggregate::try_new(input, aggregate.group_expr.clone(), folded)?;
    let plan = LogicalPlanBuilder::from(LogicalPlan::Aggregate(exact)).project(outputs)?.build()?;
    Ok(Transformed::yes(plan))
}

/// The calls that replace a call, and the value to compute from their columns. `None` when the
/// call is exact already.
fn exact_call(
    AggregateFunction { func, params }: &AggregateFunction,
    schema: &DFSchema,
    column: impl Fn(usize) -> Expr,
) -> Result<Option<(Vec<Expr>, Exact)>> {
    let ([given], Some(function)) = (params.args.as_slice(), function(func.name(), &params.args))
    else {
        return Ok(None);
    };
    let as_given = params.distinct || matches!(function, Function::Min | Function::Max);
    let argument = if as_given { given.clone() } else { exact_argument(function, given, schema)? };
    let kind = argument.get_type(schema)?;
    let call = |func: &Arc<AggregateUDF>, argument: Expr| {
        let params = AggregateFunctionParams { args: vec![argument], ..params.clone() };
        Expr::AggregateFunction(AggregateFunction { func: Arc::clone(func), params })
    };
    Ok(Some(match function {
        Function::Sum if kind == DataType::Float64 => {
            (vec![call(&double_sum(), argument)], Exact::Value(column(0)))
        }
        // The planner casts all other numbers to doubles for an average.
        Function::Avg if kind == DataType::Float64 => {
            let calls = vec![call(&double_sum(), argument.clone()), call(&count_udaf(), argument)];
            (calls, Exact::Value(column(0) / cast(column(1), DataType::Float64)))
        }
        // Adding 0.0 turns -0.0 into 0.0. The two compare as equal, so the order of rows would
        // decide which one is the result.
        Function::Min | Function::Max if kind.is_floating() => {
            (vec![call(func, argument + cast(lit(0.0), kind))], Exact::Value(column(0)))
        }
        // A sum over distinct numbers: each number is added once.
        Function::Sum if params.distinct && function.can_wrap(&kind) => {
            (vec![call(func, Function::with_room(argument, &kind))], Exact::Narrowed(column(0)))
        }
        _ if params.distinct => return Ok(None),
        _ if function.can_wrap(&kind)
            || function.is_made_exact() && !adds_floats(function, &kind) =>
        {
            let filter = params.filter.as_deref();
            let states = function.states(&kind).into_iter();
            let calls =
                states.map(|state| state.partial(Some(argument.clone()), &kind, filter.cloned()));
            let calls = calls.collect::<crate::base::Result<Vec<_>>>()?;
            let merged = (0..calls.len()).map(column).collect();
            (calls, Exact::Folded { function, kind, merged })
        }
        _ => return Ok(None),
    }))
}

fn exact_window(window: Window) -> Result<Transformed<LogicalPlan>> {
    let mut made: Vec<Expr> = Vec::new();
    let mut finals = Vec::new();
    let prefix = new_prefix(&window.schema);
    // DataFusion can't plan a node that has one call twice.
    let mut names: HashMap<Expr, String> = HashMap::new();
    for expr in &window.window_expr {
        let column = |call: Expr| {
            let next = format!("{prefix}{}", names.len());
            let name = names.entry(call.clone()).or_insert_with(|| {
                made.push(call.alias(&next));
                next
            });
            Expr::Column(Column::from_name(name.as_str()))
        };
        if let Some(value) = exact_over(&window, expr, column)? {
            finals.push(value);
        } else {
            made.push(expr.clone());
            finals.push(Exact::Same);
        }
    }
    if finals.iter().all(|made| matches!(made, Exact::Same)) {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let outputs = outputs(&window.schema, finals)?;
    let exact = Window::try_new(made, Arc::clone(&window.input))?;
    let plan = LogicalPlanBuilder::from(LogicalPlan::Window(exact)).project(outputs)?.build()?;
    Ok(Transformed::yes(plan))
}

/// A prefix that no column's name has.
fn new_prefix(schema: &DFSchema) -> String {
    let mut prefix = "exact_".to_owned();
    while schema.fields().iter().any(|field| field.name().starts_with(&prefix)) {
        prefix.push('_');
    }
    prefix
}

/// The node's output columns. The last columns are computed from what replaced their calls.
fn outputs(schema: &DFSchema, finals: Vec<Exact>) -> Result<Vec<Expr>> {
    let before = schema.fields().len() - finals.len();
    let same = std::iter::repeat_with(|| Exact::Same).take(before);
    let outputs = schema.iter().zip(same.chain(finals)).map(|((qualifier, field), made)| {
        let to = (field.data_type(), field.name().as_str());
        let value = match made {
            Exact::Same => return Ok(Expr::Column(Column::from((qualifier, field)))),
            Exact::Folded { function, kind, merged } => function.finalize(&merged, &kind, to)?,
            Exact::Narrowed(value) => narrowed(value, to.0, to.1),
            Exact::Value(value) => value,
        };
        Ok(value.alias_qualified(qualifier.cloned(), field.name()))
    });
    outputs.collect()
}

/// What replaces a call over a window. `column` gives the column of a new call over the same
/// window. `None` when the call is exact already.
fn exact_over(
    window: &Window,
    expr: &Expr,
    mut column: impl FnMut(Expr) -> Expr,
) -> Result<Option<Exact>> {
    let Expr::WindowFunction(call) = expr.clone().unalias() else { return Ok(None) };
    let WindowFunction { fun, params } = *call;
    let WindowFunctionDefinition::AggregateUDF(called) = &fun else { return Ok(None) };
    let [argument] = params.args.as_slice() else { return Ok(None) };
    let kind = argument.get_type(window.input.schema())?;
    let mut over = |func: &Arc<AggregateUDF>, argument: Expr| {
        let params = WindowFunctionParams { args: vec![argument], ..params.clone() };
        let fun = WindowFunctionDefinition::AggregateUDF(Arc::clone(func));
        column(Expr::WindowFunction(Box::new(WindowFunction { fun, params })))
    };
    Ok(match function(called.name(), &params.args) {
        Some(Function::Sum) if kind == DataType::Float64 => {
            Some(Exact::Value(over(&double_sum(), argument.clone())))
        }
        Some(Function::Avg) if kind == DataType::Float64 && !params.distinct => {
            let sum = over(&double_sum(), argument.clone());
            let count = over(&count_udaf(), argument.clone());
            Some(Exact::Value(sum / cast(count, DataType::Float64)))
        }
        Some(Function::Sum) if Function::Sum.can_wrap(&kind) => {
            Some(Exact::Narrowed(over(called, Function::with_room(argument.clone(), &kind))))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn sums_of_doubles_are_exact() {
        let sql = "SELECT org, sum(score), var_pop(tokens) FROM calls GROUP BY org";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: calls.org ASC NULLS LAST, sum(calls.score) ASC NULLS LAST, var_pop(calls.tokens) ASC NULLS LAST
          Projection: calls.org, sum(calls.score), var_pop(calls.tokens)
            Projection: calls.org, exact_0_0 AS sum(calls.score), CASE WHEN exact_1_0 > Int64(0) THEN CAST(CAST(exact_1_0 AS Decimal256(76, 0)) * CAST(exact_1_2 AS Decimal256(76, 0)) - CAST(exact_1_1 AS Decimal256(76, 0)) * CAST(exact_1_1 AS Decimal256(76, 0)) AS Float64) / CAST(exact_1_0 AS Float64) * CAST(exact_1_0 - Int64(0) AS Float64) END AS var_pop(calls.tokens)
              Aggregate: groupBy=[[calls.org]], aggr=[[double_sum(calls.score) AS exact_0_0, count(calls.tokens) AS exact_1_0, sum(CAST(calls.tokens AS Decimal128(20, 0))) AS exact_1_1, sum(CAST(calls.tokens AS Decimal256(38, 0)) * CAST(calls.tokens AS Decimal256(38, 0))) AS exact_1_2]]
                TableScan: calls
        -- 10 days: 10 raw (no rollup serves)
        --   not *: sum(score) adds up floats, whose last digits depend on the order; declare the column as decimal
        ");
    }
}
