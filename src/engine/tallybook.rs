//! An opened root.

use std::{path::Path as FilePath, sync::Arc};

use datafusion::prelude::SessionContext;
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

/// A dataset in a root, opened: append to it, roll it up, ask it.
pub struct Tallybook {
    pub(super) root: Root,
    pub(super) dataset: Arc<Dataset>,
    /// Its definitions, as they were when it was opened.
    pub(super) definitions: RootDefinitions,
    pub(super) settings: Settings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) session: SessionContext,
    pub(super) segments: Arc<SegmentCache>,
    pub(super) prepared: PlanCache,
    /// One for each query that may be answered at once.
    pub(super) permits: Option<Arc<Semaphore>>,
}

impl Tallybook {
    /// The dataset's definition.
    #[must_use]
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The root's name, as it was opened.
    #[must_use]
    pub fn location(&self) -> &str {
        self.root.name()
    }

    /// The clock it goes by.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Appends rows as one batch.
    ///
    /// # Errors
    /// `Invalid` for bad rows beyond the limit, and then nothing was appended; `Conflict` for a
    /// batch id that stands for other rows; `Unavailable` when the store refuses: the same batch
    /// again completes it.
    pub async fn append(&self, inputs: Vec<Input>, options: AppendOptions) -> Result<AppendReport> {
        let root = &self.root;
        let missing = Staging::missing_folders(root);
        let appended = self.append_staged(inputs, options).await;
        if appended.is_err() {
            Staging::remove_empty(&missing);
        }
        appended
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

    /// The dataset as the definition of that number has it.
    ///
    /// # Errors
    /// `Conflict` for one that came after this root was opened.
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
    /// segments of months whose days are all current and unchanged for two days: a month's segment
    /// spares requests. No segment changes an answer. Reports each segment to `report`.
    ///
    /// # Errors
    /// For what stops the whole job. A segment that fails is in the summary, and the others go on.
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

    /// Does what a scheduler should do each night: [`rollup`](Self::rollup), then
    /// [`compact`](Self::compact) of days of many files, then [`gc`](Self::gc). A part that fails
    /// stops none of the others.
    pub async fn nightly(&self, report: impl FnMut(NightlyReport<'_>) + Send) -> Nightly {
        jobs::nightly(self.job_context(&self.staging()), report).await
    }

    /// Merges each finished day's raw files into a few sorted ones, where every rollup is current.
    /// Answers and rollups stay as they are. [`gc`](Self::gc) deletes what was merged.
    ///
    /// # Errors
    /// For what stops the whole job. A day that fails is in the summary, and the others go on.
    pub async fn compact(
        &self,
        options: &CompactOptions,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        jobs::compact(self.job_context(&self.staging()), options, report).await
    }

    /// Lets the raw rows of old days go. What remains, a file for each rollup, is computed from
    /// rows whose bytes were checked, and keeps answering. [`gc`](Self::gc) deletes the raw files.
    ///
    /// # Errors
    /// For what stops the whole job. A day that fails stays, and is in the summary.
    pub async fn purge(
        &self,
        options: &PurgeOptions,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        jobs::purge(self.job_context(&self.staging()), options, report).await
    }

    /// Erases the rows that have all of these values, from raw rows and from all that was made of
    /// them, and makes sure of it. The files that held them go by [`gc`](Self::gc).
    ///
    /// # Errors
    /// `Invalid` for a column that there isn't; `Conflict` when days keep changing under it; else
    /// what reading and writing meet. What is left is erased by the next call.
    pub async fn erase(
        &self,
        columns: &[(String, String)],
        dry_run: bool,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        jobs::erase(self.job_context(&self.staging()), columns, dry_run, report).await
    }

    /// Deletes files that newer ones have replaced for longer than the grace period, telling
    /// `report` of each.
    ///
    /// # Errors
    /// What the store says; the next call finds what is left.
    pub async fn gc(
        &self,
        options: &GcOptions,
        report: impl FnMut(&Superseded) + Send,
    ) -> Result<()> {
        jobs::gc(self.job_context(&self.staging()), options, report).await
    }

    /// What a lost or damaged manifest of that day would say, by what its files say of themselves;
    /// `None` when the day needs none. Nothing is written.
    ///
    /// # Errors
    /// `NotFound` for a day without raw files; `Corrupt`, with the reason, when its files don't
    /// tell.
    pub async fn conclude_repair(&self, day: Day) -> Result<Option<Repair>> {
        jobs::conclude_repair(&self.root, day).await
    }

    /// Writes that manifest, and the day can be read again; `false` when somebody else wrote one
    /// meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses.
    pub async fn repair(&self, repair: &Repair) -> Result<bool> {
        jobs::repair(&self.root, &self.staging(), repair).await
    }

    /// Makes a file a table that queries can join: CSV with a header, Parquet or NDJSON, by its
    /// name's ending. For this opened root alone; nothing is stored.
    ///
    /// # Errors
    /// `NotFound` without the file; `Invalid` when it isn't what its name says, or the table's name
    /// is taken.
    pub async fn register_file(&self, name: &str, file: &FilePath) -> Result<()> {
        tables::register(self, name, file).await
    }

    /// Puts the raw table, the readable rollups and the sketch functions into a session of yours,
    /// beside its own tables. What the session plans over them is rewritten like any query here,
    /// each execution by a snapshot of its own. A session can hold one Tallybook.
    ///
    /// # Errors
    /// `Conflict` when the session has one already, or a table of that name.
    pub async fn register(self: &Arc<Self>, context: &SessionContext) -> Result<()> {
        registered::register(self, context).await
    }

    /// Answers one SELECT, whose times are UTC, by whatever route costs least.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn sql(&self, sql: &str) -> Result<Answer> {
        self.ask(&Query::sql(sql)).await
    }

    /// Answers a query from one snapshot; if a file of it is deleted before it is read, from a
    /// new one.
    ///
    /// # Errors
    /// `Invalid` for wrong SQL, or when only rollups may answer and can't; `Limit` when it would
    /// scan more, or takes longer, than the settings allow; else what reading meets.
    pub async fn ask(&self, query: &Query) -> Result<Answer> {
        query::answer(self, query).await
    }

    /// Says how a query would be answered, without answering it.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn explain(&self, query: &Query) -> Result<Explanation> {
        query::explain(self, query).await
    }

