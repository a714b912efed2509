//! Finding the raw table's scans in a plan.

use datafusion::{
    common::tree_node::TreeNodeRecursion,
    datasource::source_as_provider,
    error::Result,
    logical_expr::{LogicalPlan, TableScan},
};

use crate::exec::DatasetTable;

/// Whether that is the raw table, before it was given its files.
pub(super) fn is_raw(scan: &TableScan) -> bool {
    source_as_provider(&scan.source).is_ok_and(|provider| {
        let provider: &dyn std::any::Any = provider.as_ref();
        provider.is::<DatasetTable>()
    })
}

/// Whether the raw table is scanned anywhere in that plan.
pub(crate) fn reads_raw(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && is_raw(scan)
        {
            found = true;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
