//! From a query's text to a plan. The checks and rewrites, in order:
//!
//! ```text
//! text ─ size: the text is not too large or too deep to be parsed
//!      ─ precedence: `IS DISTINCT FROM` binds as SQL says
//!      ─ expansion: the WITH parts don't use each other too often to be planned
//!      ─ ignored: it has no part that DataFusion would leave out
//!      ─ refused: DataFusion plans nothing in it with another meaning
//!      ─ types: literals get the types that they need
//!      ─ names: no two columns have one name
//! ```

mod expansion;
mod ignored;
mod names;
mod precedence;
mod refused;
mod size;
mod types;

use std::ops::ControlFlow;

use datafusion::{
    execution::SessionState,
    logical_expr::LogicalPlan,
    sql::{
        parser::Statement,
        sqlparser::ast::{self, Visit, VisitMut},
    },
};

use self::{
    expansion::Expansion,
    ignored::Ignored,
    names::{CastsAsCalls, has_two_columns_of_one_name},
    precedence::with_right_sides,
    refused::Refused,
    size::check_size,
    types::WithTypes,
};
use crate::base::{Error, Result};

/// Checks that the statement only reads.
///
/// # Errors
/// `Invalid` when the statement would change something.
fn check_only_reads(statement: &Statement) -> Result<()> {
    let first_word = match statement {
        Statement::Explain(_) => return Ok(()),
        Statement::Statement(statement) => match statement.as_ref() {
            ast::Statement::Query(_)
            | ast::Statement::Explain { .. }
            | ast::Statement::ExplainTable { .. }
            | ast::Statement::ShowTables { .. }
            | ast::Statement::ShowColumns { .. }
            | ast::Statement::ShowFunctions { .. }
            | ast::Statement::ShowVariable { .. } => return Ok(()),
            other => other.to_string(),
        },
        other => other.to_string(),
    };
    let first_word = first_word.split_whitespace().next().unwrap_or_default().to_uppercase();
    Err(Error::invalid(format!(
        "{first_word} isn't supported: SQL only reads here; rows are added by `append`, and removed \
         by `erase` and `purge`"
    )))
}

/// The plan of one SELECT, not analyzed yet.
///
/// # Errors
/// `Limit` when the text is too large or too deep; `Invalid` when the text is no SELECT, or would
/// be answered wrongly.
pub(super) async fn plan_of(state: &SessionState, sql: &str) -> Result<LogicalPlan> {
    check_size(sql)?;
    let dialect = state.config().options().sql_parser.dialect;
    let mut statement = state.sql_to_statement(&with_right_sides(sql), &dialect)?;
    check_only_reads(&statement)?;
    if let Statement::Statement(statement) = &mut statement {
        if let ControlFlow::Break(what) = Visit::visit(statement, &mut Expansion) {
            return Err(Error::limit(what));
        }
        if let ControlFlow::Break(what) = Visit::visit(statement, &mut Ignored { state }) {
            return Err(Error::invalid(what));
        }
        if let ControlFlow::Break(what) = Visit::visit(statement, &mut Refused) {
            return Err(Error::invalid(what));
        }
        let _: ControlFlow<()> = VisitMut::visit(statement, &mut WithTypes);
    }
    let mut again = statement.clone();
    let error = match state.statement_to_plan(statement).await {
        Err(error) if has_two_columns_of_one_name(&error) => error,
        planned => return planned.map_err(Error::from),
    };
    if let Statement::Statement(statement) = &mut again {
        let _: ControlFlow<()> = VisitMut::visit(statement, &mut CastsAsCalls);
    }
    let planned = state.statement_to_plan(again).await;
    planned.map_err(|_| Error::from(error))
}
