//! One definition of averages and variances for every route.
//!
//! ```text
//! Aggregate: avg(CAST(x AS Float64))  ──▶  Projection: CAST(sum AS Float64) / count
//!                                            Aggregate: sum(CAST(x AS Decimal)), count(x)
//! ```
//!
//! The rewrite makes these from exact sums; blocks that it leaves alone must do the same, or their
//! last digit could differ ([`Function`]).

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, tree_node::Transformed},
    error::Result,
    logical_expr::{
        Aggregate, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder,
        expr::AggregateFunction,
    },
};

use super::calls::{adds_floats, exact_argument, function};
use crate::{exec::into_datafusion, model::Function};

/// A call that is made exact.
struct Exact {
    function: Function,
    kind: DataType,
    merged: Vec<Expr>,
}

/// The node with its averages and variances of integers and decimals made exact.
pub(super) fn exact(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Aggregate(aggregate) = &node else { return Ok(Transformed::no(node)) };
    let mut folded = Vec::new();
    let mut finals = Vec::new();
    for (at, expr) in aggregate.aggr_expr.iter().enumerate() {
        let Some((function, argument, filter)) = inexact_call(aggregate, expr)? else {
            folded.push(expr.clone());
            finals.push(None);
            continue;
        };
        let kind = argument.get_type(aggregate.input.schema())?;
        let mut merged = Vec::new();
        for fold in function.folds(&kind) {
            let state = format!("exact_{at}_{}", merged.len());
            let partial = fold.partial(Some(argument.clone()), &kind, filter.clone());
            folded.push(partial.map_err(into_datafusion)?.alias(&state));
            merged.push(Expr::Column(Column::from_name(state)));
        }
        finals.push(Some(Exact { function, kind, merged }));
    }
    if finals.iter().all(Option::is_none) {
        return Ok(Transformed::no(node));
    }
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let mut outputs = Vec::new();
    for (at, (qualifier, field)) in aggregate.schema.iter().enumerate() {
        let made = at.checked_sub(groups).and_then(|at| finals.get(at)?.as_ref());
        outputs.push(match made {
            None => Expr::Column(Column::from((qualifier, field))),
            Some(Exact { function, kind, merged }) => function
                .finalize(merged, kind, field.data_type())
                .map_err(into_datafusion)?
                .alias_qualified(qualifier.cloned(), field.name()),
        });
    }
    let input = std::sync::Arc::clone(&aggregate.input);
    let exact = Aggregate::try_new(input, aggregate.group_expr.clone(), folded)?;
    let plan = LogicalPlanBuilder::from(LogicalPlan::Aggregate(exact)).project(outputs)?.build()?;
    Ok(Transformed::yes(plan))
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
    if !function.is_made_exact() || params.distinct {
        return Ok(None);
    }
    let schema = aggregate.input.schema();
    let argument = exact_argument(function, argument, schema)?;
    let exact = !adds_floats(function, &argument.get_type(schema)?);
    Ok(exact.then(|| (function, argument, params.filter.map(|filter| *filter))))
}
