//! Reads a batch and writes it to disk before any of it is visible.

use std::{
    iter,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{StreamExt as _, stream};
use tokio::runtime::Handle;

use crate::{
    base::{Day, Result},
    ingest::{
        AppendOptions, FieldMap, Input, Rejects, check,
        pipeline::{
            parts::{PartQueue, PartWriter, StagedLeaf},
            spool::Spool,
            workers::Workers,
        },
        rows::{row_builder::warnings_of, validator::Validator},
    },
    model::{BatchId, ContentHash, Dataset},
    store::Staging,
};

/// How many blocks are read ahead for each stream, so that no stream waits for input.
const BLOCKS_AHEAD: usize = 4;

/// How a batch is read and where it is written.
pub(crate) struct Stage {
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) staging: Arc<Staging>,
    pub(crate) batch: BatchId,
    /// The number of the claim that lists the leaves, if the caller named the batch.
    pub(crate) claim: Option<u32>,
    /// Identifies this run of `append`.
    pub(crate) attempt: String,
    /// Memory for rows that wait for the rest of their part, in bytes. Beyond it, rows wait on
    /// disk.
    pub(crate) buffer_bytes: usize,
    /// The UTC day that rows are checked against. Rows later than the day after `today` are bad.
    pub(crate) today: Day,
    /// How many blocks and parts are worked on at once.
    pub(crate) streams: usize,
}

/// A batch that is validated and written to disk, but not visible.
pub(crate) struct Staged {
    /// The leaves, sorted by day and part.
    pub(crate) leaves: Vec<StagedLeaf>,
    pub(crate) content: ContentHash,
    pub(crate) rejects: Rejects,
    pub(crate) warnings: Vec<(String, u64)>,
}

impl Stage {
    /// Reads all inputs on the calling thread, which must be allowed to block. Other threads
    /// validate the rows and write the leaves. The number of threads does not change the leaves,
    /// because blocks are taken in input order.
    pub(crate) fn run(self, inputs: Vec<Input>, options: AppendOptions) -> Result<Staged> {
        Handle::current().block_on(self.read(inputs, options))
    }

    #[expect(clippy::future_not_send, reason = "it stays on the thread that reads")]
    async fn read(self, inputs: Vec<Input>, options: AppendOptions) -> Result<Staged> {
        let validator = self.validator(&options)?;
        check(&inputs, &options.rejects)?;
        let mut rejects = options.rejects;
        rejects.open()?;
        let mut spool = Spool::new(Arc::clone(&self.staging), self.buffer_bytes);
        let workers = Workers::new(self.streams);
        let mut parts = self.part_queue(workers.clone());
        let bytes_read = Arc::new(AtomicU64::new(0));
        let (mut warnings, mut unended, mut rows_read) = (Vec::new(), Vec::new(), 0);
        for input in inputs {
            let name = input.name().to_owned();
            let counter = Arc::clone(&bytes_read);
            let mut blocks = input.open(
                options.format,
                &self.dataset,
                &validator.map,
                &self.staging,
                counter,
            )?;
            let preamble = blocks.preamble().to_vec();
            let validated =
                stream::iter(iter::from_fn(|| blocks.next().transpose())).map(|block| {
                    let validator = Arc::clone(&validator);
                    let validated =
                        block.map(|block| workers.start(move || validator.validate(block)));
                    async move { validated?.await }
                });
            let mut validated = std::pin::pin!(validated.buffered(self.streams * BLOCKS_AHEAD));
            while let Some(block) = validated.next().await {
                let block = block?;
                for row in &block.bad {
                    rejects.add(&name, &preamble, row)?;
                }
                add_counts(&mut warnings, &block.warnings);
                for (day, rows) in block.rows {
                    spool.push(day, rows)?;
                    while let Some(part) = spool.take_full(day)? {
                        parts.push(part).await?;
                    }
                }
                rows_read += block.read;
                if block.lacks_line_end {
                    let what = format!("no line end, the last of {name}: the file may be cut");
                    unended.push((what, 1));
                }
                if let Some(progress) = &options.progress {
                    progress(bytes_read.load(Ordering::Relaxed), rows_read);
                }
            }
        }
        rejects.settle()?;
        while let Some(part) = spool.take_rest()? {
            parts.push(part).await?;
        }
        let (leaves, content) = parts.finish().await?;
        let mut warnings = warnings_of(&self.dataset, &warnings);
        warnings.extend(unended);
        Ok(Staged { leaves, content, rejects, warnings })
    }

    fn validator(&self, options: &AppendOptions) -> Result<Arc<Validator>> {
        let map = match &options.map {
            None => FieldMap::of(&self.dataset),
            Some((text, file)) => FieldMap::parse(text, file, &self.dataset)?,
        };
        let (dataset, keep_bad) = (Arc::clone(&self.dataset), options.rejects.keeps_rows());
        Ok(Arc::new(Validator { dataset, map, today: self.today, keep_bad }))
    }

    fn part_queue(&self, workers: Workers) -> PartQueue {
        let writer = PartWriter {
            dataset: Arc::clone(&self.dataset),
            staging: Arc::clone(&self.staging),
            batch: self.batch.clone(),
            claim: self.claim,
            attempt: self.attempt.clone(),
        };
        PartQueue::new(writer, workers, self.buffer_bytes / 2)
    }
}

/// Adds the counts of a block to the sums so far.
fn add_counts(sums: &mut Vec<u64>, counts: &[u64]) {
    sums.resize(counts.len(), 0);
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count;
    }
}
