//! Pushes filters down, except for conditions that decide on a whole aggregate.
//!
//! ```text
//! SELECT count(*) FROM calls HAVING (SELECT false)
//! ──▶  Filter: (SELECT false)        ← stays above the aggregate
//!        Aggregate: count(*)
//! ```

use std::sync::Arc;

use datafusion::{
    common::tree_node::Transformed,
    error::Result,
    logical_expr::{
        Aggregate, Expr, Filter, LogicalPlan,
        utils::{conjunction, split_conjunction_owned},
    },
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule, push_down_filter::PushDownFilter},
};

/// DataFusion's rule, with one exception. DataFusion pushes a condition without columns, such as
/// a subquery's value, through an aggregate that yields a row even for no input. Then a row comes
/// out of `SELECT count(*) FROM t HAVING (SELECT false)`. Here such conditions stay above the
/// aggregate.
#[derive(Debug, Default)]
pub(crate) struct PushDown {
    inner: PushDownFilter,
}

impl OptimizerRule for PushDown {
    fn name(&self) -> &'static str {
        // The name of the rule that this one replaces.
        "push_down_filter"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else { return self.inner.rewrite(plan, config) };
        let LogicalPlan::Aggregate(aggregate) = filter.input.as_ref() else {
            return self.inner.rewrite(LogicalPlan::Filter(filter), config);
        };
        if !yields_a_row_of_none(aggregate) {
            return self.inner.rewrite(LogicalPlan::Filter(filter), config);
        }
        let conjuncts = split_conjunction_owned(filter.predicate.clone()).into_iter();
        let (stay, others): (Vec<Expr>, Vec<Expr>) =
            conjuncts.partition(|conjunct| conjunct.column_refs().is_empty());
        let (Some(stay), others) = (conjunction(stay), conjunction(others)) else {
            return self.inner.rewrite(LogicalPlan::Filter(filter), config);
        };
        let Some(others) = others else {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        };
        let below = LogicalPlan::Filter(Filter::try_new(others, filter.input)?);
        let pushed = self.inner.rewrite(below, config)?;
        pushed.map_data(|plan| Ok(LogicalPlan::Filter(Filter::try_new(stay, Arc::new(plan))?)))
    }
}

/// Whether the aggregate yields a row even when its input has none.
fn yields_a_row_of_none(aggregate: &Aggregate) -> bool {
    match aggregate.group_expr.as_slice() {
        [] => true,
        exprs => exprs.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))),
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn a_condition_without_columns_stays_above_an_aggregate_without_groups() {
        let sql = "SELECT count(*) FROM calls HAVING (SELECT false)";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: count(*) ASC NULLS LAST
          Projection: count(Int64(1)) AS count(*)
            Filter: (<subquery>)
              Subquery:
                Projection: Boolean(false)
                  EmptyRelation: rows=1
              Projection: coalesce(state_0, Int64(0)) AS count(Int64(1))
                Aggregate: groupBy=[[]], aggr=[[sum(state_0) AS state_0]]
                  Union
                    Union
                      Projection: CAST(daily.calls AS Int64) AS state_0
                        TableScan: daily
                      Projection: CAST(hourly.calls AS Int64) AS state_0
                        TableScan: hourly
                    Projection: CAST(state_0 AS Int64) AS state_0
                      Aggregate: groupBy=[[]], aggr=[[count(Int64(1)) AS state_0]]
                        TableScan: calls
        -- 10 days: 8 from daily, 1 from hourly, 1 raw (no segment)
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }
}
