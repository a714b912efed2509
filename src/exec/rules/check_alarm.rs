//! Planning that ends once its query's alarm has rung. Planning never waits for anything, so
//! nothing else could end it.

use std::sync::Arc;

use datafusion::{
    common::{
        config::{ConfigEntry, ConfigExtension, ConfigOptions, ExtensionOptions},
        config_err,
        tree_node::Transformed,
    },
    error::Result,
    logical_expr::LogicalPlan,
    optimizer::{OptimizerConfig, OptimizerRule},
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::ExecutionPlan,
};

use crate::exec::Alarm;

impl ConfigExtension for Alarm {
    const PREFIX: &'static str = "alarm";
}

impl ExtensionOptions for Alarm {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _: &str) -> Result<()> {
        config_err!("the alarm has no option {key}")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

/// Checks that the alarm of the session's query hasn't rung. A session without an alarm always
/// passes.
fn check_alarm(options: &ConfigOptions) -> Result<()> {
    let alarm = options.extensions.get::<Alarm>();
    alarm.map_or(Ok(()), |alarm| Ok(alarm.check()?))
}

/// The check as an optimizer rule, to be put between the other rules.
#[derive(Debug)]
pub(in crate::exec) struct CheckAlarm;

impl CheckAlarm {
    /// The rules, with the check before each.
    pub(in crate::exec) fn between(
        rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>,
    ) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
        let check: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(Self);
        rules.into_iter().flat_map(|rule| [Arc::clone(&check), rule]).collect()
    }
}

impl OptimizerRule for CheckAlarm {
    fn name(&self) -> &'static str {
        "check_alarm"
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        check_alarm(&config.options())?;
        Ok(Transformed::no(plan))
    }
}

impl PhysicalOptimizerRule for CheckAlarm {
    fn name(&self) -> &'static str {
        "check_alarm"
    }

    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        options: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        check_alarm(options)?;
        Ok(plan)
    }

    fn schema_check(&self) -> bool {
        true
    }
}
