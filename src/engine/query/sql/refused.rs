//! Queries that DataFusion would plan with another meaning, or without end.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, JoinConstraint, JoinOperator, NamedWindowDefinition,
    NamedWindowExpr, Query, Select, SetExpr, SetOperator, SetQuantifier, Visitor, WindowType,
};

/// The maximum number of grouping sets that CUBE, ROLLUP and GROUPING SETS make. Each row is
/// counted in each set.
const SETS_MAX: u64 = 1_024;

const BUILT_WINDOW: &str = "a window that builds on a named one isn't supported, as the named one's \
                            PARTITION BY and ORDER BY would be lost; write both in one OVER (…)";

/// Finds the first construct to refuse. The message says what to write instead.
pub(super) struct Refused;

impl Visitor for Refused {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        let mut parts = vec![query.body.as_ref()];
        while let Some(part) = parts.pop() {
            if let SetExpr::Select(select) = part
                && let GroupByExpr::Expressions(keys, _) = &select.group_by
            {
                let sets = keys.iter().map(sets_of).fold(1, u64::saturating_mul);
                if sets > SETS_MAX {
                    return ControlFlow::Break(format!(
                        "GROUP BY makes {sets} sets of groups, more than {SETS_MAX}; name those \
                         that you need by GROUPING SETS ((a, b), (a), …)"
                    ));
                }
            }
            if let SetExpr::Select(select) = part {
                joins_apart(select)?;
                windows_alone(select)?;
            }
            let SetExpr::SetOperation { op, set_quantifier, left, right } = part else { continue };
            parts.extend([left.as_ref(), right.as_ref()]);
            let of_all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
            if of_all && !matches!(op, SetOperator::Union) {
                // DataFusion plans these as semi and anti joins (apache/datafusion#12955, #12956).
                return ControlFlow::Break(format!(
                    "{op} ALL isn't supported, as equal rows would be counted wrongly; write {op}, \
                     or number equal rows by row_number() OVER (PARTITION BY all columns) and \
                     compare the numbers, too"
                ));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        if let Expr::BinaryOp { op: BinaryOperator::BitwiseXor, .. } = expr {
            return ControlFlow::Break(
                "`^` is a power in some engines and XOR in others; write power(a, b), or \
                 (a | b) - (a & b)"
                    .to_owned(),
            );
        }
        if let Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) = expr
            && sets.iter().flatten().any(|key| matches!(key, Expr::Value(_)))
        {
            return ControlFlow::Break(
                "a number is no column in ROLLUP, CUBE and GROUPING SETS; name the column"
                    .to_owned(),
            );
        }
        if let Expr::Function(call) = expr
            && let Some(WindowType::WindowSpec(window)) = &call.over
            && window.window_name.is_some()
        {
            return ControlFlow::Break(BUILT_WINDOW.to_owned());
        }
        ControlFlow::Continue(())
    }
}

/// Refuses RIGHT and FULL joins by USING, and NATURAL ones. DataFusion 55 gives the left side's
/// column alone, which is NULL where only the right side has a row.
fn joins_apart(select: &Select) -> ControlFlow<String> {
    for join in select.from.iter().flat_map(|from| &from.joins) {
        let (JoinOperator::Right(by) | JoinOperator::RightOuter(by) | JoinOperator::FullOuter(by)) =
            &join.join_operator
        else {
            continue;
        };
        if matches!(by, JoinConstraint::Using(_) | JoinConstraint::Natural) {
            return ControlFlow::Break(
                "a RIGHT or FULL join by USING or NATURAL isn't supported, as the shared column would \
                 be NULL where only the right side has a row; write ON a.x = b.x, and coalesce(a.x, b.x)"
                    .to_owned(),
            );
        }
    }
    ControlFlow::Continue(())
}

/// Refuses a named window that builds on another one. DataFusion 55 loses the other one's parts.
fn windows_alone(select: &Select) -> ControlFlow<String> {
    let builds = select.named_window.iter().any(|NamedWindowDefinition(_, window)| match window {
        NamedWindowExpr::NamedWindow(_) => true,
        NamedWindowExpr::WindowSpec(window) => window.window_name.is_some(),
    });
    if builds { ControlFlow::Break(BUILT_WINDOW.to_owned()) } else { ControlFlow::Continue(()) }
}

/// The number of grouping sets that a key of GROUP BY makes.
fn sets_of(key: &Expr) -> u64 {
    match key {
        Expr::Cube(parts) => {
            let columns = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            2_u64.saturating_pow(columns)
        }
        Expr::Rollup(parts) => parts.len() as u64 + 1,
        Expr::GroupingSets(sets) => sets.len() as u64,
        _ => 1,
    }
}
