//! Raw rows of a query. A few small files are read once, however often the query's plan runs.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    datasource::TableType,
    error::Result,
    logical_expr::{Expr, TableProviderFilterPushDown},
    physical_plan::{ExecutionPlan, collect},
};

use crate::{
    exec::{
        FileTable, SegmentCache,
        tables::last_scan::{LastScan, Scanned},
    },
    model::{Dataset, Leaf},
    store::Root,
};

/// Leaves of up to this many bytes in total are cached in memory with the plan over them. Late
/// leaves are that small, and opening and decoding them would take longer than all of the query's
/// segments.
const KEPT_BYTES: u64 = 256 << 10;

/// The raw table, over some leaves.
#[derive(Debug)]
pub(crate) struct LeafTable {
    files: FileTable,
    cache: Arc<SegmentCache>,
    last: LastScan,
}

impl LeafTable {
    /// The raw table, over the rows of these leaves that count. `of_days` are all leaves that may
    /// hold a copy of an event in `leaves`. The rows are cached only if `cache` has room for them.
    #[must_use]
    pub(crate) fn new(
        root: &Root,
        dataset: &Dataset,
        leaves: &[Arc<Leaf>],
        of_days: &[Arc<Leaf>],
        cache: Arc<SegmentCache>,
    ) -> Self {
        let files = FileTable::of_counted(root, dataset, leaves, of_days, None);
        Self { files, cache, last: LastScan::default() }
    }

    /// All rows, with the columns of `projection`.
    async fn scanned(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<Scanned>> {
        if let Some(last) = self.last.find(projection, &[]) {
            return Ok(last);
        }
        let scan = self.files.scan(state, projection, &[], None).await?;
        let batches = collect(Arc::clone(&scan), state.task_ctx()).await?;
        let read = scan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
        let read = read.map_or(0, |bytes| bytes.as_usize());
        self.files.root(state).request_counter().count_bytes(read as u64);
        let scanned = Arc::new(Scanned {
            projection: projection.cloned(),
            filters: Vec::new(),
            schema: scan.schema(),
            streams: vec![batches],
        });
        self.last.insert(&scanned);
        Ok(scanned)
    }
}

#[async_trait]
impl TableProvider for LeafTable {
    fn schema(&self) -> SchemaRef {
        self.files.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.files.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let bytes = self.files.bytes();
        if bytes > KEPT_BYTES || !self.cache.has_room(bytes) {
            return self.files.scan(state, projection, filters, limit).await;
        }
        self.scanned(state, projection).await?.plan()
    }
}
