//! An aggregate block over the raw table, in the raw table's own columns.

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchema, NullEquality, tree_node::TreeNode as _},
    error::Result,
    logical_expr::{Expr, JoinType, LogicalPlan, LogicalPlanBuilder},
};

use crate::model::Function;

/// An aggregate call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) function: Function,
    /// For a call over different values: which of the block's keys they are.
    pub(super) distinct: Option<usize>,
    /// None for `count(*)`.
    pub(super) argument: Option<Expr>,
    /// The argument's type; `Int64` for `count(*)`.
    pub(super) argument_type: DataType,
    pub(super) filter: Option<Expr>,
    /// As the query wrote it, for messages.
    pub(super) text: String,
}

/// A table joined to the raw rows, of which each raw row meets none, one or many.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    /// The other table, its columns named by [`Joined::column`].
    pub(super) other: LogicalPlan,
    /// `Inner`, or `Left`, `LeftSemi`, `LeftAnti` with the raw rows on the left.
    pub(super) kind: JoinType,
    /// What must be equal: an expression over raw rows (and tables joined before), and one over
    /// the other table.
    pub(super) on: Vec<(Expr, Expr)>,
    pub(super) filter: Option<Expr>,
    pub(super) null_equality: NullEquality,
    pub(super) null_aware: bool,
}

/// An aggregate block. Raw columns stand without qualifier; columns of joined tables have names
/// that no raw column can have.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The grouping expressions, each once.
    pub(super) group: Vec<Expr>,
    /// More expressions that the branches are grouped by: the values that calls over different
    /// values are about.
    pub(super) keys: Vec<Expr>,
    pub(super) calls: Vec<Call>,
    pub(super) conjuncts: Vec<Expr>,
    /// In the order in which they are joined.
    pub(super) joins: Vec<Joined>,
    /// The raw table's columns, and those of the joined tables.
    pub(super) schema: DFSchema,
}

/// No raw column has a space in its name.
const JOINED_PREFIX: &str = "joined ";

impl Joined {
    /// The name of a joined table's column.
    pub(super) fn column(join: usize, at: usize) -> Column {
        Column::from_name(format!("{JOINED_PREFIX}{join}.{at}"))
    }

    /// The table with its columns renamed.
    pub(super) fn renamed(other: &LogicalPlan, join: usize) -> Result<LogicalPlan> {
        let columns = other.schema().iter().enumerate();
        let columns = columns
            .map(|(at, from)| Expr::Column(Column::from(from)).alias(Self::column(join, at).name));
        LogicalPlanBuilder::from(other.clone()).project(columns.collect::<Vec<_>>())?.build()
    }
}

/// Whether that column is of a joined table.
pub(super) fn is_joined(column: &Column) -> bool {
    column.name.starts_with(JOINED_PREFIX)
}

/// Whether the expression needs a joined table.
pub(super) fn needs_join(expr: &Expr) -> Result<bool> {
    expr.exists(|node| Ok(matches!(node, Expr::Column(column) if is_joined(column))))
}
