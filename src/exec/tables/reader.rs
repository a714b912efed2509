//! Reads Parquet files for DataFusion. An error names its file. Rows and footer metadata are
//! checked to be as they were written.

use std::{ops::Range, sync::Arc};

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::{
    datasource::{
        listing::PartitionedFile,
        physical_plan::{
            ParquetFileReaderFactory,
            parquet::{CachedParquetMetaData, DefaultParquetFileReaderFactory},
        },
    },
    error::Result as DataFusionResult,
    execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache},
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::{FutureExt as _, future::BoxFuture};
use object_store::ObjectMeta;
use parquet::{
    arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
    errors::{ParquetError, Result},
    file::metadata::ParquetMetaData,
};
use tokio::sync::OnceCell;

use crate::{
    base::Error,
    exec::tables::fitting::check_fits,
    store::{BlockHashes, DAMAGED, FileFooter, Root, read_error, read_metadata_and_index},
};

/// Wraps DataFusion's readers. Errors name the file, and Parquet metadata is cached.
#[derive(Debug)]
pub(crate) struct NamingReaderFactory {
    pub(crate) root: Root,
    pub(crate) cache: Arc<FileMetadataCache>,
    /// The columns that another tool's file must fit.
    pub(crate) schema: SchemaRef,
    pub(crate) inner: DefaultParquetFileReaderFactory,
}

impl ParquetFileReaderFactory for NamingReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> DataFusionResult<Box<dyn AsyncFileReader + Send>> {
        let (root, meta) = (self.root.clone(), file.object_meta.clone());
        let name: Arc<str> = root.full_name(file.path()).into();
        let inner = self.inner.create_reader(partition_index, file, metadata_size_hint, metrics)?;
        let (cache, footer) = (Arc::clone(&self.cache), OnceCell::new());
        let schema = Arc::clone(&self.schema);
        Ok(Box::new(NamingReader { name, root, file: meta, cache, schema, inner, footer }))
    }
}

struct NamingReader {
    name: Arc<str>,
    root: Root,
    file: ObjectMeta,
    cache: Arc<FileMetadataCache>,
    schema: SchemaRef,
    inner: Box<dyn AsyncFileReader + Send>,
    /// The file's footer, read once; `None` for another tool's file.
    footer: OnceCell<Option<FileFooter>>,
}

impl NamingReader {
    /// The bytes of these ranges. Where the footer has hashes of the file's blocks, the bytes are
    /// checked to be as they were written.
    async fn read(&mut self, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
        let Self { name, root, file, cache, inner, footer, .. } = self;
        let footer = footer.get_or_try_init(|| async {
            let metadata = metadata_of(cache.as_ref(), root, file).await?;
            Ok::<_, ParquetError>(FileFooter::of(&metadata).ok())
        });
        // The bytes behind the rows have a checksum of their own.
        let of_rows = |end: u64| ranges.iter().all(|range| range.end <= end);
        let tells = |it: &&FileFooter| !it.blocks.is_empty() && of_rows(it.body.bytes);
        let Some(FileFooter { blocks, body, .. }) = footer.await?.as_ref().filter(tells) else {
            return inner.get_byte_ranges(ranges).await.map_err(|error| named(name, error));
        };
        let whole = merged(ranges.iter().map(|range| BlockHashes::around(range, body.bytes)));
        let read = inner.get_byte_ranges(whole.clone()).await;
        let read = read.map_err(|error| named(name, error))?;
        let read: Vec<_> = whole.into_iter().zip(read).collect();
        let are_whole = read.iter().all(|(range, bytes)| blocks.are(range.start, bytes));
        let parts = ranges.iter().map(|range| part(&read, range).filter(|_| are_whole));
        parts.collect::<Option<_>>().ok_or_else(|| {
            ParquetError::External(Box::new(Error::corrupt(format!("{name}: {DAMAGED}"))))
        })
    }
}

/// Calls [`cached_metadata`] and converts the error to the type that readers have.
async fn metadata_of(
    cache: &FileMetadataCache,
    root: &Root,
    file: &ObjectMeta,
) -> Result<Arc<ParquetMetaData>> {
    let read = cached_metadata(cache, root, file).await;
    read.map_err(|error| ParquetError::External(Box::new(error)))
}

/// The same bytes, as sorted ranges that neither overlap nor touch.
fn merged(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted: Vec<_> = ranges.collect();
    sorted.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// The bytes of `range`, if one of the ranges that were read contains it.
fn part(read: &[(Range<u64>, Bytes)], range: &Range<u64>) -> Option<Bytes> {
    let behind = read.partition_point(|(whole, _)| whole.start <= range.start);
    let (whole, bytes) = read.get(behind.checked_sub(1)?)?;
    let offset = |at: u64| usize::try_from(at - whole.start).ok();
    let (start, end) = (offset(range.start)?, offset(range.end)?);
    (end <= bytes.len()).then(|| bytes.slice(start..end))
}

impl AsyncFileReader for NamingReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let read = self.read(vec![range]).await?;
            Ok(read.into_iter().next().unwrap_or_default())
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        self.read(ranges).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let metadata = metadata_of(self.cache.as_ref(), &self.root, &self.file).await?;
            let footer = self.footer.get_or_init(async || FileFooter::of(&metadata).ok()).await;
            if footer.is_none() {
                let fits = check_fits(&self.name, &metadata, &self.schema);
                fits.map_err(|error| ParquetError::External(Box::new(error)))?;
            }
            Ok(metadata)
        }
        .boxed()
    }
}

/// A file's Parquet metadata and page index, checked to be as they were written. Both are read
/// once and then cached.
///
/// # Errors
/// `Corrupt`, naming the file, when the metadata isn't as it was written; or the store's error.
pub(crate) async fn cached_metadata(
    cache: &FileMetadataCache,
    root: &Root,
    file: &ObjectMeta,
) -> crate::base::Result<Arc<ParquetMetaData>> {
    if let Some(cached) = cache.get(&file.location)
        && cached.is_valid_for(file)
        && let Some(cached) = cached.file_metadata.as_any().downcast_ref::<CachedParquetMetaData>()
    {
        return Ok(Arc::clone(cached.parquet_metadata()));
    }
    let read = read_metadata_and_index(root, file).await?;
    let entry = Arc::new(CachedParquetMetaData::new(Arc::clone(&read)));
    cache.put(&file.location, CachedFileMetadataEntry::new(file.clone(), entry));
    Ok(read)
}

fn named(name: &str, error: ParquetError) -> ParquetError {
    let ours = match error {
        ParquetError::External(source) => match source.downcast::<object_store::Error>() {
            Ok(store) => read_error(name, *store),
            Err(source) => Error::corrupt(format!("{name}: {source}")).with_source(source),
        },
        other => {
            Error::corrupt(format!("{name}: not a whole Parquet file: {other}")).with_source(other)
        }
    };
    ParquetError::External(Box::new(ours))
}
