//! Operands of different types, where DataFusion would lose digits or a zone.
//!
//! | operands | DataFusion's type | here |
//! |---|---|---|
//! | decimal, double | decimal with 15 digits after the point | double |
//! | decimal, literal text | decimal with 10 digits after the point | decimal of the text's digits |
//! | decimal, other text | decimal of the decimal's digits, or 10 | decimal with 18 digits, or more |
//! | time in a zone, date | the date's first instant in UTC | the date's first instant in the zone |
//!
//! With 15 digits `f > 0.0` is false for a double of 1e-20, and an error for a double of 1e100. SQL
//! texts are full of decimal literals: `f * 0.5`, `f > 0.1`. With 10 digits
//! `cost = '0.000000000001'` is true for all small costs. `PostgreSQL` and `DuckDB` keep all digits
//! of the decimal.

use arrow::{
    compute::kernels::cast_utils::parse_decimal,
    datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type},
};
use datafusion::{
    common::{DFSchema, ScalarValue, tree_node::Transformed},
    logical_expr::{Expr, ExprSchemable as _, Operator, cast, lit},
};

use crate::base::Zone;

/// Functions whose arguments must all have one type.
const OF_ONE_TYPE: [&str; 6] = ["coalesce", "nullif", "nvl", "nvl2", "greatest", "least"];

/// The expression, with its operands cast so that none of them loses digits or its zone. Call this
/// for the parts of an expression first, and before types are coerced.
pub(crate) fn exact_operands(mut expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let mut changed = false;
    for operands in operands(&mut expr) {
        let operands = operands.into_iter().map(|it| (it.get_type(schema).ok(), it));
        changed |= cast_exactly(operands.collect());
    }
    Transformed::new_transformed(expr, changed)
}

/// Casts operands that are compared with each other, or must have one type, so that none of them
/// loses digits or its zone. Returns whether any was cast.
pub(crate) fn cast_exactly(operands: Vec<(Option<DataType>, &mut Expr)>) -> bool {
    let kinds = || operands.iter().filter_map(|(kind, _)| kind.as_ref());
    if let Some(zoned) = kinds().find(|kind| is_in_zone(kind)).cloned() {
        return dates_in_zone(operands, &zoned);
    }
    let Some(scale) = kinds().filter_map(scale_of).max() else { return false };
    let has_doubles = kinds().any(DataType::is_floating);
    let mut changed = false;
    for (kind, operand) in operands {
        let Some(kind) = kind else { continue };
        let exact = if has_doubles {
            kind.is_decimal().then(|| cast(std::mem::take(operand), DataType::Float64))
        } else {
            exact_text(operand, &kind, scale)
        };
        if let Some(exact) = exact {
            *operand = exact;
            changed = true;
        }
    }
    changed
}

/// Whether values of that type are times in a zone other than UTC.
pub(crate) fn is_in_zone(kind: &DataType) -> bool {
    let DataType::Timestamp(_, Some(zone)) = kind else { return false };
    zone.parse::<Zone>().is_ok_and(|zone| !zone.is_utc())
}

/// Casts dates to their first instants in the zone of that type.
fn dates_in_zone(operands: Vec<(Option<DataType>, &mut Expr)>, zoned: &DataType) -> bool {
    let DataType::Timestamp(unit, _) = zoned else { return false };
    let mut changed = false;
    for (kind, operand) in operands {
        if matches!(kind, Some(DataType::Date32 | DataType::Date64)) {
            let local = cast(std::mem::take(operand), DataType::Timestamp(*unit, None));
            *operand = cast(local, zoned.clone());
            changed = true;
        }
    }
    changed
}

/// The number of digits after the point of a decimal type.
fn scale_of(kind: &DataType) -> Option<i8> {
    match kind {
        DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    }
}

/// The text as a decimal that has all of its digits, or those of the decimals beside it. `None` for
/// other types.
fn exact_text(operand: &Expr, kind: &DataType, scale: i8) -> Option<Expr> {
    /// The digits after the point that a column of texts has at least. DataFusion rounds texts to
    /// the digits of the decimal beside them, so that '1.45' = 1.5.
    const TEXT_SCALE: i8 = 18;
    if !kind.is_string() {
        return None;
    }
    if let Expr::Literal(value, _) = operand {
        return Some(lit(decimal(value.try_as_str()??)?));
    }
    let scale = scale.max(TEXT_SCALE);
    Some(cast(operand.clone(), DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale)))
}

/// The number that a text denotes, with all of its digits. `None` when the text is no number, or
/// has more digits than a decimal.
fn decimal(text: &str) -> Option<ScalarValue> {
    let text = text.trim();
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (_, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = i64::try_from(fraction.len()).ok()? - exponent.parse::<i64>().ok()?;
    let scale = i8::try_from(scale.max(0)).ok()?;
    let number = parse_decimal::<Decimal128Type>(text, DECIMAL128_MAX_PRECISION, scale).ok()?;
    // A larger precision would leave fewer digits to what the number is compared with.
    let digits = number.unsigned_abs().checked_ilog10().unwrap_or_default() + 1;
    let precision = u8::try_from(digits).ok()?.max(scale.unsigned_abs());
    Some(ScalarValue::Decimal128(Some(number), precision, scale))
}

/// The operands, in groups whose members must have one type.
fn operands(expr: &mut Expr) -> Vec<Vec<&mut Expr>> {
    match expr {
        Expr::BinaryExpr(binary) if binary.op != Operator::StringConcat => {
            vec![vec![&mut binary.left, &mut binary.right]]
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_digits() {
        let number = |text| decimal(text).map(|value| value.to_string());
        for (text, digits) in [
            ("0.000402750001", Some("0.000402750001")),
            (" -7.10 ", Some("-7.10")),
            ("1e-11", Some("0.00000000001")),
            ("1.5E3", Some("1500")),
            ("12", Some("12")),
            ("", None),
            ("abc", None),
            ("1e-200", None),
        ] {
            assert_eq!(number(text).as_deref(), digits, "{text}");
        }
    }
}
