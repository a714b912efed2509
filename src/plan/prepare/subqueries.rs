//! Refuses subqueries that DataFusion can't plan or would plan wrongly. The error says what to
//! write instead.
//!
//! ```text
//! budget < (SELECT sum(tokens) FROM calls WHERE calls.org = plans.org)
//! ──▶  Filter: budget < sum(tokens)             accepted: DataFusion makes it a join
//!        Left Join: calls.org = plans.org
//!
//! budget = (SELECT count(*) FROM calls WHERE calls.tokens > plans.budget)
//! ──▶  Filter: budget = (<subquery>)            refused: no join, for want of `=`
//! ```

use datafusion::{
    common::{
        DFSchema, JoinType, plan_err,
        tree_node::{TreeNode as _, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable as _, LogicalPlan, Operator, Subquery, expr::InSubquery,
        utils::merge_schema,
    },
};

use crate::plan::prepare::other_meaning;

/// Checks an analyzed plan for subqueries and other expressions that DataFusion would answer
/// wrongly.
///
/// # Errors
/// `Plan` when there is one.
pub(crate) fn check_analyzed(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                other_meaning::check(part, &schema)?;
                match part {
                    Expr::InSubquery(InSubquery { expr, negated: true, .. }) if is_null(expr) => {
                        return plan_err!(
                            "NULL NOT IN (a subquery) isn't supported; write what it says: NOT \
                             EXISTS (…)"
                        );
                    }
                    Expr::InSubquery(InSubquery { subquery, .. })
                    | Expr::ScalarSubquery(subquery) => check_subquery(subquery)?,
                    Expr::Exists(exists) => check_subquery(&exists.subquery)?,
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        if let LogicalPlan::Subquery(lateral) = node {
            check_subquery(lateral)?;
        }
        if let LogicalPlan::Filter(filter) = node {
            check_in(&filter.predicate, &schema, Place { is_conjunct: true, null_is_false: true })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Checks what is left of subqueries in an optimized plan. No subquery may depend on the outer
/// row. No EXISTS, IN, ANY or ALL of a subquery may be left as a value. Every join that was made
/// of NOT IN must be one that DataFusion can run.
///
/// # Errors
/// `Plan` when a subquery or a join breaks one of these rules.
pub(crate) fn check_optimized(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Join(join) = node
            && join.null_aware
            && join.on.len() > 1
        {
            return plan_err!(
                "NOT IN (a subquery that depends on the outer row) isn't supported where values may \
                 be NULL; write NOT EXISTS (SELECT … WHERE inner = outer)"
            );
        }
        let mut is_value = false;
        let mut depends = match node {
            LogicalPlan::Subquery(lateral) => !lateral.outer_ref_columns.is_empty(),
            _ => false,
        };
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                depends |= match part {
                    Expr::ScalarSubquery(subquery) => !subquery.outer_ref_columns.is_empty(),
                    Expr::Exists(exists) => !exists.subquery.outer_ref_columns.is_empty(),
                    Expr::InSubquery(of) => !of.subquery.outer_ref_columns.is_empty(),
                    Expr::SetComparison(of) => !of.subquery.outer_ref_columns.is_empty(),
                    _ => false,
                };
                is_value |= matches!(
                    part,
                    Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
                );
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        if is_value && !depends {
            return plan_err!(
                "EXISTS, IN, ANY and ALL of a subquery aren't supported as a value, or beside OR; \
                 write them as a condition of WHERE, or join the subquery with LEFT JOIN and test \
                 its column"
            );
        }
        if depends {
            return plan_err!(
                "a subquery depends on the outer row in a way that can't be made a join: only `=` \
                 between inner and outer columns can, outside of aggregate functions; join the \
                 tables and group, or use a WITH"
            );
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Where a condition stands.
#[derive(Clone, Copy)]
struct Place {
    /// Whether it must be true by itself for a row to stay.
    is_conjunct: bool,
    /// Whether NULL has the same effect there as false.
    null_is_false: bool,
}

/// Checks that no IN of a subquery can be NULL where NULL and false differ. DataFusion makes it a
/// mark that is never NULL.
fn check_in(expr: &Expr, schema: &DFSchema, place: Place) -> Result<()> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let is_conjunct = place.is_conjunct && *op == Operator::And;
            check_in(left, schema, Place { is_conjunct, ..place })?;
            check_in(right, schema, Place { is_conjunct, ..place })
        }
        Expr::InSubquery(of) => {
            let in_subquery = of.subquery.subquery.schema().fields();
            let may_be_null =
                of.expr.nullable(schema)? || in_subquery.iter().any(|field| field.is_nullable());
            if place.is_conjunct || place.null_is_false && !of.negated || !may_be_null {
                return Ok(());
            }
            plan_err!(
                "IN (a subquery) isn't supported under NOT, IS or CASE, nor NOT IN beside OR, where \
                 values may be NULL; write EXISTS (SELECT 1 … WHERE inner = outer)"
            )
        }
        other => {
            let inner = Place { is_conjunct: false, null_is_false: false };
            other.apply_children(|child| {
                check_in(child, schema, inner).map(|()| TreeNodeRecursion::Continue)
            })?;
            Ok(())
        }
    }
}

/// Whether the expression is NULL for every row.
fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(cast) => is_null(&cast.expr),
        Expr::TryCast(cast) => is_null(&cast.expr),
        Expr::Alias(alias) => is_null(&alias.expr),
        _ => false,
    }
}

/// Checks a subquery for conditions on the outer row in unsafe places. DataFusion pulls such a
/// condition out. It must not be pulled out of grouping sets, nor out of the side of an outer
/// join that may be NULL: the subquery would have other rows.
fn check_subquery(subquery: &Subquery) -> Result<()> {
    if subquery.outer_ref_columns.is_empty() {
        return Ok(());
    }
    subquery.subquery.apply(|node| {
        match node {
            LogicalPlan::Aggregate(aggregate) => {
                let sets = |expr: &Expr| matches!(expr, Expr::GroupingSet(_));
                if aggregate.group_expr.iter().any(sets) {
                    return plan_err!(
                        "GROUPING SETS, ROLLUP and CUBE aren't supported in a subquery that depends \
                         on the outer row; group plainly, or join"
                    );
                }
            }
            LogicalPlan::Join(join) => {
                let (left, right) = match join.join_type {
                    JoinType::Left => (false, true),
                    JoinType::Right => (true, false),
                    JoinType::Full => (true, true),
                    _ => (false, false),
                };
                let depends = |side: bool, plan: &LogicalPlan| -> Result<bool> {
                    Ok(side && depends_on_outer(plan)?)
                };
                if depends(left, &join.left)? || depends(right, &join.right)? {
                    return plan_err!(
                        "a condition on the outer row isn't supported on the side of an outer join \
                         that may be NULL; put it above the join, or join the outer table itself"
                    );
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn depends_on_outer(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(node.contains_outer_reference()))
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn a_correlated_subquery_that_is_no_join_stays_one() {
        let sql = "SELECT org FROM plans WHERE budget = (SELECT count(*) FROM calls WHERE calls.tokens > plans.budget)";
        insta::assert_snapshot!(rewritten(sql), @r"
        Projection: plans.org
          Filter: CAST(plans.budget AS Int64) = (<subquery>)
            Subquery:
              Projection: count(Int64(1)) AS count(*)
                Aggregate: groupBy=[[]], aggr=[[count(Int64(1))]]
                  Filter: calls.tokens > CAST(outer_ref(plans.budget) AS Int64)
                    TableScan: calls
            TableScan: plans
        -- 10 days: 10 raw (no rollup serves)
        --   not daily: tokens is not a dimension; add it to dimensions
        --   not hourly: tokens is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }

    #[test]
    fn a_subquery_becomes_a_join_whose_aggregate_is_a_block() {
        let sql = "SELECT org FROM plans WHERE budget < (SELECT sum(tokens) FROM calls WHERE calls.org = plans.org)";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: plans.org ASC NULLS LAST
          Projection: plans.org
            Projection: plans.org, plans.budget
              Filter: CAST(plans.budget AS Int64) < __scalar_sq_1.sum(calls.tokens)
                Left Join:  Filter: __scalar_sq_1.org = plans.org
                  TableScan: plans
                  SubqueryAlias: __scalar_sq_1
                    Projection: sum(calls.tokens), calls.org, __always_true
                      Projection: group_0 AS org, group_1 AS __always_true, narrowed(state_0) AS sum(calls.tokens)
                        Aggregate: groupBy=[[group_0, group_1]], aggr=[[sum(state_0) AS state_0]]
                          Union
                            Projection: CAST(daily.org AS Utf8View) AS group_0, CAST(Boolean(true) AS Boolean) AS group_1, CAST(CAST(daily.tokens_sum AS Decimal128(30, 0)) AS Decimal128(30, 0)) AS state_0
                              TableScan: daily
                            Projection: CAST(group_0 AS Utf8View) AS group_0, CAST(group_1 AS Boolean) AS group_1, CAST(state_0 AS Decimal128(30, 0)) AS state_0
                              Aggregate: groupBy=[[calls.org AS group_0, Boolean(true) AS group_1]], aggr=[[sum(CAST(calls.tokens AS Decimal128(20, 0))) AS state_0]]
                                TableScan: calls
        -- 10 days: 8 from daily, 1 raw (no segment), 1 segment + 1 late leaf raw
        --   not hourly: org is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }
}
