//! Lists a remote store page by page, with as few consecutive requests as the store's order
//! allows.

use std::{collections::BTreeSet, fmt, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    ObjectMeta, Result,
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
};

use super::stretches::{behind, day_name, is_named, months, stretches};
use crate::{
    base::Day,
    store::{RequestCounter, layout::day_and_name},
};

/// How many listings run at once.
const CONCURRENT_LISTINGS: usize = 32;

/// How many first characters of a name are told apart, if a key that is no path starts with them.
const STARTS_MAX: usize = 4;

/// How often a page is requested, if the requests fail with a generic error.
const LISTING_TRIES: usize = 3;

/// A remote store, which lists below the root by any prefix of a name.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) store: Arc<dyn PaginatedListStore>,
    /// The root's own path in the store.
    pub(crate) root: Path,
    pub(crate) request_counter: Arc<RequestCounter>,
}

/// The result of listing a folder.
pub(crate) struct Listed {
    pub(crate) files: Vec<ObjectMeta>,
    /// Whether `files` has all that comes after the first day's name in the folder, months
    /// included.
    pub(crate) whole: bool,
    /// Whether the files came in the order of their names, so that a day's manifests were seen
    /// after the day's data.
    pub(crate) in_order: bool,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Pages {
    /// The files below `folder/date=…/` of the days `first..=last`, in no order. Other files of
    /// the folder may be among them.
    ///
    /// One request lists all from the first day on. If its page isn't everything, the page shows
    /// how many files a day has. The remaining days are then listed at once, in stretches of
    /// about a page. A listing ends where the store says so, or at a key after the last day's,
    /// compared as bytes. It never ends at a key that can't be parsed, because buckets are full
    /// of such keys.
    ///
    /// # Errors
    /// The store's error; `InvalidPath` when a key is no path, which fails the whole page.
    pub(crate) async fn list_days(
        &self,
        folder: &Path,
        (first, last): (Day, Day),
    ) -> Result<Listed> {
        let start = is_named(first).then(|| day_name(folder, first));
        let page = self.page(format!("{folder}/"), start.clone(), None, None).await?;
        let mut files = page.files;
        if page.next.is_none() {
            return Ok(Listed { in_order: is_in_order(&files), files, whole: true });
        }
        let day_of = |file: &ObjectMeta| day_and_name(folder, &file.location).map(|(day, _)| day);
        // Some stores, and emulators of stores, ignore the start.
        let started = page
            .first_key
            .as_deref()
            .is_some_and(|key| start.as_deref().is_none_or(|start| start < key));
        let (first, last) = match (is_named(first), is_named(last)) {
            (true, true) => (first, last),
            _ => match self.bounds(folder).await? {
                Some((from, to)) => (first.max(from), last.min(to)),
                None => return Ok(Listed { files, whole: false, in_order: true }),
            },
        };
        if !(is_in_order(&files) && started) {
            let months = months(first, last).into_iter().map(|month| async move {
                // The name of 2026-01-01 without its last three characters ends in `2026-01`.
                let name = day_name(folder, month);
                self.list_all(name.get(..name.len() - 3).unwrap_or(&name).to_owned()).await
            });
            let listed = stream::iter(months).buffer_unordered(CONCURRENT_LISTINGS);
            let listed = listed.try_collect::<Vec<_>>().await?;
            let in_order = listed.iter().all(|files| is_in_order(files));
            let files = listed.into_iter().flatten().collect();
            return Ok(Listed { files, whole: false, in_order });
        }
        let end = behind(folder, last);
        if page.last_key.is_some_and(|key| key >= end) {
            return Ok(Listed { files, whole: false, in_order: true });
        }
        let from = files.iter().find_map(day_of).unwrap_or(first);
        let reached = files.iter().rev().find_map(day_of).unwrap_or(first);
        let stretches = stretches((from, reached), last);
        files.retain(|file| day_of(file).is_some_and(|day| day < reached));
        let listed = stretches.into_iter().map(|days| self.list_stretch(folder, days));
        let listed = stream::iter(listed).buffer_unordered(CONCURRENT_LISTINGS);
        files.extend(listed.try_collect::<Vec<_>>().await?.into_iter().flatten());
        Ok(Listed { files, whole: false, in_order: true })
    }

    /// The files of these days, from a store that lists in order from a given start.
    async fn list_stretch(
        &self,
        folder: &Path,
        (first, last): (Day, Day),
    ) -> Result<Vec<ObjectMeta>> {
        let (mut files, mut token) = (Vec::new(), None);
        let end = behind(folder, last);
        loop {
            let start = Some(day_name(folder, first));
            let page = self.page(format!("{folder}/"), start, None, token).await?;
            files.extend(page.files.into_iter().filter(|file| {
                let day = day_and_name(folder, &file.location).map(|(day, _)| day);
                day.is_some_and(|day| (first..=last).contains(&day))
            }));
            if page.next.is_none() || page.last_key.is_some_and(|key| key >= end) {
                return Ok(files);
            }
            token = page.next;
        }
    }

    /// The files of these days, listed day by day. For use when a listing of all days fails
    /// because of a key that is no path (such as `raw/date=2026-01-01//x`). Such a key fails only
    /// a listing that has the key. A day that has one is listed by the first characters of names,
    /// and of the folders inside the day only `inner` is listed.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn list_each_day(
        &self,
        folder: &Path,
        (first, last): (Day, Day),
        inner: Option<&str>,
    ) -> Result<Vec<ObjectMeta>> {
        let days = self.days_there(folder).await?;
        let days = days.into_iter().filter(|day| (first..=last).contains(day));
        let listed = days.map(|day| async move {
            let start = format!("{}/", day_name(folder, day));
            match self.list_all(start.clone()).await {
                Err(object_store::Error::InvalidPath { .. }) => {}
                listed => return listed,
            }
            // Readers rely on the inner folder coming last.
            let mut files = self.list_by_first_characters(&start).await?;
            if let Some(inner) = inner {
                files.extend(self.list_by_first_characters(&format!("{start}{inner}/")).await?);
            }
            Ok(files)
        });
        let listed = stream::iter(listed).buffer_unordered(CONCURRENT_LISTINGS);
        Ok(listed.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }

    /// The files directly in a folder that has a key that is no path: `//x` or `/./x` below the
    /// folder, or a name with a control character. The name of a data file starts with none of
    /// these.
    async fn list_by_first_characters(&self, folder: &str) -> Result<Vec<ObjectMeta>> {
        let mut files: Vec<ObjectMeta> = Vec::new();
        let mut starts = vec![folder.to_owned()];
        while let Some(start) = starts.pop() {
            for byte in (b' '..=b'~').filter(|byte| !matches!(byte, b'/' | b'.')) {
                let longer = format!("{start}{}", char::from(byte));
                match self.list_flat(longer.clone()).await {
                    Err(object_store::Error::InvalidPath { .. })
                        if longer.len() < folder.len() + STARTS_MAX =>
                    {
                        starts.push(longer);
                    }
                    listed => files.extend(listed?),
                }
            }
        }
        // Names that start with another character sort after `~`. A key among them that is no path
        // could hide data files, so it is an error.
        let others = self.list_pages(folder.to_owned(), Some(format!("{folder}~")), Some("/"));
        files.extend(others.await?);
        files.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        files.dedup_by(|a, b| a.location == b.location);
        Ok(files)
    }

    /// All files whose path starts with `start` and has no `/` after it.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn list_flat(&self, start: String) -> Result<Vec<ObjectMeta>> {
        self.list_pages(start, None, Some("/")).await
    }

