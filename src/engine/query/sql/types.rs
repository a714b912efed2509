//! Types of literals: precision of TIMESTAMP, and numbers too large for decimals.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Query, SetExpr, TypedString, Value, Values, VisitorMut,
};

/// Numbers whose exponent is larger, positive or negative, don't fit a decimal.
const EXPONENT_MAX: i64 = 18;

/// Gives literals the types that they need. TIMESTAMP gets the time column's precision,
/// microseconds: DataFusion's TIMESTAMP counts nanoseconds, which end in 2262. A number such as
/// 1e200 becomes a double, because it doesn't fit any decimal.
pub(super) struct WithTypes;

impl VisitorMut for WithTypes {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Values(values) = query.body.as_mut() {
            with_doubles(values);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) =
            expr
            && let DataType::Timestamp(precision @ None, _) = data_type
        {
            *precision = Some(6);
        }
        if let Expr::Value(value) = expr
            && let Value::Number(digits, _) = &value.value
            && is_beyond_decimals(digits)
        {
            *expr = as_double(Expr::Value(Value::SingleQuotedString(digits.clone()).into()));
        }
        ControlFlow::Continue(())
    }
}

/// Casts numbers to doubles in the columns of VALUES that have a double. DataFusion would turn the
/// doubles into decimals with 15 digits after the point.
fn with_doubles(values: &mut Values) {
    let columns = values.rows.iter().map(|row| row.content.len()).max().unwrap_or_default();
    for at in 0..columns {
        let mut column: Vec<_> =
            values.rows.iter_mut().filter_map(|row| row.content.get_mut(at)).collect();
        if !column.iter().any(|value| is_double(value)) {
            continue;
        }
        for value in &mut column {
            if is_number(value) {
                **value = as_double(std::mem::replace(*value, Expr::Value(Value::Null.into())));
            }
        }
    }
}

fn is_double(value: &Expr) -> bool {
    match value {
        Expr::Cast { data_type, .. } => matches!(
            data_type,
            DataType::Double(_) | DataType::DoublePrecision | DataType::Float(_) | DataType::Real
        ),
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_double(expr),
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => is_beyond_decimals(digits),
            _ => false,
        },
        _ => false,
    }
}

fn is_number(value: &Expr) -> bool {
    match value {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_number(expr),
        _ => false,
    }
}

fn as_double(expr: Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type: DataType::DoublePrecision,
        array: false,
        format: None,
    }
}

fn is_beyond_decimals(digits: &str) -> bool {
    exponent(digits).is_some_and(|exponent| exponent.abs() > EXPONENT_MAX)
}

/// The exponent of a number that is written with one.
fn exponent(digits: &str) -> Option<i64> {
    let (_, exponent) = digits.split_once(['e', 'E'])?;
    exponent.parse().ok()
}
