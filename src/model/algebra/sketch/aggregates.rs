//! The sketches as aggregate functions. The input is values or stored sketches. The output is an
//! estimate or one stored sketch.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, AsArray},
    datatypes::{DataType, Field, FieldRef, TimeUnit},
};
use datafusion::{
    common::{ScalarValue, plan_err},
    error::{DataFusionError, Result},
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
    physical_expr::expressions::Literal,
};

use super::{Sketch, distinct::DistinctSketch, percentiles::PercentileSketch};

/// All aggregate functions of sketches.
pub(crate) fn aggregates() -> [Arc<AggregateUDF>; 6] {
    use {Input::Stored as FromStored, Input::Values, Output::Estimate, Output::Stored};
    static FUNCTIONS: LazyLock<[Arc<AggregateUDF>; 6]> = LazyLock::new(|| {
        [
            // The approximate number of distinct values; NULL isn't counted. UInt64.
            aggregate("approx_distinct", Kind::Distinct, Values, Estimate),
            // Of x and q: the approximate value below which the fraction q of all values lies.
            // Float64.
            aggregate("approx_percentile", Kind::Percentiles, Values, Estimate),
            aggregate("distinct_sketch", Kind::Distinct, Values, Stored),
            aggregate("distinct_merge", Kind::Distinct, FromStored, Stored),
            aggregate("percentile_sketch", Kind::Percentiles, Values, Stored),
            aggregate("percentile_merge", Kind::Percentiles, FromStored, Stored),
        ]
    });
    FUNCTIONS.clone()
}

/// The sketch of values, for `approx_distinct`.
pub(crate) fn distinct_sketch(values: Expr) -> Expr {
    let [_, _, function, ..] = aggregates();
    function.call(vec![values])
}

/// Merges several sketches into one, for `approx_distinct`.
pub(crate) fn distinct_merge(sketches: Expr) -> Expr {
    let [_, _, _, function, ..] = aggregates();
    function.call(vec![sketches])
}

/// The sketch of doubles, for `approx_percentile`.
pub(crate) fn percentile_sketch(values: Expr) -> Expr {
    let [.., function, _] = aggregates();
    function.call(vec![values])
}

/// Merges several sketches into one, for `approx_percentile`.
pub(crate) fn percentile_merge(sketches: Expr) -> Expr {
    let [.., function] = aggregates();
    function.call(vec![sketches])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Distinct,
    Percentiles,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Input {
    Values,
    Stored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Output {
    Stored,
    Estimate,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SketchAggregate {
    name: &'static str,
    kind: Kind,
    input: Input,
    output: Output,
    signature: Signature,
}

fn aggregate(name: &'static str, kind: Kind, input: Input, output: Output) -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(SketchAggregate { name, kind, input, output, signature }))
}

impl AggregateUDFImpl for SketchAggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match (self.output, self.kind) {
            (Output::Stored, _) => DataType::Binary,
            (Output::Estimate, Kind::Distinct) => DataType::UInt64,
            (Output::Estimate, Kind::Percentiles) => DataType::Float64,
        })
    }

    fn is_nullable(&self) -> bool {
        !matches!((self.output, self.kind), (Output::Estimate, Kind::Distinct))
    }

    fn default_value(&self, kind: &DataType) -> Result<ScalarValue> {
        match (self.output, self.kind) {
            (Output::Estimate, Kind::Distinct) => Ok(ScalarValue::UInt64(Some(0))),
            _ => ScalarValue::try_from(kind),
        }
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match (self.input, self.kind, self.output, given) {
            (Input::Stored, _, _, [_]) => Ok(vec![DataType::Binary]),
            (Input::Values, Kind::Distinct, _, [value]) => Ok(vec![distinct_type(value)?]),
            (Input::Values, Kind::Percentiles, Output::Stored, [value]) if numeric(value) => {
                Ok(vec![DataType::Float64])
            }
            (Input::Values, Kind::Percentiles, Output::Estimate, [value, quantile])
                if numeric(value) && numeric(quantile) =>
            {
                Ok(vec![DataType::Float64, DataType::Float64])
            }
            (_, Kind::Percentiles, Output::Estimate, _) => {
                plan_err!("it is {}(number, quantile), such as 0.95", self.name)
            }
            _ => plan_err!("{} doesn't take {given:?}", self.name),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match self.kind {
            Kind::Distinct => {
                let sketch = DistinctSketch::try_new()?;
                let finish = match self.output {
                    Output::Stored => Finish::Stored,
                    Output::Estimate => Finish::Distinct,
                };
                Ok(Box::new(SketchAccumulator {
                    sketch: Both::Distinct(sketch),
                    input: self.input,
                    finish,
                }))
            }
            Kind::Percentiles => {
                let finish = match self.output {
                    Output::Stored => Finish::Stored,
                    Output::Estimate => Finish::Percentile(quantile(&args)?),
                };
                let sketch = Both::Percentiles(PercentileSketch::new());
                Ok(Box::new(SketchAccumulator { sketch, input: self.input, finish }))
            }
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "sketch");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }
}

/// The type in which values are compared to count distinct ones. The cast to it never makes two
/// values equal.
fn distinct_type(value: &DataType) -> Result<DataType> {
    Ok(match value {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            DataType::Utf8View
        }
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::Timestamp(TimeUnit::Microsecond, _)
        | DataType::Decimal128(..)
        | DataType::Date32
        | DataType::Boolean => value.clone(),
        DataType::Dictionary(_, value) => distinct_type(value)?,
        other => return plan_err!("approx_distinct doesn't take {other}"),
    })
}

