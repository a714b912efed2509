//! Reading Parquet for DataFusion, such that an error names its file.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use datafusion::{
    datasource::{
        listing::PartitionedFile,
        physical_plan::{ParquetFileReaderFactory, parquet::CachedParquetFileReaderFactory},
    },
    error::Result as DataFusionResult,
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
    store::{Root, check_file, store_error},
};

/// DataFusion's caching readers, with the file's name on their errors.
#[derive(Debug)]
pub(super) struct NamingReaderFactory {
    pub(super) root: Root,
    pub(super) inner: CachedParquetFileReaderFactory,
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
        Ok(Box::new(NamingReader { name, root, file: meta, inner }))
    }
}

struct NamingReader {
    name: Arc<str>,
    root: Root,
    file: ObjectMeta,
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
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let (name, root, file) = (Arc::clone(&self.name), self.root.clone(), self.file.clone());
        let read = self.inner.get_metadata(options);
        async move {
            let error = match read.await {
                Err(error) => named(&name, error),
                read => return read,
            };
            // The inner reader keeps only the words of what the store said, and a store that can't
            // be reached is no damage: a look of our own tells which it is.
            let ours = match check_file(&root, &file).await {
                Err(ours) => ours,
                Ok(Err(what)) => Error::corrupt(format!("{name}: {what}")).with_source(error),
                Ok(Ok(_)) => Error::unavailable(error.to_string()).with_source(error),
            };
            Err(ParquetError::External(Box::new(ours)))
        }
        .boxed()
    }
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
