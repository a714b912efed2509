//! The opened root: every operation of the library.

use std::{path::Path as FilePath, sync::Arc};

use datafusion::{execution::SendableRecordBatchStream, prelude::SessionContext};
use futures::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    base::{Clock, Day, Error, Result, Settings, Span},
    engine::{
        Answer, Explanation, Query,
        query::{plan_cache::PlanCache, run as query},
        registered, tables,
    },
    exec::SegmentCache,
    ingest::{self, AppendContext, AppendOptions, AppendReport, Input, MakeReady},
    jobs::{
        self, Checked, CompactOptions, Difference, GcOptions, JobContext, JobOptions, JobReport,
        JobSummary, Nightly, NightlyReport, PurgeOptions, Repair, Status, Superseded,
    },
    model::{Dataset, Leaf},
    store::{Root, RootDefinitions, Staging},
};

/// An opened root with its dataset: append rows, build rollups, run queries.
pub struct Tallybook {
    pub(super) root: Root,
    pub(super) dataset: Arc<Dataset>,
    /// The root's definitions as of its opening.
    pub(super) definitions: RootDefinitions,
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) session: SessionContext,
    pub(super) segments: Arc<SegmentCache>,
    pub(super) prepared: PlanCache,
    /// One permit for each query that may be answered at once; `None` without a limit.
    pub(super) permits: Option<Arc<Semaphore>>,
}

impl Tallybook {
    /// The dataset's definition.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The root's name: the location that it was opened by, or the name of the caller's store.
    #[must_use]
    pub fn location(&self) -> &str {
        self.root.name()
    }

