//! Functions that return their argument, and hide some or all of its properties from the
//! optimizer.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    common::{ScalarValue, plan_err},
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility,
    },
};

/// Returns its argument. The function is declared volatile, so that the optimizer doesn't apply
/// what it knows of the argument, such as that it is constant, to the result. A second argument is
/// no constant: a function of constants alone is taken for a constant, volatile or not (DataFusion
/// 55, `is_constant_recurse`).
pub(crate) fn opaque(value: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(Volatility::Volatile));
    static NOTHING: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(Nothing::new())));
    FUNCTION.call(vec![value, NOTHING.call(Vec::new())])
}

/// Returns its argument. The optimizer knows only that equal arguments give equal results.
pub(crate) fn as_is(value: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(Volatility::Immutable));
    FUNCTION.call(vec![value])
}

/// Whether the expression is a call of [`as_is`].
pub(crate) fn is_as_is(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.name() == AS_IS)
}

const AS_IS: &str = "as_is";

fn function(volatility: Volatility) -> Arc<ScalarUDF> {
    let arguments = if volatility == Volatility::Immutable { 1 } else { 2 };
    let signature = Signature::any(arguments, volatility);
    Arc::new(ScalarUDF::new_from_impl(Opaque { signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Opaque {
    signature: Signature,
}

impl ScalarUDFImpl for Opaque {
    fn name(&self) -> &'static str {
        if self.signature.volatility == Volatility::Immutable { AS_IS } else { "opaque" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        let Some(kind) = given.first() else { return plan_err!("{} takes a value", self.name()) };
        Ok(kind.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = args.arg_fields.first();
        field.map_or_else(
            || plan_err!("{} takes a value", self.name()),
            |field| Ok(Arc::clone(field)),
        )
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let value = args.args.into_iter().next();
        value.map_or_else(|| plan_err!("{} takes a value", self.name()), Ok)
    }
}

/// NULL, which the optimizer doesn't take for a constant.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Nothing {
    signature: Signature,
}

impl Nothing {
    fn new() -> Self {
        Self { signature: Signature::nullary(Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None)))
    }
}
