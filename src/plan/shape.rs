//! Reading an aggregate block: `Aggregate ← {Projection, Filter, SubqueryAlias}* ← the raw table`,
//! with every expression brought down to the raw table's own columns.
//!
//! ```text
//! Aggregate: group=[m], sum(c)            Block
//!   Projection: upper(model) AS m, cost AS c    group  upper(model)
//!     Filter: date >= 2026-01-01          ──▶   calls  sum(cost)
//!       TableScan: ai_usage_log                 where  date >= 2026-01-01
//! ```

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        Column, DFSchema,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{
        Aggregate, Expr, ExprSchemable as _, LogicalPlan, TableScan, expr::AggregateFunction,
        utils::split_conjunction_owned,
    },
};

use super::{Refusal, scans};
use crate::model::Function;

/// An aggregate call over raw columns.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) argument: Option<Expr>,
    /// The argument's type; `Int64` for `count(*)`.
    pub(super) argument_type: DataType,
    pub(super) filter: Option<Expr>,
    /// As the query wrote it, for messages.
    pub(super) text: String,
}

/// An aggregate block over the raw table, in raw columns without qualifier.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) group: Vec<Expr>,
    pub(super) calls: Vec<Call>,
    pub(super) conjuncts: Vec<Expr>,
    /// The raw table's schema, without qualifier.
    pub(super) schema: DFSchema,
}

/// Reads an aggregate. `None` when it isn't over the raw table.
pub(super) fn read(aggregate: &Aggregate) -> Result<Option<Result<Block, Refusal>>> {
    if !scans::reads_raw(&aggregate.input)? {
        return Ok(None);
    }
    let grouping_sets =
        aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
    if grouping_sets {
        return Ok(Some(Err(Refusal::GroupingSets)));
    }
    let groups = aggregate.group_expr.len();
    let mut exprs: Vec<Expr> =
        aggregate.group_expr.iter().chain(&aggregate.aggr_expr).map(unaliased).collect();
    let scan = match descend(&aggregate.input, &mut exprs)? {
        Ok(scan) => scan,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    let conjuncts = exprs.split_off(groups + aggregate.aggr_expr.len());
    let calls = exprs.split_off(groups);
    let schema = DFSchema::try_from(scan.source.schema())?;
    for expr in exprs.iter().chain(&calls).chain(&conjuncts) {
        if let Some(refusal) = unstable(expr)? {
            return Ok(Some(Err(refusal)));
        }
    }
    let calls: Result<Result<Vec<_>, Refusal>> =
        calls.iter().map(|call| read_call(call, &schema)).collect();
    Ok(Some(calls?.map(|calls| Block { group: exprs, calls, conjuncts, schema })))
}

/// Brings `exprs` from the columns of `plan`'s output down to the scan's, and adds the conjuncts
/// met.
fn descend<'p>(
    mut plan: &'p LogicalPlan,
    exprs: &mut Vec<Expr>,
) -> Result<Result<&'p TableScan, Refusal>> {
    loop {
        match plan {
            LogicalPlan::TableScan(scan) => {
                if scan.fetch.is_some() {
                    return Ok(Err(Refusal::Node("a limit".to_owned())));
                }
                exprs.extend(scan.filters.iter().cloned());
                rebase(exprs, |column| Ok(Expr::Column(Column::from_name(&column.name))))?;
                return Ok(Ok(scan));
            }
            LogicalPlan::Filter(filter) => {
                exprs.extend(split_conjunction_owned(filter.predicate.clone()));
                plan = &filter.input;
            }
            LogicalPlan::Projection(projection) => {
                rebase(exprs, |column| {
                    let at = projection.schema.index_of_column(column)?;
                    Ok(projection.expr.get(at).map_or_else(|| column.clone().into(), unaliased))
                })?;
                plan = &projection.input;
            }
            LogicalPlan::SubqueryAlias(alias) => {
                rebase(exprs, |column| {
                    let at = alias.schema.index_of_column(column)?;
                    Ok(Expr::Column(alias.input.schema().qualified_field(at).into()))
                })?;
                plan = &alias.input;
            }
            other => return Ok(Err(Refusal::Node(node_name(other)))),
        }
    }
}

fn rebase(exprs: &mut [Expr], to: impl Fn(&Column) -> Result<Expr>) -> Result<()> {
    for expr in exprs {
        *expr = std::mem::take(expr)
            .transform(|node| match &node {
                Expr::Column(column) => to(column).map(|expr| {
                    // What took the column's place is already in the columns below.
                    Transformed::new(expr, true, TreeNodeRecursion::Jump)
                }),
                _ => Ok(Transformed::no(node)),
            })?
            .data;
    }
    Ok(())
}

fn unaliased(expr: &Expr) -> Expr {
    expr.clone().unalias_nested().data
}

fn node_name(plan: &LogicalPlan) -> String {
    let text = plan.display().to_string();
    text.split(':').next().unwrap_or_default().to_owned()
}

fn unstable(expr: &Expr) -> Result<Option<Refusal>> {
    let mut refusal = None;
    expr.apply(|node| {
        refusal = match node {
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => {
                Some(Refusal::Subquery)
            }
            node if node.is_volatile_node() => Some(Refusal::Volatile(node.to_string())),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    })?;
    Ok(refusal)
}

fn read_call(call: &Expr, schema: &DFSchema) -> Result<Result<Call, Refusal>> {
    let text = call.to_string();
    let Expr::AggregateFunction(AggregateFunction { func, params }) = call else {
        return Ok(Err(Refusal::NotMergeable(text)));
    };
    if params.distinct && !matches!(func.name(), "min" | "max") {
        return Ok(Err(Refusal::Distinct(text)));
    }
    let function = match func.name() {
        "count" => Function::Count,
        "sum" => Function::Sum,
        "min" => Function::Min,
        "max" => Function::Max,
        "avg" => Function::Avg,
        _ => return Ok(Err(Refusal::NotMergeable(text))),
    };
    let [argument] = params.args.as_slice() else {
        return Ok(Err(Refusal::NotMergeable(text)));
    };
    let filter = params.filter.as_deref().cloned();
    let rows = matches!(argument, Expr::Literal(value, _) if !value.is_null());
    if function == Function::Count && rows {
        let argument_type = DataType::Int64;
        let function = Function::Rows;
        return Ok(Ok(Call { function, argument: None, argument_type, filter, text }));
    }
    let argument = averaged(function, argument, schema)?;
    let argument_type = argument.get_type(schema)?;
    Ok(Ok(Call { function, argument: Some(argument), argument_type, filter, text }))
}

/// `avg` of an integer is planned as `avg(CAST(x AS Float64))`; ours is of the integer.
pub(super) fn averaged(function: Function, argument: &Expr, schema: &DFSchema) -> Result<Expr> {
    if function == Function::Avg
        && let Expr::Cast(cast) = argument
        && cast.expr.get_type(schema)? == DataType::Int64
    {
        return Ok(cast.expr.as_ref().clone());
    }
    Ok(argument.clone())
}
