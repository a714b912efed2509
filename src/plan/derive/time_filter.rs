//! Turns predicates on time into sets of instants.
//!
//! | predicate | instants of `timestamp`, µs |
//! |---|---|
//! | `timestamp >= a`, `timestamp < b` | `[a, ∞)`, `(-∞, b)` |
//! | `timestamp > a`, `timestamp <= b` | `[a + 1, ∞)`, `(-∞, b + 1)` |
//! | `timestamp = a`, `BETWEEN a AND b` | `[a, a + 1)`, `[a, b + 1)` |
//! | `date = d`, `CAST(timestamp AS DATE) <= d` | the day, `(-∞, end of d)`; all comparisons alike |
//! | `date_trunc('month', timestamp) = m`, `extract(year FROM timestamp) = y` | the month, the year |
//! | `p AND q`, `p OR q`, `NOT p`, `x IN (…)` | intersection, union, complement, union |
//!
//! A comparison with a local date uses the instant at which that local day begins. A literal
//! finer than a microsecond is rounded so that the comparison keeps its meaning.
//!
//! ```text
//! at >= '2026-01-02T10:30:00Z' AND at < '2026-01-06'
//! ──▶  [2026-01-02 10:30, 2026-01-06 00:00)
//! ```

use arrow::datatypes::DataType;
use datafusion::{
    common::ScalarValue,
    logical_expr::{Between, BinaryExpr, Cast, Expr, Operator, expr::ScalarFunction},
};

use crate::{
    base::{Day, MICROS_PER_DAY, Span, Spans, Zone},
    model::DATE_COLUMN,
    plan::derive::time_terms::{instant, word},
};

/// The instants for which a predicate on time can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) enum TimeFilter {
    /// The predicate holds for these instants and no other.
    Exact(Spans),
    /// The predicate can hold for these instants only.
    Hull(Spans),
    /// Nothing is known: the predicate isn't understood as one on time.
    Open,
}

/// Reads a predicate over raw columns.
pub(in crate::plan) fn read(predicate: &Expr, time: &str) -> TimeFilter {
    match predicate {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            either(read(left, time), read(right, time))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            both(read(left, time), read(right, time))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let straight = compare(left, *op, right, time);
            let swapped = || op.swap().and_then(|op| compare(right, op, left, time));
            straight.or_else(swapped).map_or(TimeFilter::Open, TimeFilter::Exact)
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let low = compare(expr, Operator::GtEq, low, time);
            let high = compare(expr, Operator::LtEq, high, time);
            match (low, high) {
                (Some(low), Some(high)) => inverted(*negated, low.intersect(&high)),
                _ => TimeFilter::Open,
            }
        }
        Expr::InList(list) => {
            let items = list.list.iter();
            let items = items.map(|item| compare(&list.expr, Operator::Eq, item, time));
            let any = items
                .collect::<Option<Vec<_>>>()
                .map(|items| Spans::union_of(items.iter().flat_map(Spans::iter)));
            any.map_or(TimeFilter::Open, |any| inverted(list.negated, any))
        }
        Expr::Not(inner) => match read(inner, time) {
            TimeFilter::Exact(spans) => inverted(true, spans),
            _ => TimeFilter::Open,
        },
        Expr::Literal(ScalarValue::Boolean(Some(holds)), _) => {
            TimeFilter::Exact(if *holds { Spans::all() } else { Spans::none() })
        }
        _ => TimeFilter::Open,
    }
}

/// The instants that all conjuncts allow. Conjuncts that say nothing about time allow every
/// instant.
pub(in crate::plan) fn spans_of<'a>(
    conjuncts: impl IntoIterator<Item = &'a Expr>,
    time: &str,
) -> Spans {
    conjuncts.into_iter().fold(Spans::all(), |spans, conjunct| match read(conjunct, time) {
        TimeFilter::Exact(inside) | TimeFilter::Hull(inside) => spans.intersect(&inside),
        TimeFilter::Open => spans,
    })
}

