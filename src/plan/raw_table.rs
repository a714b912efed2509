//! The raw table in a plan, before a snapshot is chosen.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::tree_node::TreeNodeRecursion,
    datasource::{TableType, source_as_provider},
    error::{DataFusionError, Result},
    logical_expr::{Expr, LogicalPlan, TableScan},
    physical_plan::ExecutionPlan,
};

use crate::{base::Error, model::Dataset};

/// The raw table's name and columns. It has no files: a snapshot decides later which files are
/// read.
#[derive(Debug)]
pub(crate) struct DatasetTable {
    schema: SchemaRef,
}

impl DatasetTable {
    /// The raw table of the dataset.
    #[must_use]
    pub(crate) fn new(dataset: &Dataset) -> Self {
        Self { schema: dataset.table_schema() }
    }
}

#[async_trait]
impl TableProvider for DatasetTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        // The rewrite gives files to every scan. A scan that gets here was overlooked.
        Err(Error::internal("a scan of the raw table was left without files").into())
    }
}

/// Whether the scan reads the raw table and has no files yet.
pub(super) fn is_raw(scan: &TableScan) -> bool {
    source_as_provider(&scan.source).is_ok_and(|provider| {
        let provider: &dyn std::any::Any = provider.as_ref();
        provider.is::<DatasetTable>()
    })
}

/// Whether the plan or one of its subqueries scans the raw table.
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
