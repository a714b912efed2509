//! Taking a snapshot: list, then look into the few footers that names leave open.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream, try_join};

use crate::{
    base::{Day, Error, ErrorKind, Result, Span},
    model::{
        Fingerprint, Freshness, LeafDay, LeafId, PeriodSegments, Rollup, SegmentFile, Snapshot,
        freshness, month_fingerprint,
    },
    store::{Root, Segments, file_footer, list_leaves, list_segments},
};

/// Requests under way at once.
const CONCURRENT_REQUESTS: usize = 32;

/// Which segments serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serving {
    /// Those of days alone: what others are built of, and purged days are left with.
    Days,
    /// A month's in place of its days', where it has all of them as they are now.
    Months,
}

/// Lists what touches `span`: raw files, and segments of those rollups.
///
/// All is listed at once. A segment that a builder adds meanwhile may hold a leaf that this
/// snapshot doesn't have; its leaves are then not all live, and it is not used.
///
/// # Errors
/// What the store says.
pub(crate) async fn load<'r>(
    root: &Root,
    span: Span,
    rollups: impl IntoIterator<Item = &'r Rollup>,
    serving: Serving,
) -> Result<Snapshot> {
    let Some(bounds) = span.day_bounds() else { return Ok(Snapshot::default()) };
    let rollups: Vec<_> = rollups.into_iter().collect();
    let segments = rollups.iter().map(|rollup| list_segments(root, rollup, bounds));
    let (days, segments) = try_join!(list_leaves(root, bounds), try_join_all(segments))?;
    let listed = Listed { bounds, days: &days, serving };
    let of_rollups = all_serving(root, &rollups, listed, segments).await?;
    Ok(Snapshot::new(days, of_rollups))
}

/// The same snapshot of `span`, and how far those of the rollups serve that it doesn't know.
///
/// # Errors
/// As [`load`].
pub(crate) async fn load_more<'r>(
    root: &Root,
    span: Span,
    snapshot: Snapshot,
    rollups: impl IntoIterator<Item = &'r Rollup>,
    serving: Serving,
) -> Result<Snapshot> {
    let Some(bounds) = span.day_bounds() else { return Ok(snapshot) };
    let rollups = rollups.into_iter().filter(|rollup| snapshot.rollup(rollup.name()).is_none());
    let rollups: Vec<_> = rollups.collect();
    let segments = rollups.iter().map(|rollup| list_segments(root, rollup, bounds));
    let segments = try_join_all(segments).await?;
    let days: Vec<_> = snapshot.live_days().cloned().collect();
    let listed = Listed { bounds, days: &days, serving };
    let of_rollups = all_serving(root, &rollups, listed, segments).await?;
    Ok(snapshot.with(of_rollups))
}

/// What was listed of raw files, and how segments may serve it.
#[derive(Clone, Copy)]
struct Listed<'a> {
    bounds: (Day, Day),
    days: &'a [Arc<LeafDay>],
    serving: Serving,
}

/// How far each rollup serves each day, by its listed segments.
async fn all_serving(
    root: &Root,
    rollups: &[&Rollup],
    listed: Listed<'_>,
    segments: Vec<Segments>,
) -> Result<BTreeMap<String, BTreeMap<Day, Freshness>>> {
    let serving = rollups.iter().zip(segments);
    let serving = serving.map(|(rollup, segments)| serving_of(root, rollup, listed, segments));
    let names = rollups.iter().map(|rollup| rollup.name().to_owned());
    Ok(names.zip(try_join_all(serving).await?).collect())
}

