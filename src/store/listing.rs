//! Listing a root.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectMeta, path::Path};

use super::{
    LeafDay, RawFolder, Root, SegmentDay, files::DayFolder, local_days::LocalDays, raw_prefix,
    segments_prefix, store_error,
};
use crate::{
    base::{Day, Error, Result},
    model::Rollup,
};

/// Listings, and manifests read, at once.
const CONCURRENT_REQUESTS: usize = 32;

/// The days among `first..=last` that have raw rows, in order.
///
/// # Errors
/// `NotFound` for a bucket that isn't there, else what the store says; `Corrupt` naming a manifest
/// that can't be read.
pub(crate) async fn list_leaves(root: &Root, days: (Day, Day)) -> Result<Vec<Arc<LeafDay>>> {
    let folders = list_raw(root, days).await?;
    live_days(root, &folders).await
}

/// The days among `first..=last` that have raw files, live or not, in order.
///
/// # Errors
/// As [`list_leaves`], but for manifests.
pub(crate) async fn list_raw(root: &Root, days: (Day, Day)) -> Result<Vec<Arc<RawFolder>>> {
    list_days(root, root.raw_folders(), raw_prefix(), days).await
}

/// What counts of each of those folders, in their order.
///
/// # Errors
/// As [`list_leaves`].
pub(crate) async fn live_days(
    root: &Root,
    folders: &[Arc<RawFolder>],
) -> Result<Vec<Arc<LeafDay>>> {
    let folders: Vec<_> = folders.to_vec();
    let live = stream::iter(folders).map(|folder| async move { folder.live(root).await });
    live.buffered(CONCURRENT_REQUESTS).try_collect().await
}

/// The days among `first..=last` that have segments of that rollup, in order.
///
/// # Errors
/// As [`list_raw`].
pub(crate) async fn list_segments(
    root: &Root,
    rollup: &Rollup,
    days: (Day, Day),
) -> Result<Vec<Arc<SegmentDay>>> {
    list_days(root, root.segment_days(), segments_prefix(rollup), days).await
}

/// The folders of the days `first..=last` below `prefix/` that hold files, by day.
async fn list_days<T: DayFolder>(
    root: &Root,
    known: &Arc<LocalDays<T>>,
    prefix: Path,
    (first, last): (Day, Day),
) -> Result<Vec<Arc<T>>> {
    if let Some(dir) = root.local_dir() {
        root.meter().count();
        let (dir, below, known) = (dir.to_owned(), prefix.clone(), Arc::clone(known));
        let listing = tokio::task::spawn_blocking(move || known.list(&dir, &below, (first, last)));
        let listed = listing.await;
        let listed = listed.map_err(|error| Error::internal("listing").with_source(error))??;
        if listed.foreign.is_empty() {
            return Ok(listed.days.into_iter().map(|(_, day)| day).collect());
        }
        let foreign = list_each(root, &prefix, listed.foreign).await?;
        let days: BTreeMap<Day, Arc<T>> =
            listed.days.into_iter().chain(by_day(&prefix, foreign, (first, last))).collect();
        return Ok(days.into_values().collect());
    }
    let name = format!("{prefix} {first} {last}");
    let files = match (root.listed(&name), root.pages()) {
        (Some(files), _) => files,
        (None, None) => list(root, &prefix).await?,
        (None, Some(pages)) => {
            let listed = pages.list_days(&prefix, (first, last)).await;
            listed.map_err(|error| store_error(&root.full_name(&prefix), error))?
        }
    };
    root.keep_listing(&name, &files);
    Ok(by_day(&prefix, files, (first, last)).map(|(_, day)| day).collect())
}

/// The files of those days, each day's by path: a store promises no order.
fn by_day<T: DayFolder>(
    prefix: &Path,
    files: Vec<ObjectMeta>,
    (first, last): (Day, Day),
) -> impl Iterator<Item = (Day, Arc<T>)> {
    let mut days: BTreeMap<Day, Vec<(T::Name, ObjectMeta)>> = BTreeMap::new();
    for file in files {
        if let Some((day, name)) = T::parse_path(prefix, &file.location)
            && (first..=last).contains(&day)
        {
            days.entry(day).or_default().push((name, file));
        }
    }
    days.into_iter().map(|(day, mut files)| {
        files.sort_by(|(_, a), (_, b)| a.location.cmp(&b.location));
        (day, Arc::new(T::of(day, files)))
    })
}

async fn list_each(
    root: &Root,
    prefix: &Path,
    days: impl IntoIterator<Item = Day> + Send,
) -> Result<Vec<ObjectMeta>> {
    let folders: Vec<_> =
        days.into_iter().map(|day| prefix.clone().join(format!("date={day}"))).collect();
    let listed =
        stream::iter(folders.into_iter().map(|folder| async move { list(root, &folder).await }));
    let listed: Vec<_> = listed.buffered(CONCURRENT_REQUESTS).try_collect().await?;
    Ok(listed.into_iter().flatten().collect())
}

/// All files below that folder. One that isn't there is empty.
async fn list(root: &Root, within: &Path) -> Result<Vec<ObjectMeta>> {
    let listed: Result<Vec<ObjectMeta>, _> = root.store().list(Some(within)).try_collect().await;
    match listed {
        Err(object_store::Error::NotFound { .. }) if root.local_dir().is_some() => Ok(Vec::new()),
        listed => listed.map_err(|error| store_error(&root.full_name(within), error)),
    }
}
