//! From SQL to an answer: plan, snapshot, rewrite, run.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use datafusion::{
    common::{
        ParamValues, ScalarValue, alias::AliasGenerator, config::ConfigOptions,
        metadata::ScalarAndMetadata,
    },
    execution::{FunctionRegistry, SessionState, context::SQLOptions},
    logical_expr::LogicalPlan,
    optimizer::{
        Optimizer, OptimizerConfig, decorrelate_predicate_subquery::DecorrelatePredicateSubquery,
        push_down_filter::PushDownFilter, replace_distinct_aggregate::ReplaceDistinctWithAggregate,
        simplify_expressions::SimplifyExpressions,
    },
    physical_plan::{ExecutionPlan, execute_stream},
};

use super::{
    Answer, Explanation, Tallybook,
    answer::{Before, Times},
    sources::RootSources,
    tables,
};
use crate::{
    base::{Error, Result, Route, Zone},
    catalog::Snapshot,
    exec::engine_error,
    plan::{Decision, Rewriter, RouteTaken, span_needed},
};

/// A question in SQL.
#[derive(Clone, Debug)]
pub struct Question {
    /// One SELECT. `$name` stands for a parameter.
    pub sql: String,
    /// The parameters; `None` is NULL.
    pub params: Vec<(String, Option<String>)>,
    /// Which files may answer.
    pub route: Route,
    /// Whose days, hours and dates those in the SQL are: `date`, times without a zone, and whatever
    /// is made of the time column.
    pub time_zone: Zone,
}

impl Question {
    /// A question without parameters, by whatever route, in UTC.
    #[must_use]
    pub fn sql(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new(), route: Route::Auto, time_zone: Zone::UTC }
    }

    /// The same question by that route.
    #[must_use]
    pub fn by_route(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    /// The same question with these values for its parameters.
    #[must_use]
    pub fn with_params(mut self, params: Vec<(String, Option<String>)>) -> Self {
        self.params = params;
        self
    }

    /// The same question about that zone's days and hours.
    #[must_use]
    pub fn in_time_zone(mut self, zone: Zone) -> Self {
        self.time_zone = zone;
        self
    }
}

/// A question, decided on and ready to run.
struct Planned {
    physical: Arc<dyn ExecutionPlan>,
    decision: Decision,
    /// What planning took, without waiting for the store.
    planning: Duration,
}

pub(super) async fn answer(book: &Tallybook, question: &Question) -> Result<Answer> {
    let asked = Instant::now();
    let before = Before::of(book);
    let planned = plan(book, question).await?;
    let task = book.context().task_ctx();
    let stream = execute_stream(Arc::clone(&planned.physical), task).map_err(engine_error)?;
    let times = Times { asked, planning: planned.planning };
    Ok(Answer::new(stream, planned.decision, planned.physical, times, before))
}

pub(super) async fn explain(book: &Tallybook, question: &Question) -> Result<Explanation> {
    let planned = plan(book, question).await?;
    Explanation::counted(book, &planned.decision).await
}

async fn plan(book: &Tallybook, question: &Question) -> Result<Planned> {
    let start = Instant::now();
    let state = tables::state(book, question.time_zone).await?;
    let analyzed = analyze(&state, question).await.map_err(engine_error)?;
    let (plan, decision, waited) = decide(book, question.route, analyzed).await?;
    let physical = state.create_physical_plan(&plan).await.map_err(engine_error)?;
    Ok(Planned { physical, decision, planning: start.elapsed().saturating_sub(waited) })
}

/// The plan over the files that answer it, by one snapshot; and how long that was waited for.
pub(super) async fn decide(
    book: &Tallybook,
    route: Route,
    plan: LogicalPlan,
) -> Result<(LogicalPlan, Decision, Duration)> {
    let span = span_needed(&plan, book.dataset()).map_err(engine_error)?;
    let listing = Instant::now();
    let snapshot = book.snapshot(span).await?;
    let waited = listing.elapsed();
    let (plan, decision) = rewrite(book, route, &snapshot, plan)?;
    if route == Route::Rollup && decision.route() != RouteTaken::Rollup {
        let why = Explanation::brief(book, &decision);
        return Err(Error::invalid(format!("rollups alone can't answer this\n{why}")));
    }
    check_limit(book, &decision)?;
    Ok((plan, decision, waited))
}

fn check_limit(book: &Tallybook, decision: &Decision) -> Result<()> {
    let Some(limit) = book.settings().max_scan_bytes else { return Ok(()) };
    let bytes = decision.bytes();
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::limit(format!(
        "the {} files to read hold {bytes} bytes, more than the limit of {limit}; ask for fewer \
         days, or see --explain for why rollups don't serve",
        decision.files()
    )))
}

fn rewrite(
    book: &Tallybook,
    route: Route,
    snapshot: &Snapshot,
    plan: LogicalPlan,
) -> Result<(LogicalPlan, Decision)> {
    let sources =
        RootSources { root: book.root(), dataset: book.dataset(), cache: book.segment_cache() };
    let rewriter = Rewriter {
        dataset: book.dataset(),
        snapshot,
        sources: &sources,
        route,
        min_span_days: book.settings().min_span_days,
    };
    rewriter.rewrite(plan).map_err(engine_error)
}

/// Parsed, with types and parameters resolved, and with filters where the rewrite looks for them.
async fn analyze(
    state: &SessionState,
    question: &Question,
) -> datafusion::error::Result<LogicalPlan> {
    let plan = state.create_logical_plan(&question.sql).await?;
    // Questions change nothing, whatever their text says.
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    let values: HashMap<String, ScalarAndMetadata> = question
        .params
        .iter()
        .map(|(name, value)| (name.clone(), ScalarValue::Utf8(value.clone()).into()))
        .collect();
    let plan =
        if values.is_empty() { plan } else { plan.with_param_values(ParamValues::Map(values))? };
    let options = state.config_options();
    prepare(state.analyzer().execute_and_check(plan, options, |_, _| {})?, state)
}

/// An analyzed plan with its filters where the rewrite looks for them, and subqueries as joins.
pub(super) fn prepare(
    analyzed: LogicalPlan,
    state: &SessionState,
) -> datafusion::error::Result<LogicalPlan> {
    let rules = Optimizer::with_rules(vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(PushDownFilter::new()),
    ]);
    let mut options = state.config_options().as_ref().clone();
    options.optimizer.max_passes = 1;
    rules.optimize(analyzed, &OnePass { state, options: Arc::new(options) }, |_, _| {})
}

/// The session's optimizer, but with one pass: the whole of it comes again after the rewrite.
struct OnePass<'a> {
    state: &'a SessionState,
    options: Arc<ConfigOptions>,
}

impl OptimizerConfig for OnePass<'_> {
    fn query_execution_start_time(&self) -> Option<DateTime<Utc>> {
        self.state.query_execution_start_time()
    }

    fn alias_generator(&self) -> &Arc<AliasGenerator> {
        self.state.alias_generator()
    }

    fn options(&self) -> Arc<ConfigOptions> {
        Arc::clone(&self.options)
    }

    fn function_registry(&self) -> Option<&dyn FunctionRegistry> {
        Some(self.state)
    }
}
