//! Writes staged leaves again: under other ids, or without erased rows.

use std::sync::Arc;

use arrow::{
    array::{Array as _, AsArray as _, BooleanArray, RecordBatch},
    compute::{cast, concat_batches, filter_record_batch},
    datatypes::DataType,
    error::ArrowError,
};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use crate::{
    base::{Error, Result},
    ingest::{
        AppendContext,
        pipeline::{
            parts::{StagedLeaf, write_leaf},
            stage::Staged,
        },
    },
    model::{BatchId, ContentHasher, LeafId},
    store::{ErasedValue, LeafFooter},
};

/// Gives all staged leaves their ids under `claim`. Leaves with other ids are written again.
///
/// # Errors
/// `Unavailable` when a staged file can't be read or written.
pub(crate) fn with_ids_of(
    context: AppendContext<'_>,
    batch: &BatchId,
    claim: u32,
    staged: &mut Staged,
) -> Result<()> {
    for leaf in &mut staged.leaves {
        let content = &leaf.footer.content;
        let id = LeafId::of(batch, claim, (leaf.day, leaf.footer.part), content, 0);
        if id != leaf.footer.id {
            leaf.footer.claim = Some(claim);
            let rows = read_rows(context, leaf)?;
            *leaf = restaged(context, leaf, id, &rows)?;
        }
    }
    Ok(())
}

/// Writes the leaf again under `id`, without erased rows. An erasure covers the rows that have
/// all of its values.
///
/// # Errors
/// `Unavailable` when a staged file can't be read or written.
pub(crate) fn without_erased(
    context: AppendContext<'_>,
    leaf: &StagedLeaf,
    id: LeafId,
    erasures: &[Vec<ErasedValue>],
) -> Result<StagedLeaf> {
    let mut rows = read_rows(context, leaf)?;
    for values in erasures {
        rows = without(&rows, values).map_err(|error| staged_error(leaf, &error))?;
    }
    restaged(context, leaf, id, &rows)
}

/// Writes the leaf again under another id, with `rows` as its content.
fn restaged(
    context: AppendContext<'_>,
    leaf: &StagedLeaf,
    id: LeafId,
    rows: &RecordBatch,
) -> Result<StagedLeaf> {
    let mut content = ContentHasher::default();
    content.add(context.dataset, rows)?;
    let file = context.staging.create(&format!("{id}.parquet"))?;
    let footer = LeafFooter { id, content: content.finish(), ..leaf.footer.clone() };
    write_leaf(context.staging, file, leaf.day, footer, rows)
}

fn read_rows(context: AppendContext<'_>, leaf: &StagedLeaf) -> Result<RecordBatch> {
    let fail = |error: ArrowError| staged_error(leaf, &error);
    let file = std::fs::File::open(&leaf.path);
    let file = file.map_err(|error| Error::io(leaf.path.display(), error))?;
    let schema = context.dataset.file_schema();
    let options = ArrowReaderOptions::new().with_schema(Arc::clone(&schema));
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .and_then(ParquetRecordBatchReaderBuilder::build);
    let reader = reader.map_err(|error| fail(error.into()))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    concat_batches(&schema, &batches).map_err(fail)
}

/// The rows that lack at least one of the values.
fn without(rows: &RecordBatch, values: &[ErasedValue]) -> Result<RecordBatch, ArrowError> {
    let mut erased = vec![true; rows.num_rows()];
    for value in values {
        // The column was added after these rows were claimed, so no row has a value in it.
        let Some(column) = rows.column_by_name(&value.column) else { return Ok(rows.clone()) };
        let texts = cast(column, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        for (row, erased) in erased.iter_mut().enumerate() {
            *erased &= texts.is_valid(row) && value.is(texts.value(row));
        }
    }
    let kept: BooleanArray = erased.iter().map(|erased| Some(!erased)).collect();
    filter_record_batch(rows, &kept)
}

fn staged_error(leaf: &StagedLeaf, error: &ArrowError) -> Error {
    Error::unavailable(format!("can't read {} back: {error}", leaf.path.display()))
}
