//! Sketches: estimates of values that can't be merged exactly. Sketches have a stable form, and
//! merge in any order.
//!
//! | function | sketch | error |
//! |---|---|---|
//! | `approx_distinct(x)` | `HyperLogLog` of 2^14 registers (Apache `DataSketches`, its format) | standard error 0.8 % |
//! | `approx_percentile(x, q)` | `DDSketch` (Datadog's format) | within 1 % of the value at that rank |
//!
//! Both depend only on the multiset of values: one has register maxima, the other has counts per
//! bucket. So an estimate is the same, to the last digit, however its rows were split and merged.

mod aggregates;
mod distinct;
mod percentiles;
mod scalars;

pub(crate) use aggregates::aggregates;
pub(super) use aggregates::{distinct_merge, distinct_sketch, percentile_merge, percentile_sketch};
pub(crate) use scalars::scalars;
pub(super) use scalars::{distinct_estimate, distinct_sketch_of, percentile_estimate};

use arrow::array::ArrayRef;
use datafusion::error::Result;

/// The version of the stored form of distinct values, for the definition hash.
pub(super) const DISTINCT_ENCODING: &str = "hll 14 of datasketches 1";
/// The version of the stored form of percentiles, for the definition hash.
pub(super) const PERCENTILES_ENCODING: &str = "ddsketch 0.01 1";

/// A mergeable summary of values.
trait Sketch: std::fmt::Debug + Send + Sync {
    /// Adds the values that aren't NULL.
    fn add(&mut self, values: &ArrayRef) -> Result<()>;
    /// Adds the values of a stored sketch.
    fn merge(&mut self, stored: &[u8]) -> Result<()>;
    /// The stored form; `None` before the first value.
    fn stored(&self) -> Option<Vec<u8>>;
    /// About how many bytes the sketch takes in memory.
    fn size(&self) -> usize;
}
