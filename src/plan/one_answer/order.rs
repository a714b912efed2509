//! A total order for aggregated results.
//!
//! ```text
//! SELECT org, count(*) AS n … GROUP BY org ORDER BY n DESC LIMIT 3
//! ──▶  Limit: fetch=3
//!        Sort: n DESC, org ASC      ← `org` breaks ties of `n`
//!          Projection: org, count(*) AS n
//! ```
//!
//! SQL leaves open the order of equal rows, and the order of all rows without ORDER BY. With
//! LIMIT, even the set of rows is open. None of this may depend on which files were read, so:
//!
//! 1. A sort over aggregated rows gets their other columns as further keys.
//! 2. A limit over unsorted aggregated rows sorts them first.
//! 3. An aggregated result without a sort is sorted by its columns, left to right.
//! 4. Windows and ordered calls over aggregated rows break ties by the other columns ([`ties`]).

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, JoinType, tree_node::Transformed},
    error::Result,
    logical_expr::{Expr, LogicalPlan, Sort, SortExpr},
};

use crate::plan::{one_answer::ties, raw_table::is_raw};

/// Gives the aggregated rows of a plan a total order.
pub(in crate::plan) fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Sort(sort) if aggregated(&sort.input) => Ok(continued(sort)),
        LogicalPlan::Limit(mut limit) if aggregated(&limit.input) && !sorted(&limit.input) => {
            let input = Arc::unwrap_or_clone(limit.input);
            limit.input = Arc::new(sort_all(input));
            Ok(Transformed::yes(LogicalPlan::Limit(limit)))
        }
        LogicalPlan::Window(window) if aggregated(&window.input) => ties::of_window(window),
        LogicalPlan::Aggregate(aggregate) if aggregated(&aggregate.input) => {
            ties::of_aggregate(aggregate)
        }
        node => Ok(Transformed::no(node)),
    })?;
    let plan = plan.data;
    let query = !matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
    let unordered = query && aggregated(&plan) && !sorted(&plan);
    Ok(if unordered { sort_all(plan) } else { plan })
}

fn continued(mut sort: Sort) -> Transformed<LogicalPlan> {
    let keys: Vec<Expr> = sort.expr.iter().map(|key| key.expr.clone()).collect();
    let rest = orderable(&sort.input).filter(|column| !keys.contains(column));
    let before = sort.expr.len();
    let rest: Vec<_> = rest.map(|column| column.sort(true, false)).collect();
    sort.expr.extend(rest);
    let changed = sort.expr.len() > before;
    Transformed::new_transformed(LogicalPlan::Sort(sort), changed)
}

fn sort_all(plan: LogicalPlan) -> LogicalPlan {
    let keys: Vec<SortExpr> = orderable(&plan).map(|column| column.sort(true, false)).collect();
    if keys.is_empty() {
        return plan;
    }
    LogicalPlan::Sort(Sort { expr: keys, input: Arc::new(plan), fetch: None })
}

pub(in crate::plan) fn orderable(plan: &LogicalPlan) -> impl Iterator<Item = Expr> {
    plan.schema()
        .iter()
        .filter(|(_, field)| !matches!(field.data_type(), DataType::Map(..) | DataType::Null))
        .map(|pair| Expr::Column(Column::from(pair)))
}

/// Whether the rows come out of aggregates, perhaps joined with a user's tables. Such rows are
/// few, so sorting them costs little.
fn aggregated(plan: &LogicalPlan) -> bool {
    origin(plan) == Origin::Aggregates
}

/// Where rows come from. Rows with several origins have the greatest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// A user's tables, whose order is left alone; or no table at all.
    Tables,
    /// Aggregates, over any input.
    Aggregates,
    /// Raw rows.
    Raw,
}

fn origin(plan: &LogicalPlan) -> Origin {
    match plan {
        LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => Origin::Aggregates,
        LogicalPlan::TableScan(scan) if is_raw(scan) => Origin::Raw,
        LogicalPlan::Join(join) => match join.join_type {
            // The other side only decides which rows stay.
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => origin(&join.left),
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => origin(&join.right),
            _ => origin(&join.left).max(origin(&join.right)),
        },
        node => node.inputs().into_iter().map(origin).max().unwrap_or(Origin::Tables),
    }
}

fn sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Limit(_) => {
            plan.inputs().into_iter().all(sorted)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn a_limit_over_groups_has_a_total_order() {
        let sql = "SELECT org, count(*) AS n FROM calls GROUP BY org ORDER BY n DESC LIMIT 3";
        insta::assert_snapshot!(rewritten(sql), @r"
        Limit: skip=0, fetch=3
          Sort: n DESC NULLS FIRST, calls.org ASC NULLS LAST
            Projection: calls.org, count(Int64(1)) AS count(*) AS n
              Projection: group_0 AS org, coalesce(state_0, Int64(0)) AS count(Int64(1))
                Aggregate: groupBy=[[group_0]], aggr=[[sum(state_0) AS state_0]]
                  Union
                    Projection: CAST(daily.org AS Utf8View) AS group_0, CAST(daily.calls AS Int64) AS state_0
                      TableScan: daily
                    Projection: CAST(group_0 AS Utf8View) AS group_0, CAST(state_0 AS Int64) AS state_0
                      Aggregate: groupBy=[[calls.org AS group_0]], aggr=[[count(Int64(1)) AS state_0]]
                        TableScan: calls
        -- 10 days: 8 from daily, 1 raw (no segment), 1 segment + 1 late leaf raw
        --   not hourly: org is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }
}
