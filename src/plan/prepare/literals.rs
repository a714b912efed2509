//! Keeps the meaning of literals that would lose it on the way into a plan.
//!
//! | written | planned as |
//! |---|---|
//! | `x IN (a, NULL)`, `x NOT IN (a, NULL)` | `x IN (a) OR NULL`, `x NOT IN (a) AND NULL` |
//! | `t < '….0000005'` of microseconds `t` | `t <= '….000000'`; other comparisons alike |
//! | `t = '….0000005'` | false, or NULL where `t` is |
//! | `f > 0.1` of a double `f` | a comparison of doubles |
//! | `d + INTERVAL '1 hour'` of a date `d` | the same of the day's first instant |
//! | `CAST(t AS TIMESTAMP)` of a time in a zone | the zone's local time |
//! | `NOT (x IN (a))`, `NOT (x LIKE a)` | `x NOT IN (a)`, `x NOT LIKE a` |
//!
//! DataFusion drops NULL from lists that it merges with other lists. It also cuts digits finer
//! than a microsecond, and the part of a day that is added to a date. The last row is done here
//! because DataFusion's analyzer does it too late: it would rename grouping sets.
//!
//! ```text
//! at < '2026-01-05T00:00:00.0000005Z'
//! ──▶  Filter: at <= 2026-01-05 00:00:00
//! ```

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::{
        DFSchema, ScalarValue, plan_err,
        tree_node::{Transformed, TreeNode as _},
    },
    error::Result,
    functions::datetime::expr_fn::to_local_time,
    logical_expr::{
        BinaryExpr, Cast, Expr, ExprSchemable as _, LogicalPlan, Operator, cast, expr::InList, lit,
        when,
    },
};

use crate::{
    model::{exact_operands, is_in_zone},
    plan::{
        expressions::changed, one_answer::ties::each_once,
        prepare::doubles_across_plans::with_doubles_on_both_sides,
    },
};

/// Rewrites literals so that they keep their meaning. The plan must not be analyzed yet, because
/// the analyzer turns texts into times.
///
/// # Errors
/// `Plan` when a date is compared with a number; DataFusion's, for a malformed plan.
pub(crate) fn keep_meaning(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = with_doubles_on_both_sides(plan)?;
    changed(plan, |expr, schema| {
        expr.transform_up(|part| {
            let part = exact_operands(part, schema);
            let part = part.transform_data(|part| keep_literal(part, schema))?;
            part.transform_data(|part| Ok(with_keys_once(part)))
        })
    })
}

/// The call of an aggregate, with each key of its order once.
fn with_keys_once(expr: Expr) -> Transformed<Expr> {
    let Expr::AggregateFunction(mut call) = expr else { return Transformed::no(expr) };
    let keys = call.params.order_by.len();
    call.params.order_by = each_once(call.params.order_by);
    let is_shorter = call.params.order_by.len() < keys;
    Transformed::new_transformed(Expr::AggregateFunction(call), is_shorter)
}

fn is_date(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Date32))
}

/// Whether the expression is an interval with a part of a day.
fn is_below_a_day(expr: &Expr) -> bool {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) = expr else {
        return false;
    };
    interval.nanoseconds != 0
}

/// The first instant of a date.
fn as_instant(date: Expr) -> Expr {
    cast(date, DataType::Timestamp(TimeUnit::Microsecond, None))
}

