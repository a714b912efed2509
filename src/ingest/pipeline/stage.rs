//! Reads a batch and writes it to disk before any of it is visible.

use std::{
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;
use futures::{StreamExt as _, stream};
use tokio::runtime::Handle;

use crate::{
    base::{Day, Result},
    ingest::{
        AppendOptions, Format, Input, Rejects, check,
        pipeline::{
            event_proofs::EventProofs,
            parts::{PartQueue, PartWriter, StagedLeaf},
            prices::{Pricer, PricesFound},
            row_maps::{InputMap, InputMaps, row_maps},
            seen::{Seen, SourceRead},
            spool::Spool,
            workers::Workers,
        },
        rows::{header, validator::Validator},
    },
    model::{BatchId, ContentHash, Dataset},
    store::{Root, Staging},
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
    /// The root, whose files may hold copies of the batch's events.
    pub(crate) root: Root,
    pub(crate) session: SessionContext,
}

/// A batch that is validated and written to disk, but not visible.
pub(crate) struct Staged {
    /// The leaves, sorted by day and part.
    pub(crate) leaves: Vec<StagedLeaf>,
    pub(crate) content: ContentHash,
    pub(crate) rejects: Rejects,
    pub(crate) warnings: Vec<(String, u64)>,
    /// As in [`AppendReport`](crate::ingest::AppendReport), as the next six.
    pub(crate) records: u64,
    pub(crate) sources: Vec<SourceRead>,
    pub(crate) skipped: Vec<(String, u64)>,
    pub(crate) ignored: Vec<(String, Option<String>)>,
    pub(crate) first_rows: Vec<RecordBatch>,
    pub(crate) left_out: Vec<String>,
    pub(crate) prices: Option<PricesFound>,
}

/// What takes in the blocks of all inputs.
struct Reading {
    spool: Spool,
    parts: PartQueue,
    workers: Workers,
    rejects: Rejects,
    /// Bytes read before decompression.
    bytes_read: Arc<AtomicU64>,
    seen: Seen,
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
        check(&inputs, &options.rejects)?;
        let prices = Pricer::of(&self.dataset, &options)?.map(Arc::new);
        let InputMaps { read, left_out } = row_maps(inputs, &options, &self.dataset)?;
        let AppendOptions { format, mut rejects, progress, .. } = options;
        rejects.open()?;
        let workers = Workers::new(self.streams);
        let mut reading = Reading {
            spool: Spool::new(Arc::clone(&self.staging), self.buffer_bytes),
            parts: self.part_queue(workers.clone(), prices.clone()),
            workers,
            rejects,
            bytes_read: Arc::new(AtomicU64::new(0)),
            seen: Seen::default(),
        };
        let mut maps = Vec::new();
        for InputMap { input, map, source } in read {
            let before = reading.seen.records;
            let (dataset, keep_bad) = (Arc::clone(&self.dataset), reading.rejects.keeps_rows());
            maps.push(Arc::clone(&map));
            let (carried, today) = (Mutex::default(), self.today);
            let validator = Validator { dataset, map, carried, today, keep_bad };
            self.read_input(input, format, validator, &mut reading, progress.as_deref()).await?;
            reading.seen.source(source.as_deref(), before);
        }
        let Reading { mut spool, mut parts, mut rejects, seen, .. } = reading;
        rejects.settle()?;
        while let Some(part) = spool.take_rest()? {
            parts.push(part).await?;
        }
        let (leaves, content) = parts.finish().await?;
        let maps: Vec<_> = maps.iter().map(Arc::as_ref).collect();
        let warnings = seen.warnings(&self.dataset, &maps);
        let (records, ignored) = (seen.records, seen.ignored(&self.dataset));
        let (sources, skipped) = (seen.sources(), seen.skipped());
        let first_rows = seen.first_rows.into_iter().map(|rows| match &prices {
            None => Ok(rows),
            Some(prices) => prices.shown(rows),
        });
        let first_rows = first_rows.collect::<Result<_>>()?;
        Ok(Staged {
            leaves,
            content,
            rejects,
            warnings,
            records,
            sources,
            skipped,
            ignored,
            first_rows,
            left_out,
            prices: prices.map(|prices| prices.found()),
        })
    }

    #[expect(clippy::future_not_send, reason = "it stays on the thread that reads")]
    async fn read_input(
        &self,
        input: Input,
        format: Option<Format>,
        validator: Validator,
        reading: &mut Reading,
        progress: Option<&(dyn Fn(u64, u64) + Send + Sync)>,
    ) -> Result<()> {
        let name = input.name().to_owned();
        let counter = Arc::clone(&reading.bytes_read);
        let mut blocks = input.open(format, &validator.map.fields, &self.staging, counter)?;
        if let Some(header) = blocks.header() {
            header::check(&name, &header, &validator.map, &self.dataset)?;
            reading.seen.ignore(header::ignored(&header, &validator.map));
        }
        let preamble = blocks.preamble().to_vec();
        let at_once = if validator.needs_order() { 1 } else { self.streams * BLOCKS_AHEAD };
        let validator = Arc::new(validator);
        let workers = reading.workers.clone();
        let validated = stream::iter(iter::from_fn(|| blocks.next().transpose())).map(|block| {
            let (validator, workers) = (Arc::clone(&validator), &workers);
            let validated = move |block| workers.start(move || validator.validate(block));
            let validated = block.map(validated);
            async move { validated?.await }
        });
        let mut validated = std::pin::pin!(validated.buffered(at_once));
        while let Some(block) = validated.next().await {
            let block = block?;
            for row in &block.bad {
                reading.rejects.add(&name, &preamble, row)?;
            }
            reading.seen.block(&name, &block);
            for (day, rows) in block.rows {
                reading.spool.push(day, rows)?;
                while let Some(part) = reading.spool.take_full(day)? {
                    reading.parts.push(part).await?;
                }
            }
            if let Some(progress) = progress {
                progress(reading.bytes_read.load(Ordering::Relaxed), reading.seen.records);
            }
        }
        Ok(())
    }

    fn part_queue(&self, workers: Workers, prices: Option<Arc<Pricer>>) -> PartQueue {
        let writer = PartWriter {
            dataset: Arc::clone(&self.dataset),
            staging: Arc::clone(&self.staging),
            batch: self.batch.clone(),
            claim: self.claim,
            attempt: self.attempt.clone(),
            events: EventProofs::of(&self.dataset, &self.root, &self.session),
            prices,
        };
        PartQueue::new(writer, workers, self.buffer_bytes / 2)
    }
}
