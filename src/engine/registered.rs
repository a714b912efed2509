//! A Tallybook inside a caller's `SessionContext`.
//!
//! ```text
//! analyzer rules: literals keep their meaning;
//!                a plan that reads the raw table becomes one leaf, QueryLeaf(plan)
//! optimizer:     doesn't look into the leaf
//! query planner: replaces the leaf: snapshot → rewrite → optimize; then the session's own planner
//! ```
//!
//! The rewrite must see a plan that isn't optimized yet, so an analyzer rule hides the plan from
//! the optimizer. A snapshot waits for the store. Only the query planner may wait, so it takes the
//! snapshot. So each execution sees the root as of its own time.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::{
        DFSchemaRef,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode as _},
    },
    datasource::object_store::ObjectStoreUrl,
    error::{DataFusionError, Result as DataFusionResult},
    execution::{
        SessionState, SessionStateBuilder,
        context::{QueryPlanner, SessionContext},
    },
    logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore},
    optimizer::AnalyzerRule,
    physical_plan::ExecutionPlan,
};

use crate::{
    base::{Error, Result, Route},
    engine::{Tallybook, query::run, tables},
    exec::{ROOT_URL, register_functions},
    plan::{DatasetTable, keep_meaning, optimize, prepare, reads_raw},
};

/// Registers the tables of `db` in `context`.
pub(super) async fn register(db: &Arc<Tallybook>, context: &SessionContext) -> Result<()> {
    let raw = db.dataset().table();
    let url =
        url::Url::parse(ROOT_URL).map_err(|error| Error::internal("url").with_source(error))?;
    let store = ObjectStoreUrl::parse(ROOT_URL)?;
    if context.runtime_env().object_store(&store).is_ok() {
        return Err(Error::conflict("the session already holds a Tallybook; it can hold one"));
    }
    if context.table_exist(raw)? {
        return Err(Error::conflict(format!("the session already has a table `{raw}`")));
    }
    context.register_object_store(&url, db.root().store());
    register_functions(context)?;
    let table = Arc::new(DatasetTable::new(db.dataset()));
    context.register_table(raw, table)?;
    tables::register_views(db.dataset(), context).await?;
    let state = context.state_ref();
    let mut state = state.write();
    let planner = LatePlanner { db: Arc::clone(db), inner: Arc::clone(state.query_planner()) };
    let mut builder = SessionStateBuilder::new_from_existing(state.clone());
    if let Some(analyzer) = builder.analyzer() {
        // First, because types are not resolved yet: literals are still as they were written.
        analyzer.rules.insert(0, Arc::new(KeepMeaning));
    }
    *state =
        builder.with_analyzer_rule(Arc::new(OneLeaf)).with_query_planner(Arc::new(planner)).build();
    Ok(())
}

/// A plan that the query planner rewrites for each execution.
#[derive(Debug, PartialEq, Eq, PartialOrd, Hash)]
struct QueryLeaf {
    plan: LogicalPlan,
}

impl UserDefinedLogicalNodeCore for QueryLeaf {
    fn name(&self) -> &'static str {
        "Tallybook"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        self.plan.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tallybook: {}", self.plan.display())
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, _: Vec<LogicalPlan>) -> DataFusionResult<Self> {
        Ok(Self { plan: self.plan.clone() })
    }
}

/// Keeps the meaning of literals in plans that read the raw table.
#[derive(Debug)]
struct KeepMeaning;

impl AnalyzerRule for KeepMeaning {
    fn name(&self) -> &'static str {
        "tallybook_literals"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DataFusionResult<LogicalPlan> {
        if reads_raw(&plan)? { keep_meaning(plan) } else { Ok(plan) }
    }
}

#[derive(Debug)]
struct OneLeaf;

impl AnalyzerRule for OneLeaf {
    fn name(&self) -> &'static str {
        "tallybook"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DataFusionResult<LogicalPlan> {
        if !reads_raw(&plan)? {
            return Ok(plan);
        }
        let is_query = !matches!(
            plan,
            LogicalPlan::Explain(_)
                | LogicalPlan::Analyze(_)
                | LogicalPlan::Ddl(_)
                | LogicalPlan::Dml(_)
                | LogicalPlan::Copy(_)
        );
        if is_query {
            return Ok(LogicalPlan::Extension(Extension { node: Arc::new(QueryLeaf { plan }) }));
        }
        // The session itself runs the statement around the query.
        plan.map_children(|input| {
            let is_leaf = matches!(input, LogicalPlan::Extension(_));
            if is_leaf || !reads_raw(&input)? {
                return Ok(Transformed::no(input));
            }
            let node = Arc::new(QueryLeaf { plan: input });
            Ok(Transformed::yes(LogicalPlan::Extension(Extension { node })))
        })
        .map(|plan| plan.data)
    }
}

#[derive(Debug)]
struct LatePlanner {
    db: Arc<Tallybook>,
    inner: Arc<dyn QueryPlanner + Send + Sync>,
}

#[async_trait]
impl QueryPlanner for LatePlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let Some(leaf) = query_leaf(plan) else {
            return self.inner.create_physical_plan(plan, session).await;
        };
        let state = session.as_any().downcast_ref::<SessionState>().ok_or_else(|| {
            DataFusionError::Internal("Tallybook needs a SessionState".to_owned())
        })?;
        let mut state = state.clone();
        state.config_mut().options_mut().execution.skip_physical_aggregate_schema_check = true;
        let prepared = prepare(leaf.plan.clone(), &state)?;
        let root = self.db.root_of_query();
        let decided = run::decide((&self.db, &root), Route::Auto, prepared, None).await;
        let optimized = optimize(decided?.plan, &state)?;
        let whole = plan.clone().transform(|node| match &node {
            LogicalPlan::Extension(_) if query_leaf(&node).is_some() => {
                Ok(Transformed::yes(optimized.clone()))
            }
            _ => Ok(Transformed::no(node)),
        })?;
        self.inner.create_physical_plan(&whole.data, &state).await
    }
}

/// The [`QueryLeaf`] in a plan. There is at most one.
fn query_leaf(plan: &LogicalPlan) -> Option<&QueryLeaf> {
    if let LogicalPlan::Extension(Extension { node }) = plan {
        let node: &dyn std::any::Any = node.as_any();
        return node.downcast_ref::<QueryLeaf>();
    }
    plan.inputs().into_iter().find_map(query_leaf)
}
