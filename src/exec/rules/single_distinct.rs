//! DataFusion's rule for a single DISTINCT argument, but not beside sums of decimals.
//!
//! ```text
//! SELECT count(DISTINCT status), sum(cost) FROM calls
//! ──▶  Aggregate: count(status), sum(sum)
//!        Aggregate: groupBy status, sum(cost) AS sum
//! ```
//!
//! The sum of sums of decimals has ten digits more than the sum that the plan was made with. Then a
//! comparison of the sum ends in an error (DataFusion 55).

use arrow::datatypes::DataType;
use datafusion::{
    common::tree_node::Transformed,
    error::Result,
    logical_expr::LogicalPlan,
    optimizer::{
        ApplyOrder, OptimizerConfig, OptimizerRule,
        single_distinct_to_groupby::SingleDistinctToGroupBy,
    },
};

/// DataFusion's rule, which leaves aggregates alone that give decimals.
#[derive(Debug, Default)]
pub(crate) struct SingleDistinct {
    inner: SingleDistinctToGroupBy,
}

impl OptimizerRule for SingleDistinct {
    fn name(&self) -> &'static str {
        // The name of the rule that this rule replaces.
        "single_distinct_aggregation_to_group_by"
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
        if let LogicalPlan::Aggregate(aggregate) = &plan {
            let results = aggregate.schema.fields().iter().skip(aggregate.group_expr_len()?);
            let is_decimal = |kind: &DataType| {
                matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..))
            };
            if results.map(|field| field.data_type()).any(is_decimal) {
                return Ok(Transformed::no(plan));
            }
        }
        self.inner.rewrite(plan, config)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::optimizer::{Optimizer, OptimizerRule as _};

    use super::SingleDistinct;

    #[test]
    fn it_replaces_a_rule_of_datafusion() {
        let ours = SingleDistinct::default();
        assert!(Optimizer::new().rules.iter().any(|rule| rule.name() == ours.name()));
    }
}
