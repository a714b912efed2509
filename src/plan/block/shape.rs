//! Reads an aggregate block:
//! `Aggregate ← {Projection, Filter, SubqueryAlias, Join with another table}* ← the raw table`.
//! Every expression is rewritten in terms of the raw table's own columns.
//!
//! ```text
//! Aggregate: group=[m], sum(c)            Block
//!   Projection: upper(model) AS m, cost AS c    group  upper(model)
//!     Filter: date >= 2026-01-01          ──▶   calls  sum(cost)
//!       TableScan: ai_usage_log                 where  date >= 2026-01-01
//! ```
//!
//! A join multiplies or drops raw rows, depending on the values that it compares. Rows that agree
//! on these values are multiplied or dropped alike, so the join commutes with grouping by these
//! values. That holds for inner joins, for left joins, which keep unmatched raw rows, and for
//! semi and anti joins that keep raw rows. A filter on joined rows may be applied after all
//! joins.

use datafusion::{
    common::{
        Column, DFSchema, ScalarValue,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{
        Aggregate, BinaryExpr, Expr, Join, JoinType, LogicalPlan, Operator, TableScan,
        utils::{grouping_set_to_exprlist, split_conjunction_owned},
    },
};

use crate::plan::{
    Refusal,
    block::{Block, Joined, calls, deterministic, is_joined},
    derive::attempt::Attempt,
    raw_table,
};

/// Reads an aggregate. `None` when it isn't over the raw table; a refusal when no rollup can
/// serve it.
pub(in crate::plan) fn read(aggregate: &Aggregate) -> Attempt<Option<Block>> {
    if !raw_table::reads_raw(&aggregate.input)? {
        return Ok(None);
    }
    let group = grouping_set_to_exprlist(&aggregate.group_expr)?;
    let groups = group.len();
    let given = group.into_iter().chain(&aggregate.aggr_expr).map(unaliased).collect();
    let mut descent = Descent { given, conjuncts: Vec::new(), joins: Vec::new() };
    let scan = descent.down(&aggregate.input)?;
    let Descent { given: mut group, conjuncts, mut joins } = descent;
    joins.reverse();
    let calls = group.split_off(groups);
    let schema = block_schema(scan, &joins)?;
    let joined = joins
        .iter()
        .flat_map(|join| join.on.iter().flat_map(|(raw, other)| [raw, other]).chain(&join.filter));
    for expr in group.iter().chain(&calls).chain(&conjuncts).chain(joined) {
        if let Some(refusal) = expr_refusal(expr)? {
            return Err(refusal.into());
        }
    }
    for join in &joins {
        if let Some(refusal) = deterministic::plan_refusal(&join.other)? {
            return Err(refusal.into());
        }
    }
    let mut keys = Vec::new();
    let calls = calls.iter().map(|call| calls::read(call, &schema, &mut keys));
    let calls = calls.collect::<Attempt<_>>()?;
    Ok(Some(Block { group, keys, calls, conjuncts, joins, schema }))
}

/// Upper bound for the number of expression nodes. Each projection can use a column of the
/// projection below it several times, so expressions over nested projections multiply.
const PARTS_MAX: usize = 20_000;

/// Expressions that are rewritten node by node in terms of the input below. Columns of joined
/// tables already have their final names ([`Joined::column`]).
struct Descent {
    given: Vec<Expr>,
    conjuncts: Vec<Expr>,
    /// The joins met so far, from the top.
    joins: Vec<Joined>,
}

impl Descent {
    fn down<'p>(&mut self, mut plan: &'p LogicalPlan) -> Attempt<&'p TableScan> {
        loop {
            if self.parts()? > PARTS_MAX {
                return Err(Refusal::Node("expressions that multiply each other".to_owned()).into());
            }
            match plan {
                LogicalPlan::TableScan(scan) => {
                    if scan.fetch.is_some() {
                        return Err(Refusal::Node("a limit".to_owned()).into());
                    }
                    self.conjuncts.extend(scan.filters.iter().cloned());
                    self.rebase(|column| Ok(Expr::Column(Column::from_name(&column.name))))?;
                    return Ok(scan);
                }
                LogicalPlan::Filter(filter) => {
                    let conjuncts = split_conjunction_owned(filter.predicate.clone());
                    self.conjuncts.extend(conjuncts.into_iter().map(without_is_true));
                    plan = &filter.input;
                }
                LogicalPlan::Projection(projection) => {
                    self.rebase(|column| {
                        let at = projection.schema.index_of_column(column)?;
                        Ok(projection.expr.get(at).map_or_else(|| column.clone().into(), unaliased))
                    })?;
                    plan = &projection.input;
                }
                LogicalPlan::SubqueryAlias(alias) => {
                    self.rebase(|column| {
                        let at = alias.schema.index_of_column(column)?;
                        Ok(Expr::Column(alias.input.schema().qualified_field(at).into()))
                    })?;
                    plan = &alias.input;
                }
                LogicalPlan::Join(join) => plan = self.through(join)?,
                other => return Err(Refusal::Node(node_name(other)).into()),
            }
        }
    }

    /// Records a join, and returns its raw side.
    fn through<'p>(&mut self, join: &'p Join) -> Attempt<&'p LogicalPlan> {
        let raw_left = raw_table::reads_raw(&join.left)?;
        if raw_left && raw_table::reads_raw(&join.right)? {
            return Err(Refusal::TwoRawScans.into());
        }
        let (raw, other) =
            if raw_left { (&join.left, &join.right) } else { (&join.right, &join.left) };
        let kind = match (join.join_type, raw_left) {
            (JoinType::Inner, _) => JoinType::Inner,
            (JoinType::Left, true) | (JoinType::Right, false) => JoinType::Left,
            (JoinType::LeftSemi, true) | (JoinType::RightSemi, false) => JoinType::LeftSemi,
            (JoinType::LeftAnti, true) | (JoinType::RightAnti, false) => JoinType::LeftAnti,
            (kind, _) => return Err(Refusal::JoinKind(kind.to_string()).into()),
        };
        let index = self.joins.len();
        let arrived = |column: &Column| {
            let at = other.schema().maybe_index_of_column(column);
            Expr::Column(at.map_or_else(|| column.clone(), |at| Joined::column(index, at)))
        };
        self.rebase(|column| Ok(arrived(column)))?;
        let arrive = |expr: &Expr| {
            let mut expr = expr.clone();
            rebase(&mut expr, &|column| Ok(arrived(column))).map(|()| expr)
        };
        let sides = join.on.iter().map(|(left, right)| {
            let (raw, other) = if raw_left { (left, right) } else { (right, left) };
            Ok((raw.clone(), arrive(other)?))
        });
        self.joins.push(Joined {
            other: Joined::renamed(other, index)?,
            kind,
            on: sides.collect::<Result<_>>()?,
            filter: join.filter.as_ref().map(arrive).transpose()?,
            null_equality: join.null_equality,
            null_aware: join.null_aware,
        });
        Ok(raw)
    }

    /// The number of expression nodes in `given` and `conjuncts`.
    fn parts(&self) -> Result<usize> {
        let mut parts = 0;
        for expr in self.given.iter().chain(&self.conjuncts) {
            expr.apply(|_| {
                parts += 1;
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(parts)
    }

    fn rebase(&mut self, to: impl Fn(&Column) -> Result<Expr>) -> Result<()> {
        let joins = self
            .joins
            .iter_mut()
            .flat_map(|join| join.on.iter_mut().map(|(raw, _)| raw).chain(join.filter.as_mut()));
        let exprs = self.given.iter_mut().chain(&mut self.conjuncts).chain(joins);
        for expr in exprs {
            rebase(expr, &to)?;
        }
        Ok(())
    }
}

/// A filter condition without an outer `IS TRUE`. A filter drops rows for which the condition is
/// NULL anyway.
fn without_is_true(conjunct: Expr) -> Expr {
    match conjunct {
        Expr::IsTrue(inner) => *inner,
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::IsNotDistinctFrom, right })
            if is_true(&right) =>
        {
            *left
        }
        conjunct => conjunct,
    }
}

