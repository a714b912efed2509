//! Taking a snapshot: list, then look into the few footers that names leave open.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use object_store::ObjectMeta;

use super::{Freshness, Snapshot, freshness};
use crate::{
    base::{Day, Error, Result, Span},
    model::{Dataset, Fingerprint, LeafId, Rollup},
    store::{
        FileFooter, Leaf, Root, SegmentFile, list_days, raw_prefix, read_metadata, segments_prefix,
    },
};

/// Up to so many days, each day's folder of a remote store is listed; beyond, the whole of `raw/`.
const DAY_LISTINGS_MAX: i64 = 31;

/// Requests under way at once.
const CONCURRENT_REQUESTS: usize = 32;

/// Lists what touches `span`.
///
/// Segments are listed after leaves, so that a segment seen is never newer than the leaves seen:
/// one that a builder adds in between has a fingerprint of leaves that this snapshot doesn't have.
///
/// # Errors
/// What the store says; `Corrupt` naming the segment whose footer can't be read.
pub(crate) async fn load(root: &Root, dataset: &Dataset, span: Span) -> Result<Snapshot> {
    let leaves = list_leaves(root, span).await?;
    let mut snapshot = Snapshot::new(leaves, BTreeMap::new());
    if snapshot.days(span).next().is_none() {
        return Ok(snapshot);
    }
    let days = snapshot.days(span);
    let days: Vec<_> = days
        .map(|(day, leaves)| (day, leaves, Fingerprint::of(leaves.iter().map(|leaf| &leaf.id))))
        .collect();
    let rollups = dataset.rollups().iter();
    let rollups = try_join_all(rollups.map(|rollup| load_rollup(root, rollup, &days, span)));
    let names = dataset.rollups().iter().map(|rollup| rollup.name().to_owned());
    let rollups = names.zip(rollups.await?).collect();
    snapshot.rollups = rollups;
    Ok(snapshot)
}

async fn list_leaves(root: &Root, span: Span) -> Result<Vec<Leaf>> {
    let prefix = raw_prefix();
    let Some((first, last)) = span.day_bounds() else { return Ok(Vec::new()) };
    let files = list_days(root, &prefix, (first, last), DAY_LISTINGS_MAX).await?;
    Ok(files
        .into_iter()
        .map(|(name, file)| {
            let id = LeafId::parse(&name.stem).unwrap_or_else(|| foreign_id(&file));
            Leaf { id, day: name.day, file }
        })
        .collect())
}

fn foreign_id(file: &ObjectMeta) -> LeafId {
    let version = match (&file.e_tag, &file.version) {
        (Some(tag), _) => tag.clone(),
        (None, Some(version)) => version.clone(),
        (None, None) => file.last_modified.to_rfc3339(),
    };
    LeafId::of_foreign(file.location.as_ref(), file.size, &version)
}

async fn load_rollup(
    root: &Root,
    rollup: &Rollup,
    live: &[(Day, &[Arc<Leaf>], Fingerprint)],
    span: Span,
) -> Result<BTreeMap<Day, Freshness>> {
    let prefix = segments_prefix(rollup);
    let mut listed: BTreeMap<Day, Vec<Arc<SegmentFile>>> = BTreeMap::new();
    let Some(bounds) = span.day_bounds() else { return Ok(BTreeMap::new()) };
    for (name, file) in list_days(root, &prefix, bounds, 0).await? {
        if let Some(fingerprint) = Fingerprint::parse(&name.stem) {
            let segment = SegmentFile { day: name.day, fingerprint, file };
            listed.entry(name.day).or_default().push(Arc::new(segment));
        }
    }
    let mut days = BTreeMap::new();
    let mut unsure = Vec::new();
    for (day, leaves, fingerprint) in live {
        let Some(segments) = listed.remove(day) else { continue };
        let unread: Vec<_> = segments.into_iter().map(|segment| (segment, None)).collect();
        match freshness(leaves, fingerprint, &unread) {
            Freshness::Missing => unsure.push((*day, leaves.to_vec(), fingerprint.clone(), unread)),
            known => drop(days.insert(*day, known)),
        }
    }
    let read = stream::iter(unsure)
        .map(|(day, leaves, fingerprint, unread)| async move {
            let mut read = Vec::with_capacity(unread.len());
            for (segment, _) in unread {
                let built_from = built_from(root, rollup, &segment).await?;
                read.push((segment, Some(built_from)));
            }
            Ok::<_, Error>((day, freshness(&leaves, &fingerprint, &read)))
        })
        .buffered(CONCURRENT_REQUESTS);
    days.extend(read.try_collect::<Vec<_>>().await?);
    Ok(days)
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
