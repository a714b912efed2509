//! Listing a root.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectMeta, path::Path};

use super::{FileName, Root, store_error};
use crate::base::{Day, Error, Result};

/// A listed file of a day: its name and what the store says of it.
pub(crate) type FileInfo = (FileName, ObjectMeta);

/// Listings under way at once.
const CONCURRENT_LISTINGS: usize = 32;

/// The Parquet files of the days `first..=last` below `prefix/`, in the order of their paths. On a
/// remote store up to `by_day_max` days are listed one by one, and else the whole of the prefix.
///
/// # Errors
/// `NotFound` for a bucket that isn't there, else what the store says.
pub(crate) async fn list_days(
    root: &Root,
    prefix: &Path,
    (first, last): (Day, Day),
    by_day_max: i64,
) -> Result<Vec<FileInfo>> {
    let mut files = if let Some(dir) = root.local_dir() {
        root.meter().count();
        let (dir, below) = (dir.to_owned(), prefix.clone());
        let days = std::sync::Arc::clone(root.local_days());
        let listing = tokio::task::spawn_blocking(move || days.list(&dir, &below, (first, last)));
        let listed = listing.await;
        let listed = listed.map_err(|error| Error::internal("listing").with_source(error))??;
        let mut files = listed.files;
        files.extend(list_each(root, prefix, listed.foreign).await?);
        files
    } else if first.days_until(last) < by_day_max {
        let days = first.epoch_days()..=last.epoch_days();
        list_each(root, prefix, days.map(Day::from_epoch_days)).await?
    } else {
        list(root, prefix, prefix).await?
    };
    files.retain(|(name, _)| (first..=last).contains(&name.day));
    // A store promises no order.
    files.sort_by(|(_, a), (_, b)| a.location.cmp(&b.location));
    Ok(files)
}

async fn list_each(
    root: &Root,
    prefix: &Path,
    days: impl IntoIterator<Item = Day> + Send,
) -> Result<Vec<FileInfo>> {
    let folders: Vec<_> =
        days.into_iter().map(|day| prefix.clone().join(format!("date={day}"))).collect();
    let listed = stream::iter(
        folders.into_iter().map(|folder| async move { list(root, prefix, &folder).await }),
    );
    let listed: Vec<_> = listed.buffered(CONCURRENT_LISTINGS).try_collect().await?;
    Ok(listed.into_iter().flatten().collect())
}

/// The Parquet files below `prefix/date=…/`. `within` is where to look: the prefix itself, or the
/// folder of one day. A folder that isn't there is empty.
async fn list(root: &Root, prefix: &Path, within: &Path) -> Result<Vec<FileInfo>> {
    let listed: Result<Vec<ObjectMeta>, _> = root.store().list(Some(within)).try_collect().await;
    let listed = match listed {
        Err(object_store::Error::NotFound { .. }) if root.local_dir().is_some() => Vec::new(),
        listed => listed.map_err(|error| store_error(&root.full_name(within), error))?,
    };
    let parsed = listed.into_iter();
    let parsed = parsed.filter_map(|meta| Some((FileName::parse(prefix, &meta.location)?, meta)));
    Ok(parsed.collect())
}
