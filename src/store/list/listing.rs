//! Lists a root's days and segments.

use std::{collections::BTreeMap, path::Path as FilePath, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream, try_join};
use object_store::{ObjectMeta, path::Path};

use crate::{
    base::{Day, Error, Result},
    model::{LeafDay, Period, PeriodLength, PeriodSegments, Rollup},
    store::{
        RawFolder, Root,
        layout::period_and_name,
        list::{
            local_folders::LocalFolders,
            pages::{Listed, is_in_order},
            period_folder::PeriodFolder,
        },
        raw_prefix, segments_prefix, store_error,
    },
};

/// How many days are resolved at once. Each day may need listings and its manifest.
const CONCURRENT_REQUESTS: usize = 32;

/// The live files of the days among `first..=last` that have raw files, in order.
///
/// # Errors
/// `NotFound` when the bucket doesn't exist; otherwise the store's error.
pub(crate) async fn list_leaves(root: &Root, days: (Day, Day)) -> Result<Vec<Arc<LeafDay>>> {
    let folders = list_raw(root, days).await?;
    live_days(root, &folders).await
}

/// The folders of the days among `first..=last` that have raw files, live or not, in order.
///
/// # Errors
/// As [`list_leaves`].
pub(crate) async fn list_raw(root: &Root, days: (Day, Day)) -> Result<Vec<Arc<RawFolder>>> {
    let prefix = raw_prefix();
    if let Some(dir) = root.local_dir() {
        return list_local(root, dir, root.raw_folders(), &prefix, days).await;
    }
    let files = list_remote(root, &prefix, days, &[]).await?;
    Ok(folders(PeriodLength::Day, &prefix, &files, days))
}

/// Whether a new listing of the day has raw files: a leaf, merged rows, remains or a manifest.
///
/// # Errors
/// As [`list_leaves`].
pub(crate) async fn has_raw_files(root: &Root, day: Day) -> Result<bool> {
    let listed = list_raw(&root.with_new_listings(), (day, day)).await?;
    Ok(listed.iter().any(|folder| folder.has_files()))
}

/// The live files of each folder, in the order of `folders`. A damaged day is no error:
/// [`LeafDay::damage`] says what is wrong.
///
/// # Errors
/// The store's error when a listing or a read fails.
pub(crate) async fn live_days(
    root: &Root,
    folders: &[Arc<RawFolder>],
) -> Result<Vec<Arc<LeafDay>>> {
    let folders: Vec<_> = folders.to_vec();
    let live = stream::iter(folders).map(|folder| async move { folder.live(root).await });
    live.buffered(CONCURRENT_REQUESTS).try_collect().await
}

/// A rollup's segments, sorted by period.
#[derive(Debug)]
pub(crate) struct Segments {
    /// Segments of days.
    pub days: Vec<Arc<PeriodSegments>>,
    /// Segments of months.
    pub months: Vec<Arc<PeriodSegments>>,
}

/// The rollup's segments of the days `first..=last`, and of the months that begin among these
/// days.
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
            list_local(root, dir, of_days, &prefix, days),
            list_local(root, dir, of_months, &prefix, days)
        )?;
        return Ok(Segments { days, months });
    }
    let files = list_remote(root, &prefix, days, &[PeriodLength::Month]).await?;
    let of = |length| folders(length, &prefix, &files, days);
    Ok(Segments { days: of(PeriodLength::Day), months: of(PeriodLength::Month) })
}

/// The folders below `prefix/` in a local root, of the periods that begin among `days`.
async fn list_local<T: PeriodFolder>(
    root: &Root,
    dir: &FilePath,
    known: &Arc<LocalFolders<T>>,
    prefix: &Path,
    days: (Day, Day),
) -> Result<Vec<Arc<T>>> {
    root.request_counter().count();
    let (dir, below, known) = (dir.to_owned(), prefix.clone(), Arc::clone(known));
    let listing = tokio::task::spawn_blocking(move || known.list(&dir, &below, days));
    let listed = listing.await;
    listed.map_err(|error| Error::internal("listing").with_source(error))?
}

