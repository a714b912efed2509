//! A cache of decoded rollup columns, for later queries.
//!
//! Segments never change, so a cached column is never stale. A query's own snapshot still decides
//! which segments the query reads.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, RecordBatchReader as _},
    compute::concat_batches,
    datatypes::{DataType, Schema, SchemaRef},
    error::ArrowError,
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use object_store::path::Path;
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
};
use quick_cache::{Weighter, sync::Cache};

use crate::{
    base::{Error, Result},
    model::SegmentFile,
    store::{NO_FOOTER, Root, bounded, check_bytes, read_body},
};

/// Number of files that are read at once.
const CONCURRENT_READS: usize = 32;

/// Columns of a segment, and whether its rows are in the order of its first dimension.
#[derive(Clone, Debug)]
pub(crate) struct SegmentRows {
    pub(crate) rows: RecordBatch,
    pub(crate) sorted: bool,
}

/// The expected size of a segment's decoded columns, in bytes.
const SEGMENT_BYTES: usize = 64 << 10;

/// Decoded columns of segments, up to a number of bytes.
#[derive(Debug)]
pub(crate) struct SegmentCache {
    budget: u64,
    cached: Cache<Path, Arc<CachedSegment>, ByBytes>,
}

#[derive(Clone, Debug)]
struct CachedSegment {
    file: Arc<SegmentFile>,
    rows: usize,
    sorted: bool,
    columns: BTreeMap<usize, ArrayRef>,
}

/// Weighs a segment by the bytes of its decoded columns.
#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<Path, Arc<CachedSegment>> for ByBytes {
    fn weight(&self, path: &Path, segment: &Arc<CachedSegment>) -> u64 {
        let columns = segment.columns.values().map(Array::get_array_memory_size);
        (path.as_ref().len() + columns.sum::<usize>()) as u64
    }
}

impl SegmentCache {
    /// An empty cache for at most `budget` bytes of arrays.
    #[must_use]
    pub(crate) fn new(budget: usize) -> Self {
        let cached = bounded(budget / SEGMENT_BYTES, budget as u64, ByBytes);
        Self { budget: budget as u64, cached }
    }

    /// Whether the cache can hold files of `file_bytes` in total and still has room for others. A
    /// scan decodes all of its files at once.
    pub(crate) fn has_room(&self, file_bytes: u64) -> bool {
        // The few columns that a query needs are, when decoded, about as large as the whole
        // files.
        file_bytes.saturating_mul(2) <= self.budget
    }

