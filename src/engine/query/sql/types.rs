//! Types of literals: precision of TIMESTAMP, and numbers too large for decimals.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, TypedString, Value, VisitorMut};

/// Numbers whose exponent is larger, positive or negative, don't fit a decimal.
const EXPONENT_MAX: i64 = 18;

/// Gives literals the types that they need. TIMESTAMP gets the time column's precision,
/// microseconds: DataFusion's TIMESTAMP counts nanoseconds, which end in 2262. A number such as
/// 1e200 becomes a double, because it doesn't fit any decimal.
pub(super) struct WithTypes;

impl VisitorMut for WithTypes {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) =
            expr
            && let DataType::Timestamp(precision @ None, _) = data_type
        {
            *precision = Some(6);
        }
        if let Expr::Value(value) = expr
            && let Value::Number(digits, _) = &value.value
            && exponent(digits).is_some_and(|exponent| exponent.abs() > EXPONENT_MAX)
        {
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::Value(Value::SingleQuotedString(digits.clone()).into())),
                data_type: DataType::DoublePrecision,
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

/// The exponent of a number that is written with one.
fn exponent(digits: &str) -> Option<i64> {
    let (_, exponent) = digits.split_once(['e', 'E'])?;
    exponent.parse().ok()
}
