//! Decimals beside doubles where two plans meet. They become doubles, as within expressions
//! ([`exact_operands`](crate::model::exact_operands)).
//!
//! ```text
//! Union: f of doubles; c of decimals   ──▶  Union: f; Projection: CAST(c AS Float64)
//! f IN (SELECT c …)                    ──▶  f IN (SELECT CAST(c AS Float64) …)
//! INTERSECT: Join on f = c             ──▶  Join on f = CAST(c AS Float64)
//! ```

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        Column, DFSchema,
        tree_node::{Transformed, TransformedResult as _, TreeNode as _},
    },
    error::Result,
    logical_expr::{
        Expr, ExprSchemable as _, Join, JoinConstraint, LogicalPlan, LogicalPlanBuilder, Subquery,
        Union, cast, utils::merge_schema,
    },
};

use crate::model::cast_exactly;

/// Casts decimals to doubles wherever the other side of a union, join or subquery comparison has
/// doubles.
///
/// # Errors
/// DataFusion's, for a malformed plan.
pub(in crate::plan) fn with_doubles_on_both_sides(plan: LogicalPlan) -> Result<LogicalPlan> {
    let changed = plan.transform_up_with_subqueries(|node| {
        let node = match node {
            LogicalPlan::Union(union) => of_union(union)?,
            LogicalPlan::Join(join) => of_join(join)?,
            node => Transformed::no(node),
        };
        // The node's inputs may have other types now.
        let node = node.transform_data(of_subqueries)?;
        node.map_data(LogicalPlan::recompute_schema)
    });
    changed.data()
}

fn of_union(union: Union) -> Result<Transformed<LogicalPlan>> {
    let kinds = |at: usize| {
        union
            .inputs
            .iter()
            .filter_map(move |input| Some(input.schema().fields().get(at)?.data_type()))
    };
    let mixed = (0..union.schema.fields().len())
        .map(|at| kinds(at).any(DataType::is_floating) && kinds(at).any(DataType::is_decimal));
    let mixed: Vec<_> = mixed.collect();
    if !mixed.contains(&true) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let inputs = union.inputs.iter().map(|input| doubles(input, &mixed).map(Arc::new));
    let union = Union::try_new_with_loose_types(inputs.collect::<Result<_>>()?)?;
    Ok(Transformed::yes(LogicalPlan::Union(union)))
}

/// The plan with its decimal columns cast to doubles where `which` is set.
fn doubles(plan: &LogicalPlan, which: &[bool]) -> Result<LogicalPlan> {
    let columns = plan.schema().iter().zip(which).map(|((qualifier, field), is_meant)| {
        let column = Expr::Column(Column::from((qualifier, field)));
        if *is_meant && field.data_type().is_decimal() {
            cast(column, DataType::Float64).alias_qualified(qualifier.cloned(), field.name())
        } else {
            column
        }
    });
    LogicalPlanBuilder::from(plan.clone()).project(columns.collect::<Vec<_>>())?.build()
}

fn of_join(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let mut changed = false;
    // A USING column is one column above the join, so both sides must stay plain columns.
    if join.join_constraint == JoinConstraint::On {
        for (left, right) in &mut join.on {
            let kinds = (left.get_type(join.left.schema())?, right.get_type(join.right.schema())?);
            changed |= cast_exactly(vec![(Some(kinds.0), left), (Some(kinds.1), right)]);
        }
    }
    Ok(Transformed::new_transformed(LogicalPlan::Join(join), changed))
}

fn of_subqueries(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if matches!(node, LogicalPlan::TableScan(_)) {
        return Ok(Transformed::no(node));
    }
    let schema = merge_schema(&node.inputs());
    node.map_expressions(|expr| {
        expr.transform_up(|part| match part {
            Expr::InSubquery(mut of) => {
                let changed = compared(&mut of.expr, &mut of.subquery, &schema)?;
                Ok(Transformed::new_transformed(Expr::InSubquery(of), changed))
            }
            Expr::SetComparison(mut of) => {
                let changed = compared(&mut of.expr, &mut of.subquery, &schema)?;
                Ok(Transformed::new_transformed(Expr::SetComparison(of), changed))
            }
            part => Ok(Transformed::no(part)),
        })
    })
}

/// Casts the decimal side of a comparison to a double if the other side is a double. Returns
/// whether anything changed.
fn compared(expr: &mut Expr, subquery: &mut Subquery, schema: &DFSchema) -> Result<bool> {
    let (Ok(one), Some(other)) =
        (expr.get_type(schema), subquery.subquery.schema().fields().first())
    else {
        return Ok(false);
    };
    if one.is_floating() && other.data_type().is_decimal() {
        subquery.subquery = Arc::new(doubles(&subquery.subquery, &[true])?);
        return Ok(true);
    }
    let is_expr = one.is_decimal() && other.data_type().is_floating();
    if is_expr {
        *expr = cast(std::mem::take(expr), DataType::Float64);
    }
    Ok(is_expr)
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn decimals_beside_doubles_become_doubles() {
        let sql = "SELECT cost FROM calls UNION ALL SELECT score FROM calls";
        insta::assert_snapshot!(rewritten(sql), @r"
        Union
          Projection: CAST(calls.cost AS Float64) AS cost
            Projection: calls.cost
              TableScan: calls
          Projection: calls.score AS cost
            Projection: calls.score
              TableScan: calls
        -- 10 days: 10 raw (no rollup serves)
        --   not *: the query asks for raw rows, not for an aggregate
        -- 10 days: 10 raw (no rollup serves)
        --   not *: the query asks for raw rows, not for an aggregate
        ");
    }
}
