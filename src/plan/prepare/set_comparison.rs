//! `x = ANY (SELECT …)` and `x > ALL (SELECT …)` over a table of the outer query.
//!
//! ```text
//! FROM log WHERE org = ANY (SELECT org FROM log)
//! ──▶  FROM log WHERE org = ANY (SELECT * FROM (SELECT org FROM log) AS compared)
//! ```
//!
//! DataFusion 55 moves `x` into the subquery as it is. If the subquery has a column of that name,
//! the column is compared with itself.

use std::sync::Arc;

use datafusion::{
    common::tree_node::{Transformed, TreeNode as _},
    error::Result,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder},
};

use crate::plan::expressions::changed;

/// The name of such a subquery's rows.
const COMPARED: &str = "compared";

/// Gives the rows of each such subquery a name of their own.
///
/// # Errors
/// DataFusion's, for a malformed plan.
pub(in crate::plan) fn with_own_names(plan: LogicalPlan) -> Result<LogicalPlan> {
    changed(plan, |expr, _| {
        expr.transform_up(|part| match part {
            Expr::SetComparison(mut comparison) => {
                let rows = LogicalPlanBuilder::from(Arc::clone(&comparison.subquery.subquery));
                comparison.subquery.subquery = Arc::new(rows.alias(COMPARED)?.build()?);
                Ok(Transformed::yes(Expr::SetComparison(comparison)))
            }
            part => Ok(Transformed::no(part)),
        })
    })
}
