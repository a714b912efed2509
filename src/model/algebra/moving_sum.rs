//! The sum of doubles over the frame of a window.

use std::mem::size_of_val;

use arrow::array::ArrayRef;
use datafusion::{
    common::{ScalarValue, internal_err},
    error::Result,
    logical_expr::Accumulator,
};

use super::{double_sum::doubles, exact_sum::ExactSum};

/// The sum over a frame that moves: rows enter it and leave it. It is exact, so a row that leaves
/// takes away all that it brought.
#[derive(Debug, Default)]
pub(super) struct MovingSum {
    /// The sum of the finite numbers.
    finite: ExactSum,
    finite_count: usize,
    nan_count: usize,
    infinite_count: usize,
    negative_infinite_count: usize,
}

impl MovingSum {
    /// The count of the numbers that are like this one.
    const fn count_of(&mut self, value: f64) -> &mut usize {
        if value.is_nan() {
            &mut self.nan_count
        } else if value == f64::INFINITY {
            &mut self.infinite_count
        } else if value == f64::NEG_INFINITY {
            &mut self.negative_infinite_count
        } else {
            &mut self.finite_count
        }
    }
}

impl Accumulator for MovingSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in doubles(values) {
            *self.count_of(value) += 1;
            if value.is_finite() {
                self.finite.add(value);
            }
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in doubles(values) {
            *self.count_of(value) -= 1;
            if value.is_finite() {
                self.finite.add(-value);
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("the sum of a moving frame has no state")
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("the sum of a moving frame has no state")
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = match (self.nan_count, self.infinite_count, self.negative_infinite_count) {
            (0, 0, 0) if self.finite_count == 0 => None,
            (0, 0, 0) => self.finite.value(),
            (0, _, 0) => Some(f64::INFINITY),
            (0, 0, _) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        };
        Ok(ScalarValue::Float64(sum))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.finite.heap_bytes()
    }
}
