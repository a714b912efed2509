//! The opened root: appending and queries.

use std::{path::Path as FilePath, sync::Arc};

use datafusion::{execution::SendableRecordBatchStream, prelude::SessionContext};
use futures::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    base::{Clock, Error, Result, Settings},
    engine::{
        Answer, Explanation, Query,
        query::{plan_cache::PlanCache, run},
        registered, tables,
    },
    exec::SegmentCache,
    ingest::{self, AppendContext, AppendOptions, AppendReport, Input, MakeReady},
    model::Dataset,
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
    pub(super) plan_cache: PlanCache,
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
        let dry_run = options.dry_run;
        let appended = self.append_staged(inputs, options).await;
        if dry_run || appended.is_err() {
            Staging::remove_empty(&missing);
        }
        appended
    }

    /// Appends record batches as one batch of rows. They may have any of the dataset's columns, by
    /// name or alias. The rows are checked like rows of a file.
    ///
    /// # Errors
    /// See [`append`](Self::append).
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
        let context = {
            let (dataset, session) = (&self.dataset, self.session());
            AppendContext { root, dataset, staging: &staging, session, definition }
        };
        let of_claim = |number| self.dataset_of(number);
        let make_ready: Box<MakeReady<'_>> = Box::new(|| {
            async { self.definitions.ensure_stored(root, &staging).await.map(drop) }.boxed()
        });
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
        run::answer(self, query).await
    }

    /// Explains how a query would be answered, without answering it.
    ///
    /// # Errors
    /// See [`query`](Self::query).
    pub async fn explain(&self, query: &Query) -> Result<Explanation> {
        run::explain(self, query).await
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

    pub(super) const fn plan_cache(&self) -> &PlanCache {
        &self.plan_cache
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
