//! Whether a plan may be cached: it gives the same result each time, as long as the raw files stay
//! the same.

use datafusion::{
    common::tree_node::{TreeNode as _, TreeNodeRecursion},
    error::Result,
    logical_expr::{Expr, LogicalPlan, Volatility},
};

use crate::plan::raw_table::is_raw;

/// Whether the plan's result depends on the raw table's files alone. It must not depend on the
/// time of the query, nor on other tables, whose files may change under their names.
pub(crate) fn is_cacheable(plan: &LogicalPlan) -> Result<bool> {
    let mut cacheable = true;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            cacheable &= is_raw(scan);
        }
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarFunction(call) = part {
                    cacheable &= call.func.signature().volatility == Volatility::Immutable;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        Ok(if cacheable { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(cacheable)
}
