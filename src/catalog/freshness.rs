//! How far a rollup serves a day. Pure.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    model::{Fingerprint, LeafId},
    store::{Leaf, SegmentFile},
};

/// How far a rollup serves a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// A segment of exactly the live leaves.
    Current(Arc<SegmentFile>),
    /// A segment of some of the live leaves, and those that it lacks.
    Behind {
        /// The segment.
        segment: Arc<SegmentFile>,
        /// The leaves to read raw beside it; never empty.
        late: Vec<Arc<Leaf>>,
    },
    /// No segment that may be used.
    Missing,
}

/// The best use of `segments` for a day of these leaves, whose fingerprint that is.
///
/// A name that says the leaves' own fingerprint is current, and needs no look inside. Of the
/// others, with the leaves that each was built from where its footer was read, those serve whose
/// leaves are all live; the one that lacks the fewest wins, then the first by name. A segment with
/// a leaf that is no longer live would count rows that aren't there, and is never used.
#[must_use]
pub(crate) fn freshness(
    leaves: &[Arc<Leaf>],
    fingerprint: &Fingerprint,
    segments: &[(Arc<SegmentFile>, Option<BTreeSet<LeafId>>)],
) -> Freshness {
    let current = segments.iter().find(|(segment, _)| segment.fingerprint == *fingerprint);
    if let Some((segment, _)) = current {
        return Freshness::Current(Arc::clone(segment));
    }
    let live: BTreeSet<_> = leaves.iter().map(|leaf| &leaf.id).collect();
    segments
        .iter()
        .filter_map(|(segment, built_from)| {
            let built_from = built_from.as_ref()?;
            if !built_from.iter().all(|id| live.contains(id)) {
                return None;
            }
            let late: Vec<_> =
                leaves.iter().filter(|leaf| !built_from.contains(&leaf.id)).cloned().collect();
            Some((segment, late))
        })
        .min_by_key(|(segment, late)| (late.len(), segment.fingerprint.clone()))
        .map_or(Freshness::Missing, |(segment, late)| Freshness::Behind {
            segment: Arc::clone(segment),
            late,
        })
}