    /// What each day holds, and how far each rollup serves it.
    ///
    /// # Errors
    /// What listing meets.
    pub async fn status(&self) -> Result<Status> {
        jobs::status(self.job_context(&self.staging())).await
    }

    /// Recomputes every segment inside `span` from the raw leaves it was built from, and checks
    /// every leaf against its own account. Tells `report` of each file, and stops at the first
    /// difference.
    ///
    /// # Errors
    /// What reading meets; a difference is not an error.
    pub async fn verify(
        &self,
        span: Span,
        report: impl FnMut(&Checked) + Send,
    ) -> Result<Option<Difference>> {
        jobs::verify(self.job_context(&self.staging()), span, report).await
    }

    /// The live raw files inside `span`, by their full names.
    ///
    /// # Errors
    /// What listing meets.
    pub async fn files(&self, span: Span) -> Result<Vec<String>> {
        let snapshot = self.job_context(&self.staging()).snapshot(span).await?;
        let leaves = snapshot.days(span).flat_map(|(_, leaves)| leaves);
        let leaves = leaves.filter(|leaf| !leaf.is_purged());
        Ok(leaves.map(|leaf: &Arc<Leaf>| self.root.full_name(&leaf.file.location)).collect())
    }

    /// A place for the files of one job.
    fn staging(&self) -> Staging {
        Staging::new(&self.root, &self.settings)
    }

    /// What a job works with, whose files are written there.
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

    /// The root, as a query lists it, with a request_counter that counts that query's requests alone.
    pub(super) fn root_of_query(&self) -> Root {
        self.root.with_listings_of(self.settings.max_staleness).with_new_request_counter()
    }

    /// A place among the queries that are answered at once.
    ///
    /// # Errors
    /// `Limit` when all are taken.
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
