//! Sums, differences and products of numbers that fail on overflow.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, AsArray as _},
    compute::kernels::numeric::{add, mul, sub},
    datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type},
    error::ArrowError,
};
use datafusion::{
    common::{DFSchema, ScalarValue, plan_err, tree_node::Transformed},
    error::Result,
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, ExprSchemable as _, Operator, ScalarFunctionArgs,
        ScalarUDF, ScalarUDFImpl, Signature, Volatility, binary::BinaryTypeCoercer,
    },
    physical_expr_common::datum::apply,
};

/// The sum, difference, product or negation as a call that fails when the result has no room in
/// its type. DataFusion's integers wrap (apache/datafusion#17539), and its decimals get more digits
/// than their type has. Other expressions stay as they are.
///
/// # Errors
/// DataFusion's, for a malformed expression.
pub(crate) fn checked(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if let Expr::Negative(inner) = &expr
        && let kind = inner.get_type(schema)?
        && kind.is_integer()
    {
        let zero = Expr::Literal(ScalarValue::new_zero(&kind)?, None);
        let difference = BinaryExpr::new(Box::new(zero), Operator::Minus, inner.clone());
        return checked(Expr::BinaryExpr(difference), schema);
    }
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let Some(function) = functions().iter().find(|(of, _)| of == op) else {
        return Ok(Transformed::no(expr));
    };
    let (of_left, of_right) = (left.get_type(schema)?, right.get_type(schema)?);
    let of_integers = of_left == of_right && of_left.is_integer();
    // A product of decimals is checked by DataFusion.
    let of_decimals = of_left.is_decimal() && of_right.is_decimal() && *op != Operator::Multiply;
    if !(of_integers || of_decimals && is_of_most_digits(&expr.get_type(schema)?)) {
        return Ok(Transformed::no(expr));
    }
    let arguments = vec![left.as_ref().clone(), right.as_ref().clone()];
    Ok(Transformed::yes(function.1.call(arguments)))
}

/// Whether the type has all digits that a decimal can have. Results of smaller types have room.
const fn is_of_most_digits(kind: &DataType) -> bool {
    matches!(kind, DataType::Decimal128(DECIMAL128_MAX_PRECISION, _))
}

fn functions() -> &'static [(Operator, Arc<ScalarUDF>); 3] {
    static FUNCTIONS: LazyLock<[(Operator, Arc<ScalarUDF>); 3]> = LazyLock::new(|| {
        [Operator::Plus, Operator::Minus, Operator::Multiply].map(|op| {
            let signature = Signature::any(2, Volatility::Immutable);
            (op, Arc::new(ScalarUDF::new_from_impl(Checked { op, signature })))
        })
    });
    &FUNCTIONS
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        match self.op {
            Operator::Plus => "checked_sum",
            Operator::Minus => "checked_difference",
            _ => "checked_product",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        let [left, right] = given else { return plan_err!("{} takes two numbers", self.name()) };
        if left.is_decimal() {
            return BinaryTypeCoercer::new(left, &self.op, right).get_result_type();
        }
        Ok(left.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return plan_err!("{} takes two numbers", self.name());
        };
        match self.op {
            Operator::Plus => apply(left, right, |left, right| with_room(add(left, right)?)),
            Operator::Minus => apply(left, right, |left, right| with_room(sub(left, right)?)),
            _ => apply(left, right, mul),
        }
    }
}

/// The numbers, if none of them has more digits than its type. The kernels check integers alone.
fn with_room(numbers: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let Some(decimals) = numbers.as_primitive_opt::<Decimal128Type>() else { return Ok(numbers) };
    decimals.validate_decimal_precision(decimals.precision()).map_err(|error| {
        ArrowError::ArithmeticOverflow(format!("a sum or difference of decimals: {error}"))
    })?;
    Ok(numbers)
}
