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

/// How a root is opened or made.
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

/// Where a root is.
enum Place {
    /// A folder path or a URL.
    Location(String),
    /// All of a store of the caller's, and the name that messages have for it.
    Store(Arc<dyn ObjectStore>, String),
}

/// A definition's text, and the name that messages have for it.
struct Definition {
    text: String,
    name: String,
}

impl Builder {
    fn new(place: Place) -> Self {
        let (settings, clock) = (Settings::default(), Arc::new(SystemClock));
        Self { place, definition: None, settings, clock }
    }

    /// The definition of a root that is made, or that an existing root must have: its TOML text, and
    /// the name that messages have for it. Without one a new root gets the default dataset.
    pub fn definition(mut self, text: impl Into<String>, name: impl Into<String>) -> Self {
        self.definition = Some(Definition { text: text.into(), name: name.into() });
        self
    }

    /// Limits, and how object stores are reached.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Another clock than the machine's. It decides which day is today, UTC.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens a root that exists.
    ///
    /// # Errors
    /// `NotFound` when there is no dataset; `Invalid` when it has a newer format; `Conflict` when
    /// it has another definition than the builder.
    pub async fn open(self) -> Result<Tallybook> {
        let root = self.root()?;
        let definitions = read_definitions(&root).await?;
        let definitions = definitions.ok_or_else(|| no_dataset(&root))?;
        self.over(root, definitions)
    }

    /// Opens a root, or makes it.
    ///
    /// # Errors
    /// `Invalid` for a wrong definition; `Conflict` when the root has another one; `Unavailable`
    /// when the store can't be written to, or doesn't honour create-if-absent.
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

    /// Opens a root, or one that is made once rows are appended to it. When they can't be appended,
    /// nothing is made.
    ///
    /// # Errors
    /// As [`create`](Self::create), but that nothing is written yet.
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

    /// Opens a root and replaces its definition by the builder's: rollups as you like, and columns
    /// beside those that there are. Segments of the previous definition go on serving what they can.
    ///
    /// # Errors
    /// `Invalid` for a wrong definition, or without one; `Conflict` for one that can't hold the rows
    /// there are; `NotFound` when there is no dataset; `Unavailable` when the store can't be written
    /// to.
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
        let number = definitions.number(&root, &staging).await? + 1;
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

    /// The text of a new root's definition, and its name.
    fn new_definition(&self) -> (&str, &str) {
        let given = self.definition.as_ref();
        given.map_or((DEFAULT_DEFINITION, "ai_usage.toml"), |it| {
            (it.text.as_str(), it.name.as_str())
        })
    }

    /// A definition that is wrong is told by its own lines, before anything is stored of it.
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
    /// A root by its location: a folder path, or a `file://`, `s3://`, `gs://`, `az://` or
    /// `memory://` URL.
    pub fn builder(location: impl Into<String>) -> Builder {
        Builder::new(Place::Location(location.into()))
    }

    /// A root that is the whole of a store of yours. Messages call it by `name`.
    pub fn builder_in(store: Arc<dyn ObjectStore>, name: impl Into<String>) -> Builder {
        Builder::new(Place::Store(store, name.into()))
    }

    /// Opens a root that exists, with default settings and the machine's clock.
    ///
    /// # Errors
    /// As [`Builder::open`].
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
