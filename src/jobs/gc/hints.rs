//! The hints that nobody needs. Pure.
//!
//! For each rollup and day, the segment stays that is current or serves best. For a month, the
//! segment stays that was built from the month's present days. All other segments are nobody's
//! last copy. They are deleted when they are older than the grace period. The caller leaves out
//! days that are gone or not whole.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    base::Day,
    model::{Freshness, LeafDay, Period, PeriodSegments, Rollup, SegmentFile, month_fingerprint},
};

/// The segments of a day that nobody needs.
pub(super) fn useless_of_day<'s>(
    serving: &Freshness,
    segments: &'s PeriodSegments,
    before: DateTime<Utc>,
) -> impl Iterator<Item = &'s Arc<SegmentFile>> {
    let serving = match serving {
        Freshness::Current(segment) | Freshness::Behind { segment, .. } => {
            Some(Arc::clone(segment))
        }
        Freshness::Missing => None,
    };
    // The serving segment must be old enough, too: readers that listed before use the other
    // segments.
    let is_settled = serving.as_ref().is_none_or(|segment| segment.file.last_modified <= before);
    let others = segments.segments.iter().filter(move |segment| {
        is_settled && serving.as_ref().is_none_or(|serving| serving.file != segment.file)
    });
    others.filter(move |segment| segment.file.last_modified <= before)
}

/// Whether the segment has the same rows as a file of a purged day's remains. The remains answer
/// instead of it. The segment stays, as it alone shows the day to `verify` and `status` if the
/// day's own folder is lost.
pub(super) fn tells_of_purged(live: &LeafDay, rollup: &Rollup, segment: &SegmentFile) -> bool {
    let base = live.base.as_ref().filter(|base| base.purged);
    segment.period == Period::Day(live.day)
        && live.remains_of(rollup).is_some()
        && base.is_some_and(|base| base.fingerprint == segment.fingerprint)
}

/// The segments of a month whose days have changed since. If the rollup is of a previous
/// definition, and by `replaces` the present one has a segment of every day: all segments of the
/// month.
pub(super) fn useless_of_month<'s>(
    live: &[Arc<LeafDay>],
    month: &'s PeriodSegments,
    replaces: impl Fn(Day) -> bool,
    before: DateTime<Utc>,
) -> Vec<&'s Arc<SegmentFile>> {
    let days = live.iter().filter(|live| month.period.contains(live.day));
    // Nothing is known about a day that can't be read.
    if days.clone().any(|live| live.damage.is_some()) {
        return Vec::new();
    }
    let all_replaced = days.clone().all(|live| replaces(live.day));
    let now = month_fingerprint(days.map(Arc::as_ref));
    let is_other = |segment: &&Arc<SegmentFile>| all_replaced || segment.fingerprint != now;
    let others = month.segments.iter().filter(is_other);
    others.filter(|segment| segment.file.last_modified <= before).collect()
}
