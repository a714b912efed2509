//! Changes all expressions of a plan. The plan's columns keep their names.

use datafusion::{
    common::{
        DFSchema,
        tree_node::{Transformed, TransformedResult as _},
    },
    error::Result,
    logical_expr::{Expr, LogicalPlan, utils::merge_schema},
};

use crate::model::changed_expressions;

/// The plan with each expression changed, except for the expressions of scans. `change` gets an
/// expression and the columns that the expression is over.
///
/// # Errors
/// Those of `change`; DataFusion's, for a malformed plan.
pub(super) fn changed(
    plan: LogicalPlan,
    change: impl Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let changed = plan.transform_up_with_subqueries(|node| {
        if matches!(node, LogicalPlan::TableScan(_)) {
            return Ok(Transformed::no(node));
        }
        let schema = merge_schema(&node.inputs());
        changed_expressions(node, |expr| change(expr, &schema))
    });
    changed.data()
}
