//! A cache of plans. A cached plan runs again as long as a new snapshot shows the same files. Plans
//! are cached, never answers.

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

/// The maximum number of cached plans. When exceeded, the least recently used plan is dropped.
const PLANS_MAX: usize = 64;

/// Optimized plans by query.
#[derive(Debug, Default)]
pub(crate) struct PlanCache {
    cached: Mutex<CachedPlans>,
}

#[derive(Debug, Default)]
struct CachedPlans {
    plans: HashMap<Query, (Arc<Prepared>, u64)>,
    /// The number of lookups so far. Beside each plan is the number as of the plan's last use.
    time: u64,
}

/// A query's plan over the files of one snapshot.
#[derive(Debug)]
pub(crate) struct Prepared {
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
    /// The query's plan, if it is cached.
    pub(crate) fn find(&self, query: &Query) -> Option<Arc<Prepared>> {
        let mut kept = self.cached();
        kept.time += 1;
        let time = kept.time;
        let (prepared, used) = kept.plans.get_mut(query)?;
        *used = time;
        Some(Arc::clone(prepared))
    }

    /// Caches the query's plan. When the cache is full, the least recently used plan is dropped.
    pub(crate) fn keep(&self, query: &Query, prepared: Prepared) {
        let mut kept = self.cached();
        let time = kept.time;
        kept.plans.insert(query.clone(), (Arc::new(prepared), time));
        if kept.plans.len() > PLANS_MAX {
            let oldest = kept.plans.iter().min_by_key(|(_, (_, used))| *used);
            let oldest = oldest.map(|(query, _)| query.clone());
            oldest.and_then(|query| kept.plans.remove(&query));
        }
    }

    fn cached(&self) -> MutexGuard<'_, CachedPlans> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
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