    /// The clock that decides which day is today.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Appends rows as one batch.
    ///
    /// # Errors
    /// `Invalid` when more rows are bad than the limit allows; then nothing was appended.
    /// `Conflict` when the batch id stands for other rows; `Unavailable` when the store refuses.
    /// Appending the batch again under its id then completes it.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn append(&self, inputs: Vec<Input>, options: AppendOptions) -> Result<AppendReport> {
        let root = &self.root;
        let missing = Staging::missing_folders(root);
        let appended = self.append_staged(inputs, options).await;
        if appended.is_err() {
            Staging::remove_empty(&missing);
        }
        appended
    }

    /// Appends record batches as one batch of rows: any columns of the dataset, by their names or
    /// aliases, with the same checks as rows of a file.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub async fn append_batches(
        &self,
        batches: SendableRecordBatchStream,
        options: AppendOptions,
    ) -> Result<AppendReport> {
        self.append(vec![Input::batches("record batches", batches)], options).await
    }

    async fn append_staged(
        &self,
        inputs: Vec<Input>,
        options: AppendOptions,
    ) -> Result<AppendReport> {
        let (root, settings) = (&self.root, &self.settings);
        let staging = Arc::new(Staging::open(root, settings)?);
        let opened = self.definitions.opened();
        let definition = match opened.number {
            0 => u32::try_from(opened.previous.len()).unwrap_or(u32::MAX) + 1,
            number => number,
        };
        let context = AppendContext { root, dataset: &self.dataset, staging: &staging, definition };
        let of_claim = |number| self.dataset_of(number);
        let make_ready: Box<MakeReady<'_>> =
            Box::new(|| async { self.definitions.number(root, &staging).await.map(drop) }.boxed());
        let definitions = ingest::Definitions { dataset_of: &of_claim, make_ready };
        ingest::append(context, settings, self.clock(), definitions, inputs, options).await
    }

    /// The dataset by the definition of that number.
    ///
    /// # Errors
    /// `Conflict` when the definition is newer than the opening of this root; `Corrupt` when the
    /// definition is damaged.
    fn dataset_of(&self, number: u32) -> Result<Arc<Dataset>> {
        if number > self.definitions.known_number() {
            return Err(Error::conflict(format!(
                "{}: its definition was replaced since it was opened; open it again",
                self.location()
            )));
        }
        let previous = &self.definitions.opened().previous;
        let at = usize::try_from(number).unwrap_or_default().checked_sub(1);
        match at.and_then(|at| previous.get(at)) {
            Some(Some(stored)) => Dataset::parse(&stored.text, &stored.file).map(Arc::new),
            Some(None) => Err(Error::corrupt(format!(
                "{}: definition {number} is damaged, and rows were claimed under it; nothing was \
                 changed",
                self.location()
            ))),
            None => Ok(Arc::clone(&self.dataset)),
        }
    }

    /// Builds the segments of finished days that are missing or behind. Then builds the missing
    /// segments of months whose days are all current and unchanged for two days: with a month's
    /// segment, a query needs fewer requests. No segment changes an answer. Calls `report` for each
    /// segment.
    ///
    /// # Errors
    /// An error that stops the whole job. When a segment fails, the job goes on with the rest, and
    /// the failure is in the summary.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn rollup(
        &self,
        options: &JobOptions,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        let staging = self.staging();
        let context = self.job_context(&staging);
        if !options.dry_run {
            self.definitions.number(&self.root, &staging).await?;
            jobs::move_purged_days(context).await?;
        }
        jobs::rollup(context, options, report).await
    }

    /// The job for a scheduler to run each night: [`rollup`](Self::rollup), then
    /// [`compact`](Self::compact) for days of many files, then [`gc`](Self::gc). A part that fails
    /// doesn't stop the other parts.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn nightly(&self, report: impl FnMut(NightlyReport<'_>) + Send) -> Nightly {
        jobs::nightly(self.job_context(&self.staging()), report).await
    }

    /// Merges the raw files of each finished day into a few sorted files. A day waits until every
    /// rollup is current. Answers and rollups don't change. [`gc`](Self::gc) deletes the merged
    /// files.
    ///
    /// # Errors
    /// An error that stops the whole job. When a day fails, the job goes on with the rest, and the
    /// failure is in the summary.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn compact(
        &self,
        options: &CompactOptions,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        jobs::compact(self.job_context(&self.staging()), options, report).await
    }

    /// Purges the raw rows of old days. The remains of a day, a file for each rollup, are computed
    /// from raw rows whose bytes were checked, and answer queries from then on. [`gc`](Self::gc)
    /// deletes the raw files.
    ///
    /// # Errors
    /// An error that stops the whole job. A day that fails isn't purged, and the failure is in the
    /// summary.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn purge(
        &self,
        options: &PurgeOptions,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        jobs::purge(self.job_context(&self.staging()), options, report).await
    }

    /// Erases the rows that have all of these values, as pairs of column and value: from the raw
    /// rows, and from everything that was computed from them. Then searches the days again, until
    /// no such row is found. [`gc`](Self::gc) deletes the files that held the rows. Calls `report`
    /// for each day.
    ///
    /// # Errors
    /// `Invalid` for an unknown column or a value of another type; `Conflict` when days keep
    /// changing; otherwise the error from reading or writing. The next call erases the rows that
    /// are left.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn erase(
        &self,
        columns: &[(String, String)],
        dry_run: bool,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        jobs::erase(self.job_context(&self.staging()), columns, dry_run, report).await
    }

    /// Deletes files that newer files replaced longer ago than the grace period. Calls `report` for
    /// each deleted file.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses; at the end, the error of the first day that was left
    /// out. The next call deletes the files that are left.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn gc(
        &self,
        options: &GcOptions,
        report: impl FnMut(&Superseded) + Send,
    ) -> Result<()> {
        jobs::gc(self.job_context(&self.staging()), options, report).await
    }

    /// The content of a lost or damaged manifest of that day, from the footers of the day's files;
    /// `None` when the day needs no repair. Nothing is written.
    ///
    /// # Errors
    /// `NotFound` when the day has no raw files; `Corrupt`, with the reason, when its files don't
    /// determine a manifest; `Invalid` when a newer program wrote a file; `Unavailable` when the
    /// store refuses.
    pub async fn conclude_repair(&self, day: Day) -> Result<Option<Repair>> {
        jobs::conclude_repair(&self.root, day).await
    }

    /// Writes the manifest of a repair, so that the day can be read again. `false` when another
    /// writer wrote one meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses.
    pub async fn repair(&self, repair: &Repair) -> Result<bool> {
        jobs::repair(&self.root, &self.staging(), repair).await
    }

    /// Registers a file as a table that queries can join. The ending of the file's name decides
    /// the format: CSV with a header, Parquet or NDJSON. Only this opened root has the table;
    /// nothing is stored.
    ///
    /// # Errors
    /// `NotFound` when there is no such file; `Invalid` when its content doesn't match its ending,
    /// or the table's name is taken.
    pub async fn register_file(&self, name: &str, file: &FilePath) -> Result<()> {
        tables::register(self, name, file).await
    }

    /// Registers the raw table, the readable rollups and the sketch functions in a session of
    /// yours, beside its own tables. The session's queries over these tables are rewritten like
    /// all others. Each execution takes its own snapshot. A session can hold one Tallybook.
    ///
    /// # Errors
    /// `Conflict` when the session already holds a Tallybook, or has a table with the raw table's
    /// name.
    pub async fn register(self: &Arc<Self>, context: &SessionContext) -> Result<()> {
        registered::register(self, context).await
    }

    /// Answers one SELECT. Its times are UTC. The cheapest route answers.
    ///
    /// # Errors
    /// See [`query`](Self::query).
    pub async fn sql(&self, sql: &str) -> Result<Answer> {
        self.query(&Query::sql(sql)).await
    }

    /// Answers a query from one snapshot. If a file of the snapshot turns out to be deleted before
    /// the first rows are there, the query starts again from a new snapshot.
    ///
    /// # Errors
    /// `Invalid` for wrong SQL, or when only rollups may answer and can't; `NotFound` when the
    /// query needs raw rows that were purged; `Limit` when the query exceeds a limit of the
    /// settings; otherwise the error from reading.
    #[tracing::instrument(level = "info", name = "query", skip_all)]
    pub async fn query(&self, query: &Query) -> Result<Answer> {
        query::answer(self, query).await
    }

    /// Explains how a query would be answered, without answering it.
    ///
    /// # Errors
    /// See [`query`](Self::query).
    pub async fn explain(&self, query: &Query) -> Result<Explanation> {
        query::explain(self, query).await
    }

    /// The status of each day, and how far each rollup serves the day.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses.
    pub async fn status(&self) -> Result<Status> {
        jobs::status(self.job_context(&self.staging())).await
    }

    /// Recomputes every segment inside `span` from the raw leaves that it was built from, and
    /// checks every leaf against its own footer. Calls `report` for each file that is as it should
    /// be. Stops at the first difference and gives it.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses; otherwise the error from reading a file. A difference
    /// is not an error.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn verify(
        &self,
        span: Span,
        report: impl FnMut(&Checked) + Send,
    ) -> Result<Option<Difference>> {
        jobs::verify(self.job_context(&self.staging()), span, report).await
    }

    /// The full names of the live raw files inside `span`.
    ///
    /// # Errors
    /// The error from listing.
    pub async fn files(&self, span: Span) -> Result<Vec<String>> {
        let snapshot = self.job_context(&self.staging()).snapshot(span).await?;
        let leaves = snapshot.days(span).flat_map(|(_, leaves)| leaves);
        let leaves = leaves.filter(|leaf| !leaf.is_purged());
        Ok(leaves.map(|leaf: &Arc<Leaf>| self.root.full_name(&leaf.file.location)).collect())
    }

    /// A staging folder for the files of one job.
    fn staging(&self) -> Staging {
        Staging::new(&self.root, &self.settings)
    }

    /// The context of a job that stages its files in `staging`.
    fn job_context<'a>(&'a self, staging: &'a Staging) -> JobContext<'a> {
        JobContext {
            root: &self.root,
            dataset: &self.dataset,
            definitions: &self.definitions,
            settings: &self.settings,
            clock: self.clock(),
            session: &self.session,
            staging,
        }
    }

    pub(super) const fn root(&self) -> &Root {
        &self.root
    }

    /// The root for one query: it accepts listings as old as the settings allow, and has its own
    /// request counter.
    pub(super) fn root_of_query(&self) -> Root {
        self.root.with_listings_of(self.settings.max_staleness).with_new_request_counter()
    }

    /// A permit to answer a query; `None` when the settings set no limit.
    ///
    /// # Errors
    /// `Limit` when all permits are taken.
    pub(super) fn permit(&self) -> Result<Option<OwnedSemaphorePermit>> {
        let Some(permits) = &self.permits else { return Ok(None) };
        let permit = Arc::clone(permits).try_acquire_owned();
        permit.map(Some).map_err(|_| {
            Error::limit(format!(
                "{} queries are being answered, which is the limit; ask again when one is done",
                self.settings.max_queries.unwrap_or_default()
            ))
        })
    }

    pub(super) const fn segment_cache(&self) -> &Arc<SegmentCache> {
        &self.segments
    }

    pub(super) const fn prepared(&self) -> &PlanCache {
        &self.prepared
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) const fn session(&self) -> &SessionContext {
        &self.session
    }
}

impl std::fmt::Debug for Tallybook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tallybook").field("root", &self.root).finish_non_exhaustive()
    }
}
