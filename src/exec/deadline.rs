//! A deadline for planning. Planning never waits for anything, so no timeout could end it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use datafusion::{
    common::{
        config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions},
        config_err,
        tree_node::Transformed,
    },
    error::Result,
    execution::SessionState,
    logical_expr::LogicalPlan,
    optimizer::{OptimizerConfig, OptimizerRule},
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::ExecutionPlan,
};

use crate::base::Error;

/// The instant when a query's time is over, and the limit that was set for the query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// A deadline that is `limit` from now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }

    /// Checks that there is time left.
    ///
    /// # Errors
    /// `Limit` when the time is over.
    pub(crate) fn check(&self) -> crate::base::Result<()> {
        if self.at < Instant::now() { Err(self.missed()) } else { Ok(()) }
    }

    /// The error for a query whose time is over.
    pub(crate) fn missed(&self) -> Error {
        Error::limit(format!(
            "the query took longer than {:?}; ask for fewer days, or see --explain for why \
             rollups don't serve",
            self.limit
        ))
    }

    /// Makes planning in this session fail once the time is over.
    pub(crate) fn bound_planning(self, state: &mut SessionState) {
        state.config_mut().options_mut().extensions.insert(self);
    }
}

impl ConfigExtension for Deadline {
    const PREFIX: &'static str = "deadline";
}

impl ExtensionOptions for Deadline {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(*self)
    }

    fn set(&mut self, key: &str, _: &str) -> Result<()> {
        config_err!("the deadline has no option {key}")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

/// Checks that the session's query has time left. A session without a deadline always passes.
fn check_deadline(options: &ConfigOptions) -> Result<()> {
    let deadline = options.extensions.get::<Deadline>();
    deadline.map_or(Ok(()), |deadline| Ok(deadline.check()?))
}

/// The check as an optimizer rule, to be put between the other rules.
#[derive(Debug)]
pub(super) struct CheckDeadline;

impl CheckDeadline {
    /// The rules, with the check before each.
    pub(super) fn between(
        rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>,
    ) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
        let check: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(Self);
        rules.into_iter().flat_map(|rule| [Arc::clone(&check), rule]).collect()
    }
}

impl OptimizerRule for CheckDeadline {
    fn name(&self) -> &'static str {
        "check_deadline"
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        check_deadline(&config.options())?;
        Ok(Transformed::no(plan))
    }
}

impl PhysicalOptimizerRule for CheckDeadline {
    fn name(&self) -> &'static str {
        "check_deadline"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        options: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        check_deadline(options)?;
        Ok(plan)
    }

    fn schema_check(&self) -> bool {
        true
    }
}
