//! What there is to build, and why. Pure.

use std::{fmt, sync::Arc};

use crate::{
    base::{Day, Span},
    catalog::{Freshness, Snapshot},
    model::Rollup,
    store::LeafDay,
};

/// Why a segment is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The day has none.
    Missing,
    /// The day's lacks that many leaves.
    Behind {
        /// The leaves that came since.
        leaves: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Behind { leaves: 1 } => f.write_str("behind by 1 leaf"),
            Self::Behind { leaves } => write!(f, "behind by {leaves} leaves"),
        }
    }
}

/// One segment to build.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// The day.
    pub day: Day,
    /// The rollup.
    pub rollup: &'a Rollup,
    /// Why.
    pub reason: Reason,
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
