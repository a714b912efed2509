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
//! ```
//!
//! The rewrite makes these from exact sums; blocks that it leaves alone must do the same, or their
//! last digit could differ ([`Function`]). Sums that have no room in the type that SQL gives them
//! are errors, where DataFusion's wrap (apache/datafusion#17539). Sums of doubles are rounded once,
//! so that they don't depend on the order in which rows are read.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchema, tree_node::Transformed},
    error::Result,
    functions_aggregate::count::count_udaf,
    logical_expr::{
        Aggregate, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, Window,
        WindowFunctionDefinition, cast,
        expr::{AggregateFunction, WindowFunction},
        lit,
    },
};

use super::calls::{adds_floats, exact_argument, function};
use crate::{
    exec::into_datafusion,
    model::{Function, double_sum, narrowed},
};

/// What takes a call's place.
enum Exact {
    /// The call itself.
    Same,
    /// A value of these folds.
    Folded { function: Function, kind: DataType, merged: Vec<Expr> },
    /// The call in a wider type.
    Narrowed(Expr),
    /// This value.
    Value(Expr),
}

/// The node with its averages and variances of integers and decimals made exact, and its sums of
/// them made in a type that has room.
pub(super) fn exact(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
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
        let Some((calls, made)) = exact_call(&aggregate, expr, column)? else {
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

/// The calls that a call is made of, and what it is made of their columns; `None` when it is exact
/// by itself.
fn exact_call(
    aggregate: &Aggregate,
    expr: &Expr,
    column: impl Fn(usize) -> Expr,
) -> Result<Option<(Vec<Expr>, Exact)>> {
    if let Some(wide) = sum_of_different(aggregate, expr)? {
        return Ok(Some((vec![wide], Exact::Narrowed(column(0)))));
    }
    if let Some(calls) = of_doubles(aggregate, expr)? {
        let value = match calls.len() {
            1 => column(0),
            _ => column(0) / cast(column(1), DataType::Float64),
        };
        return Ok(Some((calls, Exact::Value(value))));
    }
    if let Some(extreme) = extreme_of_doubles(aggregate, expr)? {
        return Ok(Some((vec![extreme], Exact::Value(column(0)))));
    }
    let Some((function, argument, filter)) = inexact_call(aggregate, expr)? else {
        return Ok(None);
    };
    let kind = argument.get_type(aggregate.input.schema())?;
    let folds = function.folds(&kind).into_iter();
    let calls = folds.map(|fold| fold.partial(Some(argument.clone()), &kind, filter.clone()));
    let calls = calls.collect::<crate::base::Result<Vec<_>>>().map_err(into_datafusion)?;
    let merged = (0..calls.len()).map(column).collect();
    Ok(Some((calls, Exact::Folded { function, kind, merged })))
}

fn exact_window(window: Window) -> Result<Transformed<LogicalPlan>> {
    let mut made = Vec::new();
    let mut finals = Vec::new();
    let prefix = new_prefix(&window.schema);
    for (at, expr) in window.window_expr.iter().enumerate() {
        let wide = wide_window(&window, expr)?;
        let name = format!("{prefix}{at}");
        finals.push(match &wide {
            None => Exact::Same,
            Some(_) => Exact::Narrowed(Expr::Column(Column::from_name(&name))),
        });
        made.push(wide.map_or_else(|| expr.clone(), |wide| wide.alias(name)));
    }
    if finals.iter().all(|made| matches!(made, Exact::Same)) {
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let outputs = outputs(&window.schema, finals)?;
    let exact = Window::try_new(made, Arc::clone(&window.input))?;
    let plan = LogicalPlanBuilder::from(LogicalPlan::Window(exact)).project(outputs)?.build()?;
    Ok(Transformed::yes(plan))
}

/// What no column's name begins with.
fn new_prefix(schema: &DFSchema) -> String {
    let mut prefix = "exact_".to_owned();
    while schema.fields().iter().any(|field| field.name().starts_with(&prefix)) {
        prefix.push('_');
    }
    prefix
}

/// The node's columns, of which the last are made of what took their place.
fn outputs(schema: &DFSchema, finals: Vec<Exact>) -> Result<Vec<Expr>> {
    let before = schema.fields().len() - finals.len();
    let same = std::iter::repeat_with(|| Exact::Same).take(before);
    let outputs = schema.iter().zip(same.chain(finals)).map(|((qualifier, field), made)| {
        let to = (field.data_type(), field.name().as_str());
        let value = match made {
            Exact::Same => return Ok(Expr::Column(Column::from((qualifier, field)))),
            Exact::Folded { function, kind, merged } => {
                function.finalize(&merged, &kind, to).map_err(into_datafusion)?
            }
            Exact::Narrowed(value) => narrowed(value, to.0, to.1),
            Exact::Value(value) => value,
        };
        Ok(value.alias_qualified(qualifier.cloned(), field.name()))
    });
    outputs.collect()
}

/// The function, argument and filter of a call that can be made exact.
fn inexact_call(
    aggregate: &Aggregate,
    expr: &Expr,
) -> Result<Option<(Function, Expr, Option<Expr>)>> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
        return Ok(None);
    };
    let [argument] = params.args.as_slice() else { return Ok(None) };
    let Some(function) = function(func.name(), &params.args) else { return Ok(None) };
    if params.distinct {
        return Ok(None);
    }
    let schema = aggregate.input.schema();
    let argument = exact_argument(function, argument, schema)?;
    let kind = argument.get_type(schema)?;
    let exact =
        function.is_made_exact() && !adds_floats(function, &kind) || function.can_wrap(&kind);
    Ok(exact.then(|| (function, argument, params.filter.map(|filter| *filter))))
}

/// The calls that a sum or an average of doubles is made of: their sum; and their count, of an
/// average.
fn of_doubles(aggregate: &Aggregate, expr: &Expr) -> Result<Option<Vec<Expr>>> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
        return Ok(None);
    };
    let [argument] = params.args.as_slice() else { return Ok(None) };
    let schema = aggregate.input.schema();
    let function = function(func.name(), &params.args);
    // An average of other numbers is planned over doubles, too, and made of these.
    let of = match function {
        Some(function) if !params.distinct => exact_argument(function, argument, schema)?,
        _ => argument.clone(),
    };
    let is_of_doubles = of.get_type(schema)? == DataType::Float64;
    let calls = match function {
        Some(Function::Sum) if is_of_doubles => vec![double_sum()],
        Some(Function::Avg) if is_of_doubles => vec![double_sum(), count_udaf()],
        _ => return Ok(None),
    };
    let call = |func| Expr::AggregateFunction(AggregateFunction { func, params: params.clone() });
    Ok(Some(calls.into_iter().map(call).collect()))
}

