//! Parquet files of any tool.

use std::sync::Arc;

use parquet::{
    arrow::arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
    },
    file::reader::ChunkReader,
};

use crate::{
    base::{Error, Result},
    ingest::{
        readers::record_batches::{RecordBatchBlocks, as_views},
        rows::field_map::FieldMap,
    },
};

/// How many rows are read at once. Their texts are views of the file's pages, in which equal texts
/// are stored once.
const READ_ROWS: usize = 8192;

/// Reads a file of rows.
///
/// # Errors
/// `Corrupt` when the file isn't whole Parquet; as [`RecordBatchBlocks::try_new`].
pub(crate) fn open(
    name: String,
    file: impl ChunkReader + 'static,
    map: &FieldMap,
) -> Result<RecordBatchBlocks> {
    let corrupt = |error| {
        Error::corrupt(format!("{name}: not a whole Parquet file: {error}")).with_source(error)
    };
    let options = ArrowReaderOptions::new();
    let metadata = ArrowReaderMetadata::load(&file, options.clone()).map_err(corrupt)?;
    let schema = Arc::new(as_views(metadata.schema()));
    let options = options.with_schema(Arc::clone(&schema));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options);
    let metadata = metadata.map_err(corrupt)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let batches = builder.with_batch_size(READ_ROWS).build().map_err(corrupt)?;
    let of_file = name.clone();
    let batches = batches.map(move |batch| {
        batch.map_err(|error| Error::corrupt(format!("{of_file}: {error}")).with_source(error))
    });
    RecordBatchBlocks::try_new(name, &schema, batches, map)
}
