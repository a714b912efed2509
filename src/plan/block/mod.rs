//! An aggregate block over the raw table, in terms of the raw table's own columns.

pub(super) mod calls;
pub(super) mod deterministic;
pub(super) mod shape;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchema, NullEquality, tree_node::TreeNode as _},
    error::Result,
    logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder},
};

use crate::model::Function;

/// An aggregate call.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Call {
    pub(in crate::plan) function: Function,
    /// For a call with DISTINCT: the index of the key in [`Block::keys`] that holds its values.
    pub(in crate::plan) distinct: Option<usize>,
    /// None for `count(*)`.
    pub(in crate::plan) argument: Option<Expr>,
    /// The argument's type; `Int64` for `count(*)`.
    pub(in crate::plan) argument_type: DataType,
    pub(in crate::plan) filter: Option<Expr>,
    /// The call as the query wrote it, for messages.
    pub(in crate::plan) text: String,
}

/// A table joined to the raw rows. Each raw row matches none, one or many of its rows.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Joined {
    /// The other table, its columns named by [`Joined::column`].
    pub(in crate::plan) other: LogicalPlan,
    /// `Inner`, or `Left`, `LeftSemi`, `LeftAnti` with the raw rows on the left.
    pub(in crate::plan) kind: JoinType,
    /// Pairs that must be equal: an expression over raw rows (and tables joined before), and an
    /// expression over the other table.
    pub(in crate::plan) on: Vec<(Expr, Expr)>,
    pub(in crate::plan) filter: Option<Expr>,
    pub(in crate::plan) null_equality: NullEquality,
    pub(in crate::plan) null_aware: bool,
}

/// An aggregate block. Raw columns have no qualifier. Columns of joined tables have names that no
/// raw column can have.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Block {
    /// The grouping expressions, without duplicates.
    pub(in crate::plan) group: Vec<Expr>,
    /// More expressions that the branches are grouped by: the values that calls with DISTINCT are
    /// over.
    pub(in crate::plan) keys: Vec<Expr>,
    pub(in crate::plan) calls: Vec<Call>,
    pub(in crate::plan) conjuncts: Vec<Expr>,
    /// The joined tables, in the order in which they are joined.
    pub(in crate::plan) joins: Vec<Joined>,
    /// The raw table's columns and those of the joined tables.
    pub(in crate::plan) schema: DFSchema,
}

/// The prefix of joined columns. No raw column has a space in its name.
const JOINED_PREFIX: &str = "joined ";

impl Joined {
    /// The name of a joined table's column.
    pub(in crate::plan) fn column(join: usize, at: usize) -> Column {
        Column::from_name(format!("{JOINED_PREFIX}{join}.{at}"))
    }

    /// The table with its columns renamed.
    pub(in crate::plan) fn renamed(other: &LogicalPlan, join: usize) -> Result<LogicalPlan> {
        let columns = other.schema().iter().enumerate();
        let columns = columns
            .map(|(at, from)| Expr::Column(Column::from(from)).alias(Self::column(join, at).name));
        LogicalPlanBuilder::from(other.clone()).project(columns.collect::<Vec<_>>())?.build()
    }
}

/// Whether the column belongs to a joined table.
pub(in crate::plan) fn is_joined(column: &Column) -> bool {
    column.name.starts_with(JOINED_PREFIX)
}

/// Whether the expression needs a joined table.
pub(in crate::plan) fn needs_join(expr: &Expr) -> Result<bool> {
    expr.exists(|node| Ok(matches!(node, Expr::Column(column) if is_joined(column))))
}