    /// The `wanted` columns of each segment, in the order of `segments`. A column is given by its
    /// index in `schema`.
    ///
    /// # Errors
    /// `Corrupt`, naming the file, when a file can't be decoded; or the store's error.
    pub(crate) async fn read(
        &self,
        root: &Root,
        schema: &SchemaRef,
        segments: &[Arc<SegmentFile>],
        wanted: &[usize],
    ) -> Result<Vec<SegmentRows>> {
        let projected = Arc::new(schema.project(wanted).map_err(engine_bug)?);
        let mut found = Vec::with_capacity(segments.len());
        let mut missing = Vec::new();
        for (at, segment) in segments.iter().enumerate() {
            let rows = self.find(segment, &projected, wanted)?;
            if rows.is_none() {
                missing.push((at, Arc::clone(segment)));
            }
            found.push(rows);
        }
        let reads = missing.into_iter().map(|(at, segment)| {
            let (root, schema, wanted) = (root.clone(), Arc::clone(schema), wanted.to_vec());
            // Each file is read in a task of its own, so that decoding uses every core.
            let read = tokio::spawn(async move {
                let bytes = read_body(&root, &segment.file.location, segment.file.size).await?;
                let rows = decode(&segment, &bytes, &schema, &wanted).map_err(|error| {
                    let name = root.full_name(&segment.file.location);
                    let error = Error::corrupt(format!("{name}: {error}")).with_source(error);
                    if segment.is_hint() {
                        root.distrust(&segment.file, &error);
                    }
                    error
                })?;
                Ok::<_, Error>((at, segment, rows))
            });
            async { read.await.map_err(|error| Error::internal("read").with_source(error))? }
        });
        // All reads end before the first error is returned, so that every damaged file is known
        // at once.
        let read: Vec<_> = stream::iter(reads).buffer_unordered(CONCURRENT_READS).collect().await;
        let read = read.into_iter().collect::<Result<Vec<_>>>()?;
        for (at, segment, rows) in read {
            root.request_counter().count_bytes(segment.file.size);
            self.insert(&segment, wanted, &rows);
            if let Some(place) = found.get_mut(at) {
                *place = Some(rows);
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn find(
        &self,
        segment: &Arc<SegmentFile>,
        projected: &SchemaRef,
        wanted: &[usize],
    ) -> Result<Option<SegmentRows>> {
        let Some(cached) = self.cached.get(&segment.file.location) else { return Ok(None) };
        if cached.file.file != segment.file {
            return Ok(None);
        }
        let columns = wanted.iter().map(|at| cached.columns.get(at).cloned());
        let Some(columns) = columns.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let rows = batch(Arc::clone(projected), columns, cached.rows).map_err(engine_bug)?;
        Ok(Some(SegmentRows { rows, sorted: cached.sorted }))
    }

    /// Adds the columns to those that are cached of the segment.
    fn insert(&self, segment: &Arc<SegmentFile>, wanted: &[usize], read: &SegmentRows) {
        let location = &segment.file.location;
        // A cached segment with another file was deleted and built again since.
        let cached = self.cached.get(location).filter(|cached| cached.file.file == segment.file);
        let mut cached = cached.map_or_else(
            || CachedSegment {
                file: Arc::clone(segment),
                rows: read.rows.num_rows(),
                sorted: false,
                columns: BTreeMap::new(),
            },
            |cached| CachedSegment::clone(&cached),
        );
        cached.sorted |= read.sorted;
        let columns = wanted.iter().zip(read.rows.columns());
        cached.columns.extend(columns.map(|(at, column)| (*at, Arc::clone(column))));
        self.cached.insert(location.clone(), Arc::new(cached));
    }
}

/// The wanted columns of a whole file, if its bytes are as they were written.
fn decode(
    segment: &SegmentFile,
    file: &Bytes,
    schema: &SchemaRef,
    wanted: &[usize],
) -> std::result::Result<SegmentRows, ArrowError> {
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(schema));
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options)?;
    check_bytes(&segment.file.location, file, builder.metadata())
        .and_then(|footer| footer.ok_or_else(|| Error::corrupt(NO_FOOTER)))
        .map_err(|error| ArrowError::ParquetError(error.to_string()))?;
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied());
    let reader = builder.with_projection(mask).with_batch_size(rows.max(1)).build()?;
    let in_file_order = reader.schema();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>()?;
    let read = concat_batches(&in_file_order, &batches)?;
    let projected = Arc::new(schema.project(wanted)?);
    let columns = projected.fields().iter().map(|field| {
        let column = read.column_by_name(field.name()).cloned();
        column.ok_or_else(|| ArrowError::SchemaError(format!("no column {}", field.name())))
    });
    let rows = batch(Arc::clone(&projected), columns.collect::<std::result::Result<_, _>>()?, rows);
    let rows = rows?;
    Ok(SegmentRows { sorted: is_sorted(schema, &rows), rows })
}

/// Whether the rows are sorted by their first dimension, with NULLs last. The first dimension is
/// a segment's second column. False when `rows` lacks that column, or when the column isn't text.
fn is_sorted(schema: &Schema, rows: &RecordBatch) -> bool {
    let first = schema.fields().get(1).filter(|field| *field.data_type() == DataType::Utf8View);
    let Some(column) = first.and_then(|field| rows.column_by_name(field.name())) else {
        return false;
    };
    let texts = column.as_string_view();
    let pairs = texts.iter().zip(texts.iter().skip(1));
    let mut pairs = pairs.map(|(one, next)| (one.is_none(), one) <= (next.is_none(), next));
    pairs.all(|ordered| ordered)
}

/// A batch that may have rows but no columns.
fn batch(
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> std::result::Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
}

fn engine_bug(error: ArrowError) -> Error {
    Error::internal("segment columns").with_source(error)
}
