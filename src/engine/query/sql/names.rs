//! Column names: different columns get different names.

use std::ops::ControlFlow;

use datafusion::{
    common::SchemaError,
    error::DataFusionError,
    sql::sqlparser::ast::{
        CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
        FunctionArgumentList, FunctionArguments, Ident, Value, VisitorMut,
    },
};

/// Whether the error is that a plan has two columns of one name. DataFusion leaves casts out of the
/// names that it gives to columns. So `sum(x)` and `sum(CAST(x AS DOUBLE))` get one name, and so do
/// equal expressions of a time in two zones.
pub(super) fn has_two_columns_of_one_name(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::SchemaError(error, _) => matches!(
            error.as_ref(),
            SchemaError::DuplicateUnqualifiedField { .. }
                | SchemaError::DuplicateQualifiedField { .. }
        ),
        DataFusionError::Plan(words) => words.contains("require unique expression names"),
        _ => false,
    }
}

/// Rewrites casts, and times at a zone, as calls of `arrow_cast`. Calls are part of a column's
/// name.
pub(super) struct CastsAsCalls;

impl VisitorMut for CastsAsCalls {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let (value, kind) = match expr {
            Expr::AtTimeZone { timestamp, time_zone } => {
                let zone = time_zone.to_string();
                (timestamp, format!("Timestamp(ns, \"{}\")", zone.trim_matches('\'')))
            }
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, ..
            } => {
                let Some(kind) = arrow_name(data_type) else { return ControlFlow::Continue(()) };
                (expr, kind)
            }
            _ => return ControlFlow::Continue(()),
        };
        let argument = |expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
        let kind = Expr::Value(Value::SingleQuotedString(kind).into());
        *expr = call("arrow_cast", vec![argument(value.as_ref().clone()), argument(kind)]);
        ControlFlow::Continue(())
    }
}

/// The name that `arrow_cast` has for the type that DataFusion plans for a SQL type. `None` for
/// types that stay casts.
fn arrow_name(kind: &DataType) -> Option<String> {
    Some(match kind {
        DataType::Double(_) | DataType::DoublePrecision => "Float64".to_owned(),
        DataType::Float(_) | DataType::Real => "Float32".to_owned(),
        DataType::TinyInt(_) => "Int8".to_owned(),
        DataType::SmallInt(_) => "Int16".to_owned(),
        DataType::BigInt(_) => "Int64".to_owned(),
        DataType::Int(_) | DataType::Integer(_) => "Int32".to_owned(),
        DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale))
        | DataType::Numeric(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
            format!("Decimal128({precision}, {scale})")
        }
        DataType::Date => "Date32".to_owned(),
        DataType::Text | DataType::Varchar(None) | DataType::String(None) => "Utf8View".to_owned(),
        _ => return None,
    })
}

fn call(name: &str, args: Vec<FunctionArg>) -> Expr {
    Expr::Function(Function {
        name: Ident::new(name).into(),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
