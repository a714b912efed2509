//! Opening a root, making it, and changing its definition.

use std::sync::Arc;

use object_store::ObjectStore;
use tokio::sync::Semaphore;

use crate::{
    base::{Clock, Error, Result, Settings, SystemClock},
    engine::{Tallybook, query::plan_cache::PlanCache},
    exec::{LogicalRule, SegmentCache, SingleDistinct, new_session},
    model::{DEFAULT_DEFINITION, Dataset},
    plan::{DatasetTable, PushDown},
    store::{
        Definitions, Root, RootDefinitions, Staging, Stored, create_definition, no_dataset,
        probe_create, read_definitions,
    },
};

/// Opens or makes a root, with settings.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use tallybook::{Settings, Tallybook};
///
/// let settings = Settings { memory_bytes: 64 << 20, ..Settings::default() };
/// let db = Tallybook::builder("memory://").settings(settings).create().await?;
/// assert_eq!(db.dataset().name(), "ai_usage");
/// # Ok::<(), tallybook::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "a builder does nothing until it opens or makes a root"]
pub struct Builder {
    place: Place,
    definition: Option<Definition>,
    settings: Settings,
    clock: Arc<dyn Clock>,
}

/// The location of a root.
enum Place {
    /// A folder path or a URL.
    Location(String),
    /// The whole of a store of the caller's, and the root's name in messages.
    Store(Arc<dyn ObjectStore>, String),
}

/// A definition's TOML text, and its name in messages.
struct Definition {
    text: String,
    name: String,
}

impl Builder {
    fn new(place: Place) -> Self {
        let (settings, clock) = (Settings::default(), Arc::new(SystemClock));
        Self { place, definition: None, settings, clock }
    }

    /// Sets the definition: its TOML text, and its name in messages. A new root gets this
    /// definition, and an existing root must have it. Without one, a new root gets the default
    /// dataset, and an existing root may have any definition.
    pub fn definition(mut self, text: impl Into<String>, name: impl Into<String>) -> Self {
        self.definition = Some(Definition { text: text.into(), name: name.into() });
        self
    }

    /// Sets limits, and the options of object stores.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets a clock other than the machine's. The clock decides which day is today, UTC.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens a root that exists.
    ///
    /// # Errors
    /// `NotFound` when there is no dataset; `Invalid` when the root has a newer format; `Conflict`
    /// when the root's definition is not the builder's.
    pub async fn open(self) -> Result<Tallybook> {
        let root = self.root()?;
        let definitions = read_definitions(&root).await?;
        let definitions = definitions.ok_or_else(|| no_dataset(&root))?;
        self.over(root, definitions)
    }

    /// Opens a root, or makes it when there is none.
    ///
    /// # Errors
    /// `Invalid` for a wrong definition; `Conflict` when the root's definition is not the
    /// builder's; `Unavailable` when the store can't be written to, or doesn't honour
    /// create-if-absent.
    pub async fn create(self) -> Result<Tallybook> {
        let root = self.root()?;
        self.check_definition()?;
        let definitions = match read_definitions(&root).await? {
            Some(definitions) => definitions,
            None => {
                make(&root, &Dataset::stored_text(self.new_definition().0), &self.settings).await?
            }
        };
        self.over(root, definitions)
    }

    /// Opens a root. When there is none, the first append makes the root. If the rows of that
    /// append are bad, nothing is made.
    ///
    /// # Errors
    /// See [`create`](Self::create). Nothing is written yet, so errors of writing come from the
    /// first append.
    pub async fn create_with_first_rows(self) -> Result<Tallybook> {
        let root = self.root()?;
        if let Some(definitions) = read_definitions(&root).await? {
            return self.over(root, definitions);
        }
        self.check_definition()?;
        let (text, file) = self.new_definition();
        let newest = Stored { file: file.to_owned(), text: Dataset::stored_text(text) };
        let definitions = Definitions { number: 0, newest, previous: Vec::new() };
        let definitions = RootDefinitions::unmade(definitions);
        Tallybook::over(root, definitions, self.settings, self.clock)
    }

