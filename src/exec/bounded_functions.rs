//! Bounds for text functions whose result or work can be far larger than their arguments. Neither
//! a memory pool nor a timeout sees inside a call, so a call that is too expensive is refused
//! before it starts.

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _},
    compute::cast,
    datatypes::{DataType, FieldRef, Int64Type},
};
use datafusion::{
    common::resources_err,
    error::Result,
    execution::FunctionRegistry as _,
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    },
    prelude::SessionContext,
};

/// Upper bound for the cost of one call on a batch of rows: the bytes that the call makes, or the
/// pairs of characters that it looks at.
const MOST: u128 = 128 << 20;

/// The highest cost that the call for one row can have. Arguments that are neither texts nor
/// integers cost nothing.
type Cost = fn(&[Argument], usize) -> u128;

/// Replaces DataFusion's functions with the bounded ones.
pub(super) fn register(context: &SessionContext) {
    let costs: [(&str, Cost); 14] = [
        ("concat", lengths),
        ("concat_ws", |given, row| {
            lengths(given, row) + length(given, 0, row) * given.len() as u128
        }),
        ("overlay", lengths),
        ("encode", |given, row| 2 * length(given, 0, row)),
        ("strpos", searched),
        ("find_in_set", searched),
        ("regexp_like", searched),
        ("regexp_count", searched),
        ("regexp_replace", |given, row| {
            // Few texts match at every place, so an eighth of the worst case is assumed.
            searched(given, row) + (length(given, 0, row) + 1) * length(given, 2, row) / 8
        }),
        ("repeat", |given, row| length(given, 0, row) * number(given, 1, row)),
        // A character has up to four bytes.
        ("lpad", |given, row| 4 * number(given, 1, row)),
        ("rpad", |given, row| 4 * number(given, 1, row)),
        ("replace", |given, row| {
            let times = length(given, 0, row) / length(given, 1, row).max(1) + 1;
            length(given, 0, row) + times * length(given, 2, row)
        }),
        ("levenshtein", |given, row| length(given, 0, row) * length(given, 1, row)),
    ];
    for (name, cost) in costs {
        if let Ok(inner) = context.udf(name) {
            context.register_udf(ScalarUDF::new_from_impl(Bounded { inner, cost }));
        }
    }
}

/// An argument as an array of texts or integers. An array of one value stands for all rows.
enum Argument {
    Texts(ArrayRef),
    Integers(ArrayRef),
    Other,
}

impl Argument {
    fn of(value: &ColumnarValue) -> Result<Self> {
        let values = match value {
            ColumnarValue::Array(values) => Arc::clone(values),
            ColumnarValue::Scalar(value) => value.to_array()?,
        };
        Ok(match values.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::Texts(cast(&values, &DataType::Utf8View)?)
            }
            kind if kind.is_integer() => Self::Integers(cast(&values, &DataType::Int64)?),
            _ => Self::Other,
        })
    }
}

/// The bytes of all texts: the result contains each of them.
fn lengths(given: &[Argument], row: usize) -> u128 {
    (0..given.len()).map(|at| length(given, at, row)).sum()
}

/// The cost of searching for the second argument, a text or a pattern, at each place of the
/// first. A processor compares some hundreds of characters at once, hence the divisor.
fn searched(given: &[Argument], row: usize) -> u128 {
    length(given, 0, row) * length(given, 1, row) / 256
}

fn length(given: &[Argument], at: usize, row: usize) -> u128 {
    let Some(Argument::Texts(texts)) = given.get(at) else { return 0 };
    let row = if texts.len() == 1 { 0 } else { row };
    if texts.is_null(row) { 0 } else { texts.as_string_view().value(row).len() as u128 }
}

fn number(given: &[Argument], at: usize, row: usize) -> u128 {
    let Some(Argument::Integers(numbers)) = given.get(at) else { return 0 };
    let row = if numbers.len() == 1 { 0 } else { row };
    let value =
        if numbers.is_null(row) { 0 } else { numbers.as_primitive::<Int64Type>().value(row) };
    u128::from(value.max(0).unsigned_abs())
}

/// A function that refuses a call whose cost exceeds [`MOST`].
struct Bounded {
    inner: Arc<ScalarUDF>,
    cost: Cost,
}

impl std::fmt::Debug for Bounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bounded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Bounded {}

impl std::hash::Hash for Bounded {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.inner.return_type(given)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(given)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let given = args.args.iter().map(Argument::of).collect::<Result<Vec<_>>>()?;
        let is_single = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_single { 1 } else { args.number_rows };
        let cost: u128 = (0..rows).map(|row| (self.cost)(&given, row)).sum();
        if cost > MOST {
            return resources_err!(
                "{} would make or look at {cost} bytes for {rows} rows, more than {MOST}; shorten \
                 its texts by substr or left",
                self.name()
            );
        }
        self.inner.invoke_with_args(args)
    }
}