fn numeric(kind: &DataType) -> bool {
    kind.is_numeric() || kind.is_null()
}

fn quantile(args: &AccumulatorArgs<'_>) -> Result<f64> {
    let given = args.exprs.get(1).map(|expr| {
        let expr: &dyn std::any::Any = expr.as_ref();
        expr.downcast_ref::<Literal>().map(Literal::value)
    });
    match given {
        Some(Some(ScalarValue::Float64(Some(value)))) if (0.0..=1.0).contains(value) => Ok(*value),
        _ => plan_err!("approx_percentile: the quantile must be a number from 0 to 1"),
    }
}

#[derive(Debug)]
enum Both {
    Distinct(DistinctSketch),
    Percentiles(PercentileSketch),
}

impl Both {
    fn sketch(&mut self) -> &mut dyn Sketch {
        match self {
            Self::Distinct(sketch) => sketch,
            Self::Percentiles(sketch) => sketch,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Finish {
    Stored,
    Distinct,
    Percentile(f64),
}

#[derive(Debug)]
struct SketchAccumulator {
    sketch: Both,
    input: Input,
    finish: Finish,
}

impl Accumulator for SketchAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match (self.input, values) {
            (Input::Values, [values, ..]) => self.sketch.sketch().add(values),
            (Input::Stored, values) => self.merge_batch(values),
            (Input::Values, []) => Err(DataFusionError::Internal("no values".to_owned())),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in states {
            for stored in state.as_binary::<i32>().iter().flatten() {
                self.sketch.sketch().merge(stored)?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(self.sketch.sketch().stored())])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(match (self.finish, &mut self.sketch) {
            (Finish::Distinct, Both::Distinct(sketch)) => {
                ScalarValue::UInt64(Some(sketch.estimate()))
            }
            (Finish::Percentile(quantile), Both::Percentiles(sketch)) => {
                ScalarValue::Float64(sketch.estimate(quantile)?)
            }
            (_, sketch) => ScalarValue::Binary(sketch.sketch().stored()),
        })
    }

    fn size(&self) -> usize {
        match &self.sketch {
            Both::Distinct(sketch) => sketch.size(),
            Both::Percentiles(sketch) => sketch.size(),
        }
    }
}
