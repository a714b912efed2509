//! The segments to build, and why. Pure.

use std::sync::Arc;

use crate::{
    base::{Day, Span},
    jobs::report::BuildReason,
    model::{Freshness, LeafDay, Rollup, Snapshot},
};

/// One day's segment to build.
#[derive(Clone, Debug)]
pub(crate) struct Task<'a> {
    /// The day.
    pub(crate) day: Day,
    /// The rollup.
    pub(crate) rollup: &'a Rollup,
    /// The reason to build it.
    pub(crate) reason: BuildReason,
    /// The day's raw rows: the files that hold them, and the leaves that they came as.
    pub(crate) live: Arc<LeafDay>,
    /// How far a segment serves the day already.
    pub(crate) freshness: Freshness,
}

/// The tasks for the segments that days of `span` lack, by day and then in the order of
/// `rollups`. A day that lost raw rows has none: segments of the other rows must not replace
/// segments that count all rows.
#[must_use]
pub(crate) fn tasks<'a>(snapshot: &Snapshot, span: Span, rollups: &[&'a Rollup]) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    for live in snapshot.live(span).filter(|live| live.is_purged() || live.lost.is_empty()) {
        for rollup in rollups {
            let freshness = snapshot.freshness(rollup.name(), live.day);
            let reason = match freshness {
                Freshness::Current(_) => continue,
                Freshness::Missing => BuildReason::Missing,
                Freshness::Behind { late, .. } => BuildReason::Behind { leaves: late.len() },
            };
            let (live, freshness) = (Arc::clone(live), freshness.clone());
            tasks.push(Task { day: live.day, rollup, reason, live, freshness });
        }
    }
    tasks
}