/// The files below `prefix/` in the folders of `days`, and in all folders of the lengths
/// `and_of`, in no order. If the store doesn't list in the order of names, the files of `_m/`
/// come from a second listing, made after the first.
async fn list_remote(
    root: &Root,
    prefix: &Path,
    days: (Day, Day),
    and_of: &[PeriodLength],
) -> Result<Vec<ObjectMeta>> {
    let name = format!("{prefix} {} {}", days.0, days.1);
    if let Some(files) = root.listed(&name) {
        return Ok(files);
    }
    let (mut files, in_order) = list_once(root, prefix, days, and_of).await?;
    if !in_order && *prefix == raw_prefix() {
        let is_inner = |file: &ObjectMeta| file.location.as_ref().contains(INNER);
        files.retain(|file| !is_inner(file));
        let (again, _) = list_once(root, prefix, days, and_of).await?;
        files.extend(again.into_iter().filter(is_inner));
    }
    root.keep_listing(&name, &files);
    Ok(files)
}

/// The folder of manifests, as a part of a path.
const INNER: &str = "/_m/";

/// The files, and whether the store listed them in the order of names.
async fn list_once(
    root: &Root,
    prefix: &Path,
    days: (Day, Day),
    and_of: &[PeriodLength],
) -> Result<(Vec<ObjectMeta>, bool)> {
    let Some(pages) = root.pages() else {
        let files = list(root, prefix).await?;
        let in_order = is_in_order(&files);
        return Ok((files, in_order));
    };
    let fail = |error| store_error(&root.full_name(prefix), error);
    let mut listed = match pages.list_days(prefix, days).await {
        Err(object_store::Error::InvalidPath { source }) => {
            root.warn(&format!(
                "{}: an object there has a name that is no path ({source}), so each day is listed \
                 by itself, which is slow; delete that object",
                root.full_name(prefix)
            ));
            let inner = (*prefix == raw_prefix()).then_some(INNER.trim_matches('/'));
            let files = pages.list_each_day(prefix, days, inner).await.map_err(fail)?;
            Listed { files, whole: false, in_order: true }
        }
        listed => listed.map_err(fail)?,
    };
    // Folders of months sort after folders of days. Mostly the listing has both, and is whole.
    for length in and_of.iter().filter(|_| !listed.whole) {
        let of_period = match pages.list_all(format!("{prefix}/{}", length.label())).await {
            // A hint that can't be listed is not used.
            Err(object_store::Error::InvalidPath { .. }) => Vec::new(),
            of_period => of_period.map_err(fail)?,
        };
        listed.files.retain(|file| period_and_name(*length, prefix, &file.location).is_none());
        listed.files.extend(of_period);
    }
    Ok((listed.files, listed.in_order))
}

/// The folders of the periods that begin among the days `first..=last`. Each folder's files are
/// sorted by path, because a store promises no order.
fn folders<T: PeriodFolder>(
    length: PeriodLength,
    prefix: &Path,
    files: &[ObjectMeta],
    (first, last): (Day, Day),
) -> Vec<Arc<T>> {
    let mut periods: BTreeMap<Period, Vec<(T::Name, ObjectMeta)>> = BTreeMap::new();
    for file in files {
        if let Some((period, name)) = T::parse_path(length, prefix, &file.location)
            && (first..=last).contains(&period.first())
        {
            periods.entry(period).or_default().push((name, file.clone()));
        }
    }
    let periods = periods.into_iter().map(|(period, mut files)| {
        files.sort_by(|(_, a), (_, b)| a.location.cmp(&b.location));
        Arc::new(T::of(period, files))
    });
    periods.collect()
}

/// All files below a folder. A folder that doesn't exist has no files.
async fn list(root: &Root, within: &Path) -> Result<Vec<ObjectMeta>> {
    let listed: Result<Vec<ObjectMeta>, _> = root.store().list(Some(within)).try_collect().await;
    match listed {
        Err(object_store::Error::NotFound { .. }) if root.local_dir().is_some() => Ok(Vec::new()),
        listed => listed.map_err(|error| store_error(&root.full_name(within), error)),
    }
}
