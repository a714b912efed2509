//! A DataFusion session over one root.

use std::sync::Arc;

use datafusion::{
    execution::{
        SessionStateBuilder,
        memory_pool::FairSpillPool,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    optimizer::{Optimizer, OptimizerRule},
    prelude::{SessionConfig, SessionContext},
};

use crate::{
    base::{Error, Result, Settings},
    exec::{
        bounded,
        deadline::CheckDeadline,
        rules::{checked_arithmetic::CheckedArithmetic, yielding_joins::YieldingJoins},
    },
    model::sketch,
    store::Root,
};

/// The name that the root's store has inside DataFusion.
pub(crate) const ROOT_URL: &str = "tallybook://root/";

/// A rule of the optimizer of logical plans.
pub(crate) type LogicalRule = Arc<dyn OptimizerRule + Send + Sync>;

/// A session whose only registered store is the root's, with a memory pool that spills. The rule
/// `better` takes the place of DataFusion's of the same name.
///
/// # Errors
/// `Unavailable` when there is no place to spill to.
pub(crate) fn new_session(
    root: &Root,
    settings: &Settings,
    better: &LogicalRule,
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
    // Some functions are planned as never NULL and executed as perhaps NULL: their values agree.
    options.execution.skip_physical_aggregate_schema_check = true;
    // Integer and decimal literals stay exact.
    options.sql_parser.parse_float_as_decimal = true;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_optimizer_rules(optimizer_rules(better))
        .with_physical_optimizer_rule(Arc::new(CheckDeadline))
        .with_physical_optimizer_rule(Arc::new(YieldingJoins))
        .build();
    let context = SessionContext::new_with_state(state);
    register_functions(&context);
    bounded::register(&context);
    Ok(context)
}

/// DataFusion's rules with a better one in its place, and ours behind them.
fn optimizer_rules(better: &LogicalRule) -> Vec<LogicalRule> {
    let replaced =
        |rule: LogicalRule| if rule.name() == better.name() { Arc::clone(better) } else { rule };
    let rules = Optimizer::new().rules.into_iter().map(replaced);
    let last: LogicalRule = Arc::new(CheckedArithmetic);
    CheckDeadline::between(rules.chain([last]).collect())
}

/// Gives a session the functions that make and merge sketches. `approx_distinct` takes the place of
/// DataFusion's, whose estimates can't be kept: its hash is no promise.
pub(crate) fn register_functions(context: &SessionContext) {
    for function in sketch::aggregates() {
        context.register_udaf(function.as_ref().clone());
    }
    for function in sketch::scalars() {
        context.register_udf(function.as_ref().clone());
    }
}

fn runtime(settings: &Settings) -> Result<Arc<RuntimeEnv>> {
    let mut builder = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(settings.memory_bytes)))
        // Scans are of listed files alone: nothing may list again behind the snapshot.
        .with_object_list_cache_limit(0);
    if let Some(temp) = &settings.temp_dir {
        builder = builder.with_temp_file_path(temp);
    }
    builder.build_arc().map_err(Error::from)
}
