//! Listing a remote store page by page, with as few requests one after the other as its order allows.

use std::{fmt, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    ListResult, ObjectMeta, Result,
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
};

use super::{Meter, layout::day_and_name};
use crate::base::Day;

/// Listings under way at once.
const CONCURRENT_LISTINGS: usize = 32;

/// Years that have four digits, so that the order of dates is that of their names.
const NAMED_YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// A store that lists by any start of a name, below the root.
#[derive(Clone)]
pub(super) struct Pages {
    pub(super) store: Arc<dyn PaginatedListStore>,
    /// The root's own path in the store.
    pub(super) root: Path,
    pub(super) meter: Arc<Meter>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Pages {
    /// The files below `folder/date=…/` of the days `first..=last`, and perhaps others of the folder;
    /// in no order.
    ///
    /// One request asks for all from the first day on. If that isn't everything, the months that are
    /// left are listed at once: a compacted year is two round trips of a few requests, and one of a
    /// hundred thousand leaves nine.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn list_days(
        &self,
        folder: &Path,
        (first, last): (Day, Day),
    ) -> Result<Vec<ObjectMeta>> {
        let offset = is_named(first).then(|| format!("{folder}/date={first}"));
        let page = self.page(format!("{folder}/"), offset, None, None).await?;
        let (mut files, token) = (page.0.objects, page.1);
        if token.is_none() {
            return Ok(files);
        }
        let in_order = files.is_sorted_by_key(|file| file.location.as_ref());
        let reached = files.last().filter(|_| in_order);
        let reached = match reached.map(|file| day_and_name(folder, &file.location)) {
            // Dates come before all other names of a folder that we know.
            Some(None) => return Ok(files),
            Some(Some((day, _))) if day > last => return Ok(files),
            Some(Some((day, _))) => day.max(first),
            None => first,
        };
        let month = reached.period("month").map_or(first, |(month, _)| month);
        files.retain(|file| {
            let day = day_and_name(folder, &file.location).map(|(day, _)| day);
            in_order && day.is_none_or(|day| day < month)
        });
        let months = self.months(folder, (month, last)).await?;
        let listed = stream::iter(months.into_iter().map(|month| async move {
            // `2026-01` of `2026-01-01`.
            let name = month.to_string();
            let name = name.rsplit_once('-').map_or(name.as_str(), |(month, _)| month);
            self.list_all(format!("{folder}/date={name}")).await
        }));
        let listed: Vec<_> = listed.buffer_unordered(CONCURRENT_LISTINGS).try_collect().await?;
        files.extend(listed.into_iter().flatten());
        Ok(files)
    }

    /// All files whose path starts like that.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn list_all(&self, start: String) -> Result<Vec<ObjectMeta>> {
        let (mut files, mut token) = (Vec::new(), None);
        loop {
            let (page, next) = self.page(start.clone(), None, None, token).await?;
            files.extend(page.objects);
            match next {
                None => return Ok(files),
                next => token = next,
            }
        }
    }

    /// The first days of the months from that one on that may have files.
    async fn months(&self, folder: &Path, (first, last): (Day, Day)) -> Result<Vec<Day>> {
        let mut months = Vec::new();
        let month_of = |day: Day| day.period("month");
        if is_named(first) && is_named(last) {
            let mut next = month_of(first);
            while let Some((month, after)) = next.filter(|(month, _)| *month <= last) {
                months.push(month);
                next = month_of(after);
            }
            return Ok(months);
        }
        let mut token = None;
        loop {
            let start = format!("{folder}/date=");
            let (page, next) = self.page(start, None, Some("/"), token).await?;
            let days = page.common_prefixes.iter();
            let days = days.filter_map(|day| day_and_name(folder, day)).map(|(day, _)| day);
            months.extend(days.filter_map(|day| Some(month_of(day)?.0)));
            match next {
                None => break,
                next => token = next,
            }
        }
        months.retain(|month| *month >= first && *month <= last);
        months.sort_unstable();
        months.dedup();
        Ok(months)
    }

    /// A page of the files whose path below the root starts like that, and comes after `offset` if
    /// the store can do that; with the token of the next.
    async fn page(
        &self,
        start: String,
        offset: Option<String>,
        delimiter: Option<&'static str>,
        token: Option<String>,
    ) -> Result<(ListResult, Option<String>)> {
        self.meter.count();
        let options = PaginatedListOptions {
            offset: offset.map(|offset| self.below(&offset)),
            delimiter: delimiter.map(Into::into),
            page_token: token,
            ..PaginatedListOptions::default()
        };
        let page = self.store.list_paginated(Some(&self.below(&start)), options).await?;
        let mut result = page.result;
        result.objects = result
            .objects
            .into_iter()
            .filter_map(|file| {
                Some(ObjectMeta { location: self.relative(&file.location)?, ..file })
            })
            .collect();
        result.common_prefixes =
            result.common_prefixes.iter().filter_map(|prefix| self.relative(prefix)).collect();
        Ok((result, page.page_token))
    }

    fn below(&self, path: &str) -> String {
        if self.root.as_ref().is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.root)
        }
    }

    fn relative(&self, path: &Path) -> Option<Path> {
        Some(path.prefix_match(&self.root)?.collect())
    }
}

fn is_named(day: Day) -> bool {
    day.year().is_some_and(|year| NAMED_YEARS.contains(&year))
}
