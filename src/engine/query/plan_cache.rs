//! Queries that were planned before: as long as a new snapshot shows the same files, the same
//! plan is run again. Plans are kept, never answers.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use datafusion::logical_expr::LogicalPlan;

use crate::{
    base::Span,
    engine::Query,
    model::Snapshot,
    plan::{Decision, RawReason, Source},
};

/// Plans that are kept; those least recently asked for go first.
const PLANS_MAX: usize = 64;

/// Optimized plans by query.
#[derive(Debug, Default)]
pub(crate) struct PlanCache {
    kept: Mutex<MetadataCache>,
}

#[derive(Debug, Default)]
struct MetadataCache {
    plans: HashMap<Query, (Arc<Prepared>, u64)>,
    /// Counts queries, to tell what was asked last.
    time: u64,
}

/// A query's plan over the files of one snapshot.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The span that the snapshot is of.
    pub(crate) span: Span,
    /// The rollups whose segments the plan depends on.
    pub(crate) rollups: Vec<String>,
    /// What exists of the raw log and of those rollups.
    pub(crate) snapshot: Snapshot,
    /// Over its files, optimized.
    pub(crate) plan: LogicalPlan,
    pub(crate) decision: Arc<Decision>,
}

impl Prepared {
    pub(crate) fn new(
        span: Span,
        snapshot: &Snapshot,
        plan: LogicalPlan,
        decision: Arc<Decision>,
    ) -> Self {
        let rollups = rollups_of(&decision);
        let snapshot = snapshot.only(&rollups);
        Self { span, rollups, snapshot, plan, decision }
    }
}

impl PlanCache {
    /// That query's plan, if it is kept.
    pub(crate) fn find(&self, query: &Query) -> Option<Arc<Prepared>> {
        let mut kept = self.kept();
        kept.time += 1;
        let time = kept.time;
        let (prepared, used) = kept.plans.get_mut(query)?;
        *used = time;
        Some(Arc::clone(prepared))
    }

    /// Keeps that query's plan in permit of an older one.
    pub(crate) fn keep(&self, query: &Query, prepared: Prepared) {
        let mut kept = self.kept();
        let time = kept.time;
        kept.plans.insert(query.clone(), (Arc::new(prepared), time));
        if kept.plans.len() > PLANS_MAX {
            let oldest = kept.plans.iter().min_by_key(|(_, (_, used))| *used);
            let oldest = oldest.map(|(query, _)| query.clone());
            oldest.and_then(|query| kept.plans.remove(&query));
        }
    }

    fn kept(&self) -> MutexGuard<'_, MetadataCache> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rollups whose segments another decision could come from: those that are read, and where raw
/// rows are read for want of a segment, all that could serve.
fn rollups_of(decision: &Decision) -> Vec<String> {
    let mut rollups = BTreeSet::new();
    for block in &decision.blocks {
        for piece in &block.cover.pieces {
            match &piece.source {
                Source::Segment { rollup, .. } => {
                    if !rollups.contains(rollup) {
                        rollups.insert(rollup.clone());
                    }
                }
                Source::Leaves { reason: RawReason::NoSegment | RawReason::Edge, .. } => {
                    rollups.extend(block.cover.rollups.iter().cloned());
                }
                Source::Leaves { .. } => {}
            }
        }
    }
    rollups.into_iter().collect()
}
