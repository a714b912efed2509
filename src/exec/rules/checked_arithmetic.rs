//! Sums, differences and products of numbers that fail on overflow.

use datafusion::{
    common::tree_node::{Transformed, TreeNode as _},
    error::Result,
    logical_expr::{LogicalPlan, utils::merge_schema},
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
};

use crate::model::{changed_expressions, checked};

/// Replaces DataFusion's arithmetic of integers and decimals by [checked] functions. It comes after
/// DataFusion's rules, because they know what `+`, `-` and `*` are, but not these functions.
#[derive(Debug)]
pub(crate) struct CheckedArithmetic;

impl OptimizerRule for CheckedArithmetic {
    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let has_values = matches!(
            plan,
            LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Window(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Join(_)
        );
        if !has_values {
            return Ok(Transformed::no(plan));
        }
        let schema = merge_schema(&plan.inputs());
        changed_expressions(plan, |expr| expr.transform_up(|part| checked(part, &schema)))
    }
}