/// The least or greatest of doubles, without -0.0: which of it and 0.0 came first would be told by
/// the order of rows.
fn extreme_of_doubles(aggregate: &Aggregate, expr: &Expr) -> Result<Option<Expr>> {
    let Expr::AggregateFunction(mut call) = expr.clone().unalias() else { return Ok(None) };
    let is_extreme = matches!(call.func.name(), "min" | "max");
    let [argument] = call.params.args.as_slice() else { return Ok(None) };
    if !is_extreme || !argument.get_type(aggregate.input.schema())?.is_floating() {
        return Ok(None);
    }
    let zero = cast(lit(0.0), argument.get_type(aggregate.input.schema())?);
    call.params.args = vec![argument.clone() + zero];
    Ok(Some(Expr::AggregateFunction(call)))
}

/// A call that sums each different number once, in a type in which it can't wrap, if its own could.
fn sum_of_different(aggregate: &Aggregate, expr: &Expr) -> Result<Option<Expr>> {
    let Expr::AggregateFunction(mut call) = expr.clone().unalias() else { return Ok(None) };
    let is_sum = function(call.func.name(), &call.params.args) == Some(Function::Sum);
    let [argument] = call.params.args.as_slice() else { return Ok(None) };
    let kind = argument.get_type(aggregate.input.schema())?;
    if !is_sum || !call.params.distinct || !Function::Sum.can_wrap(&kind) {
        return Ok(None);
    }
    call.params.args = vec![Function::with_room(argument.clone(), &kind)];
    Ok(Some(Expr::AggregateFunction(call)))
}

/// A sum over a window in a type in which it can't wrap, if its own could.
fn wide_window(window: &Window, expr: &Expr) -> Result<Option<Expr>> {
    let Expr::WindowFunction(call) = expr.clone().unalias() else { return Ok(None) };
    let WindowFunction { fun, mut params } = *call;
    let WindowFunctionDefinition::AggregateUDF(called) = &fun else { return Ok(None) };
    let is_sum = function(called.name(), &params.args) == Some(Function::Sum);
    let [argument] = params.args.as_slice() else { return Ok(None) };
    let kind = argument.get_type(window.input.schema())?;
    if !is_sum || !Function::Sum.can_wrap(&kind) {
        return Ok(None);
    }
    params.args = vec![Function::with_room(argument.clone(), &kind)];
    Ok(Some(Expr::WindowFunction(Box::new(WindowFunction { fun, params }))))
}
