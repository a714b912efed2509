//! Grouping sets make NULL of what is constant below them, but the engine (DataFusion 55) goes on
//! to take it for constant: for sorted input of the final aggregate, which then gives a group
//! twice, and for nothing to sort by. `WHERE model = 'a' GROUP BY ROLLUP (model) ORDER BY model`
//! shows both. So what it knows of the columns of grouping sets ends where they are grouped.

use datafusion::{
    common::{Column, tree_node::Transformed},
    error::Result,
    logical_expr::{Aggregate, Expr, GroupingSet, LogicalPlan, LogicalPlanBuilder},
};

use crate::model::opaque;

/// The node with its grouping expressions, if they are of grouping sets, made opaque.
pub(super) fn end_constants(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Aggregate(aggregate) = &node else { return Ok(Transformed::no(node)) };
    let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() else {
        return Ok(Transformed::no(node));
    };
    let sets = mapped(sets, opaque_group);
    let input = std::sync::Arc::clone(&aggregate.input);
    let grouped =
        Aggregate::try_new(input, vec![Expr::GroupingSet(sets)], aggregate.aggr_expr.clone())?;
    let names = aggregate.schema.iter();
    let outputs = grouped.schema.iter().zip(names).map(|(from, (qualifier, field))| {
        Expr::Column(Column::from(from)).alias_qualified(qualifier.cloned(), field.name())
    });
    let outputs: Vec<_> = outputs.collect();
    let plan =
        LogicalPlanBuilder::from(LogicalPlan::Aggregate(grouped)).project(outputs)?.build()?;
    Ok(Transformed::yes(plan))
}

/// The same sets, of other expressions.
pub(super) fn mapped(sets: &GroupingSet, to: impl Fn(&Expr) -> Expr) -> GroupingSet {
    let all = |exprs: &[Expr]| exprs.iter().map(&to).collect();
    match sets {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(all(exprs)),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(all(exprs)),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.iter().map(|set| all(set)).collect())
        }
    }
}

/// Under a name that is its own: several grouping columns can have one name but for the qualifier.
fn opaque_group(expr: &Expr) -> Expr {
    opaque(expr.clone()).alias(format!("group {expr}"))
}
