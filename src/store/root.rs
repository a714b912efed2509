//! A root: the URL that holds one dataset, opened.

use std::{
    collections::HashSet,
    fmt,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt as _, local::LocalFileSystem, memory::InMemory,
    path::Path, prefix::PrefixStore,
};

use crate::{
    base::{Error, OnWarning, Result, Settings},
    model::{PeriodLength, PeriodSegments},
    store::{
        MetadataCache, RawFolder, RequestCounter,
        cache::{disk::Disk, listings::Listings, metadata::name_of},
        list::{local_folders::LocalFolders, pages::Pages},
        object::{
            location::{real_path, url_of},
            remote,
            request_counter::MeteredStore,
        },
        store_error,
    },
};

/// An opened root. Paths of files are relative to it; cloning it shares the connection.
#[derive(Clone)]
pub(crate) struct Root {
    name: String,
    /// Without counting.
    inner: Arc<dyn ObjectStore>,
    store: Arc<dyn ObjectStore>,
    request_counter: Arc<RequestCounter>,
    local: Option<PathBuf>,
    pages: Option<Pages>,
    kept: Arc<MetadataCache>,
    listings: Arc<Listings>,
    listing_age_max: Duration,
    raw_folders: Arc<LocalFolders<RawFolder>>,
    segment_days: Arc<LocalFolders<PeriodSegments>>,
    segment_months: Arc<LocalFolders<PeriodSegments>>,
    /// Hints that were found damaged, as they were listed.
    distrusted: Arc<Mutex<HashSet<String>>>,
    /// Files that were read whole and found to be as they were written, as they were listed.
    checked: Arc<Mutex<HashSet<String>>>,
    warned: Arc<Mutex<HashSet<String>>>,
    on_warning: Option<OnWarning>,
}

impl Root {
    /// Opens a folder path, or a `file://`, `memory://`, `s3://`, `gs://` or `az://` URL. Nothing
    /// is created or requested yet.
    ///
    /// # Errors
    /// `Invalid` for a URL or options that no store can be made of.
    pub(crate) fn open(location: &str, settings: &Settings) -> Result<Self> {
        let url = url_of(location)?;
        match url {
            None => Self::open_local(location, FilePath::new(location), settings),
            Some(url) if url.scheme() == "file" => {
                let path = url.to_file_path().map_err(|()| {
                    Error::invalid(format!("root `{location}`: not the path of a local folder"))
                })?;
                Self::open_local(location, &path, settings)
            }
            Some(url) if url.scheme() == "memory" => {
                Ok(Self::over(location, Arc::new(InMemory::new()), settings))
            }
            Some(url) => {
                let remote = remote::open(location, &url, settings)?;
                let store = PrefixStore::new(remote.store, remote.prefix.clone());
                let mut root = Self::over(location, Arc::new(store), settings);
                let request_counter = Arc::clone(&root.request_counter);
                root.pages =
                    Some(Pages { store: remote.pages, root: remote.prefix, request_counter });
                let disk = Disk::of_root(settings, location);
                root.kept = Arc::new(MetadataCache::new(settings.kept_bytes, disk.clone()));
                root.listings = Arc::new(Listings::new(disk));
                Ok(root)
            }
        }
    }

    fn open_local(location: &str, path: &FilePath, settings: &Settings) -> Result<Self> {
        let path = real_path(path)
            .map_err(|error| Error::invalid(format!("root `{location}`: {error}")))?;
        if path.exists() && !path.is_dir() {
            return Err(Error::invalid(format!("root `{location}`: not a folder")));
        }
        // object_store wants an existing folder; the prefix lets the root be made later.
        let prefix = Path::from_absolute_path(&path)
            .map_err(|error| Error::invalid(format!("root `{location}`: {error}")))?;
        let store = Arc::new(PrefixStore::new(LocalFileSystem::new(), prefix));
        // Of `a/../b` the file system wants to see `a`, which needn't be there.
        let real = path.to_str().filter(|_| location.split('/').any(|part| part == ".."));
        let opened = Self::over(real.unwrap_or(location), store, settings);
        Ok(Self { local: Some(path), ..opened })
    }

    /// A root that is the whole of a store.
    #[must_use]
    pub(crate) fn over(name: &str, store: Arc<dyn ObjectStore>, settings: &Settings) -> Self {
        let request_counter = Arc::new(RequestCounter::default());
        Self {
            name: name.trim_end_matches('/').to_owned(),
            inner: Arc::clone(&store),
            store: Arc::new(MeteredStore::new(store, Arc::clone(&request_counter))),
            request_counter,
            local: None,
            pages: None,
            kept: Arc::new(MetadataCache::new(settings.kept_bytes, None)),
            listings: Arc::new(Listings::new(None)),
            listing_age_max: Duration::ZERO,
            raw_folders: Arc::new(LocalFolders::new(PeriodLength::Day)),
            segment_days: Arc::new(LocalFolders::new(PeriodLength::Day)),
            segment_months: Arc::new(LocalFolders::new(PeriodLength::Month)),
            distrusted: Arc::default(),
            checked: Arc::default(),
            warned: Arc::default(),
            on_warning: settings.on_warning.clone(),
        }
    }

    /// The store, in which paths are relative to the root.
    #[must_use]
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// What counts the requests to it.
    #[must_use]
    pub(crate) fn request_counter(&self) -> &RequestCounter {
        &self.request_counter
    }