/// The set as a filter, or its complement. The time column is never NULL, so a predicate that
/// doesn't hold is false, and its negation holds.
fn inverted(invert: bool, spans: Spans) -> TimeFilter {
    TimeFilter::Exact(if invert { spans.complement() } else { spans })
}

fn either(a: TimeFilter, b: TimeFilter) -> TimeFilter {
    use TimeFilter::{Exact, Hull, Open};
    match (a, b) {
        (Open, _) | (_, Open) => Open,
        (Exact(a), Exact(b)) => Exact(a.union(&b)),
        (Exact(a) | Hull(a), Exact(b) | Hull(b)) => Hull(a.union(&b)),
    }
}

fn both(a: TimeFilter, b: TimeFilter) -> TimeFilter {
    use TimeFilter::{Exact, Hull, Open};
    match (a, b) {
        (Exact(a), Exact(b)) => Exact(a.intersect(&b)),
        (Open, Open) => Open,
        (Open, Exact(span) | Hull(span)) | (Exact(span) | Hull(span), Open) => Hull(span),
        (Exact(a) | Hull(a), Exact(b) | Hull(b)) => Hull(a.intersect(&b)),
    }
}

fn compare(term: &Expr, op: Operator, literal: &Expr, time: &str) -> Option<Spans> {
    let Expr::Literal(literal, _) = literal else { return None };
    let (start, end) = preimage(term, literal, time)?;
    let span = match op {
        Operator::Eq => Span::new(start, end),
        Operator::NotEq => return Some(Spans::from(Span::new(start, end)).complement()),
        Operator::Lt => Span::new(i64::MIN, start),
        Operator::LtEq => Span::new(i64::MIN, end),
        Operator::Gt => Span::new(end, i64::MAX),
        Operator::GtEq => Span::new(start, i64::MAX),
        _ => return None,
    };
    Some(Spans::from(span))
}

/// The instants for which `term` has the literal's value, as a half-open pair. `term` never
/// decreases as time goes on. Both ends are equal when `term` skips the value.
fn preimage(term: &Expr, literal: &ScalarValue, time: &str) -> Option<(i64, i64)> {
    if instant(term, time).is_some() {
        return instant_bounds(literal);
    }
    if let Some(zone) = date(term, time) {
        let ScalarValue::Date32(Some(day)) = literal else { return None };
        return days(zone, Day::from_epoch_days(*day), Day::from_epoch_days(day.checked_add(1)?));
    }
    let Expr::ScalarFunction(ScalarFunction { func, args }) = term else { return None };
    let [unit, at] = args.as_slice() else { return None };
    let unit = word(unit)?;
    match func.name() {
        "date_part" if unit == "year" => {
            let zone = instant(at, time).or_else(|| date(at, time))?;
            let year = match literal {
                ScalarValue::Int32(Some(year)) => *year,
                ScalarValue::Int64(Some(year)) => i32::try_from(*year).ok()?,
                _ => return None,
            };
            days(zone, Day::first_of(year, 1)?, Day::first_of(year.checked_add(1)?, 1)?)
        }
        "date_trunc" => {
            let zone = instant(at, time)?;
            let (value, _) = instant_bounds(literal).filter(|(start, end)| start < end)?;
            let local = Day::of_micros(zone.local_micros(value));
            let (first, next) = match unit.as_str() {
                "hour" if zone.is_utc() => return Some(fixed_bounds(value, MICROS_PER_DAY / 24)),
                "minute" if zone.is_utc() => {
                    return Some(fixed_bounds(value, MICROS_PER_DAY / 1_440));
                }
                unit => local.period(unit)?,
            };
            let (start, end) = days(zone, first, next)?;
            Some(if start == value { (start, end) } else { (end, end) })
        }
        _ => None,
    }
}

/// The time zone in which an expression gives the date of the rows' instants. `None` when it is
/// no such expression.
fn date(expr: &Expr, time: &str) -> Option<Zone> {
    match expr {
        Expr::Column(column) if column.name == DATE_COLUMN => Some(Zone::UTC),
        Expr::Cast(Cast { expr, field }) if *field.data_type() == DataType::Date32 => {
            instant(expr, time)
        }
        _ => None,
    }
}

