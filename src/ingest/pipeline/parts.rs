//! Sorts parts and writes them as leaves that are not visible yet.

use std::{fs::File, path::PathBuf, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array},
    compute::{
        SortColumn, cast, concat, concat_batches, interleave_record_batch, lexsort_to_indices,
        rank, take,
    },
    datatypes::{DataType, TimestampMicrosecondType, UInt32Type},
    error::ArrowError,
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};

use crate::{
    base::{Day, Error, Result},
    ingest::pipeline::{
        event_proofs::EventProofs, prices::Pricer, spool::PartRows, workers::Workers,
    },
    model::{BatchId, ContentHash, ContentHasher, Dataset, LeafId},
    store::{ChecksummedWriter, FileKind, LeafFooter, Packing, Staging, distinct_texts},
};

/// A leaf on disk, not yet visible.
#[derive(Clone, Debug)]
pub(crate) struct StagedLeaf {
    pub(crate) day: Day,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) footer: LeafFooter,
    /// How many rows are copies of events that are in other files, or in earlier rows.
    pub(crate) copies: u64,
}

/// Writes parts while the rest of the input is read.
pub(crate) struct PartQueue {
    writer: Arc<PartWriter>,
    workers: Workers,
    bytes_max: usize,
    under_way: FuturesUnordered<BoxFuture<'static, Result<Written>>>,
    bytes: usize,
    leaves: Vec<StagedLeaf>,
    content: ContentHasher,
}

/// A part that was written, and the memory that its rows held, in bytes.
struct Written {
    leaf: StagedLeaf,
    content: ContentHasher,
    bytes: usize,
}

impl PartQueue {
    /// A queue of parts whose rows together hold up to `bytes_max` bytes of memory. An empty
    /// queue accepts one part of any size.
    pub(crate) fn new(writer: PartWriter, workers: Workers, bytes_max: usize) -> Self {
        Self {
            writer: Arc::new(writer),
            workers,
            bytes_max,
            under_way: FuturesUnordered::new(),
            bytes: 0,
            leaves: Vec::new(),
            content: ContentHasher::default(),
        }
    }

    /// Waits until there is room for the part, and adds it.
    pub(crate) async fn push(&mut self, part: PartRows) -> Result<()> {
        let bytes = part.bytes();
        while !self.under_way.is_empty() && self.bytes + bytes > self.bytes_max {
            self.settle_one().await?;
        }
        self.bytes += bytes;
        let writer = Arc::clone(&self.writer);
        let written = self.workers.start(move || {
            let (leaf, content) = writer.write(&part)?;
            Ok(Written { leaf, content, bytes })
        });
        self.under_way.push(written.boxed());
        Ok(())
    }

    /// Waits for all parts. Gives the leaves, sorted by day and part, and the hash of all rows.
    pub(crate) async fn finish(mut self) -> Result<(Vec<StagedLeaf>, ContentHash)> {
        while !self.under_way.is_empty() {
            self.settle_one().await?;
        }
        self.leaves.sort_unstable_by_key(|leaf| (leaf.day, leaf.footer.part));
        Ok((self.leaves, self.content.finish()))
    }

    async fn settle_one(&mut self) -> Result<()> {
        let Some(written) = self.under_way.next().await else { return Ok(()) };
        let written = written?;
        self.bytes -= written.bytes;
        self.leaves.push(written.leaf);
        self.content.merge(written.content);
        Ok(())
    }
}

/// Writes the parts of one batch.
pub(crate) struct PartWriter {
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) staging: Arc<Staging>,
    pub(crate) batch: BatchId,
    /// The number of the claim that lists the leaves, if the caller named the batch.
    pub(crate) claim: Option<u32>,
    /// Identifies this run of `append`.
    pub(crate) attempt: String,
    /// What proves facts about events, if copies of an event count once.
    pub(crate) events: Option<EventProofs>,
    /// What computes prices, if the dataset has any.
    pub(crate) prices: Option<Arc<Pricer>>,
}

