//! Objects of any bucket by URL: files to read, not a root.

use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, path::Path};

use crate::{
    base::{Error, Result, Settings},
    store::object::{location::url_of, remote},
};

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// The object's URL.
    pub(crate) url: String,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    /// The size in bytes.
    pub(crate) size: u64,
    /// The version, if the store tells it.
    pub(crate) e_tag: Option<String>,
}

/// The object at a URL, or the objects whose keys begin with the URL's path and a `/`, by key.
/// `None` when `location` is no URL of an object store.
///
/// # Errors
/// `Invalid` when no store can be opened by the URL and the options; `NotFound` when there is no
/// such object; `Unavailable` when the store refuses.
pub(crate) async fn objects_at(location: &str, settings: &Settings) -> Result<Option<Vec<Object>>> {
    let Some(url) = url_of(location)?.filter(|url| url.scheme() != "file") else {
        return Ok(None);
    };
    let remote = remote::open(location, &url, settings)?;
    let failed = |error: object_store::Error| {
        Error::unavailable(format!("{location}: {error}")).with_source(error)
    };
    if !location.ends_with('/') && !remote.prefix.as_ref().is_empty() {
        match remote.store.head(&remote.prefix).await {
            Ok(found) => {
                return Ok(Some(vec![object(location.to_owned(), &remote.store, found)]));
            }
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let listed = remote.store.list(Some(&remote.prefix)).try_collect::<Vec<_>>().await;
    let mut objects: Vec<_> = listed
        .map_err(failed)?
        .into_iter()
        .map(|found| {
            let inner = found.location.as_ref().strip_prefix(remote.prefix.as_ref());
            let inner = inner.unwrap_or_default().trim_start_matches('/');
            let url = format!("{}/{inner}", location.trim_end_matches('/'));
            object(url, &remote.store, found)
        })
        .collect();
    objects.sort_by(|left, right| left.path.cmp(&right.path));
    if objects.is_empty() {
        return Err(Error::not_found(format!("{location}: there is no such object")));
    }
    Ok(Some(objects))
}

fn object(url: String, store: &Arc<dyn ObjectStore>, found: ObjectMeta) -> Object {
    let store = Arc::clone(store);
    Object { url, store, path: found.location, size: found.size, e_tag: found.e_tag }
}
