//! A root: the URL that holds one dataset, opened.

use std::{
    fmt,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt as _, local::LocalFileSystem, memory::InMemory,
    path::Path, prefix::PrefixStore,
};
use url::Url;

use super::{
    LeafDay, Meter, SegmentDay, local_days::LocalDays, meter::MeteredStore, remote, store_error,
};
use crate::base::{Error, Result, Settings};

/// An opened root. Paths of files are relative to it; cloning it shares the connection.
#[derive(Clone)]
pub(crate) struct Root {
    name: String,
    store: Arc<dyn ObjectStore>,
    meter: Arc<Meter>,
    local: Option<PathBuf>,
    leaf_days: Arc<LocalDays<LeafDay>>,
    segment_days: Arc<LocalDays<SegmentDay>>,
}

impl Root {
    /// Opens a folder path, or a `file://`, `memory://`, `s3://`, `gs://` or `az://` URL. Nothing
    /// is created or requested yet.
    ///
    /// # Errors
    /// `Invalid` for a URL or options that no store can be made of.
    pub(crate) fn open(location: &str, settings: &Settings) -> Result<Self> {
        let url = location.contains("://").then(|| Url::parse(location)).transpose();
        let url = url.map_err(|error| Error::invalid(format!("root `{location}`: {error}")))?;
        match url {
            None => Self::open_local(location, FilePath::new(location)),
            Some(url) if url.scheme() == "file" => {
                let path = url.to_file_path().map_err(|()| {
                    Error::invalid(format!("root `{location}`: not the path of a local folder"))
                })?;
                Self::open_local(location, &path)
            }
            Some(url) if url.scheme() == "memory" => Ok(Self::new(location, InMemory::new(), None)),
            Some(url) => {
                let (store, prefix) = remote::open(location, &url, settings)?;
                Ok(Self::new(location, PrefixStore::new(store, prefix), None))
            }
        }
    }

    fn open_local(location: &str, path: &FilePath) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|error| Error::io(location, error))?;
        if path.exists() && !path.is_dir() {
            return Err(Error::invalid(format!("root `{location}`: not a folder")));
        }
        // object_store wants an existing folder; the prefix lets the root be made later.
        let prefix = Path::from_absolute_path(&path)
            .map_err(|error| Error::invalid(format!("root `{location}`: {error}")))?;
        let store = PrefixStore::new(LocalFileSystem::new(), prefix);
        Ok(Self::new(location, store, Some(path)))
    }

    fn new<S: ObjectStore>(name: &str, store: S, local: Option<PathBuf>) -> Self {
        let meter = Arc::new(Meter::default());
        let store: Arc<dyn ObjectStore> = Arc::new(MeteredStore::new(store, Arc::clone(&meter)));
        let name = name.trim_end_matches('/').to_owned();
        let (leaf_days, segment_days) = (Arc::default(), Arc::default());
        Self { name, store, meter, local, leaf_days, segment_days }
    }

    /// The store, in which paths are relative to the root.
    #[must_use]
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// What counts the requests to it.
    #[must_use]
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The root's folder, if it is on a local disk.
    #[must_use]
    pub(crate) fn local_dir(&self) -> Option<&FilePath> {
        self.local.as_deref()
    }

    /// What is known of its folders of raw files, if it is on a local disk.
    pub(super) const fn leaf_days(&self) -> &Arc<LocalDays<LeafDay>> {
        &self.leaf_days
    }

    /// What is known of its folders of segments, if it is on a local disk.
    pub(super) const fn segment_days(&self) -> &Arc<LocalDays<SegmentDay>> {
        &self.segment_days
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

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("name", &self.name).finish_non_exhaustive()
    }
}
