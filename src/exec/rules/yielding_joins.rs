//! Joins that yield, so that they can be stopped.

use std::sync::Arc;

use datafusion::{
    common::{
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode as _},
    },
    error::Result,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{ExecutionPlan, coop::CooperativeExec},
};

/// Makes joins and unnests yield after some batches. Two small inputs can make a join of billions
/// of rows. The scans below the join yield by themselves, but they have long ended by then.
/// Neither a timeout nor another query would get a turn (apache/datafusion#19358).
#[derive(Debug)]
pub(crate) struct YieldingJoins;

impl PhysicalOptimizerRule for YieldingJoins {
    fn name(&self) -> &'static str {
        "yielding_joins"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let yielding = plan.transform_up(|node| {
            let multiplies = node.name().contains("Join") || node.name() == "UnnestExec";
            if !multiplies {
                return Ok(Transformed::no(node));
            }
            let yielding: Arc<dyn ExecutionPlan> = Arc::new(CooperativeExec::new(node));
            Ok(Transformed::yes(yielding))
        })?;
        Ok(yielding.data)
    }

    fn schema_check(&self) -> bool {
        true
    }
}
