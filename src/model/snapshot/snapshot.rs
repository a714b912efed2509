//! One listing of a root, which never changes.

use std::{collections::BTreeMap, sync::Arc};

use super::Freshness;
use crate::{
    base::{Day, Span},
    model::{Damage, Leaf, LeafDay},
};

/// The live leaves of each day inside a span, and the freshness of each rollup there. Taken once
/// per query; what comes later is another snapshot's. Equal ones lead to the same plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    days: BTreeMap<Day, Arc<LeafDay>>,
    /// By rollup, then day. A day that isn't there is missing.
    rollups: BTreeMap<String, BTreeMap<Day, Freshness>>,
}

impl Snapshot {
    /// A snapshot of those days and that freshness, by rollup name and day.
    #[must_use]
    pub(crate) fn new(
        days: impl IntoIterator<Item = Arc<LeafDay>>,
        rollups: BTreeMap<String, BTreeMap<Day, Freshness>>,
    ) -> Self {
        let days = days.into_iter();
        let days = days.filter(|day| !day.leaves.is_empty() || day.damage.is_some());
        Self { days: days.map(|day| (day.day, day)).collect(), rollups }
    }

    /// The same, and what is known of more rollups.
    #[must_use]
    pub(crate) fn with(mut self, rollups: BTreeMap<String, BTreeMap<Day, Freshness>>) -> Self {
        self.rollups.extend(rollups);
        self
    }

    /// The days that have raw rows, in order.
    pub(crate) fn live_days(&self) -> impl Iterator<Item = &Arc<LeafDay>> {
        self.days.values()
    }

    /// The same, as if there were no other rollups than those.
    #[must_use]
    pub(crate) fn only(&self, rollups: &[String]) -> Self {
        let kept = self.rollups.iter().filter(|(name, _)| rollups.contains(name));
        let rollups = kept.map(|(name, days)| (name.clone(), days.clone())).collect();
        Self { days: self.days.clone(), rollups }
    }

    /// The days that touch `span` and have raw rows, with their leaves in the order of their ids.
    pub(crate) fn days(&self, span: Span) -> impl Iterator<Item = (Day, &[Arc<Leaf>])> {
        self.live(span).map(|live| (live.day, live.leaves.as_slice()))
    }

    /// The days that touch `span` and have raw rows, whole; but for those that can't be read.
    pub(crate) fn live(&self, span: Span) -> impl Iterator<Item = &Arc<LeafDay>> {
        self.listed(span).filter(|live| live.damage.is_none())
    }

    /// The days that touch `span` and can't be read, with the reason.
    pub(crate) fn damaged(&self, span: Span) -> impl Iterator<Item = (Day, &Damage)> {
        self.listed(span).filter_map(|live| Some((live.day, live.damage.as_ref()?)))
    }

    fn listed(&self, span: Span) -> impl Iterator<Item = &Arc<LeafDay>> {
        let days = span.day_bounds().map(|(first, last)| self.days.range(first..=last));
        days.into_iter().flatten().map(|(_, live)| live)
    }

    /// Whether rows of a day that touches `span` were purged.
    #[must_use]
    pub(crate) fn has_purged(&self, span: Span) -> bool {
        self.live(span).any(|live| live.is_purged())
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