fn days(zone: Zone, first: Day, next: Day) -> Option<(i64, i64)> {
    if zone.is_utc() {
        return Some((first.start_micros(), next.start_micros()));
    }
    Some((zone.day_start(first)?, zone.day_start(next)?))
}

fn fixed_bounds(value: i64, width: i64) -> (i64, i64) {
    let floor = value - value.rem_euclid(width);
    if floor == value { (value, value + width) } else { (floor + width, floor + width) }
}

/// The first whole microsecond at or after the literal, and the first one after the literal. They
/// are equal when the literal lies between two microseconds, so `=` is never true there. A zone
/// only affects how a timestamp is shown. A timestamp without a zone is in UTC.
fn instant_bounds(literal: &ScalarValue) -> Option<(i64, i64)> {
    let micros = match literal {
        ScalarValue::TimestampSecond(Some(seconds), _) => seconds.checked_mul(1_000_000)?,
        ScalarValue::TimestampMillisecond(Some(millis), _) => millis.checked_mul(1_000)?,
        ScalarValue::TimestampMicrosecond(Some(micros), _) => *micros,
        ScalarValue::TimestampNanosecond(Some(nanos), _) => {
            let floor = nanos.div_euclid(1_000);
            let between = nanos.rem_euclid(1_000) != 0;
            return Some((floor + i64::from(between), floor + 1));
        }
        ScalarValue::Date32(Some(day)) => i64::from(*day) * MICROS_PER_DAY,
        _ => return None,
    };
    Some((micros, micros.checked_add(1)?))
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn micros(at: i64) -> Expr {
        lit(ScalarValue::TimestampMicrosecond(Some(at), Some("UTC".into())))
    }

    fn nanos(at: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(at), Some("UTC".into())))
    }

    fn exact(start: i64, end: i64) -> TimeFilter {
        TimeFilter::Exact(Spans::from(Span::new(start, end)))
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
        assert_eq!(read(col("date").eq(date())), TimeFilter::Exact(day.span().into()));
        assert_eq!(read(col("date").lt_eq(date())), exact(i64::MIN, day.span().end));
        assert_eq!(read(col("date").gt(date())), exact(day.span().end, i64::MAX));
    }

    #[test]
    fn alternatives_are_sets() {
        let ts = || col("timestamp");
        let two = TimeFilter::Exact(Spans::union_of([Span::new(5, 6), Span::new(9, 10)]));
        assert_eq!(read(&ts().eq(micros(5)).or(ts().eq(micros(9))), "timestamp"), two);
        let list = ts().in_list(vec![micros(5), micros(9)], false);
        assert_eq!(read(&list, "timestamp"), two);
        let open = ts().eq(micros(5)).or(col("model").eq(lit("a")));
        assert_eq!(read(&open, "timestamp"), TimeFilter::Open);
        let some = ts().lt(micros(5)).and(col("model").eq(lit("a")));
        let hull = TimeFilter::Hull(Span::new(i64::MIN, 5).into());
        assert_eq!(read(&some, "timestamp"), hull);
        // A filter that isn't exact can't be inverted.
        assert_eq!(read(&Expr::Not(Box::new(some)), "timestamp"), TimeFilter::Open);
        assert_eq!(read(&ts().not_eq(micros(5)), "timestamp"), {
            TimeFilter::Exact(Spans::from(Span::new(5, 6)).complement())
        });
        assert_eq!(read(&lit(false), "timestamp"), TimeFilter::Exact(Spans::none()));
    }

    #[test]
    fn functions_of_time_have_preimages() {
        use datafusion::functions::datetime::expr_fn::{date_part, date_trunc};
        let span = |first: &str, next: &str| {
            let start = |text: &str| text.parse::<Day>().unwrap().start_micros();
            exact(start(first), start(next))
        };
        let read = |expr: Expr| read(&expr, "timestamp");
        let at = |text: &str| micros(text.parse::<Day>().unwrap().start_micros());
        let month = || date_trunc(lit("month"), col("timestamp"));
        assert_eq!(read(month().eq(at("2026-02-01"))), span("2026-02-01", "2026-03-01"));
        assert_eq!(read(month().eq(at("2026-02-02"))), TimeFilter::Exact(Spans::none()));
        let from = read(month().gt_eq(at("2026-02-02")));
        assert_eq!(from, read(month().gt(at("2026-02-01"))));
        assert_eq!(from, read(col("timestamp").gt_eq(at("2026-03-01"))));
        let week = date_trunc(lit("week"), col("timestamp"));
        assert_eq!(read(week.eq(at("2026-02-02"))), span("2026-02-02", "2026-02-09"));
        let year = date_part(lit("year"), col("timestamp"));
        assert_eq!(read(year.eq(lit(2025_i32))), span("2025-01-01", "2026-01-01"));
    }

    #[test]
    fn local_dates_are_compared_by_when_they_begin() {
        use arrow::datatypes::TimeUnit;
        use datafusion::logical_expr::cast;
        let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into()));
        let local = || cast(cast(col("timestamp"), zoned.clone()), DataType::Date32);
        let day: Day = "2026-03-29".parse().unwrap();
        let read = read(&local().eq(lit(ScalarValue::Date32(Some(day.epoch_days())))), "timestamp");
        let hour = MICROS_PER_DAY / 24;
        let start = day.start_micros() - hour;
        assert_eq!(read, exact(start, start + 23 * hour));
    }

    #[test]
    fn a_span_that_cuts_hours_reads_its_edges_raw() {
        let sql =
            "SELECT sum(cost) FROM calls WHERE at >= '2026-01-02T10:30:00Z' AND at < '2026-01-06'";
        insta::assert_snapshot!(rewritten(sql), @r#"
        Sort: sum(calls.cost) ASC NULLS LAST
          Projection: sum(calls.cost)
            Projection: CAST(state_0 AS Decimal128(28, 12)) AS sum(calls.cost)
              Aggregate: groupBy=[[]], aggr=[[sum(state_0) AS state_0]]
                Union
                  Union
                    Union
                      Projection: CAST(daily.cost_sum AS Decimal128(28, 12)) AS state_0
                        TableScan: daily
                      Projection: CAST(hourly.cost_sum AS Decimal128(28, 12)) AS state_0
                        TableScan: hourly
                    Projection: CAST(hourly.cost_sum AS Decimal128(28, 12)) AS state_0
                      Filter: hourly.hour >= TimestampMicrosecond(1767351600000000, Some("UTC")) AND hourly.hour < TimestampMicrosecond(1767398400000000, Some("UTC"))
                        TableScan: hourly
                  Projection: CAST(state_0 AS Decimal128(28, 12)) AS state_0
                    Aggregate: groupBy=[[]], aggr=[[sum(calls.cost) AS state_0]]
                      Filter: calls.at >= TimestampMicrosecond(1767349800000000, Some("UTC")) AND calls.at < TimestampMicrosecond(1767657600000000, Some("UTC")) AND calls.at >= TimestampMicrosecond(1767349800000000, Some("UTC")) AND calls.at < TimestampMicrosecond(1767351600000000, Some("UTC"))
                        TableScan: calls
        -- 4 days: 2 from daily, 1 from hourly, 1 from hourly with raw edges
        --   not paid: it is only of rows where paid = true; ask for those alone
        "#);
    }

    #[test]
    fn days_that_are_left_out_are_no_part_of_the_cover() {
        let sql = "SELECT sum(cost) FROM calls WHERE date IN ('2026-01-02', '2026-01-08')";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: sum(calls.cost) ASC NULLS LAST
          Projection: sum(calls.cost)
            Projection: CAST(state_0 AS Decimal128(28, 12)) AS sum(calls.cost)
              Aggregate: groupBy=[[]], aggr=[[sum(state_0) AS state_0]]
                Projection: CAST(daily.cost_sum AS Decimal128(28, 12)) AS state_0
                  TableScan: daily
        -- 2 days: 2 from daily
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }
}
