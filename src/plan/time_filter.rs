//! Predicates on time to half-open spans.
//!
//! | predicate | span of `timestamp`, µs |
//! |---|---|
//! | `timestamp >= a`, `timestamp < b` | `[a, ∞)`, `(-∞, b)` |
//! | `timestamp > a`, `timestamp <= b` | `[a + 1, ∞)`, `(-∞, b + 1)` |
//! | `timestamp = a`, `BETWEEN a AND b` | `[a, a + 1)`, `[a, b + 1)` |
//! | `date = d`, `date <= d` | the day, `(-∞, end of d)`; all comparisons alike |
//! | `p OR q`, `x IN (…)` | only a hull: the predicate stays |
//!
//! A literal finer than a microsecond is rounded to the side that keeps the comparison's meaning.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::ScalarValue,
    logical_expr::{Between, BinaryExpr, Cast, Expr, Operator},
};

use crate::{
    base::{Day, MICROS_PER_DAY, Span},
    model::DATE_COLUMN,
};

/// What a predicate says of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeFilter {
    /// It holds exactly inside the span.
    Exact(Span),
    /// It can hold only inside the span.
    Hull(Span),
    /// Nothing that is understood.
    Open,
}

/// Reads one conjunct over raw columns.
pub(super) fn read(conjunct: &Expr, time: &str) -> TimeFilter {
    match conjunct {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            hull(read(left, time), read(right, time))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            both(read(left, time), read(right, time))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let straight = compare(left, *op, right, time);
            let swapped = || op.swap().and_then(|op| compare(right, op, left, time));
            straight.or_else(swapped).map_or(TimeFilter::Open, TimeFilter::Exact)
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let low = compare(expr, Operator::GtEq, low, time);
            let high = compare(expr, Operator::LtEq, high, time);
            match (low, high) {
                (Some(low), Some(high)) => TimeFilter::Exact(low.intersect(high)),
                _ => TimeFilter::Open,
            }
        }
        Expr::InList(list) if !list.negated => list
            .list
            .iter()
            .map(|item| compare(&list.expr, Operator::Eq, item, time))
            .try_fold(Span::EMPTY, |hull, span| Some(hull.hull(span?)))
            .map_or(TimeFilter::Open, TimeFilter::Hull),
        _ => TimeFilter::Open,
    }
}

/// The span that all conjuncts allow.
pub(super) fn span_of<'a>(conjuncts: impl IntoIterator<Item = &'a Expr>, time: &str) -> Span {
    conjuncts.into_iter().fold(Span::ALL, |span, conjunct| match read(conjunct, time) {
        TimeFilter::Exact(inside) | TimeFilter::Hull(inside) => span.intersect(inside),
        TimeFilter::Open => span,
    })
}

/// Whether an expression is the time column, perhaps cast to another precision. In another zone it
/// is another clock, whose days and hours begin elsewhere.
pub(super) fn is_instant(expr: &Expr, time: &str) -> bool {
    match expr {
        Expr::Column(column) => column.name == time,
        Expr::Cast(Cast { expr, field }) => {
            let DataType::Timestamp(unit, zone) = field.data_type() else { return false };
            let fine = matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond);
            fine && in_utc(zone.as_deref()) && is_instant(expr, time)
        }
        _ => false,
    }
}

fn hull(a: TimeFilter, b: TimeFilter) -> TimeFilter {
    use TimeFilter::{Exact, Hull, Open};
    match (a, b) {
        (Open, _) | (_, Open) => Open,
        (Exact(a) | Hull(a), Exact(b) | Hull(b)) => Hull(a.hull(b)),
    }
}

fn both(a: TimeFilter, b: TimeFilter) -> TimeFilter {
    use TimeFilter::{Exact, Hull, Open};
    match (a, b) {
        (Exact(a), Exact(b)) => Exact(a.intersect(b)),
        (Open, Open) => Open,
        (Open, Exact(span) | Hull(span)) | (Exact(span) | Hull(span), Open) => Hull(span),
        (Exact(a) | Hull(a), Exact(b) | Hull(b)) => Hull(a.intersect(b)),
    }
}

fn compare(column: &Expr, op: Operator, literal: &Expr, time: &str) -> Option<Span> {
    let Expr::Literal(literal, _) = literal else { return None };
    // The first microsecond of the literal, and the first after it.
    let (start, end) = if is_instant(column, time) {
        instant_bounds(literal)?
    } else if matches!(column, Expr::Column(column) if column.name == DATE_COLUMN) {
        let ScalarValue::Date32(Some(day)) = literal else { return None };
        let span = Day::from_epoch_days(*day).span();
        (span.start, span.end)
    } else {
        return None;
    };
    match op {
        Operator::Eq => Some(Span::new(start, end)),
        Operator::Lt => Some(Span::new(i64::MIN, start)),
        Operator::LtEq => Some(Span::new(i64::MIN, end)),
        Operator::Gt => Some(Span::new(end, i64::MAX)),
        Operator::GtEq => Some(Span::new(start, i64::MAX)),
        _ => None,
    }
}