    /// All files whose path starts with `start`.
    ///
    /// # Errors
    /// The store's error.
    pub(crate) async fn list_all(&self, start: String) -> Result<Vec<ObjectMeta>> {
        self.list_pages(start, None, None).await
    }

    async fn list_pages(
        &self,
        start: String,
        offset: Option<String>,
        delimiter: Option<&'static str>,
    ) -> Result<Vec<ObjectMeta>> {
        let (mut files, mut token) = (Vec::new(), None);
        loop {
            let page = self.page(start.clone(), offset.clone(), delimiter, token).await?;
            files.extend(page.files);
            if page.next.is_none() {
                return Ok(files);
            }
            token = page.next;
        }
    }

    /// The first and the last day that have files; `None` when no day has files.
    async fn bounds(&self, folder: &Path) -> Result<Option<(Day, Day)>> {
        let days = self.days_there(folder).await?;
        Ok(days.first().copied().zip(days.last().copied()))
    }

    /// The days that have files.
    async fn days_there(&self, folder: &Path) -> Result<BTreeSet<Day>> {
        let (mut days, mut token) = (BTreeSet::new(), None);
        loop {
            let start = format!("{folder}/date=");
            let page = self.page(start, None, Some("/"), token).await?;
            // If an object has a folder's name, a store may report the object alone.
            let markers = page.files.iter().map(|file| &file.location);
            let found = page.folders.iter().chain(markers);
            let found = found.filter_map(|day| day_and_name(folder, day));
            days.extend(found.map(|(day, _)| day));
            if page.next.is_none() {
                return Ok(days);
            }
            token = page.next;
        }
    }

