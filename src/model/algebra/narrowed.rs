//! Casts a number to a narrower type. If it doesn't fit, the error says which number it is.

use std::sync::Arc;

use arrow::{
    array::Array as _,
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{exec_err, plan_err},
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility,
    },
};

/// Casts `number` to type `to`. A number that doesn't fit there is an error, which calls it
/// `name`.
pub(crate) fn narrowed(number: Expr, to: &DataType, name: &str) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    let narrowed = Narrowed { to: to.clone(), name: name.to_owned(), signature };
    ScalarUDF::new_from_impl(narrowed).call(vec![number])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Narrowed {
    to: DataType,
    name: String,
    signature: Signature,
}

impl ScalarUDFImpl for Narrowed {
    fn name(&self) -> &'static str {
        "narrowed"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let [field] = args.arg_fields else { return plan_err!("narrowed takes one number") };
        Ok(Arc::new(Field::new("narrowed", self.to.clone(), field.is_nullable())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(numbers) = args.args.first() else {
            return plan_err!("narrowed takes one number");
        };
        let numbers = numbers.to_array(args.number_rows)?;
        // The safe cast makes a NULL of a number that doesn't fit.
        let options = CastOptions { safe: true, ..CastOptions::default() };
        let found = cast_with_options(&numbers, &self.to, &options)?;
        if found.null_count() != numbers.null_count() {
            return exec_err!(
                "{} is beyond what a {} can hold; sum fewer rows, or a part of each number",
                self.name,
                words(&self.to)
            );
        }
        Ok(ColumnarValue::Array(found))
    }
}

/// The SQL name of the type.
fn words(kind: &DataType) -> String {
    match kind {
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        other => other.to_string(),
    }
}