impl PartWriter {
    fn write(&self, part: &PartRows) -> Result<(StagedLeaf, ContentHasher)> {
        let sorted = sorted(&self.dataset, &part.rows)
            .map_err(|error| Error::internal("sorting a part").with_source(error))?;
        let sorted = match &self.prices {
            None => sorted,
            Some(prices) => prices.price(sorted)?,
        };
        let sorted = with_batch(&self.dataset, sorted, &self.batch)
            .map_err(|error| Error::internal("naming a batch").with_source(error))?;
        let mut content = ContentHasher::default();
        content.add(&self.dataset, &sorted)?;
        let hash = content.finish();
        let id = LeafId::of(&self.batch, self.claim.unwrap_or(0), (part.day, part.part), &hash, 0);
        let (events, copies) = match &self.events {
            None => (None, 0),
            Some(events) => {
                let (proof, copies) = events.prove(part.day, &id, &sorted)?;
                (Some(proof), copies)
            }
        };
        let (path, file) = self.staging.create(&format!("{id}.parquet"))?;
        let footer = LeafFooter {
            id,
            batch: self.batch.to_string(),
            date: part.day.to_string(),
            part: part.part,
            claim: self.claim,
            content: hash,
            attempt: self.attempt.clone(),
            void: None,
            events,
            lost: false,
        };
        let leaf = write_leaf(&self.staging, (path, file), part.day, footer, &sorted)?;
        Ok((StagedLeaf { copies, ..leaf }, content))
    }
}

/// The rows with the id of their batch, if the dataset has a column for it.
fn with_batch(
    dataset: &Dataset,
    rows: RecordBatch,
    batch: &BatchId,
) -> Result<RecordBatch, ArrowError> {
    let Some(at) = dataset.batch_column().and_then(|name| dataset.column_index(name)) else {
        return Ok(rows);
    };
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
        batch.to_string(),
        rows.num_rows(),
    )));
    let columns = rows.columns().iter().enumerate();
    let columns = columns.map(|(place, column)| if place == at { &ids } else { column });
    RecordBatch::try_new(rows.schema(), columns.cloned().collect())
}

/// Writes rows as a leaf that is not visible yet. The rows must be in the dataset's sort order.
///
/// # Errors
/// `Unavailable` when the disk refuses.
pub(crate) fn write_leaf(
    staging: &Staging,
    (path, file): (PathBuf, File),
    day: Day,
    footer: LeafFooter,
    rows: &RecordBatch,
) -> Result<StagedLeaf> {
    let distinct = distinct_texts(rows);
    let packing = Packing::Small { distinct: &distinct };
    let mut writer = ChecksummedWriter::try_new(path, file, rows.schema(), packing)?;
    writer.write(rows)?;
    let (path, bytes) = writer.finish(FileKind::Leaf(footer.clone()))?;
    staging.settle(&path)?;
    Ok(StagedLeaf { day, path, bytes, footer, copies: 0 })
}

/// Combines the chunks into one batch in the dataset's sort order, in one step.
fn sorted(dataset: &Dataset, chunks: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
    let schema = dataset.file_schema();
    let keys = dataset.sort().iter().filter_map(|name| schema.index_of(name).ok());
    let keys = keys.map(|column| {
        let parts: Vec<_> = chunks.iter().map(|chunk| chunk.column(column).as_ref()).collect();
        Ok(SortColumn { values: ranked(concat(&parts)?)?, options: None })
    });
    let keys = keys.collect::<Result<Vec<_>, ArrowError>>()?;
    if keys.is_empty() {
        return concat_batches(&schema, chunks);
    }
    let order = order(&keys)?;
    let mut places = Vec::with_capacity(order.len());
    for (at, chunk) in chunks.iter().enumerate() {
        places.extend((0..chunk.num_rows()).map(|row| (at, row)));
    }
    let sorted: Vec<_> =
        order.into_iter().filter_map(|row| places.get(row as usize).copied()).collect();
    interleave_record_batch(&chunks.iter().collect::<Vec<_>>(), &sorted)
}

/// The row numbers, sorted by the keys.
fn order(keys: &[SortColumn]) -> Result<Vec<u32>, ArrowError> {
    // The usual keys are a text and the time. They are sorted as plain numbers.
    if let [first, second] = keys
        && let Some(ranks) = first.values.as_primitive_opt::<UInt32Type>()
        && let Some(times) = second.values.as_primitive_opt::<TimestampMicrosecondType>()
        && ranks.null_count() + times.null_count() == 0
    {
        let pairs = ranks.values().iter().zip(times.values());
        let mut rows: Vec<_> =
            pairs.zip(0..).map(|((rank, time), row)| (*rank, *time, row)).collect();
        rows.sort_unstable();
        return Ok(rows.into_iter().map(|(_, _, row)| row).collect());
    }
    Ok(lexsort_to_indices(keys, None)?.values().to_vec())
}

/// Replaces texts by their ranks, which are numbers in the order of the texts. A log has few
/// different texts, and comparing numbers is cheap.
fn ranked(key: ArrayRef) -> Result<ArrayRef, ArrowError> {
    if *key.data_type() != DataType::Utf8 {
        return Ok(key);
    }
    let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let dictionary = cast(&key, &kind)?;
    let dictionary = dictionary.as_any_dictionary();
    let ranks = UInt32Array::from(rank(dictionary.values(), None)?);
    take(&ranks, dictionary.keys(), None)
}
