//! A cache of plans. A cached plan runs again as long as a new snapshot shows the same files. Plans
//! are cached, never answers.

use std::{collections::BTreeSet, sync::Arc};

use datafusion::logical_expr::LogicalPlan;
use quick_cache::{UnitWeighter, sync::Cache};

use crate::{
    base::Span,
    engine::Query,
    model::Snapshot,
    plan::{Decision, RawReason, Source},
    store::bounded,
};

/// The maximum number of cached plans.
const PLANS_MAX: usize = 64;

/// Optimized plans by query.
#[derive(Debug)]
pub(crate) struct PlanCache {
    cached: Cache<Query, Arc<CachedPlan>, UnitWeighter>,
}

/// A query's plan over the files of one snapshot.
#[derive(Debug)]
pub(crate) struct CachedPlan {
    /// The snapshot's span.
    pub(crate) span: Span,
    /// The rollups whose segments the plan depends on.
    pub(crate) rollups: Vec<String>,
    /// The raw files, and the segments of these rollups.
    pub(crate) snapshot: Snapshot,
    /// The optimized plan, which reads the snapshot's files.
    pub(crate) plan: LogicalPlan,
    pub(crate) decision: Arc<Decision>,
}

impl CachedPlan {
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

impl Default for PlanCache {
    fn default() -> Self {
        Self { cached: bounded(PLANS_MAX, PLANS_MAX as u64, UnitWeighter) }
    }
}

impl PlanCache {
    /// The query's plan, if it is cached.
    pub(crate) fn find(&self, query: &Query) -> Option<Arc<CachedPlan>> {
        self.cached.get(query)
    }

    /// Caches the query's plan.
    pub(crate) fn insert(&self, query: &Query, plan: CachedPlan) {
        self.cached.insert(query.clone(), Arc::new(plan));
    }
}

/// The rollups whose segments the decision depends on: the rollups that are read, and, where raw
/// rows are read because no segment fits, all rollups that can serve.
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
