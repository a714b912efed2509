//! An answer: its rows, the decision about their sources, and its cost.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    datasource::{memory::MemorySourceConfig, source::DataSourceExec},
    execution::SendableRecordBatchStream,
    physical_plan::{ExecutionPlan, metrics::MetricsSet, stream::RecordBatchReceiverStreamBuilder},
};
use futures::{
    Stream, StreamExt as _,
    stream::{self, Fuse},
};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    base::{Error, Result},
    engine::query::limits::Limits,
    plan::Decision,
    store::{Root, name_damage},
};

/// The number of batches that are computed ahead of the reader.
const BATCHES_AHEAD: usize = 2;

/// An answer that is being computed.
pub struct Answer {
    /// The first batch, which is read before the caller reads.
    first: Option<RecordBatch>,
    stream: Fuse<SendableRecordBatchStream>,
    decision: Arc<Decision>,
    plan: Arc<dyn ExecutionPlan>,
    times: Times,
    /// The root, with the request counter of this query.
    root: Root,
    limits: Limits,
    /// Given back when the answer was read to its end, or is dropped.
    permit: Option<OwnedSemaphorePermit>,
    /// The number of rows so far.
    rows: usize,
}

/// When the query arrived, and how long planning took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) asked: Instant,
    pub(crate) planning: Duration,
}

/// The cost of an answer. It is final once all rows were read.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// `raw`, `rollup` or `mixed`.
    pub route: &'static str,
    /// The number of days answered from segments.
    pub rollup_days: usize,
    /// The number of days answered from raw leaves. A day answered from both counts in both.
    pub raw_days: usize,
    /// The number of files that the answer is from.
    pub files: usize,
    /// Bytes read from these files. Columns that are already in memory don't count.
    pub bytes: usize,
    /// Rows read from these files, or from their columns in memory.
    pub rows_scanned: usize,
    /// The number of requests to the store, including listings.
    pub requests: u64,
    /// The time from SQL to the physical plan, in milliseconds. Includes the reading of segments
    /// into memory, but not the listing of files.
    pub planning_ms: f64,
    /// The time since the query arrived, in milliseconds.
    pub elapsed_ms: f64,
}

impl Answer {
    pub(crate) fn new(
        stream: SendableRecordBatchStream,
        decision: Arc<Decision>,
        plan: Arc<dyn ExecutionPlan>,
        times: Times,
        root: Root,
        limits: Limits,
    ) -> Self {
        let stream = in_a_task(stream).fuse();
        Self { first: None, stream, decision, plan, times, root, limits, permit: None, rows: 0 }
    }

    /// This answer with the permit. The answer holds the permit until it was read to its end or is
    /// dropped.
    pub(crate) fn holding(self, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { permit, ..self }
    }

    /// This answer with its first rows read.
    ///
    /// # Errors
    /// See [`next`](Self::next).
    pub(crate) async fn started(mut self) -> Result<Self> {
        self.first = self.next().await?;
        Ok(self)
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.stream.get_ref().schema()
    }

    /// The decision: the files that the answer is from, and why.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// `Limit` when the query takes too long or too much memory, or the answer has too many rows;
    /// otherwise the error from reading. An answer that ends in an error is not whole.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let stream = &mut self.stream;
        let next = async { stream.next().await.transpose().map_err(Error::from) };
        let error = match self.limits.bound(next).await {
            Ok(batch) => {
                self.limits.count(batch.as_ref().map_or(0, RecordBatch::num_rows))?;
                match &batch {
                    Some(batch) => self.rows += batch.num_rows(),
                    None => self.finish(),
                }
                return Ok(batch);
            }
            Err(error) => error,
        };
        Err(name_damage(&self.root, error, self.decision.files_read()).await)
    }

    /// Gives the permit back, and logs what the answer cost.
    fn finish(&mut self) {
        self.permit = None;
        let stats = self.stats();
        tracing::info!(
            route = stats.route,
            rollup_days = stats.rollup_days,
            raw_days = stats.raw_days,
            files = stats.files,
            bytes = stats.bytes,
            requests = stats.requests,
            rows = self.rows,
            planning_ms = stats.planning_ms,
            elapsed_ms = stats.elapsed_ms,
            "query answered"
        );
    }

    /// Checks that the query is within its limits of time and memory. For callers that work on its
    /// rows.
    ///
    /// # Errors
    /// `Limit` when the time is over or the process takes too much memory.
    pub fn check_limits(&self) -> Result<()> {
        self.limits.check()
    }

    /// The rows as a stream. The stream ends after its first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<RecordBatch>> + Send {
        stream::try_unfold(self, |mut answer| async move {
            Ok(answer.next().await?.map(|batch| (batch, answer)))
        })
    }

    /// All rows, and the cost of the answer.
    ///
    /// # Errors
    /// See [`next`](Self::next).
    pub async fn collect(mut self) -> Result<(Vec<RecordBatch>, Stats)> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        let stats = self.stats();
        Ok((batches, stats))
    }

    /// The cost of the answer so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (rollup_days, raw_days) = self.decision.days();
        let (rows_scanned, bytes) = scanned(&self.plan);
        let request_counter = self.root.request_counter();
        Stats {
            route: self.decision.route().name(),
            rollup_days,
            raw_days,
            files: self.decision.files(),
            bytes: bytes + usize::try_from(request_counter.bytes()).unwrap_or(usize::MAX),
            rows_scanned,
            requests: request_counter.requests(),
            planning_ms: milliseconds(self.times.planning),
            elapsed_ms: milliseconds(self.times.asked.elapsed()),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("decision", &self.decision).finish_non_exhaustive()
    }
}

/// Computes the rows in a separate task. Some work never yields, such as one call of a function. In
/// its own task such work doesn't delay the check of a limit.
fn in_a_task(mut rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let mut task = RecordBatchReceiverStreamBuilder::new(rows.schema(), BATCHES_AHEAD);
    let sender = task.tx();
    task.spawn(async move {
        while let Some(batch) = rows.next().await {
            if sender.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    });
    task.build()
}

/// Milliseconds, to the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The number of rows and bytes that the plan's scans have read so far.
fn scanned(plan: &Arc<dyn ExecutionPlan>) -> (usize, usize) {
    let mut total = (0, 0);
    let node: &dyn std::any::Any = plan.as_ref();
    if let Some(scan) = node.downcast_ref::<DataSourceExec>() {
        let source: &dyn std::any::Any = scan.data_source().as_ref();
        let metrics = plan.metrics();
        total.0 += match source.downcast_ref::<MemorySourceConfig>() {
            Some(memory) => memory.partitions().iter().flatten().map(RecordBatch::num_rows).sum(),
            None => metrics.as_ref().and_then(MetricsSet::output_rows).unwrap_or_default(),
        };
        let bytes = metrics.as_ref().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
        total.1 += bytes.map_or(0, |value| value.as_usize());
    }
    for child in plan.children() {
        let (rows, bytes) = scanned(child);
        total = (total.0 + rows, total.1 + bytes);
    }
    total
}
