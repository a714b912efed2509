//! What there is to build, and why. Pure.

use std::sync::Arc;

use crate::{
    base::{Day, Span},
    jobs::report::Reason,
    model::{Freshness, LeafDay, Rollup, Snapshot},
};

/// One day's segment to build.
#[derive(Clone, Debug)]
pub(crate) struct Task<'a> {
    /// The day.
    pub(crate) day: Day,
    /// The rollup.
    pub(crate) rollup: &'a Rollup,
    /// Why.
    pub(crate) reason: Reason,
    /// The day's raw rows.
    pub(crate) live: Arc<LeafDay>,
    /// How far a segment serves already.
    pub(crate) freshness: Freshness,
}

/// The segments that the days of `span` lack, by day and then in the order of `rollups`.
#[must_use]
pub(crate) fn tasks<'a>(snapshot: &Snapshot, span: Span, rollups: &[&'a Rollup]) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    for live in snapshot.live(span) {
        for rollup in rollups {
            let freshness = snapshot.freshness(rollup.name(), live.day);
            let reason = match freshness {
                Freshness::Current(_) => continue,
                Freshness::Missing => Reason::Missing,
                Freshness::Behind { late, .. } => Reason::Behind { leaves: late.len() },
            };
            let (live, freshness) = (Arc::clone(live), freshness.clone());
            tasks.push(Task { day: live.day, rollup, reason, live, freshness });
        }
    }
    tasks
}
