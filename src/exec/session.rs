//! A DataFusion session over one root.

use std::sync::Arc;

use datafusion::{
    execution::{
        FunctionRegistry as _, SessionStateBuilder,
        memory_pool::FairSpillPool,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    optimizer::{Optimizer, OptimizerRule},
    prelude::{SessionConfig, SessionContext},
};

use crate::{
    base::{Error, Result, Settings},
    exec::{
        bounded_functions,
        rules::{
            check_alarm::CheckAlarm, checked_arithmetic::CheckedArithmetic,
            guarded_conditions::GuardedConditions, yielding_joins::YieldingJoins,
        },
    },
    model::{
        algebra::tag::{self, TagPlanner},
        sketch,
    },
    store::Root,
};

/// The URL of the root's store inside DataFusion.
pub(crate) const ROOT_URL: &str = "tallybook://root/";

/// A rule of DataFusion's optimizer for logical plans.
pub(crate) type LogicalRule = Arc<dyn OptimizerRule + Send + Sync>;

/// A session with the root's store registered under [`ROOT_URL`], and a memory pool that spills
/// to disk. Each rule in `replacements` replaces DataFusion's rule of the same name.
///
/// # Errors
/// `Unavailable` when there is no folder to spill to.
pub(crate) fn new_session(
    root: &Root,
    settings: &Settings,
    replacements: &[LogicalRule],
) -> Result<SessionContext> {
    let url =
        url::Url::parse(ROOT_URL).map_err(|error| Error::internal("url").with_source(error))?;
    let runtime = runtime(settings)?;
    runtime.register_object_store(&url, root.store());
    let mut config =
        SessionConfig::new().with_target_partitions(settings.streams).with_information_schema(true);
    let options = config.options_mut();
    // Days and hours are UTC unless a query says otherwise.
    options.execution.time_zone = Some("UTC".to_owned());
    // DataFusion plans some functions as never NULL and executes them as nullable. Their values
    // agree, so this difference of the schemas is harmless.
    options.execution.skip_physical_aggregate_schema_check = true;
    // Integer and decimal literals stay exact.
    options.sql_parser.parse_float_as_decimal = true;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_optimizer_rules(optimizer_rules(replacements))
        .with_physical_optimizer_rule(Arc::new(CheckAlarm))
        .with_physical_optimizer_rule(Arc::new(YieldingJoins))
        .build();
    let context = SessionContext::new_with_state(state);
    register_functions(&context)?;
    bounded_functions::register(&context);
    Ok(context)
}

/// DataFusion's rules, each with its namesake among `replacements` in its place, and our own rules
/// behind them. A check of the alarm precedes each rule.
fn optimizer_rules(replacements: &[LogicalRule]) -> Vec<LogicalRule> {
    let replaced = |rule: LogicalRule| {
        let found = replacements.iter().find(|replacement| replacement.name() == rule.name());
        found.map_or(rule, Arc::clone)
    };
    let rules = Optimizer::new().rules.into_iter().map(replaced);
    let last: [LogicalRule; 2] = [Arc::new(CheckedArithmetic), Arc::new(GuardedConditions)];
    CheckAlarm::between(rules.chain(last).collect())
}

/// Registers the functions that make and merge sketches, and `tag`. Our `approx_distinct` replaces
/// DataFusion's, whose sketches can't be stored: DataFusion doesn't promise that its hash stays
/// the same. `tags['team']` is planned as `tag`.
///
/// # Errors
/// Never with DataFusion's own session state.
pub(crate) fn register_functions(context: &SessionContext) -> Result<()> {
    for function in sketch::aggregates() {
        context.register_udaf(function.as_ref().clone());
    }
    for function in sketch::scalars().into_iter().chain([tag::tag()]) {
        context.register_udf(function.as_ref().clone());
    }
    context.state_ref().write().register_expr_planner(Arc::new(TagPlanner))?;
    Ok(())
}

fn runtime(settings: &Settings) -> Result<Arc<RuntimeEnv>> {
    let mut builder = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(settings.memory_bytes)))
        // Scans read exactly the files that a snapshot lists. A cache of other listings must not
        // come in between.
        .with_object_list_cache_limit(0);
    if let Some(temp) = &settings.temp_dir {
        builder = builder.with_temp_file_path(temp);
    }
    builder.build_arc().map_err(Error::from)
}
