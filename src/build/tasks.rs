//! What there is to build, and why. Pure.

use std::{fmt, sync::Arc};

use crate::{
    base::{Day, Span},
    catalog::{Freshness, Snapshot},
    model::Rollup,
    store::Leaf,
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
    /// All live leaves of the day.
    pub leaves: Vec<Arc<Leaf>>,
}

/// The segments that the days of `span` lack, by day and then in the order of `rollups`.
#[must_use]
pub(crate) fn tasks<'a>(snapshot: &Snapshot, span: Span, rollups: &[&'a Rollup]) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    for (day, leaves) in snapshot.days(span) {
        for rollup in rollups {
            let reason = match snapshot.freshness(rollup.name(), day) {
                Freshness::Current(_) => continue,
                Freshness::Missing => Reason::Missing,
                Freshness::Behind { late, .. } => Reason::Behind { leaves: late.len() },
            };
            tasks.push(Task { day, rollup, reason, leaves: leaves.to_vec() });
        }
    }
    tasks
}
