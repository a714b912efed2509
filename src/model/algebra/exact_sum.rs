//! The exact sum of doubles, rounded once. It doesn't depend on the order of addition.
//!
//! The sum is held as an expansion: a list of doubles that don't overlap, and whose exact sum it
//! is (Shewchuk, "Adaptive Precision Floating-Point Arithmetic", 1997; Python's `math.fsum`).

/// Doubles of this size or more are held scaled down, so that no intermediate sum overflows.
const LARGE: f64 = f64::from_bits((1023 + 960) << 52); // 2^960

/// 2^1000, scaled down. A sum below 2^1000 is far from overflow.
const SAFE: f64 = f64::from_bits((1023 + 1000 - 128) << 52);

/// The factor for scaling down, 2^-128.
const DOWN: f64 = f64::from_bits((1023 - 128) << 52);
/// The factor for scaling back up, 2^128.
const UP: f64 = f64::from_bits((1023 + 128) << 52);

/// A sum of doubles.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ExactSum {
    /// The sum of the doubles below [`LARGE`], least part first; empty before the first double.
    parts: Vec<f64>,
    /// The sum of the other finite doubles, times [`DOWN`].
    large: Vec<f64>,
    /// The sum of infinities and NaNs, if any was added.
    special: Option<f64>,
}

impl ExactSum {
    /// Adds a double.
    pub(super) fn add(&mut self, value: f64) {
        if !value.is_finite() {
            let sum = self.special.unwrap_or_default() + value;
            self.special = Some(if sum.is_nan() { f64::NAN } else { sum });
        } else if value.abs() < LARGE {
            grow(&mut self.parts, value);
        } else {
            grow(&mut self.large, value * DOWN);
        }
    }

    /// Adds one double of the second list of another sum's [`terms`](Self::terms).
    pub(super) fn add_scaled(&mut self, part: f64) {
        grow(&mut self.large, part);
    }

    /// Two lists of doubles that add this sum to another one. The first list is for
    /// [`add`](Self::add), the second for [`add_scaled`](Self::add_scaled).
    pub(super) fn terms(&self) -> [Vec<f64>; 2] {
        let parts = self.special.into_iter().chain(self.parts.iter().copied()).collect();
        [parts, self.large.clone()]
    }

    /// The sum, rounded once to the nearest double; `None` when nothing was added.
    pub(super) fn value(&self) -> Option<f64> {
        if self.special.is_some() {
            return self.special;
        }
        let Some(large) = rounded(&self.large) else { return rounded(&self.parts) };
        if large.abs() < SAFE {
            let mut all = self.parts.clone();
            self.large.iter().for_each(|part| grow(&mut all, part * UP));
            rounded(&all)
        } else {
            let mut all = self.large.clone();
            self.parts.iter().for_each(|part| grow(&mut all, part * DOWN));
            rounded(&all).map(|sum| sum * UP)
        }
    }

    /// About how many bytes the sum takes on the heap.
    pub(super) const fn heap_bytes(&self) -> usize {
        (self.parts.capacity() + self.large.capacity()) * size_of::<f64>()
    }
}

/// Adds a double to an expansion. The last part becomes the rounded sum of all parts.
fn grow(parts: &mut Vec<f64>, value: f64) {
    let mut sum = value;
    parts.retain_mut(|part| {
        let (more, less) = if sum.abs() < part.abs() { (*part, sum) } else { (sum, *part) };
        sum = more + less;
        *part = less - (sum - more);
        *part != 0.0
    });
    parts.push(sum);
}

/// The exact sum of an expansion, rounded half to even.
fn rounded(parts: &[f64]) -> Option<f64> {
    let mut rest = parts.iter().rev().copied();
    // Adding 0.0 turns -0.0 into 0.0. Some sums of zeros would be -0.0.
    let mut sum = rest.next()? + 0.0;
    let mut left = 0.0;
    for part in rest.by_ref() {
        let more = sum;
        sum = more + part;
        left = part - (sum - more);
        if left != 0.0 {
            break;
        }
    }
    // If `left` is exactly half of the last digit, the sign of the next part decides the rounding.
    let next = rest.next().unwrap_or_default();
    if left != 0.0 && next != 0.0 && (left < 0.0) == (next < 0.0) {
        let twice = left * 2.0;
        let other = sum + twice;
        #[expect(clippy::float_cmp, reason = "whether the addition was exact")]
        if other - sum == twice {
            sum = other;
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> Option<f64> {
        let mut sum = ExactSum::default();
        for value in values {
            sum.add(*value);
        }
        sum.value()
    }

    #[test]
    fn sums_are_exact() {
        for (values, expected) in [
            (vec![], None),
            (vec![-0.0, -0.0], Some(0.0)),
            (vec![0.1; 10], Some(1.0)),
            (vec![1e100, 1.0, -1e100], Some(1.0)),
            (vec![1.0, 1e-16, 1e-16, 1e100, -1e100], Some(1.000_000_000_000_000_2)),
            (vec![f64::MAX, f64::MAX, -f64::MAX], Some(f64::MAX)),
            (vec![f64::MAX, f64::MAX], Some(f64::INFINITY)),
            (vec![1e308, 1e308, -3.5], Some(f64::INFINITY)),
            (vec![f64::MAX, f64::MAX, -f64::MAX, 1.0], Some(f64::MAX)),
            (vec![1e300, 1e300, -2.5], Some(2e300)),
            (vec![f64::MAX, 1e300, 1.0, -1e300, -f64::MAX], Some(1.0)),
            (vec![f64::INFINITY, 1.0], Some(f64::INFINITY)),
            (vec![f64::MIN_POSITIVE / 2.0, f64::MIN_POSITIVE / 2.0], Some(f64::MIN_POSITIVE)),
            // 2^53 + 1 is exactly between two doubles. A little more decides.
            (vec![9_007_199_254_740_992.0, 1.0], Some(9_007_199_254_740_992.0)),
            (vec![9_007_199_254_740_992.0, 1.0, 1e-30], Some(9_007_199_254_740_994.0)),
        ] {
            assert_eq!(sum(&values), expected, "{values:?}");
        }
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_some_and(f64::is_nan));
    }

    #[test]
    fn neither_order_nor_grouping_changes_a_digit() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..2_000 {
            let values = (0..next() % 40).map(|_| f64::from_bits(next()));
            let mut values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
            let one = sum(&values).map(f64::to_bits);
            values.reverse();
            assert_eq!(sum(&values).map(f64::to_bits), one, "{values:?}");
            values.sort_by(f64::total_cmp);
            let mut merged = ExactSum::default();
            for chunk in values.chunks(3) {
                let mut part = ExactSum::default();
                for value in chunk {
                    part.add(*value);
                }
                let [parts, scaled] = part.terms();
                for term in parts {
                    merged.add(term);
                }
                for term in scaled {
                    merged.add_scaled(term);
                }
            }
            assert_eq!(merged.value().map(f64::to_bits), one, "{values:?}");
        }
    }
}
