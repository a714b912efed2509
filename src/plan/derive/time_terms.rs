//! Expressions of time: which ones show the raw rows' instants, and which ones are constant over
//! a rollup's buckets.
//!
//! | constant over a bucket | if |
//! |---|---|
//! | `date_trunc(unit, t)`, `date_part(field, t)` | the grain divides the unit or field |
//! | `CAST(t AS DATE)` | always |
//! | `date_bin(stride, t, origin)` | the grain divides the stride, and a bucket begins at the origin |
//! | `to_char(t, format)` | the grain divides every field that the format shows |
//!
//! Where `t` is shown in a time zone, the zone's clock must also keep the buckets
//! ([`Zone::keeps_buckets`]). In UTC, `t` may also be moved by an interval of whole buckets.

use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use datafusion::{
    common::ScalarValue,
    logical_expr::{BinaryExpr, Cast, Expr, Operator, expr::ScalarFunction},
};

use crate::base::{Grain, MICROS_PER_DAY, Zone};

/// The time zone in which an expression shows the rows' instants. `None` when the expression
/// doesn't show them.
///
/// A cast between zones keeps the instant and changes the date and hour. A cast that drops the
/// zone UTC keeps the instant, too. A cast that drops another zone, or that reads a time without
/// a zone in another zone than UTC, changes the instant.
pub(in crate::plan) fn instant(expr: &Expr, time: &str) -> Option<Zone> {
    labelled(expr, time).map(|(zone, _)| zone)
}

/// The zone as in [`instant`], and whether the expression's type has a zone.
fn labelled(expr: &Expr, time: &str) -> Option<(Zone, bool)> {
    match expr {
        Expr::Column(column) if column.name == time => Some((Zone::UTC, true)),
        Expr::Cast(Cast { expr, field }) => {
            let DataType::Timestamp(unit, to) = field.data_type() else { return None };
            if !matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond) {
                return None;
            }
            let (from, said) = labelled(expr, time)?;
            let to = to.as_deref().map(str::parse::<Zone>).transpose().ok()?;
            match to {
                None => from.is_utc().then_some((Zone::UTC, false)),
                Some(to) => (said || to.is_utc()).then_some((to, true)),
            }
        }
        _ => None,
    }
}

/// The zone whose clock decides the value, when the expression is a function of the rows'
/// instants that is constant over each bucket of the grain. The caller must check that the zone
/// keeps the buckets.
pub(in crate::plan) fn constant_in_bucket(expr: &Expr, time: &str, grain: Grain) -> Option<Zone> {
    match expr {
        Expr::Cast(Cast { expr, field }) if *field.data_type() == DataType::Date32 => {
            moved(expr, time, grain)
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => match (func.name(), &args[..]) {
            ("date_trunc", [unit, at]) => {
                let fits = unit_divides(grain, &word(unit)?);
                moved(at, time, grain).filter(|_| fits)
            }
            ("date_part", [field, at]) => {
                let fits = field_divides(grain, &word(field)?);
                moved(at, time, grain).filter(|_| fits)
            }
            ("date_bin", [stride, at, origin @ ..]) => {
                let fits = bins_divide(grain, stride, origin);
                moved(at, time, grain).filter(|_| fits)
            }
            ("to_char" | "date_format", [at, format]) => {
                let fits = format_divides(grain, &literal_text(format)?);
                moved(at, time, grain).filter(|_| fits)
            }
            _ => None,
        },
        _ => None,
    }
}

/// As [`instant`], but also for instants moved by a whole number of buckets. Such a move maps
/// each bucket to a whole bucket.
fn moved(expr: &Expr, time: &str, grain: Grain) -> Option<Zone> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
        return instant(expr, time);
    };
    let (at, by) = match op {
        Operator::Plus if matches!(left.as_ref(), Expr::Literal(..)) => (right, left),
        Operator::Plus | Operator::Minus => (left, right),
        _ => return None,
    };
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(by)), _) = by.as_ref() else {
        return None;
    };
    let is_whole = by.months == 0 && nanos(*by) % (i128::from(grain.micros()) * 1_000) == 0;
    instant(at, time).filter(|zone| is_whole && zone.is_utc())
}

