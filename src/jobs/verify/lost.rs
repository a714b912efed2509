//! Segments that show that a leaf is lost.

use std::{collections::BTreeSet, sync::Arc};

use super::{Difference, listed::Listed};
use crate::{
    base::{Day, ErrorKind, Result},
    jobs::JobContext,
    model::{LeafDay, LeafId, SegmentFile},
    store::{file_footer, has_foreign, leaf_ids},
};

/// The first segment of the day that was built from a lost leaf: one that is neither there nor
/// accounted for by the day's manifest. On a day with files of other tools, and on a purged day,
/// only leaves that a claim lists count: other tools replace their files, and an erasure that died
/// leaves a mark in a segment that no manifest has.
///
/// # Errors
/// `NotFound` when a listed file is gone; `Unavailable` when the store refuses.
pub(super) async fn check(
    context: JobContext<'_>,
    listed: &Listed,
    day: Day,
    live: Option<&Arc<LeafDay>>,
) -> Result<Option<Difference>> {
    let current = live.map(|live| &live.fingerprint);
    let segments = listed.segments(day).flatten().flat_map(|found| &found.segments);
    let others: Vec<_> = segments.filter(|segment| Some(&segment.fingerprint) != current).collect();
    let known: BTreeSet<LeafId> = match live {
        Some(live) if !others.is_empty() => {
            leaf_ids(context.root, live).await?.into_iter().collect()
        }
        _ => BTreeSet::new(),
    };
    let only_claimed = match live {
        Some(live) if !others.is_empty() => {
            live.is_purged() || has_foreign(context.root, live).await?
        }
        _ => false,
    };
    for segment in others {
        let leaves = leaves_of(context, segment).await?;
        let is_lost = |leaf: &LeafId| {
            !known.contains(leaf) && (!only_claimed || listed.claims.leaves.contains_key(leaf))
        };
        if let Some(lost) = leaves.into_iter().find(is_lost) {
            let what = format!(
                "was built from the leaf {lost} of {day}, which is gone; copy it again, or append its \
                 batch again; if it was deleted on purpose, delete this file, too"
            );
            return Ok(Some(Difference {
                file: context.root.full_name(&segment.file.location),
                what,
            }));
        }
    }
    Ok(None)
}

/// The leaves that a segment was built from; none for a damaged segment, which is no longer used.
async fn leaves_of(context: JobContext<'_>, segment: &SegmentFile) -> Result<Vec<LeafId>> {
    let footer = match file_footer(context.root, &segment.file).await {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            context.root.distrust(&segment.file, &error);
            return Ok(Vec::new());
        }
        footer => footer?,
    };
    Ok(footer.segment().map(|footer| footer.leaves.clone()).unwrap_or_default())
}
