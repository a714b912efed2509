//! Changes the expressions of a node of a plan. The node's columns keep their names.

use datafusion::{
    common::tree_node::{Transformed, TreeNode as _},
    error::Result,
    logical_expr::{Expr, GroupingSet, LogicalPlan, expr_rewriter::NamePreserver},
};

/// The function that tells which columns of a grouping set are grouped. Its arguments must equal
/// grouping expressions.
const GROUPING: &str = "grouping";

/// The node with each expression changed. Grouping sets are no expression themselves, so each of
/// their parts is changed, and keeps its name.
///
/// # Errors
/// Those of `change`.
pub(crate) fn changed_expressions(
    node: LogicalPlan,
    mut change: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    let mut change = |expr: Expr| {
        let name = names.save(&expr);
        let found = change(expr)?;
        Ok(if found.transformed { found.update_data(|expr| name.restore(expr)) } else { found })
    };
    // The grouping expressions come before the aggregates.
    let mut groups = Vec::new();
    node.map_expressions(|expr| match expr {
        Expr::GroupingSet(sets) => {
            let sets = changed_sets(sets, &mut change)?;
            groups.extend(sets.data.distinct_expr().into_iter().cloned());
            Ok(sets.update_data(Expr::GroupingSet))
        }
        expr => {
            let found = change(expr)?;
            let found = found.transform_data(|expr| with_names_in_grouping(expr, &groups))?;
            groups.push(found.data.clone());
            Ok(found)
        }
    })
}

fn changed_sets(
    sets: GroupingSet,
    change: &mut impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<GroupingSet>> {
    let mut is_changed = false;
    let mut all = |exprs: Vec<Expr>| {
        let changed = exprs.into_iter().map(|expr| {
            let found = change(expr)?;
            is_changed |= found.transformed;
            Ok(found.data)
        });
        changed.collect::<Result<Vec<_>>>()
    };
    let sets = match sets {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(all(exprs)?),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(all(exprs)?),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.into_iter().map(all).collect::<Result<_>>()?)
        }
    };
    Ok(if is_changed { Transformed::yes(sets) } else { Transformed::no(sets) })
}

/// The expression, with each changed argument of `grouping` as the grouping expression that it
/// stands for: a changed grouping expression has its name as an alias.
fn with_names_in_grouping(expr: Expr, groups: &[Expr]) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match expr {
        Expr::AggregateFunction(mut call) if call.func.name() == GROUPING => {
            for argument in &mut call.params.args {
                let is_it =
                    |group: &&Expr| matches!(group, Expr::Alias(it) if *it.expr == *argument);
                if let Some(group) = groups.iter().find(is_it) {
                    *argument = group.clone();
                }
            }
            Ok(Transformed::yes(Expr::AggregateFunction(call)))
        }
        expr => Ok(Transformed::no(expr)),
    })
}