    /// One page of the files whose path below the root starts with `start`, with the token of the
    /// next page. The files come after `offset` if the store supports an offset.
    async fn page(
        &self,
        start: String,
        offset: Option<String>,
        delimiter: Option<&'static str>,
        token: Option<String>,
    ) -> Result<Page> {
        self.request_counter.count();
        let options = PaginatedListOptions {
            offset: offset.map(|offset| self.below(&offset)),
            delimiter: delimiter.map(Into::into),
            page_token: token,
            ..PaginatedListOptions::default()
        };
        let start = self.below(&start);
        let mut tries = 1;
        // The client doesn't retry a response that breaks off in the middle.
        let page = loop {
            match self.store.list_paginated(Some(&start), options.clone()).await {
                Err(object_store::Error::Generic { .. }) if tries < LISTING_TRIES => tries += 1,
                page => break page?,
            }
        };
        let (listed, next) = (page.result, page.page_token);
        let key = |file: Option<&ObjectMeta>| self.key_below(file?.location.as_ref());
        let (first_key, last_key) = (key(listed.objects.first()), key(listed.objects.last()));
        let files = listed.objects.into_iter();
        let files = files.filter_map(|file| {
            Some(ObjectMeta { location: self.relative(&file.location)?, ..file })
        });
        let folders = listed.common_prefixes.iter();
        Ok(Page {
            files: files.collect(),
            folders: folders.filter_map(|folder| self.relative(folder)).collect(),
            first_key,
            last_key,
            next,
        })
    }

    /// The part of a store's key below the root, unchanged; `None` for a key outside the root.
    fn key_below(&self, key: &str) -> Option<String> {
        if self.root.as_ref().is_empty() {
            return Some(key.to_owned());
        }
        Some(key.strip_prefix(self.root.as_ref())?.strip_prefix('/')?.to_owned())
    }

    fn below(&self, path: &str) -> String {
        if self.root.as_ref().is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.root)
        }
    }

    fn relative(&self, path: &Path) -> Option<Path> {
        Path::parse(self.key_below(path.as_ref())?).ok()
    }
}

/// A page of a listing, with paths below the root.
struct Page {
    files: Vec<ObjectMeta>,
    folders: Vec<Path>,
    first_key: Option<String>,
    last_key: Option<String>,
    /// The token of the next page, if there is one.
    next: Option<String>,
}

/// Whether the files are in the order of their names.
pub(crate) fn is_in_order(files: &[ObjectMeta]) -> bool {
    files.is_sorted_by_key(|file| file.location.as_ref())
}
