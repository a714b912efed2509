//! One immutable listing of a root.

use std::{collections::BTreeMap, sync::Arc};

use super::Freshness;
use crate::{
    base::{Day, Span},
    model::{Damage, Leaf, LeafDay},
};

/// The live leaves of each day inside a span, and the freshness of each rollup on those days. A
/// query takes one snapshot. Files that arrive later belong to a later snapshot. Equal snapshots
/// lead to equal plans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    days: BTreeMap<Day, Arc<LeafDay>>,
    /// By rollup name, then day. A day without an entry is [`Freshness::Missing`].
    rollups: BTreeMap<String, BTreeMap<Day, Freshness>>,
}

impl Snapshot {
    /// A snapshot of `days`, with the freshness of `rollups` by name and day. It leaves out days
    /// that have neither leaves nor damage.
    #[must_use]
    pub(crate) fn new(
        days: impl IntoIterator<Item = Arc<LeafDay>>,
        rollups: BTreeMap<String, BTreeMap<Day, Freshness>>,
    ) -> Self {
        let days = days.into_iter();
        let days = days.filter(|day| !day.leaves.is_empty() || day.damage.is_some());
        Self { days: days.map(|day| (day.day, day)).collect(), rollups }
    }

    /// This snapshot, with the freshness of more rollups.
    #[must_use]
    pub(crate) fn with(mut self, rollups: BTreeMap<String, BTreeMap<Day, Freshness>>) -> Self {
        self.rollups.extend(rollups);
        self
    }

    /// The days that have leaves or are damaged, in order.
    pub(crate) fn live_days(&self) -> impl Iterator<Item = &Arc<LeafDay>> {
        self.days.values()
    }

    /// The same snapshot, of the days inside `span` alone.
    #[cfg(test)]
    pub(crate) fn within(&self, span: Span) -> Self {
        let days = self.listed(span).map(|live| (live.day, Arc::clone(live)));
        Self { days: days.collect(), rollups: self.rollups.clone() }
    }

    /// This snapshot, without the rollups that aren't in `rollups`.
    #[must_use]
    pub(crate) fn only(&self, rollups: &[String]) -> Self {
        let kept = self.rollups.iter().filter(|(name, _)| rollups.contains(name));
        let rollups = kept.map(|(name, days)| (name.clone(), days.clone())).collect();
        Self { days: self.days.clone(), rollups }
    }

    /// The undamaged days that touch `span`, with their leaves in the order of their ids.
    pub(crate) fn days(&self, span: Span) -> impl Iterator<Item = (Day, &[Arc<Leaf>])> {
        self.live(span).map(|live| (live.day, live.leaves.as_slice()))
    }

    /// The undamaged days that touch `span`.
    pub(crate) fn live(&self, span: Span) -> impl Iterator<Item = &Arc<LeafDay>> {
        self.listed(span).filter(|live| live.damage.is_none())
    }

    /// The damaged days that touch `span`, each with the reason why it can't be read.
    pub(crate) fn damaged(&self, span: Span) -> impl Iterator<Item = (Day, &Damage)> {
        self.listed(span).filter_map(|live| Some((live.day, live.damage.as_ref()?)))
    }

    fn listed(&self, span: Span) -> impl Iterator<Item = &Arc<LeafDay>> {
        let days = span.day_bounds().map(|(first, last)| self.days.range(first..=last));
        days.into_iter().flatten().map(|(_, live)| live)
    }

    /// Whether rows of an undamaged day that touches `span` were purged.
    #[must_use]
    pub(crate) fn has_purged(&self, span: Span) -> bool {
        self.live(span).any(|live| live.is_purged())
    }

    /// How far the rollup serves each day. A day without an entry is [`Freshness::Missing`].
    pub(crate) fn rollup(&self, rollup: &str) -> Option<&BTreeMap<Day, Freshness>> {
        self.rollups.get(rollup)
    }

    /// How far the rollup serves the day.
    #[must_use]
    pub(crate) fn freshness(&self, rollup: &str, day: Day) -> &Freshness {
        self.rollup(rollup).and_then(|days| days.get(&day)).unwrap_or(&Freshness::Missing)
    }
}
