//! How far a rollup serves a day. The decision is a pure function.

use std::{collections::BTreeSet, sync::Arc};

use crate::model::{Leaf, LeafDay, LeafId, SegmentFile};

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
/// segment can serve under two conditions:
///
/// - Every leaf that it was built from is live or absorbed by the day's manifest. A segment with
///   any other leaf would count rows that don't exist.
///
/// - It was built from every leaf that the manifest absorbed. Absorbed leaves can't be read one by
///   one any more.
///
/// The remains of a purged day were built from exactly the absorbed leaves. The segment that lacks
/// the fewest leaves wins, then the first by name.
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
