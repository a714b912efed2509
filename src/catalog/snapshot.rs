//! One listing of a root, which never changes.

use std::{collections::BTreeMap, sync::Arc};

use super::Freshness;
use crate::{
    base::{Day, Span},
    store::Leaf,
};

/// The live leaves of each day inside a span, and the freshness of each rollup there. Taken once
/// per query; what comes later is another snapshot's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(super) leaves: BTreeMap<Day, Vec<Arc<Leaf>>>,
    /// By rollup, then day. A day that isn't there is missing.
    pub(super) rollups: BTreeMap<String, BTreeMap<Day, Freshness>>,
}

impl Snapshot {
    /// A snapshot of those leaves and that freshness, by rollup name and day.
    #[must_use]
    pub(crate) fn new(
        leaves: impl IntoIterator<Item = Leaf>,
        rollups: BTreeMap<String, BTreeMap<Day, Freshness>>,
    ) -> Self {
        let mut days: BTreeMap<Day, Vec<Arc<Leaf>>> = BTreeMap::new();
        for leaf in leaves {
            days.entry(leaf.day).or_default().push(Arc::new(leaf));
        }
        for leaves in days.values_mut() {
            leaves.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Self { leaves: days, rollups }
    }

    /// The days that touch `span` and have raw rows, with their leaves in the order of their ids.
    pub(crate) fn days(&self, span: Span) -> impl Iterator<Item = (Day, &[Arc<Leaf>])> {
        let days = span.day_bounds().map(|(first, last)| self.leaves.range(first..=last));
        days.into_iter().flatten().map(|(day, leaves)| (*day, leaves.as_slice()))
    }

    /// How far that rollup serves each day; a day that isn't there is missing.
    pub(crate) fn rollup(&self, rollup: &str) -> Option<&BTreeMap<Day, Freshness>> {
        self.rollups.get(rollup)
    }

    /// How far that rollup serves that day.
    #[must_use]
    pub(crate) fn freshness(&self, rollup: &str, day: Day) -> &Freshness {
        self.rollup(rollup).and_then(|days| days.get(&day)).unwrap_or(&Freshness::Missing)
    }
}
