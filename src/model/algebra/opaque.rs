//! Functions that return their argument, and hide some or all of its properties from the
//! optimizer.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    common::plan_err,
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility,
    },
};

/// Returns its argument. The function is declared volatile, so that the optimizer doesn't apply
/// what it knows of the argument, such as that it is constant, to the result.
pub(crate) fn opaque(value: Expr) -> Expr {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(Volatility::Volatile));
    FUNCTION.call(vec![value])
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
    let signature = Signature::any(1, volatility);
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
        let [kind] = given else { return plan_err!("{} takes one value", self.name()) };
        Ok(kind.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [field] = args.arg_fields else { return plan_err!("{} takes one value", self.name()) };
        Ok(Arc::clone(field))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let value = args.args.into_iter().next();
        value.map_or_else(|| plan_err!("{} takes one value", self.name()), Ok)
    }
}
