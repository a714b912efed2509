//! A rollup's rows as a table. Rows come from the segment cache where it has room for them, else
//! from their files.

use std::{fmt, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch, StringViewArray},
    compute::BatchCoalescer,
    datatypes::SchemaRef,
    error::ArrowError,
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::ScalarValue,
    datasource::TableType,
    error::Result,
    logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, expr::InList},
    physical_plan::ExecutionPlan,
};

use crate::{
    exec::{
        FileTable, SegmentCache,
        query_root::query_root,
        tables::{
            file_table::pruning,
            last_scan::{LastScan, Scanned},
            segment_cache::SegmentRows,
        },
    },
    model::{Rollup, SegmentFile},
    store::{Root, check_once},
};

/// Rows of a batch, when small batches are combined.
const BATCH_ROWS: usize = 8 << 10;

/// A scan of at most this many rows is cached with the table. A larger one would hold columns in
/// memory that the segment cache has removed.
const CACHED_ROWS_MAX: usize = 16 << 10;

/// Rows that are worth a stream. A scan of more rows has more streams.
const STREAM_ROWS: usize = 64 << 10;

/// A table over some segments of one rollup.
pub(crate) struct SegmentTable {
    root: Root,
    schema: SchemaRef,
    segments: Vec<Arc<SegmentFile>>,
    cache: Arc<SegmentCache>,
    last: LastScan,
}

impl SegmentTable {
    /// A table over the rows of these segments.
    #[must_use]
    pub(crate) fn new(
        root: &Root,
        rollup: &Rollup,
        segments: &[Arc<SegmentFile>],
        cache: Arc<SegmentCache>,
    ) -> Self {
        Self {
            root: root.clone(),
            schema: rollup.segment_schema(),
            segments: segments.to_vec(),
            cache,
            last: LastScan::default(),
        }
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.file.size).sum()
    }

    /// The rows by streams. A scan of few rows is cached, so that the next scan with equal
    /// projection and filters returns its rows.
    async fn scanned(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Result<Arc<Scanned>> {
        if let Some(last) = self.last.find(projection, filters) {
            return Ok(last);
        }
        let wanted =
            projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let root = query_root(state, &self.root);
        let read = self.cache.read(&root, &self.schema, &self.segments, &wanted).await;
        let read = read?;
        let schema = Arc::new(self.schema.project(&wanted)?);
        // The first column is the bucket. The next one is the first dimension, by which rows are
        // sorted.
        let first = self.schema.fields().get(1).map(|field| field.name().as_str());
        let kept = match first.and_then(|first| values_of(first, filters).map(|v| (first, v))) {
            None => read.into_iter().map(|segment| segment.rows).collect(),
            Some((first, values)) => only(first, &values, &read),
        };
        let rows: usize = kept.iter().map(RecordBatch::num_rows).sum();
        let streams = streams_of(coalesced(&schema, kept)?, state.config().target_partitions());
        let (projection, filters) = (projection.cloned(), filters.to_vec());
        let scanned = Arc::new(Scanned { projection, filters, schema, streams });
        if rows <= CACHED_ROWS_MAX {
            self.last.insert(&scanned);
        }
        Ok(scanned)
    }
}

impl fmt::Debug for SegmentTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentTable")
            .field("segments", &self.segments.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for SegmentTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(pruning(filters))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.segments.is_empty() || !self.cache.has_room(self.bytes()) {
            // A scan reads single pages, so it can't check that a whole file is as it was
            // written.
            let root = query_root(state, &self.root);
            for segment in &self.segments {
                check_once(&root, segment).await?;
            }
            let schema = Arc::clone(&self.schema);
            let files = FileTable::with_schema(&self.root, schema, &self.segments);
            return files.scan(state, projection, filters, limit).await;
        }
        self.scanned(state, projection, filters).await?.plan()
    }
}

/// The texts that some filter allows in `column`; `None` when no filter lists them.
fn values_of<'e>(column: &str, filters: &'e [Expr]) -> Option<Vec<&'e str>> {
    let is_column = |expr: &Expr| expr.try_as_col().is_some_and(|other| other.name == column);
    let text = |expr: &'e Expr| match expr {
        Expr::Literal(ScalarValue::Utf8View(Some(text)) | ScalarValue::Utf8(Some(text)), _) => {
            Some(text.as_str())
        }
        _ => None,
    };
    filters.iter().find_map(|filter| match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) if is_column(left) => {
            Some(vec![text(right)?])
        }
        Expr::InList(InList { expr, list, negated: false }) if is_column(expr) => {
            list.iter().map(text).collect()
        }
        _ => None,
    })
}

/// The rows whose `column` is one of these texts, from segments that are sorted by it. Segments
/// that aren't sorted keep all rows.
fn only(column: &str, values: &[&str], segments: &[SegmentRows]) -> Vec<RecordBatch> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    let mut kept = Vec::with_capacity(segments.len());
    for segment in segments {
        let texts = segment.rows.column_by_name(column).filter(|_| segment.sorted);
        let Some(texts) = texts.map(AsArray::as_string_view) else {
            kept.push(segment.rows.clone());
            continue;
        };
        for &value in &values {
            let start = first_from(texts, |text| text >= value);
            let end = first_from(texts, |text| text > value);
            if start < end {
                kept.push(segment.rows.slice(start, end - start));
            }
        }
    }
    kept
}

/// The index of the first text for which `holds` is true. Texts are sorted, with NULLs last, so
/// `holds` is true for every later text, too.
fn first_from(texts: &StringViewArray, holds: impl Fn(&str) -> bool) -> usize {
    let (mut low, mut high) = (0, texts.len() - texts.null_count());
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(texts.value(middle)) { high = middle } else { low = middle + 1 }
    }
    low
}

/// The same rows, in fewer batches when the batches are small.
fn coalesced(
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
) -> Result<Vec<RecordBatch>, ArrowError> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows >= batches.len() * BATCH_ROWS / 8 {
        return Ok(batches);
    }
    let mut coalescer = BatchCoalescer::new(Arc::clone(schema), BATCH_ROWS);
    for batch in batches {
        coalescer.push_batch(batch)?;
    }
    coalescer.finish_buffered_batch()?;
    Ok(std::iter::from_fn(|| coalescer.next_completed_batch()).collect())
}

/// Divides the batches into as many streams as pay off, of about as many rows each.
fn streams_of(batches: Vec<RecordBatch>, streams_max: usize) -> Vec<Vec<RecordBatch>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let streams = rows.div_ceil(STREAM_ROWS).clamp(1, streams_max.max(1));
    let share = rows.div_ceil(streams).max(1);
    let mut shared = vec![Vec::new(); streams];
    let mut before = 0;
    for batch in batches {
        let at = (before / share).min(streams - 1);
        before += batch.num_rows();
        if let Some(stream) = shared.get_mut(at) {
            stream.push(batch);
        }
    }
    shared
}
