//! Literals that would lose their meaning on the way into a plan.
//!
//! | written | planned as |
//! |---|---|
//! | `x IN (a, NULL)`, `x NOT IN (a, NULL)` | `x IN (a) OR NULL`, `x NOT IN (a) AND NULL` |
//! | `t < '….0000005'` of microseconds `t` | `t <= '….000000'`; other comparisons alike |
//! | `t = '….0000005'` | false, or NULL where `t` is |
//!
//! DataFusion drops NULL from lists that it merges with others, and cuts what is finer than a
//! microsecond.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::{
        ScalarValue,
        tree_node::{Transformed, TransformedResult as _, TreeNode as _},
    },
    error::Result,
    logical_expr::{
        BinaryExpr, Cast, Expr, LogicalPlan, Operator, expr::InList, expr_rewriter::NamePreserver,
        lit, when,
    },
};

/// The plan with its literals meaning what they say. Its types must be resolved.
///
/// # Errors
/// DataFusion's, for a malformed plan.
pub(crate) fn keep_meaning(plan: LogicalPlan) -> Result<LogicalPlan> {
    let kept = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let kept = expr.transform_up(kept)?;
            Ok(if kept.transformed { kept.update_data(|expr| name.restore(expr)) } else { kept })
        })
    });
    kept.data()
}

fn kept(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::InList(list) => in_list(list),
        Expr::Between(between) if is_finer(&between.low) || is_finer(&between.high) => {
            let low = compare(&between.expr, Operator::GtEq, &between.low)?;
            let high = compare(&between.expr, Operator::LtEq, &between.high)?;
            let inside = low.and(high);
            let inside = if between.negated { Expr::Not(Box::new(inside)) } else { inside };
            Ok(Transformed::yes(inside))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_finer(&right) => {
            compare(&left, op, &right).map(Transformed::yes)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_finer(&left) => match op.swap() {
            Some(op) => compare(&right, op, &left).map(Transformed::yes),
            None => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
        },
        expr => Ok(Transformed::no(expr)),
    }
}

fn in_list(list: InList) -> Result<Transformed<Expr>> {
    let InList { expr, list, negated } = list;
    let before = list.len();
    let has_null = list.iter().any(is_null);
    let rest: Vec<_> = list.into_iter().filter(|item| !is_null(item) && !is_finer(item)).collect();
    let changed = rest.len() < before;
    let found = if changed && rest.is_empty() {
        unless_null(&expr, negated)?
    } else {
        Expr::InList(InList { expr, list: rest, negated })
    };
    let null = lit(ScalarValue::Boolean(None));
    let found = match (has_null, negated) {
        (false, _) => found,
        (true, false) => found.or(null),
        (true, true) => found.and(null),
    };
    Ok(Transformed::new_transformed(found, changed))
}

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(cast) => is_null(&cast.expr),
        _ => false,
    }
}

/// The comparison of a time in microseconds with a literal between two of them.
fn compare(time: &Expr, op: Operator, literal: &Expr) -> Result<Expr> {
    let floor = floor_of(literal).unwrap_or_else(|| literal.clone());
    let is_between = is_finer(literal);
    let op = match op {
        Operator::Lt if is_between => Operator::LtEq,
        Operator::GtEq if is_between => Operator::Gt,
        Operator::Eq if is_between => return unless_null(time, false),
        Operator::NotEq if is_between => return unless_null(time, true),
        op => op,
    };
    Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(time.clone()), op, Box::new(floor))))
}

/// That truth value, or NULL where the expression is.
fn unless_null(expr: &Expr, truth: bool) -> Result<Expr> {
    when(expr.clone().is_not_null(), lit(truth)).end()
}

fn is_finer(expr: &Expr) -> bool {
    floor_of(expr).is_some()
}

/// The whole microsecond before a text that is taken for a time between two.
fn floor_of(expr: &Expr) -> Option<Expr> {
    let Expr::Cast(Cast { expr, field }) = expr else { return None };
    if !matches!(field.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _)) {
        return None;
    }
    let Expr::Literal(value, metadata) = expr.as_ref() else { return None };
    let text = value.try_as_str().flatten()?;
    let (whole, fraction) = text.rsplit_once('.')?;
    let end = fraction.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(fraction.len());
    let (digits, rest) = fraction.split_at(end);
    let (kept, finer) = digits.split_at_checked(6)?;
    if finer.bytes().all(|digit| digit == b'0') {
        return None;
    }
    let floor = ScalarValue::Utf8(Some(format!("{whole}.{kept}{rest}")));
    let floor = Expr::Literal(floor, metadata.clone());
    Some(Expr::Cast(Cast { expr: Box::new(floor), field: field.clone() }))
}
