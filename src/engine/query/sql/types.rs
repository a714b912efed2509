//! Literals of the types that they stand for.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, TypedString, Value, VisitorMut};

/// Numbers with a larger exponent, or one as far below zero, have no room in decimals.
const EXPONENT_MAX: i64 = 18;

/// Gives texts the types that they stand for. TIMESTAMP is that of the time column: DataFusion's is
/// of nanoseconds, which end in 2262. A number such as 1e200 is a double, as no decimal has room
/// for it.
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
