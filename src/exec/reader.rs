//! Reading Parquet for DataFusion, such that an error names its file, and that what files say of
//! their rows is what they were written with.

use std::{ops::Range, sync::Arc};

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

use crate::{
    base::Error,
    store::{Root, read_metadata_and_index, store_error},
};

/// DataFusion's readers, with the file's name on their errors, and a cache of metadata.
#[derive(Debug)]
pub(super) struct NamingReaderFactory {
    pub(super) root: Root,
    pub(super) cache: Arc<FileMetadataCache>,
    pub(super) inner: DefaultParquetFileReaderFactory,
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
        let cache = Arc::clone(&self.cache);
        Ok(Box::new(NamingReader { name, root, file: meta, cache, inner }))
    }
}

struct NamingReader {
    name: Arc<str>,
    root: Root,
    file: ObjectMeta,
    cache: Arc<FileMetadataCache>,
    inner: Box<dyn AsyncFileReader + Send>,
}

impl AsyncFileReader for NamingReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let name = Arc::clone(&self.name);
        self.inner
            .get_bytes(range)
            .map(move |read| read.map_err(|error| named(&name, error)))
            .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let name = Arc::clone(&self.name);
        let read = self.inner.get_byte_ranges(ranges);
        read.map(move |read| read.map_err(|error| named(&name, error))).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let read = cached_metadata(self.cache.as_ref(), &self.root, &self.file).await;
            read.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }
}

/// A file's metadata and page index, as they were written; read once.
///
/// # Errors
/// `Corrupt`, naming the file, when they aren't; or what the store says.
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
            Ok(store) => store_error(name, *store),
            Err(source) => Error::corrupt(format!("{name}: {source}")).with_source(source),
        },
        other => {
            Error::corrupt(format!("{name}: not a whole Parquet file: {other}")).with_source(other)
        }
    };
    ParquetError::External(Box::new(ours))
}