/// The length of an interval's days and shorter parts, in nanoseconds. Each day counts as 24
/// hours.
fn nanos(interval: IntervalMonthDayNano) -> i128 {
    let days = i128::from(interval.days) * i128::from(MICROS_PER_DAY) * 1_000;
    days + i128::from(interval.nanoseconds)
}

/// The unit of a `date_trunc`, or the field of a `date_part`, in lower case.
pub(in crate::plan) fn word(expr: &Expr) -> Option<String> {
    literal_text(expr).map(|text| text.to_ascii_lowercase())
}

fn literal_text(expr: &Expr) -> Option<String> {
    let Expr::Literal(value, _) = expr else { return None };
    value.try_as_str().flatten().map(str::to_owned)
}

fn unit_divides(grain: Grain, unit: &str) -> bool {
    match unit {
        "hour" => grain <= Grain::Hour,
        "day" | "week" | "month" | "quarter" | "year" => true,
        _ => false,
    }
}

fn field_divides(grain: Grain, field: &str) -> bool {
    unit_divides(grain, field) || matches!(field, "dow" | "doy" | "isodow" | "isoyear")
}

/// Whether each bin consists of whole buckets. The stride must be a multiple of the grain or a
/// number of months, and the origin must be the start of a bucket. The default origin is the
/// epoch.
fn bins_divide(grain: Grain, stride: &Expr, origin: &[Expr]) -> bool {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(stride)), _) = stride else {
        return false;
    };
    let origin = match origin {
        [] => Some(0),
        [Expr::Literal(value, _)] => whole_micros(value),
        _ => None,
    };
    let (months, nanos) = (stride.months, nanos(*stride));
    let width = grain.micros();
    let months_only = months > 0 && nanos == 0;
    let divides = months == 0 && nanos > 0 && nanos % (i128::from(width) * 1_000) == 0;
    origin.is_some_and(|origin| origin % width == 0) && (divides || months_only)
}

/// A timestamp of microseconds or nanoseconds, in microseconds. `None` when it isn't a whole
/// number of microseconds.
fn whole_micros(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::TimestampMicrosecond(at, _) => *at,
        ScalarValue::TimestampNanosecond(Some(at), _) if at % 1_000 == 0 => Some(at / 1_000),
        _ => None,
    }
}

/// Whether everything that a `strftime` format shows is constant over a bucket.
fn format_divides(grain: Grain, format: &str) -> bool {
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            continue;
        }
        let mut shown = letters.next();
        // A padding flag.
        if matches!(shown, Some('-' | '_' | '0')) {
            shown = letters.next();
        }
        let fits = match shown {
            Some(
                'Y' | 'C' | 'y' | 'm' | 'b' | 'B' | 'h' | 'd' | 'e' | 'a' | 'A' | 'w' | 'u' | 'U'
                | 'W' | 'G' | 'g' | 'V' | 'j' | 'D' | 'x' | 'F' | 'v' | '%' | 't' | 'n',
            ) => true,
            Some('H' | 'k' | 'I' | 'l' | 'P' | 'p') => grain <= Grain::Hour,
            _ => false,
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_show_days_or_hours() {
        assert!(format_divides(Grain::Day, "%Y-%m-%d is 100%% of %-d"));
        assert!(!format_divides(Grain::Day, "%H"));
        assert!(format_divides(Grain::Hour, "%Y-%m-%d %H"));
        for finer in ["%M", "%T", "%s", "%f", "%c", "%Z", "%", "%+"] {
            assert!(!format_divides(Grain::QuarterHour, finer), "{finer}");
        }
    }

    #[test]
    fn a_month_is_no_part_of_a_week() {
        assert!(unit_divides(Grain::Day, "week") && unit_divides(Grain::Day, "month"));
        assert!(!unit_divides(Grain::Day, "hour") && !unit_divides(Grain::Hour, "minute"));
        assert!(!field_divides(Grain::QuarterHour, "minute"));
        assert!(!field_divides(Grain::Day, "epoch"));
    }
}
