//! Grouping sets over a column that a filter makes constant.
//!
//! ```text
//! WHERE org = 'a' GROUP BY ROLLUP (org, model)
//! ──▶  Projection: group org AS org, group model AS model, …
//!        Aggregate: ROLLUP (opaque(org) AS group org, opaque(model) AS group model)
//!          Filter: org = 'a'
//! ```
//!
//! Grouping sets put NULL into a column that is constant below them, but DataFusion 55 still
//! takes the column for constant above. DataFusion then assumes that the input of the final
//! aggregate is sorted, so a group comes out twice. DataFusion also drops the column from sort
//! keys. Both show in `WHERE model = 'a' GROUP BY ROLLUP (model) ORDER BY model`. So the grouping
//! expressions are made opaque: nothing that DataFusion knows about a column below the grouping
//! sets holds above.

use datafusion::{
    common::{Column, tree_node::Transformed},
    error::Result,
    logical_expr::{Aggregate, Expr, GroupingSet, LogicalPlan, LogicalPlanBuilder},
};

use crate::model::opaque;

/// Makes the grouping expressions of a node with grouping sets opaque.
pub(in crate::plan) fn end_constants(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
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

/// The grouping sets with every expression replaced by `to` of it.
pub(in crate::plan) fn mapped(sets: &GroupingSet, to: impl Fn(&Expr) -> Expr) -> GroupingSet {
    let all = |exprs: &[Expr]| exprs.iter().map(&to).collect();
    match sets {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(all(exprs)),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(all(exprs)),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.iter().map(|set| all(set)).collect())
        }
    }
}

/// The alias is unique. Without it, grouping columns that differ only in their qualifier would
/// have one name.
fn opaque_group(expr: &Expr) -> Expr {
    opaque(expr.clone()).alias(format!("group {expr}"))
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn grouping_sets_are_grouped_above_the_merge() {
        let sql =
            "SELECT org, model, count(*) FROM calls WHERE org = 'a' GROUP BY ROLLUP (org, model)";
        insta::assert_snapshot!(rewritten(sql), @r#"
        Sort: calls.org ASC NULLS LAST, calls.model ASC NULLS LAST, count(*) ASC NULLS LAST
          Projection: calls.org, calls.model, count(Int64(1)) AS count(*)
            Projection: group_0 AS org, group_1 AS model, __grouping_id AS __grouping_id, coalesce(state_0, Int64(0)) AS count(Int64(1))
              Projection: group group_0 AS group_0, group group_1 AS group_1, __grouping_id AS __grouping_id, state_0 AS state_0
                Aggregate: groupBy=[[ROLLUP (opaque(group_0, nothing()) AS group group_0, opaque(group_1, nothing()) AS group group_1)]], aggr=[[sum(state_0) AS state_0]]
                  Union
                    Projection: CAST(daily.org AS Utf8View) AS group_0, CAST(daily.model AS Utf8View) AS group_1, CAST(daily.calls AS Int64) AS state_0
                      Filter: daily.org = Utf8View("a")
                        TableScan: daily
                    Projection: CAST(group_0 AS Utf8View) AS group_0, CAST(group_1 AS Utf8View) AS group_1, CAST(state_0 AS Int64) AS state_0
                      Aggregate: groupBy=[[calls.org AS group_0, calls.model AS group_1]], aggr=[[count(Int64(1)) AS state_0]]
                        Filter: calls.org = Utf8View("a")
                          TableScan: calls
        -- 10 days: 8 from daily, 1 raw (no segment), 1 segment + 1 late leaf raw
        --   not hourly: org is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        "#);
    }
}
