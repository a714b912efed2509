//! Taking a snapshot: list, then look into the few footers that names leave open.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream, try_join};

use super::{Freshness, Snapshot, freshness};
use crate::{
    base::{Day, Error, Result, Span},
    model::{Fingerprint, LeafId, Rollup},
    store::{
        FileFooter, LeafDay, Root, SegmentDay, SegmentFile, list_leaves, list_segments,
        read_metadata,
    },
};

/// Requests under way at once.
const CONCURRENT_REQUESTS: usize = 32;

/// Lists what touches `span`: raw files, and segments of those rollups.
///
/// All is listed at once. A segment that a builder adds meanwhile may hold a leaf that this
/// snapshot doesn't have; its leaves are then not all live, and it is not used.
///
/// # Errors
/// What the store says; `Corrupt` naming the segment whose footer can't be read.
pub(crate) async fn load<'r>(
    root: &Root,
    span: Span,
    rollups: impl IntoIterator<Item = &'r Rollup>,
) -> Result<Snapshot> {
    let Some(bounds) = span.day_bounds() else { return Ok(Snapshot::default()) };
    let rollups: Vec<_> = rollups.into_iter().collect();
    let segments = rollups.iter().map(|rollup| list_segments(root, rollup, bounds));
    let (days, segments) = try_join!(list_leaves(root, bounds), try_join_all(segments))?;
    let of_rollups = rollups.iter().zip(segments);
    let of_rollups = of_rollups.map(|(rollup, segments)| serving(root, rollup, &days, segments));
    let of_rollups = try_join_all(of_rollups).await?;
    let names = rollups.iter().map(|rollup| rollup.name().to_owned());
    Ok(Snapshot::new(days, names.zip(of_rollups).collect()))
}

/// How far the listed segments of a rollup serve each day.
async fn serving(
    root: &Root,
    rollup: &Rollup,
    days: &[Arc<LeafDay>],
    listed: Vec<Arc<SegmentDay>>,
) -> Result<BTreeMap<Day, Freshness>> {
    let mut listed = listed.into_iter().peekable();
    let mut known = Vec::with_capacity(days.len());
    let mut unsure = Vec::new();
    for live in days {
        while listed.next_if(|segments| segments.day < live.day).is_some() {}
        let Some(segments) = listed.next_if(|segments| segments.day == live.day) else { continue };
        let unread = segments.segments.iter().map(|segment| (Arc::clone(segment), None));
        match freshness(&live.leaves, &live.fingerprint, &unread.collect::<Vec<_>>()) {
            Freshness::Missing => unsure.push((Arc::clone(live), segments)),
            current => known.push((live.day, current)),
        }
    }
    let read = stream::iter(unsure)
        .map(|(live, segments)| async move {
            let mut read = Vec::with_capacity(segments.segments.len());
            for segment in &segments.segments {
                let built_from = built_from(root, rollup, segment).await?;
                read.push((Arc::clone(segment), Some(built_from)));
            }
            Ok::<_, Error>((live.day, freshness(&live.leaves, &live.fingerprint, &read)))
        })
        .buffered(CONCURRENT_REQUESTS);
    known.extend(read.try_collect::<Vec<_>>().await?);
    Ok(known.into_iter().collect())
}

/// The leaves that a segment says it was built from; what it says is checked against its name.
async fn built_from(
    root: &Root,
    rollup: &Rollup,
    segment: &SegmentFile,
) -> Result<BTreeSet<LeafId>> {
    let name = root.full_name(&segment.file.location);
    let metadata = read_metadata(root, &segment.file).await?;
    let footer = FileFooter::of(&metadata).map_err(|error| error.about(&name))?;
    let account = footer
        .segment()
        .filter(|account| {
            account.fingerprint == segment.fingerprint
                && account.fingerprint == Fingerprint::of(&account.leaves)
                && account.definition == rollup.definition_hash()
        })
        .ok_or_else(|| {
            Error::corrupt(format!(
                "{name}: holds another segment than its name says; delete it and run rollup again"
            ))
        })?;
    Ok(account.leaves.iter().cloned().collect())
}
