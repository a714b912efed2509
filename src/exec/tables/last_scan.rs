//! The result of a table's last scan, cached with the table. A plan that runs again scans its
//! tables with the same projection and filters.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    datasource::memory::MemorySourceConfig, error::Result, logical_expr::Expr,
    physical_plan::ExecutionPlan,
};

/// The result of a scan.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) projection: Option<Vec<usize>>,
    /// The filters that the choice of rows depends on. All filters are applied again above the
    /// scan.
    pub(crate) filters: Vec<Expr>,
    pub(crate) schema: SchemaRef,
    pub(crate) streams: Vec<Vec<RecordBatch>>,
}

impl Scanned {
    /// A plan that returns the rows.
    pub(crate) fn plan(&self) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(MemorySourceConfig::try_new_exec(&self.streams, Arc::clone(&self.schema), None)?)
    }
}

/// A cache for one scan.
#[derive(Debug, Default)]
pub(crate) struct LastScan(Mutex<Option<Arc<Scanned>>>);

impl LastScan {
    /// The cached scan, if it has this projection and these filters.
    pub(crate) fn find(
        &self,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Option<Arc<Scanned>> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        cached
            .filter(|cached| cached.projection.as_ref() == projection && cached.filters == filters)
    }

    /// Caches a scan in place of the previous one.
    pub(crate) fn insert(&self, scanned: &Arc<Scanned>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(scanned));
    }
}
