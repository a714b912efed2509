//! Turns a parsed query into a plan that the rewrite can read.

pub(super) mod cacheable;
pub(super) mod doubles_across_plans;
pub(super) mod literals;
pub(super) mod lossy_casts;
pub(super) mod other_meaning;
pub(super) mod push_down;
pub(super) mod set_comparison;
pub(super) mod subqueries;

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use datafusion::{
    common::{
        ParamValues, ScalarValue,
        alias::AliasGenerator,
        config::ConfigOptions,
        metadata::ScalarAndMetadata,
        tree_node::{Transformed, TreeNode as _},
    },
    execution::{FunctionRegistry, SessionState, context::SQLOptions},
    logical_expr::{Expr, LogicalPlan},
    optimizer::{
        Optimizer, OptimizerConfig, decorrelate_lateral_join::DecorrelateLateralJoin,
        decorrelate_predicate_subquery::DecorrelatePredicateSubquery,
        replace_distinct_aggregate::ReplaceDistinctWithAggregate,
        rewrite_set_comparison::RewriteSetComparison,
        scalar_subquery_to_join::ScalarSubqueryToJoin, simplify_expressions::SimplifyExpressions,
    },
};

use crate::{
    model::checked,
    plan::{
        expressions::changed,
        prepare::{
            cacheable::is_cacheable,
            literals::keep_meaning,
            lossy_casts::Lossy,
            push_down::PushDown,
            subqueries::{check_analyzed, check_optimized},
        },
    },
};

/// Checks that the query is read-only, sets its parameters, resolves types, and
/// [prepares](prepare) the plan. The second value says whether the plan is
/// [cacheable](is_cacheable).
///
/// # Errors
/// `Plan` when the query would change something, compares a date with a number, or has a subquery
/// that DataFusion would answer wrongly; DataFusion's, for a malformed plan.
pub(crate) fn analyze(
    state: &SessionState,
    params: &[(String, Option<String>)],
    plan: LogicalPlan,
) -> datafusion::error::Result<(LogicalPlan, bool)> {
    // A query must not change anything, whatever its text says.
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    let values: HashMap<String, ScalarAndMetadata> = params
        .iter()
        .map(|(name, value)| (name.clone(), ScalarValue::Utf8(value.clone()).into()))
        .collect();
    let plan =
        if values.is_empty() { plan } else { plan.with_param_values(ParamValues::Map(values))? };
    let plan = keep_meaning(plan)?;
    let analyzed = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
    let cacheable = is_cacheable(&analyzed)?;
    Ok((prepare(analyzed, state)?, cacheable))
}

/// Pushes the filters of an analyzed plan down to where the rewrite looks for them, and turns
/// subqueries into joins. Before its analysis the plan must have passed [`keep_meaning`].
///
/// # Errors
/// `Plan` for a subquery that DataFusion would answer wrongly; DataFusion's, for a malformed plan.
pub(crate) fn prepare(
    analyzed: LogicalPlan,
    state: &SessionState,
) -> datafusion::error::Result<LogicalPlan> {
    check_analyzed(&analyzed)?;
    let analyzed = set_comparison::with_own_names(analyzed)?;
    let analyzed = with_checked_constants(analyzed)?;
    let analyzed = lossy_casts::keep(analyzed, Lossy::Numbers)?;
    // These are DataFusion's rules in DataFusion's order: subqueries must be joins before filters
    // are pushed into them.
    let rules = Optimizer::with_rules(vec![
        Arc::new(RewriteSetComparison::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(PushDown::default()),
    ]);
    let mut options = state.config_options().as_ref().clone();
    options.optimizer.max_passes = 1;
    rules.optimize(analyzed, &OnePass { state, options: Arc::new(options) }, |_, _| {})
}

/// The plan with checked arithmetic of constants. DataFusion would compute it before the session's
/// last rule checks all arithmetic.
fn with_checked_constants(plan: LogicalPlan) -> datafusion::error::Result<LogicalPlan> {
    changed(plan, |expr, schema| {
        expr.transform_up(|part| {
            let is_arithmetic = matches!(part, Expr::BinaryExpr(_) | Expr::Negative(_));
            if is_arithmetic && is_constant(&part)? {
                return checked(part, schema);
            }
            Ok(Transformed::no(part))
        })
    })
}

/// Whether the expression is made of literals alone.
fn is_constant(expr: &Expr) -> datafusion::error::Result<bool> {
    let is_other = |part: &Expr| {
        let of_literals = matches!(
            part,
            Expr::Literal(..)
                | Expr::Cast(_)
                | Expr::TryCast(_)
                | Expr::BinaryExpr(_)
                | Expr::Negative(_)
                | Expr::ScalarFunction(_)
        );
        Ok(!of_literals || part.is_volatile_node())
    };
    Ok(!expr.exists(is_other)?)
}

/// Optimizes a rewritten plan by the session's rules.
///
/// # Errors
/// `Plan` for a subquery that no rule made a join of; DataFusion's, for a malformed plan.
pub(crate) fn optimize(
    rewritten: LogicalPlan,
    state: &SessionState,
) -> datafusion::error::Result<LogicalPlan> {
    let kept = lossy_casts::keep(rewritten, Lossy::Dates)?;
    let optimized = state.optimizer().optimize(kept, state, |_, _| {})?;
    check_optimized(&optimized)?;
    Ok(optimized)
}

/// The session's optimizer configuration, limited to one pass. The full optimizer runs after the
/// rewrite.
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
