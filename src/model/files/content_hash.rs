//! A hash of rows that doesn't depend on their order, encoding or file.
//!
//! Each row hashes to 128 bits. The hash of a set of rows is the wrapping sum of its rows' hashes,
//! with the number of rows. So a batch that is sent twice gets one hash, and the hash of a merged
//! file is the sum of its source files' hashes.
//!
//! In version `x1` a row's hash `h` starts at 0. For each of its columns that isn't NULL and isn't
//! computed from a price table, in the order of the definition, `h` becomes
//! `XXH3_128(value bytes, seed = fold(h) ^ fold(XXH3_128(column name)))`. Here, `fold` is the XOR
//! of the two 64-bit halves.

use std::fmt;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Decimal128Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    },
};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use crate::{
    base::{Error, Result},
    model::Dataset,
};

/// The order-independent hash of a set of rows, and the number of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHash {
    /// The number of rows.
    pub rows: u64,
    /// The sum of the rows' hashes, as `x1-` and 32 hex digits.
    pub sum: String,
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, {}", self.rows, self.sum)
    }
}

/// Adds rows up to a [`ContentHash`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ContentHasher {
    rows: u64,
    sum: u128,
}

impl ContentHasher {
    /// A hasher without rows.
    pub(crate) const fn new() -> Self {
        Self { rows: 0, sum: 0 }
    }

    /// Adds the rows of a batch in the dataset's file schema. Computed columns are left out: the
    /// same rows under another price table are the same content.
    ///
    /// # Errors
    /// `Internal` when a column has a type that raw files don't have.
    pub(crate) fn add(&mut self, dataset: &Dataset, batch: &RecordBatch) -> Result<()> {
        let hashes = given_hashes(dataset, batch)?;
        self.rows += batch.num_rows() as u64;
        self.sum = hashes.iter().fold(self.sum, |sum, hash| sum.wrapping_add(*hash));
        Ok(())
    }

    /// Adds a set of rows, given by its hash.
    ///
    /// # Errors
    /// `Corrupt` when the hash is of another version.
    pub(crate) fn add_hashed(&mut self, other: &ContentHash) -> Result<()> {
        let sum = other.sum.strip_prefix("x1-").and_then(|hex| u128::from_str_radix(hex, 16).ok());
        let sum = sum.ok_or_else(|| {
            Error::corrupt(format!("`{}` is no content hash that this program knows", other.sum))
        })?;
        self.merge(Self { rows: other.rows, sum });
        Ok(())
    }

    /// Adds the rows of another hasher.
    pub(crate) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// The hash of all rows that were added.
    #[must_use]
    pub(crate) fn finish(self) -> ContentHash {
        ContentHash { rows: self.rows, sum: format!("x1-{:032x}", self.sum) }
    }
}

/// The hash of each row of a batch in the dataset's file schema.
///
/// # Errors
/// `Internal` when a column has a type that raw files don't have.
pub(crate) fn row_hashes(batch: &RecordBatch) -> Result<Vec<u128>> {
    hashes_of(batch, |_| true)
}

/// The hash of each row over the columns that are not computed.
///
/// # Errors
/// As [`row_hashes`].
pub(crate) fn given_hashes(dataset: &Dataset, batch: &RecordBatch) -> Result<Vec<u128>> {
    hashes_of(batch, |column| !dataset.computes(column))
}

/// The hash of each row over the columns that `is_hashed` chooses by name.
fn hashes_of(batch: &RecordBatch, is_hashed: impl Fn(&str) -> bool) -> Result<Vec<u128>> {
    let mut hashes = vec![0_u128; batch.num_rows()];
    let columns = batch.schema_ref().fields().iter().zip(batch.columns());
    for (field, column) in columns.filter(|(field, _)| is_hashed(field.name())) {
        let tag = fold(XxHash3_128::oneshot(field.name().as_bytes()));
        add_column(&mut hashes, tag, column)?;
    }
    Ok(hashes)
}

fn fold(hash: u128) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "folds 128 bits to 64")]
    let folded = (hash ^ (hash >> 64)) as u64;
    folded
}

fn add_column(hashes: &mut [u128], tag: u64, column: &ArrayRef) -> Result<()> {
    match column.data_type() {
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            mix(hashes, tag, values.iter().map(|value| value.map(str::as_bytes)));
        }
        DataType::Int64 => {
            mix_fixed(hashes, tag, column.as_primitive::<Int64Type>().iter(), i64::to_le_bytes);
        }
        DataType::Decimal128(_, _) => {
            mix_fixed(
                hashes,
                tag,
                column.as_primitive::<Decimal128Type>().iter(),
                i128::to_le_bytes,
            );
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let values = column.as_primitive::<TimestampMicrosecondType>();
            mix_fixed(hashes, tag, values.iter(), i64::to_le_bytes);
        }
        DataType::Float64 => {
            mix_fixed(hashes, tag, column.as_primitive::<Float64Type>().iter(), f64::to_le_bytes);
        }
        DataType::Boolean => {
            mix_fixed(hashes, tag, column.as_boolean().iter(), |value| [u8::from(value)]);
        }
        other => return Err(Error::internal(format!("no content hash for {other}"))),
    }
    Ok(())
}

fn mix_fixed<T, const N: usize>(
    hashes: &mut [u128],
    tag: u64,
    values: impl Iterator<Item = Option<T>>,
    bytes: impl Fn(T) -> [u8; N],
) {
    for (hash, value) in hashes.iter_mut().zip(values) {
        if let Some(value) = value {
            *hash = XxHash3_128::oneshot_with_seed(fold(*hash) ^ tag, &bytes(value));
        }
    }
}

fn mix<'a>(hashes: &mut [u128], tag: u64, values: impl Iterator<Item = Option<&'a [u8]>>) {
    for (hash, value) in hashes.iter_mut().zip(values) {
        if let Some(value) = value {
            *hash = XxHash3_128::oneshot_with_seed(fold(*hash) ^ tag, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn hash(ids: &[Option<&str>], counts: &[Option<i64>]) -> ContentHash {
        let ids: ArrayRef = Arc::new(StringArray::from(ids.to_vec()));
        let counts: ArrayRef = Arc::new(Int64Array::from(counts.to_vec()));
        let batch = RecordBatch::try_from_iter([("id", ids), ("count", counts)]).unwrap();
        let mut hasher = ContentHasher::default();
        hasher.add(&Dataset::ai_usage().unwrap(), &batch).unwrap();
        hasher.finish()
    }

    #[test]
    fn the_order_of_rows_does_not_matter() {
        let forward = hash(&[Some("a"), Some("b")], &[Some(1), Some(2)]);
        assert_eq!(forward, hash(&[Some("b"), Some("a")], &[Some(2), Some(1)]));
    }

    #[test]
    fn values_belong_to_their_row_and_column() {
        let right = hash(&[Some("a"), Some("b")], &[Some(1), Some(2)]);
        assert_ne!(right, hash(&[Some("a"), Some("b")], &[Some(2), Some(1)]));
        assert_ne!(hash(&[None], &[Some(1)]), hash(&[Some("")], &[Some(1)]));
        assert_ne!(hash(&[Some("a")], &[None]), hash(&[Some("a"), Some("a")], &[None, None]));
    }

    #[test]
    fn the_hash_is_a_format_and_never_changes() {
        assert_eq!(hash(&[Some("a")], &[Some(1)]).sum, "x1-cab01363926277019d7e42172749bebb");
    }
}