fn is_true(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

fn rebase(expr: &mut Expr, to: &impl Fn(&Column) -> Result<Expr>) -> Result<()> {
    *expr = std::mem::take(expr)
        .transform(|node| match &node {
            Expr::Column(column) if !is_joined(column) => to(column).map(|expr| {
                // The replacement is already in terms of the columns below, so it isn't visited.
                Transformed::new(expr, true, TreeNodeRecursion::Jump)
            }),
            _ => Ok(Transformed::no(node)),
        })?
        .data;
    Ok(())
}

fn block_schema(scan: &TableScan, joins: &[Joined]) -> Result<DFSchema> {
    let mut schema = DFSchema::try_from(scan.source.schema())?;
    for join in joins {
        let fields = join.other.schema().iter().map(|(_, field)| {
            let field = field.as_ref().clone();
            let nullable = field.is_nullable() || join.kind == JoinType::Left;
            (None, std::sync::Arc::new(field.with_nullable(nullable)))
        });
        let fields = fields.collect();
        schema.merge(&DFSchema::new_with_metadata(fields, std::collections::HashMap::new())?);
    }
    Ok(schema)
}

fn unaliased(expr: &Expr) -> Expr {
    expr.clone().unalias_nested().data
}

fn node_name(plan: &LogicalPlan) -> String {
    let text = plan.display().to_string();
    text.split(':').next().unwrap_or_default().to_owned()
}

/// The refusal if an expression has a volatile call or a subquery. A scalar subquery is allowed
/// when its value depends neither on the row nor on the run.
fn expr_refusal(expr: &Expr) -> Result<Option<Refusal>> {
    let mut refusal = None;
    expr.apply(|node| {
        refusal = match node {
            Expr::ScalarSubquery(query) if query.outer_ref_columns.is_empty() => {
                deterministic::plan_refusal(&query.subquery)?
            }
            Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::SetComparison(_) => Some(Refusal::Subquery),
            node if node.is_volatile_node() => Some(Refusal::Volatile(node.to_string())),
            _ => None,
        };
        Ok(if refusal.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(refusal)
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn expressions_are_brought_down_to_columns_of_the_raw_table() {
        let sql = "SELECT o, sum(twice) FROM (SELECT org AS o, cost * 2 AS twice FROM calls WHERE model = 'm') GROUP BY o";
        insta::assert_snapshot!(rewritten(sql), @r#"
        Sort: o ASC NULLS LAST, sum(twice) ASC NULLS LAST
          Projection: o, sum(twice)
            Projection: group_0 AS o, narrowed(state_0) AS sum(twice)
              Aggregate: groupBy=[[group_0]], aggr=[[sum(state_0) AS state_0]]
                Union
                  Projection: CAST(daily.org AS Utf8View) AS group_0, CAST(CAST(daily.cost_sum AS Decimal256(48, 12)) * CAST(Decimal128(2,20,0) AS Decimal256(20, 0)) AS Decimal256(48, 12)) AS state_0
                    Filter: daily.model = Utf8View("m")
                      TableScan: daily
                  Projection: CAST(group_0 AS Utf8View) AS group_0, CAST(state_0 AS Decimal256(48, 12)) AS state_0
                    Aggregate: groupBy=[[calls.org AS group_0]], aggr=[[sum(CAST(calls.cost * Decimal128(2,20,0) AS Decimal256(38, 12))) AS state_0]]
                      Filter: calls.model = Utf8View("m")
                        TableScan: calls
        -- 10 days: 8 from daily, 1 raw (no segment), 1 segment + 1 late leaf raw
        --   not hourly: org is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        "#);
    }

    #[test]
    fn a_join_with_a_users_table_is_part_of_each_branch() {
        let sql = "SELECT budget, sum(cost) FROM calls JOIN plans USING (org) GROUP BY budget";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: plans.budget ASC NULLS LAST, sum(calls.cost) ASC NULLS LAST
          Projection: plans.budget, sum(calls.cost)
            Projection: group_0 AS budget, CAST(state_0 AS Decimal128(28, 12)) AS sum(calls.cost)
              Aggregate: groupBy=[[group_0]], aggr=[[sum(state_0) AS state_0]]
                Union
                  Projection: CAST(joined 0.1 AS Int32) AS group_0, CAST(daily.cost_sum AS Decimal128(28, 12)) AS state_0
                    Inner Join: daily.org = joined 0.0
                      TableScan: daily
                      Projection: plans.org AS joined 0.0, plans.budget AS joined 0.1
                        TableScan: plans
                  Projection: CAST(group_0 AS Int32) AS group_0, CAST(state_0 AS Decimal128(28, 12)) AS state_0
                    Aggregate: groupBy=[[joined 0.1 AS group_0]], aggr=[[sum(calls.cost) AS state_0]]
                      Inner Join: calls.org = joined 0.0
                        TableScan: calls
                        Projection: plans.org AS joined 0.0, plans.budget AS joined 0.1
                          TableScan: plans
        -- 10 days: 8 from daily, 1 raw (no segment), 1 segment + 1 late leaf raw
        --   not hourly: org is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }

    #[test]
    fn rows_limited_below_the_aggregate_are_read_raw() {
        let sql = "SELECT count(*) FROM (SELECT * FROM calls ORDER BY at LIMIT 5)";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: count(*) ASC NULLS LAST
          Projection: count(Int64(1)) AS count(*)
            Aggregate: groupBy=[[]], aggr=[[count(Int64(1))]]
              Limit: skip=0, fetch=5
                Sort: calls.at ASC NULLS LAST
                  Projection: calls.at, calls.org, calls.model, calls.paid, calls.tokens, calls.cost, calls.score, calls.date
                    TableScan: calls
        -- 10 days: 10 raw (no rollup serves)
        --   not *: Limit between the aggregate and the raw table
        ");
    }
}
