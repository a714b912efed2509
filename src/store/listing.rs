//! Listing a root.

use futures::TryStreamExt as _;
use object_store::{ObjectMeta, path::Path};

use super::{FileName, Root, store_error};
use crate::base::Result;

/// A listed file of a day: its name and what the store says of it.
pub(crate) type FileInfo = (FileName, ObjectMeta);

/// The Parquet files below `prefix/date=…/`, in the order of their paths. `within` is where to
/// look: the prefix itself, or the folder of one day. A folder that isn't there is empty.
///
/// # Errors
/// `NotFound` for a bucket that isn't there, else what the store says.
pub(crate) async fn list(root: &Root, prefix: &Path, within: &Path) -> Result<Vec<FileInfo>> {
    let listed: Result<Vec<ObjectMeta>, _> = root.store().list(Some(within)).try_collect().await;
    let listed = match listed {
        Err(object_store::Error::NotFound { .. }) if root.local_dir().is_some() => Vec::new(),
        listed => listed.map_err(|error| store_error(&root.full_name(within), error))?,
    };
    let mut files: Vec<_> = listed
        .into_iter()
        .filter_map(|meta| Some((FileName::parse(prefix, &meta.location)?, meta)))
        .collect();
    // A store promises no order.
    files.sort_by(|(_, a), (_, b)| a.location.cmp(&b.location));
    Ok(files)
}
