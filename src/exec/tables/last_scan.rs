//! The last scan of a table, kept with it: a plan that runs again asks for the same.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    datasource::memory::MemorySourceConfig, error::Result, logical_expr::Expr,
    physical_plan::ExecutionPlan,
};

/// What a scan gave.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) projection: Option<Vec<usize>>,
    /// Those that chose among the rows; others are above the scan.
    pub(crate) filters: Vec<Expr>,
    pub(crate) schema: SchemaRef,
    pub(crate) streams: Vec<Vec<RecordBatch>>,
}

impl Scanned {
    /// The rows as a plan.
    pub(crate) fn plan(&self) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(MemorySourceConfig::try_new_exec(&self.streams, Arc::clone(&self.schema), None)?)
    }
}

/// A place for one scan.
#[derive(Debug, Default)]
pub(crate) struct LastScan(Mutex<Option<Arc<Scanned>>>);

impl LastScan {
    /// The kept scan, if it is that one.
    pub(crate) fn find(
        &self,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Option<Arc<Scanned>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.filter(|kept| kept.projection.as_ref() == projection && kept.filters == filters)
    }

    /// Keeps a scan in place of the last one.
    pub(crate) fn keep(&self, scanned: &Arc<Scanned>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(scanned));
    }
}
