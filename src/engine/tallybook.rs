//! An opened root.

use std::{
    path::Path as FilePath,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use datafusion::prelude::SessionContext;
use futures::{future::try_join_all, try_join};
use object_store::{ObjectStore, PutMode, PutOptions, PutPayload, path::Path};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Answer, Checked, Difference, Erasure, Explanation, Purge, PurgeOptions, Question, Status,
    erase, prepared::PreparedQuestions, purge, query, registered, status, tables, verify,
};
use crate::{
    base::{Clock, Day, Error, ErrorKind, Result, Settings, Span, SystemClock, step},
    build::{self, JobOptions, Outcome, Task},
    catalog::{Snapshot, load},
    exec::{DatasetTable, SegmentCache, engine_error, new_session},
    ingest::{self, AppendOptions, AppendReport, Input},
    lifecycle::{self, CompactOptions, CompactTask, Compaction, GcOptions, Superseded},
    model::Dataset,
    store::{
        DATASET_FILE, Leaf, Root, Staging, create_bytes, definition_path, keep_definition,
        list_definitions, read_definition, read_kept_definition, replace_definition, store_error,
    },
};

/// A dataset in a root, opened: append to it, roll it up, ask it.
pub struct Tallybook {
    root: Root,
    dataset: Arc<Dataset>,
    /// The text of its definition, and whether it is known to be kept for those who come after it.
    definition: String,
    definition_is_kept: AtomicBool,
    settings: Settings,
    clock: Arc<dyn Clock>,
    context: SessionContext,
    segments: Arc<SegmentCache>,
    prepared: PreparedQuestions,
    /// One for each question that may be answered at once.
    places: Option<Arc<Semaphore>>,
}

