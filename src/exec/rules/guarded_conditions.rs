//! Conditions that fail on some rows, guarded by the conditions beside them.

use datafusion::{
    common::{
        DFSchema, ScalarValue,
        tree_node::{Transformed, TreeNode as _, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{
        BinaryExpr, Case, Cast, Expr, ExprSchemable as _, Filter, LogicalPlan, Operator,
        expr::AggregateFunction,
        lit,
        utils::{conjunction, merge_schema, split_conjunction_owned},
    },
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
};

use crate::model::changed_expressions;

/// Evaluates a condition that can fail, such as `10 / s > 4`, only on rows that meet the conditions
/// beside it that can't fail.
///
/// ```text
/// s <> 0 AND 10 / s > 4   ──▶  s <> 0 AND CASE WHEN s <> 0 THEN 10 / s > 4 ELSE false END
/// ```
///
/// DataFusion evaluates the right side of AND on all rows, unless few rows meet the left side. How
/// many rows do so depends on the files, so the same query would fail by one route and not by
/// another.
#[derive(Debug)]
pub(crate) struct GuardedConditions;

impl OptimizerRule for GuardedConditions {
    fn name(&self) -> &'static str {
        "guarded_conditions"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let schema = merge_schema(&plan.inputs());
        match plan {
            LogicalPlan::Filter(filter) => {
                let guarded = guarded(filter.predicate, &schema)?;
                guarded.map_data(|predicate| {
                    Ok(LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?))
                })
            }
            LogicalPlan::Join(mut join) => {
                let Some(condition) = join.filter.take() else {
                    return Ok(Transformed::no(LogicalPlan::Join(join)));
                };
                let guarded = guarded(condition, &schema)?;
                Ok(guarded.update_data(|condition| {
                    join.filter = Some(condition);
                    LogicalPlan::Join(join)
                }))
            }
            LogicalPlan::Aggregate(_) | LogicalPlan::Projection(_) | LogicalPlan::Window(_) => {
                within(plan, &schema)
            }
            plan => Ok(Transformed::no(plan)),
        }
    }
}

/// The node with the conditions in its values guarded.
fn within(node: LogicalPlan, schema: &DFSchema) -> Result<Transformed<LogicalPlan>> {
    changed_expressions(node, |expr| {
        expr.transform_up(|part| match part {
            Expr::AggregateFunction(call) => of_call(call, schema),
            Expr::Case(case) if case.expr.is_none() => of_case(case, schema),
            part => Ok(Transformed::no(part)),
        })
    })
}

fn of_case(mut case: Case, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let mut changed = false;
    for (condition, _) in &mut case.when_then_expr {
        let guarded = guarded(std::mem::take(condition.as_mut()), schema)?;
        changed |= guarded.transformed;
        **condition = guarded.data;
    }
    Ok(Transformed::new_transformed(Expr::Case(case), changed))
}

fn of_call(mut call: AggregateFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Some(condition) = call.params.filter.take() else {
        return Ok(Transformed::no(Expr::AggregateFunction(call)));
    };
    let guarded = guarded(*condition, schema)?;
    Ok(guarded.update_data(|condition| {
        call.params.filter = Some(Box::new(condition));
        Expr::AggregateFunction(call)
    }))
}

/// The condition, of which a row that makes it false or NULL is left out.
fn guarded(condition: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if !can_fail(&condition, schema)? {
        return Ok(Transformed::no(condition));
    }
    let (mut safe, mut failing) = (Vec::new(), Vec::new());
    let mut changed = false;
    for part in split_conjunction_owned(condition.clone()) {
        let part = guarded_or(part, schema)?;
        changed |= part.transformed;
        if can_fail(&part.data, schema)? { failing.push(part.data) } else { safe.push(part.data) }
    }
    let parts = match (conjunction(safe.clone()), conjunction(failing)) {
        (Some(guard), Some(failing)) => {
            changed = true;
            safe.push(when(guard, failing, lit(false)));
            conjunction(safe)
        }
        (safe, failing) => safe.or(failing),
    };
    Ok(match parts {
        Some(guarded) if changed => Transformed::yes(guarded),
        _ => Transformed::no(condition),
    })
}

/// An OR whose last side can fail, with that side guarded by the others.
fn guarded_or(part: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) = part else {
        return Ok(Transformed::no(part));
    };
    if !can_fail(&right, schema)? {
        return Ok(Transformed::no(left.or(*right)));
    }
    let right = guarded(*right, schema)?.data;
    Ok(Transformed::yes(when(*left, lit(true), right)))
}

fn when(condition: Expr, then: Expr, otherwise: Expr) -> Expr {
    let case = vec![(Box::new(condition), Box::new(then))];
    Expr::Case(Case::new(None, case, Some(Box::new(otherwise))))
}

/// Functions that fail on some arguments.
const FAILING: [&str; 14] = [
    "checked_sum",
    "checked_difference",
    "checked_product",
    "to_timestamp",
    "to_date",
    "to_time",
    "sqrt",
    "ln",
    "log",
    "log2",
    "log10",
    "power",
    "factorial",
    "chr",
];

/// Whether the expression fails on some rows: a division, a text that must be a number or a time,
/// or a result without room. CASE decides by itself which of its parts are evaluated.
fn can_fail(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    let mut fails = false;
    expr.apply(|part| {
        fails |= match part {
            Expr::Case(_) => return Ok(TreeNodeRecursion::Jump),
            Expr::BinaryExpr(BinaryExpr {
                op: Operator::Divide | Operator::Modulo, right, ..
            }) => {
                let is_zero = |value: &ScalarValue| {
                    ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value)
                };
                let is_floating = right.get_type(schema)?.is_floating();
                !is_floating && !matches!(right.as_ref(), Expr::Literal(by, _) if !is_zero(by))
            }
            Expr::Cast(Cast { expr, field }) => {
                expr.get_type(schema)?.is_string() && !field.data_type().is_string()
            }
            Expr::ScalarFunction(call) => FAILING.contains(&call.func.name()),
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(fails)
}
