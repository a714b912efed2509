//! Sketches of percentiles, by `DDSketch`: counts of values in buckets whose bounds grow by 2 %.

use arrow::{
    array::{ArrayRef, AsArray},
    datatypes::Float64Type,
};
use datafusion::error::{DataFusionError, Result};
use sketches_ddsketch::{Config, DDSketch};

use super::Sketch;
use crate::base::Error;

/// The number of values in each bucket. Infinities and NaNs are left out.
pub(super) struct PercentileSketch(DDSketch);

impl PercentileSketch {
    pub(super) fn new() -> Self {
        Self(DDSketch::new(Config::defaults()))
    }

    /// A value within 1 % of the one at rank `floor(quantile * (count - 1))`, counted from 0;
    /// `None` without values.
    pub(super) fn estimate(&self, quantile: f64) -> Result<Option<f64>> {
        self.0.quantile(quantile).map_err(|_| {
            let reason = format!("approx_percentile({quantile}): a quantile is from 0 to 1");
            DataFusionError::External(Box::new(Error::invalid(reason)))
        })
    }
}

impl std::fmt::Debug for PercentileSketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PercentileSketch").field(&self.0.count()).finish()
    }
}

impl Sketch for PercentileSketch {
    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        let values = values.as_primitive_opt::<Float64Type>().ok_or_else(|| {
            DataFusionError::Internal(format!("percentiles of {}", values.data_type()))
        })?;
        for value in values.iter().flatten().filter(|value| value.is_finite()) {
            // -0.0 and 0.0 are one value.
            self.0.add(value + 0.0);
        }
        Ok(())
    }

    fn merge(&mut self, stored: &[u8]) -> Result<()> {
        let unreadable = |error: String| {
            let reason = format!("a stored sketch of percentiles: {error}");
            DataFusionError::External(Box::new(Error::corrupt(reason)))
        };
        let sketch = DDSketch::from_java_bytes(stored).map_err(|e| unreadable(e.to_string()))?;
        self.0.merge(&sketch).map_err(|error| unreadable(error.to_string()))
    }

    fn stored(&self) -> Option<Vec<u8>> {
        (self.0.count() > 0).then(|| without_sum(self.0.to_java_bytes()))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.length() * size_of::<u64>()
    }
}

/// Drops the sum of all values from the stored form. That sum depends on the order of addition,
/// and nothing here needs it. The form allows its absence. The sum stands after the count (a flag,
/// up to 9 bytes), the minimum and the maximum (a flag and 8 bytes each).
fn without_sum(mut stored: Vec<u8>) -> Vec<u8> {
    const SUM: u8 = 0x84;
    let count = stored.iter().skip(1).take(8).take_while(|byte| **byte >= 0x80).count() + 1;
    let at = 1 + count + 2 * 9;
    if stored.get(at) == Some(&SUM) && stored.len() >= at + 9 {
        stored.drain(at..at + 9);
    }
    stored
}
