//! Opening a root: its definition, those that it had before, and making or changing it.

use std::sync::Arc;

use object_store::ObjectStore;
use tokio::sync::Semaphore;

use crate::{
    base::{Clock, Error, Result, Settings, SystemClock},
    engine::{Tallybook, query::plan_cache::PlanCache},
    exec::{LogicalRule, SegmentCache, new_session},
    model::{DEFAULT_DEFINITION, Dataset},
    plan::{DatasetTable, PushDown},
    store::{
        Definitions, Root, RootDefinitions, Staging, Stored, create_definition, no_dataset,
        probe_create, read_definitions,
    },
};

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
        let definitions = read_definitions(&root).await?;
        let definitions = definitions.ok_or_else(|| no_dataset(&root))?;
        Self::over(root, RootDefinitions::new(definitions), settings, clock)
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

    /// Opens a root, or one that will be made with that definition once rows are appended to it:
    /// when they can't be, nothing is made.
    ///
    /// # Errors
    /// As [`create`](Self::create), but that nothing is written yet.
    pub async fn open_or_make(
        location: &str,
        definition: Option<(&str, &str)>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let root = Root::open(location, &settings)?;
        if read_definitions(&root).await?.is_some() {
            return Self::create_at(root, definition, settings, clock).await;
        }
        let (text, file) = definition.unwrap_or((DEFAULT_DEFINITION, "ai_usage.toml"));
        let newest = Stored { file: file.to_owned(), text: Dataset::stored_text(text) };
        let definitions = Definitions { number: 0, newest, previous: Vec::new() };
        // A definition that is wrong is told by its own lines.
        Dataset::parse(text, file)?;
        Self::over(root, RootDefinitions::unmade(definitions), settings, clock)
    }

    /// Opens or makes a root that is the whole of a store of yours; `name` is what messages call
    /// it.
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
        let definitions = if let Some(definitions) = read_definitions(&root).await? {
            definitions
        } else {
            let text = definition.map_or(DEFAULT_DEFINITION, |(text, _)| text);
            make(&root, &Dataset::stored_text(text), &settings).await?
        };
        let stored = &definitions.newest;
        if let Some(given) = given
            && given != Dataset::parse(&stored.text, &stored.file)?
        {
            return Err(Error::conflict(format!(
                "{}: the root has another definition, in {}; `init --replace` changes it",
                root.name(),
                stored.file
            )));
        }
        Self::over(root, RootDefinitions::new(definitions), settings, clock)
    }

    /// Opens a root and replaces its definition: rollups as you like, and columns beside those that
    /// there are. What was built by the old one goes on serving what it can. The text, and what
    /// messages call it.
    ///
    /// # Errors
    /// `Invalid` for a wrong definition; `Conflict` for one that can't hold the rows there are;
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
        let staging = Staging::open(&before.root, &settings)?;
        let number = before.definitions.number(&before.root, &staging).await? + 1;
        let text = Dataset::stored_text(text);
        if !create_definition(&before.root, &staging, number, &text).await? {
            return Err(Error::conflict(format!(
                "{}: its definition was replaced meanwhile; nothing was changed, try again",
                before.root.name()
            )));
        }
        Self::open_with(location, settings, clock).await
    }

    fn over(
        root: Root,
        definitions: RootDefinitions,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let parse = |stored: &Stored| Dataset::parse(&stored.text, &stored.file);
        let previous = definitions.opened().previous.iter().flatten();
        let previous: Vec<_> = previous.map(parse).collect::<Result<_>>()?;
        let dataset = parse(&definitions.opened().newest)?.with_previous(&previous);
        let push_down: LogicalRule = Arc::new(PushDown::default());
        let session = new_session(&root, &settings, &push_down)?;
        session.register_table(dataset.table(), Arc::new(DatasetTable::new(&dataset)))?;
        let segments = Arc::new(SegmentCache::new(settings.segment_cache_bytes));
        let (dataset, prepared) = (Arc::new(dataset), PlanCache::default());
        let permits = settings.max_queries.map(|permits| Arc::new(Semaphore::new(permits)));
        Ok(Self {
            root,
            dataset,
            definitions,
            settings,
            clock,
            session,
            segments,
            prepared,
            permits,
        })
    }
}

/// Writes the definition, unless another writer did, once the store has shown that it keeps the one
/// promise that everything rests on.
async fn make(root: &Root, text: &str, settings: &Settings) -> Result<Definitions> {
    let staging = Staging::open(root, settings)?;
    probe_create(root, &staging).await?;
    create_definition(root, &staging, 1, text).await?;
    // Whoever made it first decides.
    read_definitions(root).await?.ok_or_else(|| no_dataset(root))
}
