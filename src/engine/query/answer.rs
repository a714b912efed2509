//! An answer: rows, where they came from, and what it cost.

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

/// Batches of an answer that wait to be read.
const BATCHES_AHEAD: usize = 2;

/// An answer under way.
pub struct Answer {
    /// What was read before anyone asked for it.
    first: Option<RecordBatch>,
    stream: Fuse<SendableRecordBatchStream>,
    decision: Arc<Decision>,
    plan: Arc<dyn ExecutionPlan>,
    times: Times,
    /// As the query read it: what counts its requests.
    root: Root,
    limits: Limits,
    /// Is free again when the answer is read or dropped.
    permit: Option<OwnedSemaphorePermit>,
}

/// When it was asked, and what planning took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) asked: Instant,
    pub(crate) planning: Duration,
}

/// What an answer cost, once its rows were read.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// `raw`, `rollup` or `mixed`.
    pub route: &'static str,
    /// Days answered from segments.
    pub rollup_days: usize,
    /// Days answered from raw leaves; one with late leaves counts in both.
    pub raw_days: usize,
    /// Files read.
    pub files: usize,
    /// Bytes read of them; none of those that are in memory.
    pub bytes: usize,
    /// Rows read of them.
    pub rows_scanned: usize,
    /// Requests to the store, listings included.
    pub requests: u64,
    /// Planning, from SQL to the plan that runs, with reading segments into memory; without
    /// listing.
    pub planning_ms: f64,
    /// From the query to now.
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
        Self { first: None, stream, decision, plan, times, root, limits, permit: None }
    }

    /// The same, in its permit among those under way.
    pub(crate) fn holding(self, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { permit, ..self }
    }

    /// The same, with its first rows read.
    pub(crate) async fn started(mut self) -> Result<Self> {
        self.first = self.next().await?;
        Ok(self)
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.stream.get_ref().schema()
    }

    /// Where the answer comes from, and why.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// What reading meets; `Limit` when it takes too long or has too many rows. An answer that ends
    /// in an error is not whole.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let stream = &mut self.stream;
        let next = async { stream.next().await.transpose().map_err(Error::from) };
        let error = match self.limits.in_time(next).await {
            Ok(batch) => {
                self.limits.count(batch.as_ref().map_or(0, RecordBatch::num_rows))?;
                if batch.is_none() {
                    self.permit = None;
                }
                return Ok(batch);
            }
            Err(error) => error,
        };
        Err(name_damage(&self.root, error, self.decision.files_read()).await)
    }

    /// Makes sure that the query's time isn't over, for who works on its rows.
    ///
    /// # Errors
    /// `Limit` when it is.
    pub fn check_time(&self) -> Result<()> {
        self.limits.check_time()
    }

    /// The rows as a stream, which ends after its first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<RecordBatch>> + Send {
        stream::try_unfold(self, |mut answer| async move {
            Ok(answer.next().await?.map(|batch| (batch, answer)))
        })
    }

    /// All rows, and what they cost.
    ///
    /// # Errors
    /// What reading meets.
    pub async fn collect(mut self) -> Result<(Vec<RecordBatch>, Stats)> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await? {
            batches.push(batch);
        }
        let stats = self.stats();
        Ok((batches, stats))
    }

    /// What it cost so far.
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
            planning_ms: self.times.planning.as_secs_f64() * 1e3,
            elapsed_ms: self.times.asked.elapsed().as_secs_f64() * 1e3,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("decision", &self.decision).finish_non_exhaustive()
    }
}

/// The rows, made by a task of their own: work that doesn't give way, such as one call of a
/// function, holds up nobody who waits for a limit.
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

/// Rows and bytes that the plan's scans read so far.
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
