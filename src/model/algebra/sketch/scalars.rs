//! Scalar functions of sketches: the sketch of one value, and the estimates from stored sketches.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, AsArray, BinaryBuilder, Float64Array, UInt64Array},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{ScalarValue, plan_err},
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, Volatility, lit,
    },
};

use super::{Sketch, distinct::DistinctSketch, percentiles::PercentileSketch};

/// All scalar functions of sketches.
pub(crate) fn scalars() -> [Arc<ScalarUDF>; 3] {
    static FUNCTIONS: LazyLock<[Arc<ScalarUDF>; 3]> = LazyLock::new(|| {
        let exact = |types: Vec<DataType>| Signature::exact(types, IMMUTABLE);
        let stored_and_quantile = vec![DataType::Binary, DataType::Float64];
        [
            scalar("distinct_sketch_of", Work::SketchOf, Signature::any(1, IMMUTABLE)),
            scalar("distinct_estimate", Work::Distinct, exact(vec![DataType::Binary])),
            scalar("percentile_estimate", Work::Percentile, exact(stored_and_quantile)),
        ]
    });
    FUNCTIONS.clone()
}

/// The sketch of a single value; NULL for NULL.
pub(crate) fn distinct_sketch_of(value: Expr) -> Expr {
    let [function, ..] = scalars();
    function.call(vec![value])
}

/// The estimate from a stored sketch; 0 for NULL.
pub(crate) fn distinct_estimate(sketch: Expr) -> Expr {
    let [_, function, _] = scalars();
    function.call(vec![sketch])
}

/// The estimate from a stored sketch, for a quantile from 0 to 1; NULL for NULL.
pub(crate) fn percentile_estimate(sketch: Expr, quantile: f64) -> Expr {
    let [.., function] = scalars();
    function.call(vec![sketch, lit(quantile)])
}

const IMMUTABLE: Volatility = Volatility::Immutable;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    SketchOf,
    Distinct,
    Percentile,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SketchFunction {
    name: &'static str,
    work: Work,
    signature: Signature,
}

fn scalar(name: &'static str, work: Work, signature: Signature) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(SketchFunction { name, work, signature }))
}

impl ScalarUDFImpl for SketchFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.work {
            Work::SketchOf => DataType::Binary,
            Work::Distinct => DataType::UInt64,
            Work::Percentile => DataType::Float64,
        })
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let kind = self.return_type(&[])?;
        Ok(Arc::new(Field::new(self.name, kind, self.work != Work::Distinct)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let Some(values) = args.args.first() else {
            return plan_err!("{} needs an argument", self.name);
        };
        let values = values.to_array(rows)?;
        let array: ArrayRef = match self.work {
            Work::SketchOf => sketches_of(&values)?,
            Work::Distinct => {
                let estimate = |stored: Option<&[u8]>| {
                    let mut sketch = DistinctSketch::try_new()?;
                    stored.map_or(Ok(()), |stored| sketch.merge(stored))?;
                    Ok(sketch.estimate())
                };
                let estimates = values.as_binary::<i32>().iter().map(estimate);
                Arc::new(estimates.collect::<Result<UInt64Array>>()?)
            }
            Work::Percentile => {
                let quantile = match args.args.get(1) {
                    Some(ColumnarValue::Scalar(ScalarValue::Float64(Some(value)))) => *value,
                    _ => return plan_err!("{} needs one quantile", self.name),
                };
                let estimate = |stored: Option<&[u8]>| {
                    let Some(stored) = stored else { return Ok(None) };
                    let mut sketch = PercentileSketch::new();
                    sketch.merge(stored)?;
                    sketch.estimate(quantile)
                };
                let estimates = values.as_binary::<i32>().iter().map(estimate);
                Arc::new(estimates.collect::<Result<Float64Array>>()?)
            }
        };
        Ok(ColumnarValue::Array(array))
    }
}

fn sketches_of(values: &ArrayRef) -> Result<ArrayRef, DataFusionError> {
    let mut sketches = BinaryBuilder::new();
    for row in 0..values.len() {
        let mut sketch = DistinctSketch::try_new()?;
        sketch.add(&values.slice(row, 1))?;
        sketches.append_option(sketch.stored());
    }
    Ok(Arc::new(sketches.finish()))
}
