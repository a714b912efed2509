//! Whether a query's filter implies a rollup's filter, so that all rows that the query asks for
//! are in the rollup.
//!
//! ```text
//! WHERE paid IS TRUE AND org <> 'x'      the rollup `paid` has filter = "paid = true"
//! ──▶  Filter: paid.org != 'x'           ← `paid IS TRUE` holds for all of its rows
//!        TableScan: paid
//! ```
//!
//! Each conjunct of the rollup's filter must follow from a conjunct of the query's, by one of
//! these rules:
//!
//! 1. Both have the same normal form.
//! 2. The query's conjunct allows only listed values of a column, by `=` or `IN`, and the
//!    rollup's conjunct holds for each of them.
//! 3. Both compare the same expression with a constant, and the query's bound is at least as
//!    tight.
//! 4. The rollup's conjunct is `x IS NOT NULL`, and the query's is never true when `x` is NULL.
//! 5. The query's conjunct is an OR, and each part implies the rollup's; or it is an AND, and one
//!    part does.
//!
//! After Goldstein and Larson, "Optimizing Queries Using Materialized Views" (2001), section 3.1.

use std::{cmp::Ordering, slice};

use datafusion::{
    common::{
        Column, DFSchema, ScalarValue,
        tree_node::{Transformed, TreeNode as _},
    },
    error::Result,
    logical_expr::{
        BinaryExpr, Expr, Operator,
        expr::InList,
        lit,
        utils::{split_binary, split_conjunction},
    },
};

use crate::model::normal;

/// The conjuncts that must still be applied to a rollup's rows. A conjunct that follows from the
/// rollup's filter is left out. `None` when the rollup may lack rows that the conjuncts allow.
pub(in crate::plan) fn remaining<'c>(
    filter: &Expr,
    conjuncts: &'c [Expr],
    schema: &DFSchema,
) -> Result<Option<Vec<&'c Expr>>> {
    let asked = conjuncts.iter().map(|conjunct| normal(conjunct.clone(), schema));
    let asked: Vec<_> = asked.collect::<Result<_>>()?;
    let held = split_conjunction(filter);
    for one in &held {
        if !any_implies(asked.iter(), one, schema)? {
            return Ok(None);
        }
    }
    let mut remaining = Vec::new();
    for (conjunct, asked) in conjuncts.iter().zip(&asked) {
        if !any_implies(held.iter().copied(), asked, schema)? {
            remaining.push(conjunct);
        }
    }
    Ok(Some(remaining))
}

fn any_implies<'e>(
    mut premises: impl Iterator<Item = &'e Expr>,
    conclusion: &Expr,
    schema: &DFSchema,
) -> Result<bool> {
    premises
        .try_fold(false, |implied, premise| Ok(implied || implies(premise, conclusion, schema)?))
}

/// Whether the conclusion is true for every row for which the premise is true.
fn implies(premise: &Expr, conclusion: &Expr, schema: &DFSchema) -> Result<bool> {
    if premise == conclusion {
        return Ok(true);
    }
    match premise {
        Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => {
            let mut parts = split_binary(premise, Operator::Or).into_iter();
            return parts.try_fold(true, |all, part| Ok(all && implies(part, conclusion, schema)?));
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) => {
            return any_implies(split_conjunction(premise).into_iter(), conclusion, schema);
        }
        _ => {}
    }
    if let Expr::IsNotNull(known) = conclusion
        && never_true_of_null(premise, known)
    {
        return Ok(true);
    }
    if let (Some(premise), Some(conclusion)) = (Bound::read(premise), Bound::read(conclusion))
        && premise.implies(&conclusion)
    {
        return Ok(true);
    }
    let Some((column, values)) = few_values(premise) else { return Ok(false) };
    if conclusion.column_refs().iter().any(|other| *other != column) {
        return Ok(false);
    }
    values.iter().try_fold(true, |all, value| Ok(all && holds(conclusion, column, value, schema)?))
}

