//! Listing a remote store page by page, with as few requests one after the other as its order
//! allows.

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

/// More requests at once than this gain nothing.
const STRETCHES_MAX: i64 = 96;

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

/// What was listed of a folder.
pub(super) struct Listed {
    pub(super) files: Vec<ObjectMeta>,
    /// Whether that is all that comes after the first day's name in the folder: months, too.
    pub(super) whole: bool,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Pages {
    /// The files below `folder/date=…/` of the days `first..=last`, and perhaps others of the
    /// folder; in no order.
    ///
    /// One request asks for all from the first day on. If that isn't everything, it tells how many
    /// there are a day, and the days that are left are listed at once in stretches of about a page.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn list_days(
        &self,
        folder: &Path,
        (first, last): (Day, Day),
    ) -> Result<Listed> {
        let start = is_named(first).then(|| day_name(folder, first));
        let (page, token) = self.page(format!("{folder}/"), start.clone(), None, None).await?;
        let mut files = page.objects;
        if token.is_none() {
            return Ok(Listed { files, whole: true });
        }
        let day_of = |file: &ObjectMeta| day_and_name(folder, &file.location).map(|(day, _)| day);
        let in_order = files.is_sorted_by_key(|file| file.location.as_ref());
        // Some stores, or emulators of them, know no start.
        let started = files
            .first()
            .is_some_and(|file| start.is_none_or(|start| start.as_str() < file.location.as_ref()));
        let (first, last) = match (is_named(first), is_named(last)) {
            (true, true) => (first, last),
            _ => match self.bounds(folder).await? {
                Some((from, to)) => (first.max(from), last.min(to)),
                None => return Ok(Listed { files, whole: false }),
            },
        };
        if !(in_order && started) {
            let months = months(first, last).into_iter().map(|month| async move {
                // `2026-01` of `2026-01-01`.
                let name = day_name(folder, month);
                self.list_all(name.get(..name.len() - 3).unwrap_or(&name).to_owned()).await
            });
            let listed = stream::iter(months).buffer_unordered(CONCURRENT_LISTINGS);
            let listed = listed.try_collect::<Vec<_>>().await?;
            return Ok(Listed { files: listed.into_iter().flatten().collect(), whole: false });
        }
        // Dates come before all other names of a folder that we know.
        let (Some(from), Some(reached)) =
            (files.first().and_then(day_of), files.last().and_then(day_of))
        else {
            return Ok(Listed { files, whole: false });
        };
        if reached > last {
            return Ok(Listed { files, whole: false });
        }
        let stretches = stretches((from, reached), last);
        files.retain(|file| day_of(file).is_some_and(|day| day < reached));
        let listed = stretches.into_iter().map(|days| self.list_stretch(folder, days));
        let listed = stream::iter(listed).buffer_unordered(CONCURRENT_LISTINGS);
        files.extend(listed.try_collect::<Vec<_>>().await?.into_iter().flatten());
        Ok(Listed { files, whole: false })
    }

    /// The files of those days, of a store that lists in order from where it is told to start.
    async fn list_stretch(
        &self,
        folder: &Path,
        (first, last): (Day, Day),
    ) -> Result<Vec<ObjectMeta>> {
        let (mut files, mut token) = (Vec::new(), None);
        loop {
            let start = Some(day_name(folder, first));
            let (page, next) = self.page(format!("{folder}/"), start, None, token).await?;
            let listed = page.objects.len();
            let of_days = page.objects.into_iter().filter(|file| {
                let day = day_and_name(folder, &file.location).map(|(day, _)| day);
                day.is_some_and(|day| (first..=last).contains(&day))
            });
            let before = files.len();
            files.extend(of_days);
            // A page with others has all of these.
            if next.is_none() || files.len() - before < listed {
                return Ok(files);
            }
            token = next;
        }
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

    /// The first and the last day that have files.
    async fn bounds(&self, folder: &Path) -> Result<Option<(Day, Day)>> {
        let (mut bounds, mut token): (Option<(Day, Day)>, _) = (None, None);
        loop {
            let start = format!("{folder}/date=");
            let (page, next) = self.page(start, None, Some("/"), token).await?;
            let days = page.common_prefixes.iter().filter_map(|day| day_and_name(folder, day));
            for (day, _) in days {
                let (first, last) = bounds.unwrap_or((day, day));
                bounds = Some((first.min(day), last.max(day)));
            }
            match next {
                None => return Ok(bounds),
                next => token = next,
            }
        }
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
        if self.root.as_ref().is_empty() {
            return Some(path.clone());
        }
        let below = path.as_ref().strip_prefix(self.root.as_ref())?.strip_prefix('/')?;
        Path::parse(below).ok()
    }
}

/// The days from the one that a page reached, which began with that day, to the last: in stretches
/// of a little less than a page, as days differ.
fn stretches((from, reached): (Day, Day), last: Day) -> Vec<(Day, Day)> {
    let by_page = (from.days_until(reached) + 1) * 7 / 10;
    let days_left = reached.days_until(last) + 1;
    let length = by_page.max(days_left / STRETCHES_MAX).max(1);
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    let mut stretches = Vec::new();
    let mut start = reached;
    while start <= last {
        stretches.push((start, last.min(start.plus(length - 1))));
        start = start.plus(length);
    }
    stretches
}

/// The first days of the months that those days are in.
fn months(first: Day, last: Day) -> Vec<Day> {
    let mut months = Vec::new();
    let mut next = first.period("month");
    while let Some((month, after)) = next.filter(|(month, _)| *month <= last) {
        months.push(month);
        next = after.period("month");
    }
    months
}

fn day_name(folder: &Path, day: Day) -> String {
    format!("{folder}/date={day}")
}

fn is_named(day: Day) -> bool {
    day.year().is_some_and(|year| NAMED_YEARS.contains(&year))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn stretches_are_all_days_from_where_the_page_ended() {
        for (from, reached, last, count) in [
            ("2026-01-01", "2026-10-27", "2026-12-31", 1),
            ("2026-01-01", "2026-07-19", "2026-12-31", 2),
            ("2026-01-01", "2026-01-04", "2026-12-31", 121),
            ("2026-01-01", "2026-01-01", "2026-01-01", 1),
        ] {
            let found = stretches((day(from), day(reached)), day(last));
            assert_eq!(found.len(), count, "{from} {reached}");
            let mut next = day(reached);
            for (first, end) in found {
                assert!(first == next && end >= first);
                next = end.plus(1);
            }
            assert_eq!(next, day(last).plus(1));
        }
    }

    #[test]
    fn months_are_all_that_the_days_are_in() {
        let found: Vec<_> = months(day("2025-11-24"), day("2026-02-01"));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01"]);
    }
}
