//! Listing a root.

use std::{collections::BTreeMap, path::Path as FilePath, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream, try_join};
use object_store::{ObjectMeta, path::Path};

use super::{
    LeafDay, Period, RawFolder, Root, SegmentDay, files::DayFolder, local_days::LocalDays,
    raw_prefix, segments_prefix, store_error,
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
    let prefix = raw_prefix();
    if let Some(dir) = root.local_dir() {
        return list_local(root, dir, root.raw_folders(), Period::Day, &prefix, days).await;
    }
    let files = list_remote(root, &prefix, days, &[]).await?;
    Ok(folders(Period::Day, &prefix, &files, days).map(|(_, folder)| folder).collect())
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

/// A rollup's segments, in order.
#[derive(Debug)]
pub(crate) struct Segments {
    /// Of days.
    pub days: Vec<Arc<SegmentDay>>,
    /// Of months.
    pub months: Vec<Arc<SegmentDay>>,
}

/// The segments of that rollup, of the days among `first..=last` and the months that begin there.
///
/// # Errors
/// As [`list_raw`].
pub(crate) async fn list_segments(
    root: &Root,
    rollup: &Rollup,
    days: (Day, Day),
) -> Result<Segments> {
    let prefix = segments_prefix(rollup);
    if let Some(dir) = root.local_dir() {
        let (of_days, of_months) = (root.segment_days(), root.segment_months());
        let (days, months) = try_join!(
            list_local(root, dir, of_days, Period::Day, &prefix, days),
            list_local(root, dir, of_months, Period::Month, &prefix, days)
        )?;
        return Ok(Segments { days, months });
    }
    let files = list_remote(root, &prefix, days, &[Period::Month]).await?;
    let of = |period| folders(period, &prefix, &files, days).map(|(_, folder)| folder).collect();
    Ok(Segments { days: of(Period::Day), months: of(Period::Month) })
}

/// The folders of the periods that begin among those days, below `prefix/` in a local root.
async fn list_local<T: DayFolder>(
    root: &Root,
    dir: &FilePath,
    known: &Arc<LocalDays<T>>,
    period: Period,
    prefix: &Path,
    days: (Day, Day),
) -> Result<Vec<Arc<T>>> {
    root.meter().count();
    let (dir, below, known) = (dir.to_owned(), prefix.clone(), Arc::clone(known));
    let listing = tokio::task::spawn_blocking(move || known.list(&dir, &below, days));
    let listed = listing.await;
    let listed = listed.map_err(|error| Error::internal("listing").with_source(error))??;
    if listed.foreign.is_empty() {
        return Ok(listed.days.into_iter().map(|(_, day)| day).collect());
    }
    let foreign = listed.foreign.into_iter().map(|day| prefix.clone().join(period.folder(day)));
    let foreign = list_each(root, foreign.collect()).await?;
    let foreign = folders(period, prefix, &foreign, days);
    let all: BTreeMap<Day, Arc<T>> = listed.days.into_iter().chain(foreign).collect();
    Ok(all.into_values().collect())
}

/// The files below `prefix/` in the folders of those days, and of all such periods, in no order.
async fn list_remote(
    root: &Root,
    prefix: &Path,
    (first, last): (Day, Day),
    and_of: &[Period],
) -> Result<Vec<ObjectMeta>> {
    let name = format!("{prefix} {first} {last}");
    let files = match (root.listed(&name), root.pages()) {
        (Some(files), _) => return Ok(files),
        (None, None) => list(root, prefix).await?,
        (None, Some(pages)) => {
            let fail = |error| store_error(&root.full_name(prefix), error);
            let mut listed = pages.list_days(prefix, (first, last)).await.map_err(fail)?;
            // They come behind the days, and mostly with them.
            for period in and_of.iter().filter(|_| !listed.whole) {
                let start = format!("{prefix}/{}", period.label());
                let of_period = pages.list_all(start).await.map_err(fail)?;
                listed.files.retain(|file| !period.is_of(prefix, &file.location));
                listed.files.extend(of_period);
            }
            listed.files
        }
    };
    root.keep_listing(&name, &files);
    Ok(files)
}

/// The files of the periods that begin among those days, each period's by path: a store promises no
/// order.
fn folders<T: DayFolder>(
    period: Period,
    prefix: &Path,
    files: &[ObjectMeta],
    (first, last): (Day, Day),
) -> impl Iterator<Item = (Day, Arc<T>)> {
    let mut days: BTreeMap<Day, Vec<(T::Name, ObjectMeta)>> = BTreeMap::new();
    for file in files {
        if let Some((day, name)) = T::parse_path(period, prefix, &file.location)
            && (first..=last).contains(&day)
        {
            days.entry(day).or_default().push((name, file.clone()));
        }
    }
    days.into_iter().map(|(day, mut files)| {
        files.sort_by(|(_, a), (_, b)| a.location.cmp(&b.location));
        (day, Arc::new(T::of(day, files)))
    })
}

async fn list_each(root: &Root, folders: Vec<Path>) -> Result<Vec<ObjectMeta>> {
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