/// How far the listed segments of a rollup serve each day.
async fn serving_of(
    root: &Root,
    rollup: &Rollup,
    listed: Listed<'_>,
    segments: Segments,
) -> Result<BTreeMap<Day, Freshness>> {
    let mut by_month = BTreeMap::new();
    if listed.serving == Serving::Months {
        for month in &segments.months {
            by_month.extend(days_served(root, rollup, listed, month));
        }
    }
    let mut of_days = segments.days.into_iter().peekable();
    let mut known = Vec::with_capacity(listed.days.len());
    let mut unsure = Vec::new();
    for live in listed.days {
        while of_days.next_if(|segments| segments.period.first() < live.day).is_some() {}
        let found = of_days.next_if(|segments| segments.period.first() == live.day);
        if let Some(month) = by_month.remove(&live.day) {
            known.push((live.day, Freshness::Current(month)));
            continue;
        }
        // Of a purged day only what remains answers for an earlier definition: a hint of it could
        // not be made anew, and an erasure wouldn't know of it.
        let found = found.filter(|_| !(live.is_purged() && rollup.is_previous()));
        let segments = found.iter().flat_map(|found| &found.segments);
        let segments = segments.filter(|segment| !root.is_distrusted(&segment.file)).cloned();
        let segments: Vec<_> = segments.collect();
        let unread: Vec<_> = segments.iter().map(|segment| (Arc::clone(segment), None)).collect();
        // Another hint beside the current one may tell of a leaf that is lost. Jobs and `status`
        // look; a query would have to read its footer for each day that was rolled up twice.
        let is_sure = listed.serving == Serving::Months || segments.len() < 2;
        match freshness(live, live.remains_of(rollup), &unread) {
            current @ Freshness::Current(_) if is_sure => known.push((live.day, current)),
            found if live.loose().next().is_none() || segments.is_empty() => {
                known.push((live.day, found));
            }
            _ => unsure.push((Arc::clone(live), segments)),
        }
    }
    let read = stream::iter(unsure)
        .map(|(live, segments)| async move {
            let mut read = Vec::with_capacity(segments.len());
            for segment in segments {
                let built_from = built_from(root, rollup, &segment).await?;
                read.push((segment, built_from));
            }
            let found = freshness(&live, live.remains_of(rollup), &read);
            warn_of_lost(root, &live, &read);
            Ok::<_, Error>((live.day, found))
        })
        .buffered(CONCURRENT_REQUESTS);
    known.extend(read.try_collect::<Vec<_>>().await?);
    known.retain(|(_, found)| !matches!(found, Freshness::Missing));
    Ok(known.into_iter().collect())
}

/// Says of a segment with a leaf that is neither there nor accounted for that it is not used: if
/// nobody took the leaf away on purpose, it is lost.
fn warn_of_lost(
    root: &Root,
    live: &LeafDay,
    segments: &[(Arc<SegmentFile>, Option<BTreeSet<LeafId>>)],
) {
    let manifest = live.base.as_ref().and_then(|base| base.manifest.as_ref());
    let is_known = |id: &LeafId| {
        live.loose().any(|leaf| leaf.id == *id)
            || manifest.is_some_and(|manifest| manifest.ids.contains(id))
    };
    for (segment, built_from) in segments {
        if let Some(lost) = built_from.iter().flatten().find(|id| !is_known(id)) {
            root.warn(&format!(
                "{}: was built from the leaf {lost}, which is gone, and is not used; if nobody took \
                 that leaf away on purpose, its rows are lost: `verify` tells more",
                root.full_name(&segment.file.location)
            ));
        }
    }
}

/// The days that a month's segment serves: all of the month that have rows, or none.
fn days_served(
    root: &Root,
    rollup: &Rollup,
    listed: Listed<'_>,
    month: &PeriodSegments,
) -> Vec<(Day, Arc<SegmentFile>)> {
    let period = month.period;
    if listed.bounds.0 > period.first() || listed.bounds.1 < period.last() {
        return Vec::new();
    }
    let in_it = |live: &&Arc<LeafDay>| period.contains(live.day);
    let is_out =
        |live: &Arc<LeafDay>| live.damage.is_some() || live.is_purged() && rollup.is_previous();
    if listed.days.iter().filter(in_it).any(is_out) {
        return Vec::new();
    }
    let days = || listed.days.iter().filter(in_it).filter(|live| !live.leaves.is_empty());
    let fingerprint = month_fingerprint(days().map(Arc::as_ref));
    let is_trusted = |segment: &&Arc<SegmentFile>| !root.is_distrusted(&segment.file);
    let mut trusted = month.segments.iter().filter(is_trusted);
    let segment = trusted.find(|segment| segment.fingerprint == fingerprint);
    let serve =
        |segment: &Arc<SegmentFile>| days().map(|live| (live.day, Arc::clone(segment))).collect();
    segment.map(serve).unwrap_or_default()
}

/// The leaves that a segment says it was built from; none of one that can't be used, which is
/// named in a warning: raw rows answer in its place.
///
/// # Errors
/// What the store says.
async fn built_from(
    root: &Root,
    rollup: &Rollup,
    segment: &SegmentFile,
) -> Result<Option<BTreeSet<LeafId>>> {
    let footer = match file_footer(root, &segment.file).await {
        Ok(footer) => footer,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid) => {
            root.distrust(&segment.file, &error);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let account = footer.segment().filter(|account| {
        account.is_of(rollup, &segment.fingerprint)
            && account.fingerprint == Fingerprint::of(&account.leaves)
    });
    if account.is_none() {
        let name = root.full_name(&segment.file.location);
        let what = format!("{name}: holds another segment than its name says");
        root.distrust(&segment.file, &Error::corrupt(what));
    }
    Ok(account.map(|account| account.leaves.iter().cloned().collect()))
}
