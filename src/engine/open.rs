//! Opening a root: its definition, those that it had before, and making or changing it.

use std::sync::{Arc, atomic::AtomicBool};

use bytes::Bytes;
use futures::{future::try_join_all, join};
use object_store::{ObjectMeta, ObjectStore, PutMode, PutOptions, PutPayload, path::Path};
use tokio::sync::Semaphore;

use super::{Tallybook, prepared::PreparedQuestions};
use crate::{
    base::{Clock, Error, ErrorKind, Result, Settings, SystemClock, step},
    exec::{DatasetTable, SegmentCache, engine_error, new_session},
    model::Dataset,
    store::{
        DATASET_FILE, Root, Staging, create_bytes, definition_path, keep_definition,
        list_definitions, read_definition, read_kept_definition, replace_definition, store_error,
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
        let (text, kept) = join!(read_definition(&root), list_definitions(&root));
        let text = text?.ok_or_else(|| {
            Error::not_found(format!(
                "there is no dataset at {}; `append` or `init` makes one",
                root.name()
            ))
        })?;
        Self::over(root, text, kept?, settings, clock).await
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
        let (stored, kept) = join!(read_definition(&root), list_definitions(&root));
        let (stored, kept) = if let Some(stored) = stored? {
            (stored, kept?)
        } else {
            let text = definition.map_or(crate::model::DEFAULT_DEFINITION, |(text, _)| text);
            let text = Dataset::stored_text(text);
            make(&root, &text, &settings, clock.as_ref()).await?;
            // Whoever made it first decides.
            (read_definition(&root).await?.unwrap_or(text), Vec::new())
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
        kept: Vec<ObjectMeta>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let dataset = Dataset::parse(&definition, &root.full_name(&Path::from(DATASET_FILE)))?;
        let own = definition_path(&definition);
        let is_kept = kept.iter().any(|file| file.location == own);
        let earlier = kept.iter().filter(|file| file.location != own);
        let earlier = earlier.map(|file| async {
            let text = read_kept_definition(&root, &file.location).await?;
            Dataset::parse(&text, &root.full_name(&file.location))
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
