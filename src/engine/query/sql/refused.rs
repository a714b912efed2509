//! Queries that DataFusion would plan with another meaning, or without end.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, SetExpr, SetOperator, SetQuantifier, Visitor,
};

/// The maximum number of grouping sets that CUBE, ROLLUP and GROUPING SETS make. Each row is
/// counted in each set.
const SETS_MAX: u64 = 1_024;

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
