//! A Tallybook inside somebody else's `SessionContext`.
//!
//! ```text
//! analyzer rule: a plan that reads the raw table becomes one leaf, Asked(plan)
//! optimizer:     leaves it alone
//! query planner: in its place, snapshot → rewrite → optimize; then the session's own planner
//! ```
//!
//! The rule comes before the optimizer, as the rewrite must; the planner may wait for the store, as
//! a snapshot must. So each execution sees the root as it is then.

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
    plan::{DatasetTable, prepare, reads_raw},
};

/// Puts the tables of `db` into `context`.
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
    register_functions(context);
    let table = Arc::new(DatasetTable::new(db.dataset()));
    context.register_table(raw, table)?;
    tables::register_views(db.dataset(), context).await?;
    let state = context.state_ref();
    let mut state = state.write();
    let planner = AskingPlanner { db: Arc::clone(db), inner: Arc::clone(state.query_planner()) };
    *state = SessionStateBuilder::new_from_existing(state.clone())
        .with_analyzer_rule(Arc::new(AskingRule))
        .with_query_planner(Arc::new(planner))
        .build();
    Ok(())
}

/// A plan that the planner rewrites when it is executed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Hash)]
struct Asked {
    plan: LogicalPlan,
}

impl UserDefinedLogicalNodeCore for Asked {
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

#[derive(Debug)]
struct AskingRule;

impl AnalyzerRule for AskingRule {
    fn name(&self) -> &'static str {
        "tallybook"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DataFusionResult<LogicalPlan> {
        if !reads_raw(&plan)? {
            return Ok(plan);
        }
        let asks = !matches!(
            plan,
            LogicalPlan::Explain(_)
                | LogicalPlan::Analyze(_)
                | LogicalPlan::Ddl(_)
                | LogicalPlan::Dml(_)
                | LogicalPlan::Copy(_)
        );
        if asks {
            return Ok(LogicalPlan::Extension(Extension { node: Arc::new(Asked { plan }) }));
        }
        // What is done with the answer stays the session's.
        plan.map_children(|input| {
            let asked = matches!(input, LogicalPlan::Extension(_));
            if asked || !reads_raw(&input)? {
                return Ok(Transformed::no(input));
            }
            let node = Arc::new(Asked { plan: input });
            Ok(Transformed::yes(LogicalPlan::Extension(Extension { node })))
        })
        .map(|plan| plan.data)
    }
}

#[derive(Debug)]
struct AskingPlanner {
    db: Arc<Tallybook>,
    inner: Arc<dyn QueryPlanner + Send + Sync>,
}

#[async_trait]
impl QueryPlanner for AskingPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let Some(asked) = asked(plan) else {
            return self.inner.create_physical_plan(plan, session).await;
        };
        let state = session.as_any().downcast_ref::<SessionState>().ok_or_else(|| {
            DataFusionError::Internal("Tallybook needs a SessionState".to_owned())
        })?;
        let mut state = state.clone();
        state.config_mut().options_mut().execution.skip_physical_aggregate_schema_check = true;
        let prepared = prepare(asked.plan.clone(), &state)?;
        let root = self.db.root_of_query();
        let decided = run::decide((&self.db, &root), Route::Auto, prepared, None).await;
        let rewritten = decided?.plan;
        let optimized = state.optimizer().optimize(rewritten, &state, |_, _| {})?;
        let whole = plan.clone().transform(|node| match &node {
            LogicalPlan::Extension(_) if self::asked(&node).is_some() => {
                Ok(Transformed::yes(optimized.clone()))
            }
            _ => Ok(Transformed::no(node)),
        })?;
        self.inner.create_physical_plan(&whole.data, &state).await
    }
}

/// The leaf of ours in a plan: there is at most one.
fn asked(plan: &LogicalPlan) -> Option<&Asked> {
    if let LogicalPlan::Extension(Extension { node }) = plan {
        let node: &dyn std::any::Any = node.as_any();
        return node.downcast_ref::<Asked>();
    }
    plan.inputs().into_iter().find_map(asked)
}
