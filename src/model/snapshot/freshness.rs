//! How far a rollup serves a day. The decision is a pure function.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{EventProof, Leaf, LeafDay, LeafId, LeafKind, SegmentFile, are_apart};

/// What the footers of a day's raw files prove about their events.
pub(crate) type EventProofs = BTreeMap<LeafId, EventProof>;

/// How far a rollup serves a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// A segment that was built from exactly the live leaves.
    Current(Arc<SegmentFile>),
    /// A segment that was built from some of the live leaves, and the leaves that it lacks.
    Behind {
        /// The segment.
        segment: Arc<SegmentFile>,
        /// The leaves to read raw beside it; never empty.
        late: Vec<Arc<Leaf>>,
    },
    /// No segment can be used.
    Missing,
}

/// The best use that can be made of `segments`, and of the remains of a purged day, for a day.
/// Each segment comes with the ids of the leaves that it was built from, if its footer was read.
///
/// A segment whose name is the day's fingerprint is current: its footer needn't be read. Any other
/// segment can serve under these conditions:
///
/// - Every leaf that it was built from is live or absorbed by the day's manifest. A segment with
///   any other leaf would count rows that don't exist.
///
/// - It was built from every leaf that the manifest absorbed. Absorbed leaves can't be read one by
///   one any more.
///
/// - Where copies of an event count once, no late leaf holds a copy of an event that the segment
///   counted, as `proofs` prove. Events that were purged are left out where late leaves are read.
///
/// The remains of a purged day were built from exactly the absorbed leaves. The segment that lacks
/// the fewest leaves wins, then the first by name.
#[must_use]
pub(crate) fn freshness(
    live: &LeafDay,
    remains: Option<&Arc<SegmentFile>>,
    segments: &[(Arc<SegmentFile>, Option<BTreeSet<LeafId>>)],
    proofs: Option<&EventProofs>,
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
        // Without the manifest at hand there are no loose leaves, so a usable segment would be
        // current.
        Some(None) => return Freshness::Missing,
    };
    let all: BTreeSet<_> = live.loose().map(|leaf| &leaf.id).chain(absorbed).collect();
    let read = segments.iter().filter_map(|(segment, built_from)| {
        let built_from = built_from.as_ref()?;
        let serves = built_from.iter().all(|id| all.contains(id))
            && absorbed.iter().all(|id| built_from.contains(id));
        let late = live.loose().filter(|leaf| !built_from.contains(&leaf.id));
        let late: Vec<_> = late.cloned().collect();
        let serves = serves
            && proofs.is_none_or(|proofs| {
                late.iter().all(|leaf| is_apart(live, leaf, built_from, proofs))
            });
        serves.then_some((segment, late))
    });
    let remains = remains.map(|segment| (segment, live.loose().cloned().collect::<Vec<_>>()));
    read.chain(remains)
        .min_by_key(|(segment, late)| (late.len(), segment.fingerprint.clone()))
        .map_or(Freshness::Missing, |(segment, late)| Freshness::Behind {
            segment: Arc::clone(segment),
            late,
        })
}

/// Whether a late leaf is proven to hold no copy of an event of the leaves in `built_from`. The
/// rows of absorbed leaves are in the day's compacted files.
fn is_apart(
    live: &LeafDay,
    late: &Leaf,
    built_from: &BTreeSet<LeafId>,
    proofs: &EventProofs,
) -> bool {
    let proven = |leaf: &Leaf| proofs.get(&leaf.id);
    let others = live
        .leaves
        .iter()
        .filter(|leaf| built_from.contains(&leaf.id) || matches!(leaf.kind, LeafKind::Compacted));
    others.map(Arc::as_ref).all(|other| are_apart((late, proven(late)), (other, proven(other))))
}
