//! The listing of a root, or of a day or month of it.

use std::{collections::BTreeSet, sync::Arc};

use super::chain::Claims;
use crate::{
    base::{Day, Month, Result, Span},
    jobs::JobContext,
    model::{Period, PeriodSegments, SegmentFile, Snapshot},
    store::{RawFolder, Root, Segments, Serving, list_raw, list_segments, load},
};

/// The listed files, and the claims.
pub(super) struct Listed {
    /// The rows that count, and the days' segments that serve.
    pub(super) days: Snapshot,
    /// The same rows, with months' segments in the place of their days' segments.
    pub(super) with_months: Snapshot,
    /// All folders of raw files.
    pub(super) folders: Vec<Arc<RawFolder>>,
    /// All segments, by rollup in the dataset's order.
    segments: Vec<Segments>,
    /// The root's claims.
    pub(super) claims: Arc<Claims>,
}

impl Listed {
    /// Lists everything that touches `span`.
    ///
    /// # Errors
    /// `Unavailable` when the store can't be listed.
    pub(super) async fn take(
        context: JobContext<'_>,
        span: Span,
        claims: &Arc<Claims>,
    ) -> Result<Self> {
        let (root, rollups) = (context.root, context.dataset.rollups());
        let days = context.snapshot(span).await?;
        let with_months = load(root, span, rollups, Serving::Months).await?;
        let (mut folders, mut segments) = (Vec::new(), Vec::new());
        if let Some(bounds) = span.day_bounds() {
            folders = list_raw(root, bounds).await?;
            for rollup in context.dataset.all_rollups() {
                segments.push(list_segments(root, rollup, bounds).await?);
            }
        }
        Ok(Self { days, with_months, folders, segments, claims: Arc::clone(claims) })
    }

    /// All days that have raw files or segments.
    pub(super) fn days(&self) -> BTreeSet<Day> {
        let of_rows = self.folders.iter().map(|folder| folder.day);
        let of_segments = self.segments.iter().flat_map(|it| &it.days).map(|it| it.period.first());
        of_rows.chain(of_segments).collect()
    }

    /// The months of days with rows.
    pub(super) fn months(&self) -> BTreeSet<Month> {
        let days = self.days.live(Span::ALL).map(|live| live.day);
        days.filter_map(Month::of).collect()
    }

    /// The folder of a day's raw files.
    pub(super) fn folder(&self, day: Day) -> Option<&Arc<RawFolder>> {
        self.folders.iter().find(|folder| folder.day == day)
    }

    /// The segments of a day, by rollup in the dataset's order.
    pub(super) fn segments(&self, day: Day) -> impl Iterator<Item = Option<&Arc<PeriodSegments>>> {
        let of_day = move |it: &PeriodSegments| it.period == Period::Day(day);
        self.segments.iter().map(move |it| it.days.iter().find(|found| of_day(found)))
    }

    /// The first segment that was found to be damaged.
    pub(super) fn first_distrusted(&self, root: &Root) -> Option<&Arc<SegmentFile>> {
        let all = self.segments.iter().flat_map(|it| it.days.iter().chain(&it.months));
        let mut all = all.flat_map(|found| &found.segments);
        all.find(|segment| root.is_distrusted(&segment.file))
    }

    /// Whether both listings are equal within `span`, which both must cover.
    pub(super) fn is_as(&self, other: &Self, span: Span) -> bool {
        let same_days = self.days.live(span).eq(other.days.live(span))
            && self.days.damaged(span).eq(other.days.damaged(span));
        let Some((first, last)) = span.day_bounds() else { return true };
        let mut days = self.days().into_iter().chain(other.days());
        same_days
            && days.all(|day| {
                let is_outside = day < first || day > last;
                is_outside || self.segments_of(day).eq(other.segments_of(day))
            })
    }

    fn segments_of(&self, day: Day) -> impl Iterator<Item = Option<&Vec<Arc<SegmentFile>>>> {
        self.segments(day).map(|found| found.map(|found| &found.segments))
    }
}
