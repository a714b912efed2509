//! Sketches of distinct values, by `HyperLogLog`.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
    },
};
use datafusion::error::{DataFusionError, Result};
use datasketches::{
    hash::value::{canonical_float, raw_bytes},
    hll::{HllSketch, HllType, HllUnion},
};

use super::Sketch;

/// 2^14 registers: a standard error of 1.04 / sqrt(2^14), which is 0.8 %.
const LG_REGISTERS: u8 = 14;

/// The set of values that were added, as registers.
pub(super) struct DistinctSketch(HllUnion);

impl DistinctSketch {
    pub(super) fn try_new() -> Result<Self> {
        HllUnion::new(LG_REGISTERS).map(Self).map_err(unreadable)
    }

    /// The estimate, by the only estimator that doesn't depend on the order of insertion.
    pub(super) fn estimate(&self) -> u64 {
        let estimate = self.0.composite_estimate().round().max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and rounded"
        )]
        let whole = estimate as u64;
        whole
    }
}

impl std::fmt::Debug for DistinctSketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DistinctSketch").field(&self.estimate()).finish()
    }
}

impl Sketch for DistinctSketch {
    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        let mut bytes = |value: &[u8]| self.0.update_value(raw_bytes::from_slice(value));
        match values.data_type() {
            DataType::Utf8View => {
                values.as_string_view().iter().flatten().for_each(|text| bytes(text.as_bytes()));
            }
            DataType::Int64 => {
                let values = values.as_primitive::<Int64Type>().iter().flatten();
                values.for_each(|value| bytes(&value.to_le_bytes()));
            }
            DataType::Decimal128(..) => {
                let values = values.as_primitive::<Decimal128Type>().iter().flatten();
                values.for_each(|value| bytes(&value.to_le_bytes()));
            }
            DataType::Timestamp(..) => {
                let values = values.as_primitive::<TimestampMicrosecondType>().iter().flatten();
                values.for_each(|value| bytes(&value.to_le_bytes()));
            }
            DataType::Date32 => {
                let values = values.as_primitive::<Date32Type>().iter().flatten();
                values.for_each(|value| bytes(&value.to_le_bytes()));
            }
            DataType::Boolean => {
                let values = values.as_boolean().iter().flatten();
                values.for_each(|value| bytes(&[u8::from(value)]));
            }
            DataType::Float64 => {
                for value in values.as_primitive::<Float64Type>().iter().flatten() {
                    self.0.update_value(canonical_float::from_f64(value));
                }
            }
            other => {
                return Err(DataFusionError::Internal(format!("distinct values of {other}")));
            }
        }
        Ok(())
    }

    fn merge(&mut self, stored: &[u8]) -> Result<()> {
        let sketch = HllSketch::deserialize(stored).map_err(unreadable)?;
        self.0.update(&sketch);
        Ok(())
    }

    fn stored(&self) -> Option<Vec<u8>> {
        (!self.0.is_empty()).then(|| in_order(self.0.to_sketch(HllType::Hll8).serialize()))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.estimated_size()
    }
}

/// The sketch with its coupons in order. A sketch of few values is a list or a set of coupons, four
/// bytes each, in the order in which they arrived. The first byte counts the words before them
/// (Apache `DataSketches`, HLL preamble: 2 for a list, 3 for a set).
fn in_order(mut sketch: Vec<u8>) -> Vec<u8> {
    let Some(words @ (2 | 3)) = sketch.first().copied() else { return sketch };
    if let Some(coupons) = sketch.get_mut(usize::from(words) * 4..) {
        let (coupons, _) = coupons.as_chunks_mut::<4>();
        coupons.sort_unstable();
    }
    sketch
}

fn unreadable(error: datasketches::error::Error) -> DataFusionError {
    DataFusionError::External(Box::new(
        crate::base::Error::corrupt(format!("a stored sketch of distinct values: {error}"))
            .with_source(error),
    ))
}
