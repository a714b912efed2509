//! Turns decimals beside doubles into doubles.
//!
//! DataFusion turns both into decimals with 15 digits after the point. Then `f > 0.0` is false for
//! a double of 1e-20, and an error for a double of 1e100. SQL texts are full of decimal literals:
//! `f * 0.5`, `f > 0.1`. Here a double stays a double, as in the SQL of `PostgreSQL` and `DuckDB`.

use arrow::datatypes::DataType;
use datafusion::{
    common::{DFSchema, tree_node::Transformed},
    logical_expr::{Expr, ExprSchemable as _, cast},
};

/// Functions whose arguments must all have one type.
const OF_ONE_TYPE: [&str; 6] = ["coalesce", "nullif", "nvl", "nvl2", "greatest", "least"];

/// The expression, with its decimal operands cast to doubles where another operand is a double.
/// Call this for the parts of an expression first, and before types are coerced.
pub(crate) fn decimals_beside_doubles(mut expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let mut changed = false;
    for operands in operands(&mut expr) {
        let is = |operand: &Expr, of: fn(&DataType) -> bool| {
            operand.get_type(schema).is_ok_and(|kind| of(&kind))
        };
        if !operands.iter().any(|operand| is(operand, DataType::is_floating)) {
            continue;
        }
        for operand in operands {
            if is(operand, DataType::is_decimal) {
                *operand = cast(std::mem::take(operand), DataType::Float64);
                changed = true;
            }
        }
    }
    Transformed::new_transformed(expr, changed)
}

/// The operands, in groups whose members must have one type.
fn operands(expr: &mut Expr) -> Vec<Vec<&mut Expr>> {
    match expr {
        Expr::BinaryExpr(binary) => vec![vec![&mut binary.left, &mut binary.right]],
        Expr::Between(between) => {
            vec![vec![&mut between.expr, &mut between.low, &mut between.high]]
        }
        Expr::InList(list) => {
            let items = list.list.iter_mut();
            vec![std::iter::once(list.expr.as_mut()).chain(items).collect()]
        }
        Expr::Case(case) => {
            let (mut whens, mut thens): (Vec<_>, Vec<_>) = (
                case.expr.iter_mut().map(AsMut::as_mut).collect(),
                case.else_expr.iter_mut().map(AsMut::as_mut).collect(),
            );
            for (when, then) in &mut case.when_then_expr {
                whens.push(when);
                thens.push(then);
            }
            vec![whens, thens]
        }
        Expr::ScalarFunction(call) if OF_ONE_TYPE.contains(&call.func.name()) => {
            vec![call.args.iter_mut().collect()]
        }
        _ => Vec::new(),
    }
}
