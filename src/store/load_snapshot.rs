//! Taking a snapshot: list the files, then read the few footers that are needed because the names
//! don't say enough.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream, try_join};

use crate::{
    base::{Day, Error, ErrorKind, Result, Span},
    model::{
        EventProofs, Fingerprint, Freshness, LeafDay, LeafId, PeriodSegments, Rollup, SegmentFile,
        Snapshot, Unique, freshness, month_fingerprint,
    },
    store::{
        Root, Segments, file_footer, has_foreign, has_raw_files, leaf_ids, list_leaves,
        list_segments,
    },
};

/// Requests that run concurrently.
const CONCURRENT_REQUESTS: usize = 32;

/// Which segments may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serving {
    /// Only segments of days, and the remains of purged days. Jobs use this variant: segments of
    /// months are built from segments of days.
    Days,
    /// A segment of a month replaces the segments of its days when it covers the current rows of
    /// all days of the month.
    Months,
}

/// Lists the raw files and the segments of the given rollups in `span`, a span of UTC days.
///
/// All listings run concurrently. A segment that is created meanwhile may hold a leaf that is
/// missing from the snapshot. Such a segment has a leaf that is not live, and is not used.
///
/// # Errors
/// Any error from the store.
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

/// The snapshot of `span`, extended by the freshness of the rollups that the snapshot doesn't
/// know.
///
/// # Errors
/// See [`load`].
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

/// The listed days, and which segments may serve them.
#[derive(Clone, Copy)]
struct Listed<'a> {
    bounds: (Day, Day),
    days: &'a [Arc<LeafDay>],
    serving: Serving,
}

/// The freshness of each rollup for each day, by the rollup's listed segments.
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

/// The freshness of one rollup for each day, by its listed segments. Days without a usable
/// segment are left out.
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
    let mut without_rows = None;
    for live in listed.days {
        while let Some(segments) = of_days.next_if(|it| it.period.first() < live.day) {
            without_rows = without_rows.or(day_of(&segments));
        }
        let found = of_days.next_if(|segments| segments.period.first() == live.day);
        if let Some(month) = by_month.remove(&live.day) {
            known.push((live.day, Freshness::Current(month)));
            continue;
        }
        // For a previous definition, only the remains answer on a purged day. A hint of a
        // previous definition couldn't be built again, and an erasure wouldn't know of the hint.
        let found = found
            .filter(|_| !(rollup.counts_otherwise() || live.is_purged() && rollup.is_previous()));
        let segments = found.iter().flat_map(|found| &found.segments);
        let segments = segments.filter(|segment| !root.is_distrusted(&segment.file)).cloned();
        let segments: Vec<_> = segments.collect();
        let unread: Vec<_> = segments.iter().map(|segment| (Arc::clone(segment), None)).collect();
        // Another hint beside the current one may prove that a leaf is lost. Jobs and `status`
        // check the other hints. A query would have to read their footers for each day that was
        // rolled up twice, so a query doesn't.
        let is_sure = listed.serving == Serving::Months || segments.len() < 2;
        match freshness(live, live.remains_of(rollup), &unread, None) {
            current @ Freshness::Current(_) if is_sure => known.push((live.day, current)),
            found if segments.is_empty() || is_sure && live.loose().next().is_none() => {
                known.push((live.day, found));
            }
            _ => unsure.push((Arc::clone(live), segments)),
        }
    }
    without_rows = without_rows.or_else(|| of_days.find_map(|segments| day_of(&segments)));
    if let Some(day) = without_rows {
        warn_without_rows(root, day).await?;
    }
    let read = stream::iter(unsure)
        .map(|(live, segments)| async move {
            let mut read = Vec::with_capacity(segments.len());
            for segment in segments {
                let built_from = built_from(root, rollup, &segment).await?;
                read.push((segment, built_from));
            }
            let proofs = match rollup.unique() {
                None => None,
                Some(rule) => Some(event_proofs(root, rule, &live).await?),
            };
            let found = freshness(&live, live.remains_of(rollup), &read, proofs.as_ref());
            warn_of_lost(root, &live, &read).await?;
            Ok::<_, Error>((live.day, found))
        })
        .buffered(CONCURRENT_REQUESTS);
    known.extend(read.try_collect::<Vec<_>>().await?);
    known.retain(|(_, found)| !matches!(found, Freshness::Missing));
    Ok(known.into_iter().collect())
}

