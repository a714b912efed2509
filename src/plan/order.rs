//! A total order for aggregated results.
//!
//! SQL leaves open the order of equal rows, and of all rows without ORDER BY; with LIMIT that even
//! decides which rows come. What SQL leaves open must not depend on which files were read, so:
//!
//! 1. A sort over aggregated rows is continued over their other columns.
//! 2. A limit over unsorted aggregated rows sorts them first.
//! 3. An aggregated result without a sort is sorted by its columns, left to right.
//! 4. Windows and ordered calls over aggregated rows break ties by the other columns ([`ties`]).

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, tree_node::Transformed},
    error::Result,
    logical_expr::{Expr, LogicalPlan, Sort, SortExpr},
};

use super::{raw_table::is_raw, ties};

/// The plan with the order of its aggregated rows settled.
pub(super) fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
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

pub(super) fn orderable(plan: &LogicalPlan) -> impl Iterator<Item = Expr> {
    plan.schema()
        .iter()
        .filter(|(_, field)| !matches!(field.data_type(), DataType::Map(..) | DataType::Null))
        .map(|pair| Expr::Column(Column::from(pair)))
}

/// Whether rows come out of aggregates, perhaps joined with tables of the user's: then there are
/// few, and sorting them costs little.
fn aggregated(plan: &LogicalPlan) -> bool {
    origin(plan) == Origin::Aggregates
}

/// What rows are made of; of several, the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// Tables of the user's, whose order is their own; or nothing.
    Tables,
    /// Aggregates, of whatever.
    Aggregates,
    /// Rows of the log.
    Raw,
}

fn origin(plan: &LogicalPlan) -> Origin {
    match plan {
        LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => Origin::Aggregates,
        LogicalPlan::TableScan(scan) if is_raw(scan) => Origin::Raw,
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
