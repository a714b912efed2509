//! Whether a plan has the same rows each time it is run.
//!
//! ```text
//! calls JOIN (SELECT org FROM plans WHERE random() < 0.5) p ON calls.org = p.org
//! ──▶  no rollup serves: random() differs from call to call
//! ```
//!
//! The rewrite runs a joined table, or the value of a subquery, once for each kind of files that
//! answer. So every run must give the same rows, whichever files there are. Rows of files are the
//! same each time, and so is what is computed from them row by row. A limit, a window, the first
//! of some values or a deviation of doubles may differ from run to run.

use datafusion::{
    common::{
        DFSchema,
        tree_node::{TreeNode as _, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{Distinct, Expr, ExprSchemable as _, LogicalPlan, expr::AggregateFunction},
};

use crate::{
    model::{Function, double_sum, sketch},
    plan::{Refusal, block::calls},
};

/// Why the plan may have other rows in the next run. `None` when it always has the same rows.
pub(in crate::plan) fn plan_refusal(plan: &LogicalPlan) -> Result<Option<Refusal>> {
    let mut refusal = None;
    plan.apply_with_subqueries(|node| {
        refusal = of_node(node)?;
        Ok(if refusal.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(refusal)
}

fn of_node(node: &LogicalPlan) -> Result<Option<Refusal>> {
    match node {
        LogicalPlan::Limit(_) => return Ok(Some(differs("a limit"))),
        LogicalPlan::Window(_) => return Ok(Some(differs("a window function"))),
        LogicalPlan::Distinct(_) if !matches!(node, LogicalPlan::Distinct(Distinct::All(_))) => {
            return Ok(Some(differs("DISTINCT ON")));
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_some() => return Ok(Some(differs("a limit"))),
        LogicalPlan::TableScan(scan) if scan.fetch.is_some() => {
            return Ok(Some(differs("a limit")));
        }
        LogicalPlan::Aggregate(aggregate) => {
            let schema = aggregate.input.schema();
            for call in &aggregate.aggr_expr {
                if let Some(refusal) = of_call(&call.clone().unalias(), schema)? {
                    return Ok(Some(refusal));
                }
            }
        }
        _ => {}
    }
    let mut refusal = None;
    node.apply_expressions(|expr| {
        expr.apply(|part| {
            if part.is_volatile_node() {
                refusal = Some(Refusal::Volatile(part.to_string()));
                return Ok(TreeNodeRecursion::Stop);
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(refusal)
}

/// A refusal if the call's value may depend on the order of its rows.
fn of_call(call: &Expr, schema: &DFSchema) -> Result<Option<Refusal>> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = call else {
        return Ok(Some(differs(&call.to_string())));
    };
    let ours = sketch::aggregates();
    if ours.iter().chain([&double_sum()]).any(|ours| ours.name() == func.name()) {
        return Ok(None);
    }
    let Some(function) = calls::function(func.name(), &params.args) else {
        return Ok(Some(differs(&call.to_string())));
    };
    let [argument, ..] = params.args.as_slice() else { return Ok(None) };
    let argument = calls::exact_argument(function, argument, schema)?;
    let is_float = argument.get_type(schema)?.is_floating();
    let by_order = is_float && matches!(function, Function::Variance { .. });
    Ok(by_order.then(|| differs(&call.to_string())))
}

fn differs(what: &str) -> Refusal {
    Refusal::NotDeterministic(what.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn a_joined_side_that_changes_between_runs_refuses() {
        let sql = "SELECT count(*) FROM calls JOIN (SELECT org FROM plans WHERE random() < 0.5) p ON calls.org = p.org";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: count(*) ASC NULLS LAST
          Projection: count(Int64(1)) AS count(*)
            Aggregate: groupBy=[[]], aggr=[[count(Int64(1))]]
              Inner Join:  Filter: calls.org = p.org
                TableScan: calls
                SubqueryAlias: p
                  Projection: plans.org
                    Filter: random() < Float64(0.5)
                      TableScan: plans
        -- 10 days: 10 raw (no rollup serves)
        --   not *: random() differs from call to call
        ");
    }
}