/// The first whole microsecond at or after the literal, and the first after it. They are the same
/// where the literal lies between two microseconds, so that `=` is never true there.
fn instant_bounds(literal: &ScalarValue) -> Option<(i64, i64)> {
    match literal {
        ScalarValue::TimestampSecond(Some(seconds), zone) => {
            let micros = seconds.checked_mul(1_000_000)?;
            in_utc(zone.as_deref()).then_some((micros, micros.checked_add(1)?))
        }
        ScalarValue::TimestampMillisecond(Some(millis), zone) => {
            let micros = millis.checked_mul(1_000)?;
            in_utc(zone.as_deref()).then_some((micros, micros.checked_add(1)?))
        }
        ScalarValue::TimestampMicrosecond(Some(micros), zone) => {
            in_utc(zone.as_deref()).then_some((*micros, micros.checked_add(1)?))
        }
        ScalarValue::TimestampNanosecond(Some(nanos), zone) => {
            let floor = nanos.div_euclid(1_000);
            let between = nanos.rem_euclid(1_000) != 0;
            in_utc(zone.as_deref()).then_some((floor + i64::from(between), floor + 1))
        }
        ScalarValue::Date32(Some(day)) => {
            let start = i64::from(*day) * MICROS_PER_DAY;
            Some((start, start + 1))
        }
        _ => None,
    }
}

/// Without a zone a timestamp is in the session's, which is UTC.
fn in_utc(zone: Option<&str>) -> bool {
    matches!(zone, None | Some("UTC" | "+00:00" | "Z"))
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn micros(at: i64) -> Expr {
        lit(ScalarValue::TimestampMicrosecond(Some(at), Some("UTC".into())))
    }

    fn nanos(at: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(at), Some("UTC".into())))
    }

    fn exact(start: i64, end: i64) -> TimeFilter {
        TimeFilter::Exact(Span::new(start, end))
    }

    #[test]
    fn comparisons_are_half_open() {
        let read = |expr: Expr| read(&expr, "timestamp");
        let ts = || col("timestamp");
        assert_eq!(read(ts().gt_eq(micros(5))), exact(5, i64::MAX));
        assert_eq!(read(ts().gt(micros(5))), exact(6, i64::MAX));
        assert_eq!(read(ts().lt(micros(5))), exact(i64::MIN, 5));
        assert_eq!(read(ts().lt_eq(micros(5))), exact(i64::MIN, 6));
        assert_eq!(read(ts().eq(micros(5))), exact(5, 6));
        assert_eq!(read(micros(5).lt(ts())), exact(6, i64::MAX));
        assert_eq!(read(ts().between(micros(5), micros(7))), exact(5, 8));
    }

    #[test]
    fn nanoseconds_between_microseconds_keep_their_meaning() {
        let read = |expr: Expr| read(&expr, "timestamp");
        let ts = || col("timestamp");
        assert_eq!(read(ts().gt_eq(nanos(5_500))), exact(6, i64::MAX));
        assert_eq!(read(ts().gt(nanos(5_500))), exact(6, i64::MAX));
        assert_eq!(read(ts().lt(nanos(5_500))), exact(i64::MIN, 6));
        assert_eq!(read(ts().lt_eq(nanos(5_500))), exact(i64::MIN, 6));
        let TimeFilter::Exact(never) = read(ts().eq(nanos(5_500))) else { panic!("exact") };
        assert!(never.is_empty());
        assert_eq!(read(ts().lt_eq(nanos(5_000))), exact(i64::MIN, 6));
    }

    #[test]
    fn dates_are_whole_days() {
        let day = Day::from_epoch_days(3);
        let date = || lit(ScalarValue::Date32(Some(3)));
        let read = |expr: Expr| read(&expr, "timestamp");
        assert_eq!(read(col("date").eq(date())), TimeFilter::Exact(day.span()));
        assert_eq!(read(col("date").lt_eq(date())), exact(i64::MIN, day.span().end));
        assert_eq!(read(col("date").gt(date())), exact(day.span().end, i64::MAX));
    }

    #[test]
    fn alternatives_only_narrow() {
        let ts = || col("timestamp");
        let either = ts().eq(micros(5)).or(ts().eq(micros(9)));
        assert_eq!(read(&either, "timestamp"), TimeFilter::Hull(Span::new(5, 10)));
        let open = ts().eq(micros(5)).or(col("model").eq(lit("a")));
        assert_eq!(read(&open, "timestamp"), TimeFilter::Open);
        let list = col("timestamp").in_list(vec![micros(5), micros(9)], false);
        assert_eq!(read(&list, "timestamp"), TimeFilter::Hull(Span::new(5, 10)));
    }
}