fn never_true_of_null(premise: &Expr, known: &Expr) -> bool {
    match premise {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
            let compares = matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq);
            compares && (left.as_ref() == known || right.as_ref() == known)
        }
        Expr::InList(list) => list.expr.as_ref() == known,
        Expr::Like(like) => like.expr.as_ref() == known,
        _ => false,
    }
}

/// The column and its values, if the premise restricts a column to a list of literals.
fn few_values(premise: &Expr) -> Option<(&Column, &[Expr])> {
    match premise {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let column = left.try_as_col()?;
            let literal = matches!(right.as_ref(), Expr::Literal(..));
            literal.then_some((column, slice::from_ref(right.as_ref())))
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let literals = list.iter().all(|value| matches!(value, Expr::Literal(..)));
            literals.then_some((expr.try_as_col()?, list.as_slice()))
        }
        _ => None,
    }
}

fn holds(condition: &Expr, column: &Column, value: &Expr, schema: &DFSchema) -> Result<bool> {
    let asked = condition.clone().transform_up(|node| match &node {
        Expr::Column(other) if other == column => Ok(Transformed::yes(value.clone())),
        _ => Ok(Transformed::no(node)),
    });
    Ok(normal(asked?.data, schema)? == lit(true))
}

/// A comparison of an expression with a constant.
struct Bound<'a> {
    of: &'a Expr,
    op: Operator,
    value: &'a ScalarValue,
}

impl<'a> Bound<'a> {
    fn read(expr: &'a Expr) -> Option<Self> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match right.as_ref() {
                Expr::Literal(value, _) => Some(Self { of: left, op: *op, value }),
                _ => None,
            },
            _ => None,
        }
    }

    fn implies(&self, other: &Self) -> bool {
        use Operator::{Gt, GtEq, Lt, LtEq, NotEq};
        if self.of != other.of {
            return false;
        }
        let Some(order) = self.value.partial_cmp(other.value) else { return false };
        match (self.op, other.op) {
            (Gt, Gt | GtEq | NotEq) | (GtEq, GtEq) => order != Ordering::Less,
            (GtEq, Gt | NotEq) => order == Ordering::Greater,
            (Lt, Lt | LtEq | NotEq) | (LtEq, LtEq) => order != Ordering::Greater,
            (LtEq, Lt | NotEq) => order == Ordering::Less,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn a_filtered_rollup_serves_what_its_filter_allows() {
        let sql = "SELECT org, sum(cost), count(*) FROM calls WHERE paid IS TRUE AND org <> 'x' GROUP BY org";
        insta::assert_snapshot!(rewritten(sql), @r#"
        Sort: calls.org ASC NULLS LAST, sum(calls.cost) ASC NULLS LAST, count(*) ASC NULLS LAST
          Projection: calls.org, sum(calls.cost), count(Int64(1)) AS count(*)
            Projection: group_0 AS org, CAST(state_0 AS Decimal128(28, 12)) AS sum(calls.cost), coalesce(state_1, Int64(0)) AS count(Int64(1))
              Aggregate: groupBy=[[group_0]], aggr=[[sum(state_0) AS state_0, sum(state_1) AS state_1]]
                Union
                  Projection: CAST(paid.org AS Utf8View) AS group_0, CAST(paid.cost_sum AS Decimal128(28, 12)) AS state_0, CAST(paid.calls AS Int64) AS state_1
                    Filter: paid.org != Utf8View("x")
                      TableScan: paid
                  Projection: CAST(group_0 AS Utf8View) AS group_0, CAST(state_0 AS Decimal128(28, 12)) AS state_0, CAST(state_1 AS Int64) AS state_1
                    Aggregate: groupBy=[[calls.org AS group_0]], aggr=[[sum(calls.cost) AS state_0, count(Int64(1)) AS state_1]]
                      Filter: calls.paid AND calls.org != Utf8View("x")
                        TableScan: calls
        -- 10 days: 9 from paid, 1 raw (no segment)
        --   not daily: paid is not a dimension; add it to dimensions
        --   not hourly: org is not a dimension; add it to dimensions
        "#);
    }
}