    /// Opens a root and replaces its definition by the builder's. The new definition may have any
    /// rollups, and may add columns. Segments of the previous definition still serve the queries
    /// that they can answer.
    ///
    /// # Errors
    /// `Invalid` when the definition is wrong or missing; `Conflict` when the definition can't hold
    /// the root's rows, or was replaced meanwhile; `NotFound` when there is no dataset;
    /// `Unavailable` when the store can't be written to.
    pub async fn replace_definition(mut self) -> Result<Tallybook> {
        let given = self.definition.take();
        let given =
            given.ok_or_else(|| Error::invalid("there is no definition to replace it by"))?;
        let new = Dataset::parse(&given.text, &given.name)?;
        let root = self.root()?;
        let definitions = read_definitions(&root).await?;
        let definitions = RootDefinitions::new(definitions.ok_or_else(|| no_dataset(&root))?);
        let newest = &definitions.opened().newest;
        if let Some(lost) = new.loses_of(&Dataset::parse(&newest.text, &newest.file)?) {
            return Err(Error::conflict(format!(
                "{}: the root has {lost}, which the new definition can't hold; columns can be \
                 added, not changed",
                given.name
            )));
        }
        let staging = Staging::new(&root, &self.settings);
        let number = definitions.ensure_stored(&root, &staging).await? + 1;
        let text = Dataset::stored_text(&given.text);
        if !create_definition(&root, &staging, number, &text).await? {
            return Err(Error::conflict(format!(
                "{}: its definition was replaced meanwhile; nothing was changed, try again",
                root.name()
            )));
        }
        self.open().await
    }

    fn root(&self) -> Result<Root> {
        match &self.place {
            Place::Location(location) => Root::open(location, &self.settings),
            Place::Store(store, name) => Ok(Root::over(name, Arc::clone(store), &self.settings)),
        }
    }

    /// The text and the name of a new root's definition.
    fn new_definition(&self) -> (&str, &str) {
        let given = self.definition.as_ref();
        given.map_or((DEFAULT_DEFINITION, "ai_usage.toml"), |it| {
            (it.text.as_str(), it.name.as_str())
        })
    }

    /// Parses the given text before anything is stored. An error must name a line of that text, and
    /// the stored text can have other line numbers.
    fn check_definition(&self) -> Result<()> {
        let (text, name) = self.new_definition();
        Dataset::parse(text, name).map(drop)
    }

    fn over(self, root: Root, definitions: Definitions) -> Result<Tallybook> {
        let stored = &definitions.newest;
        if let Some(Definition { text, name }) = &self.definition
            && Dataset::parse(text, name)? != Dataset::parse(&stored.text, &stored.file)?
        {
            return Err(Error::conflict(format!(
                "{}: the root has another definition, in {}; `init --replace` changes it",
                root.name(),
                stored.file
            )));
        }
        let definitions = RootDefinitions::new(definitions);
        Tallybook::over(root, definitions, self.settings, self.clock)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Tallybook {
    /// A builder for the root at a location: a folder path, or a `file://`, `s3://`, `gs://`,
    /// `az://` or `memory://` URL.
    pub fn builder(location: impl Into<String>) -> Builder {
        Builder::new(Place::Location(location.into()))
    }

    /// A builder for a root that is the whole of a store of yours. Messages call the root `name`.
    pub fn builder_in(store: Arc<dyn ObjectStore>, name: impl Into<String>) -> Builder {
        Builder::new(Place::Store(store, name.into()))
    }

    /// Opens a root that exists, with default settings and the machine's clock.
    ///
    /// # Errors
    /// See [`Builder::open`].
    pub async fn open(location: &str) -> Result<Self> {
        Self::builder(location).open().await
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
        let replacements: [LogicalRule; 2] =
            [Arc::new(PushDown::default()), Arc::new(SingleDistinct::default())];
        let session = new_session(&root, &settings, &replacements)?;
        session.register_table(dataset.table(), Arc::new(DatasetTable::new(&dataset)))?;
        let segments = Arc::new(SegmentCache::new(settings.segment_cache_bytes));
        let (dataset, plan_cache) = (Arc::new(dataset), PlanCache::default());
        let permits = settings.max_queries.map(|permits| Arc::new(Semaphore::new(permits)));
        Ok(Self {
            root,
            dataset,
            definitions,
            settings,
            clock,
            session,
            segments,
            plan_cache,
            permits,
        })
    }
}

/// Writes the definition, unless another writer wrote one first. Before that, tests the one
/// guarantee of the store that the protocol depends on: create-if-absent.
async fn make(root: &Root, text: &str, settings: &Settings) -> Result<Definitions> {
    let staging = Staging::open(root, settings)?;
    probe_create(root, &staging).await?;
    create_definition(root, &staging, 1, text).await?;
    // The writer that created the definition first decides.
    read_definitions(root).await?.ok_or_else(|| no_dataset(root))
}
