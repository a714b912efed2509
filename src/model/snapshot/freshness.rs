//! How far a rollup serves a day. Pure.

use std::{collections::BTreeSet, sync::Arc};

use crate::model::{Leaf, LeafDay, LeafId, SegmentFile};

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

/// The best use of `segments`, and of what remains of a purged day, for a day.
///
/// A name that says the day's own fingerprint is current, and needs no look inside. Of the others,
/// with the leaves that each was built from where its footer was read, those serve whose leaves are
/// all live, and which have all leaves that the day's manifest accounts for: these can't be read
/// one by one any more. What remains of a purged day has exactly these. The one that lacks the
/// fewest wins, then the first by name. A segment with a leaf that is no longer live would count
/// rows that aren't there, and is never used.
#[must_use]
pub(crate) fn freshness(
    live: &LeafDay,
    remains: Option<&Arc<SegmentFile>>,
    segments: &[(Arc<SegmentFile>, Option<BTreeSet<LeafId>>)],
) -> Freshness {
    let named = segments.iter().map(|(segment, _)| segment);
    let current = remains.into_iter().chain(named);
    let mut current = current.filter(|segment| segment.fingerprint == live.fingerprint);
    if let Some(segment) = current.next() {
        return Freshness::Current(Arc::clone(segment));
    }
    let absorbed = match live.base.as_ref().map(|base| &base.manifest) {
        None => &[][..],
        Some(Some(manifest)) => manifest.ids.as_slice(),
        // Nothing is loose, so a segment that serves would be current.
        Some(None) => return Freshness::Missing,
    };
    let all: BTreeSet<_> = live.loose().map(|leaf| &leaf.id).chain(absorbed).collect();
    let read = segments.iter().filter_map(|(segment, built_from)| {
        let built_from = built_from.as_ref()?;
        let serves = built_from.iter().all(|id| all.contains(id))
            && absorbed.iter().all(|id| built_from.contains(id));
        let late = live.loose().filter(|leaf| !built_from.contains(&leaf.id));
        serves.then(|| (segment, late.cloned().collect::<Vec<_>>()))
    });
    let remains = remains.map(|segment| (segment, live.loose().cloned().collect::<Vec<_>>()));
    read.chain(remains)
        .min_by_key(|(segment, late)| (late.len(), segment.fingerprint.clone()))
        .map_or(Freshness::Missing, |(segment, late)| Freshness::Behind {
            segment: Arc::clone(segment),
            late,
        })
}