/// The day of these segments, if there are any.
fn day_of(segments: &PeriodSegments) -> Option<Day> {
    (!segments.segments.is_empty()).then(|| segments.period.first())
}

/// Warns when a day has segments and no raw file. The day is listed again, as both may have arrived
/// while the days were listed.
///
/// # Errors
/// Any error from the store.
async fn warn_without_rows(root: &Root, day: Day) -> Result<()> {
    if !has_raw_files(root, day).await? {
        root.warn(&format!(
            "{day}: rollups were built of rows, and all of its raw files are gone, so no row of it \
             counts; `status` names each such day"
        ));
    }
    Ok(())
}

/// Warns when a segment was built from an unknown leaf: one that is neither present nor accounted
/// for by the manifest. Such a segment is not used. Unless somebody removed the leaf on purpose,
/// the leaf is lost. Days with files of other tools show nothing, as these tools may replace them;
/// nor do purged days, where an erasure that died leaves a mark that no manifest has.
///
/// # Errors
/// `Unavailable` when the store refuses.
async fn warn_of_lost(
    root: &Root,
    live: &LeafDay,
    segments: &[(Arc<SegmentFile>, Option<BTreeSet<LeafId>>)],
) -> Result<()> {
    if live.is_purged() {
        return Ok(());
    }
    let loose: BTreeSet<&LeafId> = live.loose().map(|leaf| &leaf.id).collect();
    let mut others: Vec<&LeafId> = Vec::new();
    for (_, built_from) in segments {
        others.extend(built_from.iter().flatten().filter(|id| !loose.contains(id)));
    }
    if others.is_empty() {
        return Ok(());
    }
    let known = match ids_without_foreign(root, live).await {
        Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
        // A damaged manifest beside a tag that decides the day is `verify`'s to report.
        Err(_) | Ok(None) => return Ok(()),
        // Sorted.
        Ok(Some(ids)) => ids,
    };
    if let Some(lost) = others.into_iter().find(|id| known.binary_search(id).is_err()) {
        root.warn(&format!(
            "{}: rollups were built from the leaf {lost} of this day, which is gone; they are not \
             used. If nobody took that leaf away on purpose, its rows are lost: run `verify`",
            live.day
        ));
    }
    Ok(())
}

/// The ids of the day's leaves, sorted; `None` if the day has or had files of other tools.
async fn ids_without_foreign(root: &Root, live: &LeafDay) -> Result<Option<Vec<LeafId>>> {
    if has_foreign(root, live).await? { Ok(None) } else { leaf_ids(root, live).await.map(Some) }
}

/// What the footers of a day's raw files prove about their events. Files of other tools, and
/// files that can't be read, prove nothing.
///
/// # Errors
/// `Unavailable` when the store refuses.
async fn event_proofs(root: &Root, rule: &Unique, live: &LeafDay) -> Result<EventProofs> {
    let mut proofs = EventProofs::new();
    for leaf in live.leaves.iter().filter(|leaf| !leaf.is_purged()) {
        match file_footer(root, &leaf.file).await {
            Ok(footer) => {
                let proof = footer.events().cloned().and_then(|proof| proof.under(rule));
                proofs.extend(proof.map(|proof| (leaf.id.clone(), proof)));
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
            Err(_) => {}
        }
    }
    Ok(proofs)
}

/// The days that a month's segment serves: all days of the month that have rows, or none.
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
    if rollup.counts_otherwise() {
        return Vec::new();
    }
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

/// The leaves that a segment was built from, by its footer. `None` when the segment is gone or
/// unusable. A warning names an unusable segment, and raw rows answer instead.
///
/// # Errors
/// Any error from the store.
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
    let of_segment = footer.segment().filter(|found| {
        found.is_of(rollup, &segment.fingerprint)
            && found.fingerprint == Fingerprint::of(&found.leaves)
    });
    if of_segment.is_none() {
        let name = root.full_name(&segment.file.location);
        let what = format!("{name}: holds another segment than its name says");
        root.distrust(&segment.file, &Error::corrupt(what));
    }
    Ok(of_segment.map(|found| found.leaves.iter().cloned().collect()))
}
