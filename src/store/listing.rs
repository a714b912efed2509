//! Listing a root.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectMeta, path::Path};

use super::{
    FileName, LeafDay, Root, SegmentDay,
    files::{DayFolder, FileInfo},
    local_days::LocalDays,
    raw_prefix, segments_prefix, store_error,
};
use crate::{
    base::{Day, Error, Result},
    model::Rollup,
};

/// Listings under way at once.
const CONCURRENT_LISTINGS: usize = 32;

/// Up to so many days, each day's folder of a remote store is listed; beyond, the whole of `raw/`.
const DAY_LISTINGS_MAX: i64 = 31;

/// The days among `first..=last` that have raw files, in order.
///
/// # Errors
/// `NotFound` for a bucket that isn't there, else what the store says.
pub(crate) async fn list_leaves(root: &Root, days: (Day, Day)) -> Result<Vec<Arc<LeafDay>>> {
    list_days(root, root.leaf_days(), raw_prefix(), days, DAY_LISTINGS_MAX).await
}

/// The days among `first..=last` that have segments of that rollup, in order.
///
/// # Errors
/// As [`list_leaves`].
pub(crate) async fn list_segments(
    root: &Root,
    rollup: &Rollup,
    days: (Day, Day),
) -> Result<Vec<Arc<SegmentDay>>> {
    list_days(root, root.segment_days(), segments_prefix(rollup), days, 0).await
}

/// The folders of the days `first..=last` below `prefix/` that hold Parquet files, by day. On a
/// remote store up to `by_day_max` days are listed one by one, and else the whole of the prefix.
async fn list_days<T: DayFolder>(
    root: &Root,
    known: &Arc<LocalDays<T>>,
    prefix: Path,
    (first, last): (Day, Day),
    by_day_max: i64,
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
            listed.days.into_iter().chain(by_day(foreign, (first, last))).collect();
        return Ok(days.into_values().collect());
    }
    let files = if first.days_until(last) < by_day_max {
        let days = first.epoch_days()..=last.epoch_days();
        list_each(root, &prefix, days.map(Day::from_epoch_days)).await?
    } else {
        list(root, &prefix, &prefix).await?
    };
    Ok(by_day(files, (first, last)).map(|(_, day)| day).collect())
}

/// The files of those days, each day's by path: a store promises no order.
fn by_day<T: DayFolder>(
    files: Vec<FileInfo>,
    (first, last): (Day, Day),
) -> impl Iterator<Item = (Day, Arc<T>)> {
    let mut days: BTreeMap<Day, Vec<FileInfo>> = BTreeMap::new();
    for file in files {
        if (first..=last).contains(&file.0.day) {
            days.entry(file.0.day).or_default().push(file);
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