impl Tallybook {
    /// Opens a root that exists, with default settings and the machine's clock.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub async fn open(location: &str) -> Result<Self> {
        Self::open_with(location, Settings::default(), Arc::new(SystemClock)).await
    }

    /// Opens a root that exists: a folder path, or a `file://`, `s3://`, `gs://` or `az://` URL.
    ///
    /// # Errors
    /// `NotFound` when there is no dataset; `Invalid` when it has a newer format.
    pub async fn open_with(
        location: &str,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let root = Root::open(location, &settings)?;
        let (text, kept) = try_join!(read_definition(&root), list_definitions(&root))?;
        let text = text.ok_or_else(|| {
            Error::not_found(format!(
                "there is no dataset at {}; `append` or `init` makes one",
                root.name()
            ))
        })?;
        Self::over(root, text, kept, settings, clock).await
    }

    /// Opens a root, or makes it with that definition (the text, and what messages call it; the
    /// default dataset when `None`).
    ///
    /// # Errors
    /// `Invalid` for a wrong definition; `Conflict` when the root has another one; `Unavailable`
    /// when the store can't be written to, or doesn't honour create-if-absent.
    pub async fn create(
        location: &str,
        definition: Option<(&str, &str)>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::create_at(Root::open(location, &settings)?, definition, settings, clock).await
    }

    /// Opens or makes a root that is the whole of a store of yours; `name` is what messages call it.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_in(
        store: Arc<dyn ObjectStore>,
        name: &str,
        definition: Option<(&str, &str)>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        Self::create_at(Root::over(name, store, &settings), definition, settings, clock).await
    }

    async fn create_at(
        root: Root,
        definition: Option<(&str, &str)>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let given = definition.map(|(text, file)| Dataset::parse(text, file)).transpose()?;
        let (stored, kept) = try_join!(read_definition(&root), list_definitions(&root))?;
        let stored = if let Some(stored) = stored {
            stored
        } else {
            let text = definition.map_or(crate::model::DEFAULT_DEFINITION, |(text, _)| text);
            let text = Dataset::stored_text(text);
            make(&root, &text, &settings, clock.as_ref()).await?;
            // Whoever made it first decides.
            read_definition(&root).await?.unwrap_or(text)
        };
        if let Some(given) = given
            && given != Dataset::parse(&stored, &root.full_name(&Path::from(DATASET_FILE)))?
        {
            return Err(Error::conflict(format!(
                "{}: the root has another definition, in {DATASET_FILE}; `init --replace` changes it",
                root.name()
            )));
        }
        Self::over(root, stored, kept, settings, clock).await
    }

    /// Opens a root and replaces its definition: rollups as you like, and columns beside those that
    /// there are. What was built by the old one goes on serving what it can. The text, and what
    /// messages call it.
    ///
    /// # Errors
    /// `Invalid` for a wrong definition; `Conflict` for one that can't hold the rows that there are;
    /// `NotFound` when there is no dataset; `Unavailable` when the store can't be written to.
    pub async fn redefine(
        location: &str,
        (text, file): (&str, &str),
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let given = Dataset::parse(text, file)?;
        let before = Self::open_with(location, settings.clone(), Arc::clone(&clock)).await?;
        if let Some(lost) = given.loses_of(&before.dataset) {
            return Err(Error::conflict(format!(
                "{file}: the root has {lost}, which the new definition can't hold; columns can be \
                 added, not changed"
            )));
        }
        let staging = Staging::open(&before.root, &settings, clock.as_ref())?;
        keep_definition(&before.root, &staging, &before.definition).await?;
        step("init: old definition kept");
        let text = Dataset::stored_text(text);
        replace_definition(&before.root, &staging, &text).await?;
        Self::open_with(location, settings, clock).await
    }

    async fn over(
        root: Root,
        definition: String,
        mut kept: Vec<Path>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let dataset = Dataset::parse(&definition, &root.full_name(&Path::from(DATASET_FILE)))?;
        let (of_all, own) = (kept.len(), definition_path(&definition));
        kept.retain(|path| *path != own);
        let is_kept = kept.len() < of_all;
        let earlier = kept.iter().map(|path| async {
            let text = read_kept_definition(&root, path).await?;
            Dataset::parse(&text, &root.full_name(path))
        });
        let dataset = dataset.with_earlier(&try_join_all(earlier).await?);
        let context = new_session(&root, &settings)?;
        context
            .register_table(dataset.table(), Arc::new(DatasetTable::new(&dataset)))
            .map_err(engine_error)?;
        let segments = Arc::new(SegmentCache::new(settings.segment_cache_bytes));
        let (dataset, prepared) = (Arc::new(dataset), PreparedQuestions::default());
        let places = settings.max_questions.map(|places| Arc::new(Semaphore::new(places)));
        let definition_is_kept = AtomicBool::new(is_kept);
        Ok(Self {
            root,
            dataset,
            definition,
            definition_is_kept,
            settings,
            clock,
            context,
            segments,
            prepared,
            places,
        })
    }

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
        let (root, settings) = (&self.root, &self.settings);
        ingest::append(root, &self.dataset, settings, self.clock(), inputs, options).await
    }

    /// Builds the segments that are missing or behind, telling `report` of each.
    ///
    /// # Errors
    /// For what stops the whole job; a segment that fails is reported, and the others go on.
    pub async fn rollup(
        &self,
        options: &JobOptions,
        report: impl FnMut(&Task<'_>, &Outcome) + Send,
    ) -> Result<()> {
        let (root, settings) = (&self.root, &self.settings);
        if !options.dry_run && !self.definition_is_kept.load(Ordering::Relaxed) {
            let staging = Staging::open(root, settings, self.clock())?;
            keep_definition(root, &staging, &self.definition).await?;
            self.definition_is_kept.store(true, Ordering::Relaxed);
        }
        build::run(root, &self.dataset, settings, self.clock(), options, report).await
    }

    /// Merges each finished day's raw files into a few sorted ones, where every rollup is current.
    /// Answers and rollups stay as they are; what was merged goes by [`gc`](Self::gc).
    ///
    /// # Errors
    /// For what stops the whole job; a day that fails is reported, and the others go on.
    pub async fn compact(
        &self,
        options: &CompactOptions,
        report: impl FnMut(&CompactTask, &Compaction) + Send,
    ) -> Result<()> {
        let (root, settings) = (&self.root, &self.settings);
        lifecycle::compact(root, &self.dataset, settings, self.clock(), options, report).await
    }

    /// Lets the raw rows of old days go, where every rollup is current and was verified against
    /// them; rollups keep answering. The files go by [`gc`](Self::gc).
    ///
    /// # Errors
    /// For what stops the whole job; a day that stays is reported with the reason.
    pub async fn purge(
        &self,
        options: &PurgeOptions,
        report: impl FnMut(Day, &Purge) + Send,
    ) -> Result<()> {
        purge::purge(self, options, report).await
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
        report: impl FnMut(Day, &Erasure) + Send,
    ) -> Result<()> {
        erase::erase(self, columns, dry_run, report).await
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
        let (root, settings) = (&self.root, &self.settings);
        lifecycle::gc(root, &self.dataset, settings, self.clock(), options, report).await
    }

    /// Makes a file a table that questions can join: CSV with a header, Parquet or NDJSON, by its
    /// name's ending. For this opened root alone; nothing is stored.
    ///
    /// # Errors
    /// `NotFound` without the file; `Invalid` when it isn't what its name says, or the table's name
    /// is taken.
    pub async fn register_file(&self, name: &str, file: &FilePath) -> Result<()> {
        tables::register(self, name, file).await
    }

    /// Puts the raw table, the readable rollups and the sketch functions into a session of yours,
    /// beside its own tables. What the session plans over them is rewritten like any question here,
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
        self.ask(&Question::sql(sql)).await
    }

    /// Answers a question from one snapshot; if a file of it is deleted before it is read, from a
    /// new one.
    ///
    /// # Errors
    /// `Invalid` for wrong SQL, or when only rollups may answer and can't; `Limit` when it would
    /// scan more, or takes longer, than the settings allow; else what reading meets.
    pub async fn ask(&self, question: &Question) -> Result<Answer> {
        query::answer(self, question).await
    }

    /// Says how a question would be answered, without answering it.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn explain(&self, question: &Question) -> Result<Explanation> {
        query::explain(self, question).await
    }

    /// What each day holds, and how far each rollup serves it.
    ///
    /// # Errors
    /// What listing meets.
    pub async fn status(&self) -> Result<Status> {
        let snapshot = self.snapshot(Span::ALL).await?;
        status::status(self, &snapshot).await
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
        verify::verify(self, span, report).await
    }

    /// The live raw files inside `span`, by their full names.
    ///
    /// # Errors
    /// What listing meets.
    pub async fn files(&self, span: Span) -> Result<Vec<String>> {
        let snapshot = self.snapshot(span).await?;
        let leaves = snapshot.days(span).flat_map(|(_, leaves)| leaves);
        let leaves = leaves.filter(|leaf| !leaf.is_purged());
        Ok(leaves.map(|leaf: &Arc<Leaf>| self.root.full_name(&leaf.file.location)).collect())
    }

    pub(super) async fn snapshot(&self, span: Span) -> Result<Snapshot> {
        load(&self.root, span, self.dataset.all_rollups()).await
    }

    pub(super) const fn root(&self) -> &Root {
        &self.root
    }

    /// The root, as questions list it.
    pub(super) fn root_to_ask(&self) -> Root {
        self.root.with_listings_of(self.settings.max_staleness)
    }

    /// A place among the questions that are answered at once.
    ///
    /// # Errors
    /// `Limit` when all are taken.
    pub(super) fn place(&self) -> Result<Option<OwnedSemaphorePermit>> {
        let Some(places) = &self.places else { return Ok(None) };
        let place = Arc::clone(places).try_acquire_owned();
        place.map(Some).map_err(|_| {
            Error::limit(format!(
                "{} questions are being answered, which is the limit; ask again when one is done",
                self.settings.max_questions.unwrap_or_default()
            ))
        })
    }

    pub(super) const fn segment_cache(&self) -> &Arc<SegmentCache> {
        &self.segments
    }

    pub(super) const fn prepared(&self) -> &PreparedQuestions {
        &self.prepared
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) const fn context(&self) -> &SessionContext {
        &self.context
    }
}

impl std::fmt::Debug for Tallybook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tallybook").field("root", &self.root).finish_non_exhaustive()
    }
}

/// Writes the definition, unless another writer did, and makes sure that the store keeps the one
/// promise that everything rests on: a create of a name that is taken fails.
async fn make(root: &Root, text: &str, settings: &Settings, clock: &dyn Clock) -> Result<()> {
    let path = Path::from(DATASET_FILE);
    let staging = Staging::open(root, settings, clock)?;
    let bytes = Bytes::from(text.to_owned());
    let made = create_bytes(root, &staging, &path, bytes.clone()).await;
    match made {
        Err(error) if error.kind() == ErrorKind::Conflict => return Ok(()),
        made => made?,
    };
    step("init: definition created");
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let again = root.store().put_opts(&path, PutPayload::from_bytes(bytes), options).await;
    match again {
        Err(
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. },
        ) => Ok(()),
        Ok(_) => Err(Error::unavailable(format!(
            "{}: the store overwrites files that it was asked to create only if absent, so rows \
             could be lost here; use another store",
            root.name()
        ))),
        Err(error) => Err(store_error(&root.full_name(&path), error)),
    }
}
