//! A root: the opened URL of one dataset.

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
        read_error,
    },
};

/// An opened root. Paths of files are relative to the root. Clones share one connection.
#[derive(Clone)]
pub(crate) struct Root {
    name: String,
    /// The store, without request counting.
    inner: Arc<dyn ObjectStore>,
    store: Arc<dyn ObjectStore>,
    request_counter: Arc<RequestCounter>,
    local: Option<PathBuf>,
    pages: Option<Pages>,
    metadata: Arc<MetadataCache>,
    listings: Arc<Listings>,
    listing_age_max: Duration,
    raw_folders: Arc<LocalFolders<RawFolder>>,
    segment_days: Arc<LocalFolders<PeriodSegments>>,
    segment_months: Arc<LocalFolders<PeriodSegments>>,
    /// The hints that were found damaged, by the name that [`name_of`] gives them.
    distrusted: Arc<Mutex<HashSet<String>>>,
    /// The files that were read whole and match their checksums, by the name that [`name_of`]
    /// gives them.
    checked: Arc<Mutex<HashSet<String>>>,
    warned: Arc<Mutex<HashSet<String>>>,
    on_warning: Option<OnWarning>,
}

impl Root {
    /// Opens a folder path, or a `file://`, `memory://`, `s3://`, `gs://` or `az://` URL. Creates
    /// nothing and sends no request.
    ///
    /// # Errors
    /// `Invalid` when no store can be opened by the URL and the options.
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
                root.metadata =
                    Arc::new(MetadataCache::new(settings.metadata_cache_bytes, disk.clone()));
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
        // `LocalFileSystem::new_with_prefix` needs an existing folder. A `PrefixStore` lets the
        // folder be created later.
        let prefix = Path::from_absolute_path(&path)
            .map_err(|error| Error::invalid(format!("root `{location}`: {error}")))?;
        let store = Arc::new(PrefixStore::new(LocalFileSystem::new(), prefix));
        // The file system resolves `a/../b` only if `a` exists, and `a` may be missing.
        let real = path.to_str().filter(|_| location.split('/').any(|part| part == ".."));
        let opened = Self::over(real.unwrap_or(location), store, settings);
        Ok(Self { local: Some(path), ..opened })
    }

    /// A root that is a whole store. `name` is its name in messages.
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
            metadata: Arc::new(MetadataCache::new(settings.metadata_cache_bytes, None)),
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

    /// The store. Its paths are relative to the root, and its requests are counted.
    #[must_use]
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// The counter of the requests to the root's store.
    #[must_use]
    pub(crate) fn request_counter(&self) -> &RequestCounter {
        &self.request_counter
    }

    /// The root's folder. `None` unless the root is on a local disk.
    #[must_use]
    pub(crate) fn local_dir(&self) -> Option<&FilePath> {
        self.local.as_deref()
    }

    /// The pager for listings. `None` unless the root is on a remote store.
    pub(super) const fn pages(&self) -> Option<&Pages> {
        self.pages.as_ref()
    }

    /// A clone of the root that accepts cached listings up to `age_max` old. Roots on a local
    /// disk don't cache listings.
    #[must_use]
    pub(crate) fn with_listings_of(&self, age_max: Duration) -> Self {
        Self { listing_age_max: age_max, ..self.clone() }
    }

    /// A clone of the root with its own request counter, which starts at zero.
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

    /// A clone of the root that never uses a cached listing.
    #[must_use]
    pub(crate) fn with_new_listings(&self) -> Self {
        self.with_listings_of(Duration::ZERO)
    }

    /// Reports a problem that doesn't stop the work, such as a damaged hint or a name that can't
    /// be listed. Each message is reported once.
    pub(crate) fn warn(&self, message: &str) {
        let mut said = lock(&self.warned);
        if said.insert(message.to_owned())
            && let Some(tell) = &self.on_warning
        {
            tell(message);
        }
    }

    /// Stops using a hint, and warns with the reason. The rows that the hint was built from
    /// answer instead, and the next `rollup` builds the hint again.
    pub(crate) fn distrust(&self, hint: &ObjectMeta, why: &Error) {
        lock(&self.distrusted).insert(name_of(hint));
        self.warn(&format!("{why}; it is not used, and `rollup` builds it anew"));
    }

    /// Whether the hint was found damaged.
    #[must_use]
    pub(crate) fn is_distrusted(&self, hint: &ObjectMeta) -> bool {
        let distrusted = lock(&self.distrusted);
        !distrusted.is_empty() && distrusted.contains(&name_of(hint))
    }

    /// Whether [`set_checked`](Self::set_checked) was called for the file.
    pub(super) fn is_checked(&self, file: &ObjectMeta) -> bool {
        lock(&self.checked).contains(&name_of(file))
    }

    /// Records that the file was read whole and matches its checksums.
    pub(super) fn set_checked(&self, file: &ObjectMeta) {
        lock(&self.checked).insert(name_of(file));
    }

    /// The number of hints that were found damaged.
    #[must_use]
    pub(crate) fn distrusted_count(&self) -> usize {
        lock(&self.distrusted).len()
    }

    /// The cached listing of that name, if it isn't older than this clone of the root accepts.
    pub(super) fn listed(&self, name: &str) -> Option<Vec<ObjectMeta>> {
        self.listings.find(name, self.listing_age_max)
    }

    /// Caches a listing. Does nothing when this clone of the root accepts no cached listings.
    pub(super) fn keep_listing(&self, name: &str, files: &[ObjectMeta]) {
        if !self.listing_age_max.is_zero() {
            self.listings.insert(name, files);
        }
    }

    /// Drops all cached listings.
    pub(crate) fn forget_listings(&self) {
        self.listings.forget();
    }

    /// The cache of data read from immutable files, such as footers and manifests.
    pub(super) fn metadata_cache(&self) -> &MetadataCache {
        &self.metadata
    }

    /// The known folders of raw files, by day. Used only when the root is on a local disk.
    pub(super) const fn raw_folders(&self) -> &Arc<LocalFolders<RawFolder>> {
        &self.raw_folders
    }

    /// The known folders of days' segments. Used only when the root is on a local disk.
    pub(super) const fn segment_days(&self) -> &Arc<LocalFolders<PeriodSegments>> {
        &self.segment_days
    }

    /// The known folders of months' segments. Used only when the root is on a local disk.
    pub(super) const fn segment_months(&self) -> &Arc<LocalFolders<PeriodSegments>> {
        &self.segment_months
    }

    /// The root's name, as the caller gave it, without a trailing `/`. For a local root given
    /// with `..`, the resolved path.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The full name of a file of the root, for messages.
    #[must_use]
    pub(crate) fn full_name(&self, path: &Path) -> String {
        format!("{}/{path}", self.name)
    }

    /// The store's metadata of a file. `None` when the file doesn't exist.
    ///
    /// # Errors
    /// Any error from the store, with the file's name.
    pub(crate) async fn look(&self, path: &Path) -> Result<Option<ObjectMeta>> {
        match self.store.head(path).await {
            // `PrefixStore` returns the path of the underlying store.
            Ok(meta) => Ok(Some(ObjectMeta { location: path.clone(), ..meta })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(read_error(&self.full_name(path), error)),
        }
    }

    /// The bytes of a small file. `None` when the file doesn't exist.
    ///
    /// # Errors
    /// Any error from the store, with the file's name.
    pub(crate) async fn read(&self, path: &Path) -> Result<Option<bytes::Bytes>> {
        let fail = |error| read_error(&self.full_name(path), error);
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
