//! Reads aggregate calls.

use arrow::datatypes::DataType;
use datafusion::{
    common::{DFSchema, ScalarValue},
    error::Result,
    logical_expr::{Expr, ExprSchemable as _, cast, expr::AggregateFunction, lit, when},
};

use crate::{
    model::{Function, Quantile},
    plan::{Refusal, block::Call, derive::attempt::Attempt},
};

/// Reads a call over raw columns, or refuses a call that can't be merged from parts. The values
/// of a DISTINCT call are added to `keys`.
pub(in crate::plan) fn read(call: &Expr, schema: &DFSchema, keys: &mut Vec<Expr>) -> Attempt<Call> {
    let text = call.to_string();
    let Expr::AggregateFunction(AggregateFunction { func, params }) = call else {
        return Err(Refusal::NotMergeable(text).into());
    };
    let Some(function) = function(func.name(), &params.args) else {
        return Err(Refusal::NotMergeable(text).into());
    };
    let argument = match params.args.as_slice() {
        [argument] => argument,
        [argument, _] if matches!(function, Function::ApproxPercentile(_)) => argument,
        _ => return Err(Refusal::NotMergeable(text).into()),
    };
    let filter = params.filter.as_deref().cloned();
    let argument = exact_argument(function, argument, schema)?;
    let argument_type = argument.get_type(schema)?;
    if adds_floats(function, &argument_type) {
        return Err(Refusal::Inexact(text).into());
    }
    let distinct = match function {
        _ if !params.distinct => None,
        Function::Count | Function::Sum => {
            let key = match &filter {
                None => argument.clone(),
                Some(filter) => when(filter.clone(), argument.clone()).end()?,
            };
            let known = keys.iter().position(|other| *other == key);
            Some(known.unwrap_or_else(|| {
                keys.push(key);
                keys.len() - 1
            }))
        }
        // Repeated values don't change the result, so DISTINCT can be ignored.
        Function::Min
        | Function::Max
        | Function::BoolAnd
        | Function::BoolOr
        | Function::BitAnd
        | Function::BitOr
        | Function::ApproxDistinct => None,
        _ => return Err(Refusal::NotMergeable(text).into()),
    };
    let rows = matches!(&argument, Expr::Literal(value, _) if !value.is_null());
    if function == Function::Count && rows && distinct.is_none() {
        let (function, argument_type) = (Function::Rows, DataType::Int64);
        return Ok(Call { function, distinct, argument: None, argument_type, filter, text });
    }
    let argument = Some(argument);
    Ok(Call { function, distinct, argument, argument_type, filter, text })
}

/// The argument to compute with. DataFusion plans an average, variance or approximate percentile
/// of integers or decimals over a cast to a double. The result is the number without that cast. A
/// double literal that is a whole number below 9e15 becomes an integer literal, whatever the
/// function.
pub(in crate::plan) fn exact_argument(
    function: Function,
    argument: &Expr,
    schema: &DFSchema,
) -> Result<Expr> {
    const WHOLE_DOUBLES: f64 = 9e15;
    let to_double = match argument {
        Expr::Literal(ScalarValue::Float64(Some(value)), _)
            if value.fract() == 0.0 && value.abs() < WHOLE_DOUBLES =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "whole, and small enough")]
            return Ok(lit(*value as i64));
        }
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Float64 => Some(&cast.expr),
        _ => None,
    };
    let casts = function.is_made_exact() || matches!(function, Function::ApproxPercentile(_));
    let Some(inner) = to_double.filter(|_| casts) else { return Ok(argument.clone()) };
    Ok(match inner.get_type(schema)? {
        DataType::Int64 | DataType::Decimal128(..) => inner.as_ref().clone(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => {
            cast(inner.as_ref().clone(), DataType::Int64)
        }
        _ => argument.clone(),
    })
}

/// The function of the given name. `None` when it isn't one that merges.
pub(in crate::plan) fn function(name: &str, arguments: &[Expr]) -> Option<Function> {
    match (name, arguments) {
        ("approx_percentile", [_, Expr::Literal(ScalarValue::Float64(Some(part)), _)]) => {
            Quantile::new(*part).map(Function::ApproxPercentile)
        }
        _ => Function::named(name),
    }
}

/// Whether the function adds up doubles, so that the last digits depend on the order.
pub(in crate::plan) fn adds_floats(function: Function, argument: &DataType) -> bool {
    let adds = matches!(function, Function::Sum | Function::Avg | Function::Variance { .. });
    adds && !matches!(argument, DataType::Int64 | DataType::Decimal128(..))
}