    /// The root's folder, if it is on a local disk.
    #[must_use]
    pub(crate) fn local_dir(&self) -> Option<&FilePath> {
        self.local.as_deref()
    }

    /// How it is listed page by page, if it is on a remote store.
    pub(super) const fn pages(&self) -> Option<&Pages> {
        self.pages.as_ref()
    }

    /// The same root, whose listings may be so old where it is on a remote store.
    #[must_use]
    pub(crate) fn with_listings_of(&self, age_max: Duration) -> Self {
        Self { listing_age_max: age_max, ..self.clone() }
    }

    /// The same root, with a request_counter of its own.
    #[must_use]
    pub(crate) fn with_new_request_counter(&self) -> Self {
        let request_counter = Arc::new(RequestCounter::default());
        let store = MeteredStore::new(Arc::clone(&self.inner), Arc::clone(&request_counter));
        let pages = self
            .pages
            .clone()
            .map(|pages| Pages { request_counter: Arc::clone(&request_counter), ..pages });
        Self { store: Arc::new(store), request_counter, pages, ..self.clone() }
    }

    /// The same root, all of whose listings are new.
    #[must_use]
    pub(crate) fn with_new_listings(&self) -> Self {
        self.with_listings_of(Duration::ZERO)
    }

    /// Says something that doesn't stop the work, once: a hint that is damaged, a name that can't
    /// be listed.
    pub(crate) fn warn(&self, message: &str) {
        let mut said = lock(&self.warned);
        if said.insert(message.to_owned())
            && let Some(tell) = &self.on_warning
        {
            tell(message);
        }
    }

    /// Uses that hint no more, for a reason that a warning says: what it was made of answers in its
    /// place, and the next `rollup` makes it anew.
    pub(crate) fn distrust(&self, hint: &ObjectMeta, why: &Error) {
        lock(&self.distrusted).insert(name_of(hint));
        self.warn(&format!("{why}; not used, and the next `rollup` builds it anew"));
    }

    /// Whether that hint was found damaged.
    #[must_use]
    pub(crate) fn is_distrusted(&self, hint: &ObjectMeta) -> bool {
        let distrusted = lock(&self.distrusted);
        !distrusted.is_empty() && distrusted.contains(&name_of(hint))
    }

    /// Whether that file was read whole before, and found to be as it was written.
    pub(super) fn is_checked(&self, file: &ObjectMeta) -> bool {
        lock(&self.checked).contains(&name_of(file))
    }

    /// Remembers that.
    pub(super) fn set_checked(&self, file: &ObjectMeta) {
        lock(&self.checked).insert(name_of(file));
    }

    /// How many hints were found damaged.
    #[must_use]
    pub(crate) fn distrusted_count(&self) -> usize {
        lock(&self.distrusted).len()
    }

    /// A listing of that name that is not too old.
    pub(super) fn listed(&self, name: &str) -> Option<Vec<ObjectMeta>> {
        self.listings.find(name, self.listing_age_max)
    }

    /// Keeps a listing for those who take older ones.
    pub(super) fn keep_listing(&self, name: &str, files: &[ObjectMeta]) {
        if !self.listing_age_max.is_zero() {
            self.listings.keep(name, files);
        }
    }

    /// Makes the next listings new ones.
    pub(crate) fn forget_listings(&self) {
        self.listings.forget();
    }

    /// What was read of its immutable files.
    pub(super) fn kept(&self) -> &MetadataCache {
        &self.kept
    }

    /// What is known of its folders of raw files, if it is on a local disk.
    pub(super) const fn raw_folders(&self) -> &Arc<LocalFolders<RawFolder>> {
        &self.raw_folders
    }

    /// What is known of its folders of segments, if it is on a local disk.
    pub(super) const fn segment_days(&self) -> &Arc<LocalFolders<PeriodSegments>> {
        &self.segment_days
    }

    /// What is known of its folders of months' segments, if it is on a local disk.
    pub(super) const fn segment_months(&self) -> &Arc<LocalFolders<PeriodSegments>> {
        &self.segment_months
    }

    /// The root as the caller named it.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The full name of a file in it, for messages.
    #[must_use]
    pub(crate) fn full_name(&self, path: &Path) -> String {
        format!("{}/{path}", self.name)
    }

    /// What the store says of a file; `None` when there is no such file.
    ///
    /// # Errors
    /// What the store says, about that file.
    pub(crate) async fn look(&self, path: &Path) -> Result<Option<ObjectMeta>> {
        match self.store.head(path).await {
            // A prefixed store answers with the path that it has underneath.
            Ok(meta) => Ok(Some(ObjectMeta { location: path.clone(), ..meta })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(store_error(&self.full_name(path), error)),
        }
    }

    /// A small file's bytes; `None` when there is no such file.
    ///
    /// # Errors
    /// What the store says, about that file.
    pub(crate) async fn read(&self, path: &Path) -> Result<Option<bytes::Bytes>> {
        let fail = |error| store_error(&self.full_name(path), error);
        match self.store.get(path).await {
            Ok(found) => found.bytes().await.map(Some).map_err(fail),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fail(error)),
        }
    }
}

fn lock(names: &Mutex<HashSet<String>>) -> MutexGuard<'_, HashSet<String>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("name", &self.name).finish_non_exhaustive()
    }
}