fn keep_literal(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_time = |expr: &Expr| {
        let kind = expr.get_type(schema);
        kind.is_ok_and(|kind| matches!(kind, DataType::Timestamp(TimeUnit::Microsecond, _)))
    };
    check_no_number(&expr, schema)?;
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::Plus | Operator::Minus),
            right,
        }) if is_below_a_day(&right) && is_date(&left, schema) => {
            let left = Box::new(as_instant(*left));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: op @ Operator::Plus, right })
            if is_below_a_day(&left) && is_date(&right, schema) =>
        {
            let right = Box::new(as_instant(*right));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        Expr::Cast(Cast { expr, field })
            if matches!(field.data_type(), DataType::Timestamp(_, None))
                && expr.get_type(schema).is_ok_and(|kind| is_in_zone(&kind)) =>
        {
            let local = Box::new(to_local_time(vec![*expr]));
            Ok(Transformed::yes(Expr::Cast(Cast { expr: local, field })))
        }
        Expr::Not(inner) => Ok(match !*inner {
            same @ Expr::Not(_) => Transformed::no(same),
            negated => Transformed::yes(negated),
        }),
        Expr::InList(list) => {
            let of_times = is_time(&list.expr);
            in_list(list, of_times)
        }
        Expr::Between(between)
            if is_time(&between.expr) && (is_finer(&between.low) || is_finer(&between.high)) =>
        {
            let low = compare(&between.expr, Operator::GtEq, &between.low)?;
            let high = compare(&between.expr, Operator::LtEq, &between.high)?;
            let inside = low.and(high);
            let inside = if between.negated { Expr::Not(Box::new(inside)) } else { inside };
            Ok(Transformed::yes(inside))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_finer(&right) && is_time(&left) => {
            compare(&left, op, &right).map(Transformed::yes)
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_finer(&left) && is_time(&right) => {
            match op.swap() {
                Some(op) => compare(&right, op, &left).map(Transformed::yes),
                None => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
            }
        }
        expr => Ok(Transformed::no(expr)),
    }
}

/// Checks that no date is compared with a number. `date >= 2026-12-01` lacks quotes and compares
/// the date with the number 2013.
fn check_no_number(expr: &Expr, schema: &DFSchema) -> Result<()> {
    let (one, others) = match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => {
            (left, vec![right.as_ref()])
        }
        Expr::Between(between) => (&between.expr, vec![between.low.as_ref(), &between.high]),
        _ => return Ok(()),
    };
    let is_number = |expr: &Expr| expr.get_type(schema).is_ok_and(|kind| kind.is_numeric());
    let is_date = |expr: &Expr| expr.get_type(schema).is_ok_and(|kind| kind.is_temporal());
    let mixed = others
        .iter()
        .any(|other| is_date(one) && is_number(other) || is_number(one) && is_date(other));
    if mixed {
        return plan_err!(
            "`{expr}` compares a date with a number; write dates in quotes: '2026-12-01'"
        );
    }
    Ok(())
}

fn in_list(list: InList, of_times: bool) -> Result<Transformed<Expr>> {
    let InList { expr, list, negated } = list;
    let before = list.len();
    let has_null = list.iter().any(is_null);
    let is_left_out = |item: &Expr| is_null(item) || of_times && is_finer(item);
    let rest: Vec<_> = list.into_iter().filter(|item| !is_left_out(item)).collect();
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

/// The comparison of a time in microseconds with a literal. The operator changes where the
/// literal lies between two microseconds.
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

/// The truth value, or NULL where the expression is NULL.
fn unless_null(expr: &Expr, truth: bool) -> Result<Expr> {
    when(expr.clone().is_not_null(), lit(truth)).end()
}

fn is_finer(expr: &Expr) -> bool {
    floor_of(expr).is_some()
}

/// The text, cut to whole microseconds, of a literal that denotes a time between two of them.
/// `None` for other expressions.
fn floor_of(expr: &Expr) -> Option<Expr> {
    if let Expr::Cast(cast) = expr
        && matches!(cast.field.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _))
    {
        let floor = Box::new(floor_of(&cast.expr)?);
        return Some(Expr::Cast(Cast { expr: floor, field: Arc::clone(&cast.field) }));
    }
    let Expr::Literal(value, metadata) = expr else { return None };
    let text = value.try_as_str().flatten()?;
    let (whole, fraction) = text.rsplit_once('.')?;
    let end = fraction.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(fraction.len());
    let (digits, rest) = fraction.split_at(end);
    let (kept, finer) = digits.split_at_checked(6)?;
    if finer.bytes().all(|digit| digit == b'0') {
        return None;
    }
    let floor = ScalarValue::Utf8(Some(format!("{whole}.{kept}{rest}")));
    Some(Expr::Literal(floor, metadata.clone()))
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn a_literal_finer_than_a_microsecond_keeps_its_meaning() {
        let sql = "SELECT count(*) FROM calls WHERE at < '2026-01-05T00:00:00.0000005Z'";
        insta::assert_snapshot!(rewritten(sql), @r#"
        Sort: count(*) ASC NULLS LAST
          Projection: count(Int64(1)) AS count(*)
            Projection: coalesce(state_0, Int64(0)) AS count(Int64(1))
              Aggregate: groupBy=[[]], aggr=[[sum(state_0) AS state_0]]
                Union
                  Union
                    Projection: CAST(daily.calls AS Int64) AS state_0
                      TableScan: daily
                    Projection: CAST(hourly.calls AS Int64) AS state_0
                      TableScan: hourly
                  Projection: CAST(state_0 AS Int64) AS state_0
                    Aggregate: groupBy=[[]], aggr=[[count(Int64(1)) AS state_0]]
                      Filter: calls.at <= TimestampMicrosecond(1767571200000000, Some("UTC"))
                        TableScan: calls
        -- 5 days: 3 from daily, 1 from hourly, 1 raw (no segment)
        --   not paid: it is only of rows where paid = true; ask for those alone
        "#);
    }
}
