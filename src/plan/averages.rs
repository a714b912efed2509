//! One definition of `avg` for every route.
//!
//! ```text
//! Aggregate: avg(CAST(x AS Float64))  ──▶  Projection: CAST(s AS Float64) / CAST(n AS Float64)
//!                                            Aggregate: sum(CAST(x AS Decimal)) AS s, count(x) AS
//! n ```
//!
//! The rewrite makes averages from sums and counts; blocks that it leaves alone must do the same,
//! or their last digit could differ ([`Function::Avg`]).

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, tree_node::Transformed},
    error::{DataFusionError, Result},
    logical_expr::{
        Aggregate, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder,
        expr::AggregateFunction,
    },
};

use super::shape::averaged;
use crate::model::Function;

/// The node with its averages of integers and decimals made exact.
pub(super) fn exact(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Aggregate(aggregate) = &node else { return Ok(Transformed::no(node)) };
    let mut folded = Vec::new();
    let mut finals = Vec::new();
    for (at, expr) in aggregate.aggr_expr.iter().enumerate() {
        let name = expr.schema_name().to_string();
        match exact_average(aggregate, expr)? {
            None => {
                folded.push(expr.clone());
                finals.push(None);
            }
            Some((argument, filter)) => {
                let kind = argument.get_type(aggregate.input.schema())?;
                let mut merged = Vec::new();
                for fold in Function::Avg.folds(&kind) {
                    let state = format!("average_{at}_{}", merged.len());
                    let partial = fold
                        .partial(Some(argument.clone()), filter.clone())
                        .map_err(|error| DataFusionError::External(Box::new(error)))?;
                    folded.push(partial.alias(&state));
                    merged.push(Expr::Column(Column::from_name(state)));
                }
                finals.push(Some((name, kind, merged)));
            }
        }
    }
    if finals.iter().all(Option::is_none) {
        return Ok(Transformed::no(node));
    }
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let mut outputs = Vec::new();
    for (at, (qualifier, field)) in aggregate.schema.iter().enumerate() {
        let average = at.checked_sub(groups).and_then(|at| finals.get(at)?.as_ref());
        outputs.push(match average {
            None => Expr::Column(Column::from((qualifier, field))),
            Some((_, kind, merged)) => Function::Avg
                .finalize(merged, kind, field.data_type())
                .map_err(|error| DataFusionError::External(Box::new(error)))?
                .alias_qualified(qualifier.cloned(), field.name()),
        });
    }
    let exact = Aggregate::try_new(
        std::sync::Arc::clone(&aggregate.input),
        aggregate.group_expr.clone(),
        folded,
    )?;
    let plan = LogicalPlanBuilder::from(LogicalPlan::Aggregate(exact)).project(outputs)?.build()?;
    Ok(Transformed::yes(plan))
}

/// The argument and filter of an average that can be made exact.
fn exact_average(aggregate: &Aggregate, expr: &Expr) -> Result<Option<(Expr, Option<Expr>)>> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else {
        return Ok(None);
    };
    let [argument] = params.args.as_slice() else { return Ok(None) };
    if func.name() != "avg" || params.distinct {
        return Ok(None);
    }
    let schema = aggregate.input.schema();
    let argument = averaged(Function::Avg, argument, schema)?;
    let exact = matches!(argument.get_type(schema)?, DataType::Int64 | DataType::Decimal128(..));
    Ok(exact.then(|| (argument, params.filter.map(|filter| *filter))))
}
