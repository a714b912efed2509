//! Checks whether another tool's file has columns that can be read as the dataset's without loss.
//! A number that is rounded or cut on the way would be wrong.

use arrow::datatypes::{DataType, Schema};
use parquet::{arrow::parquet_to_arrow_schema, file::metadata::ParquetMetaData};

use crate::base::{Error, Result};

/// Checks that the file called `name` has all required columns, and no column whose values would
/// change.
///
/// # Errors
/// `Invalid`, naming the file and the column, when the file doesn't fit; `Corrupt` when its
/// schema can't be read.
pub(crate) fn check_fits(name: &str, file: &ParquetMetaData, wanted: &Schema) -> Result<()> {
    let file = file.file_metadata();
    let found = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata());
    let found = found.map_err(|error| {
        Error::corrupt(format!("{name}: its schema: {error}")).with_source(error)
    })?;
    for field in wanted.fields() {
        let column = field.name();
        let Ok(given) = found.field_with_name(column) else {
            if field.is_nullable() {
                continue;
            }
            return Err(Error::invalid(format!(
                "{name}: another tool wrote this file, and it has no column `{column}`; move it \
                 away, or write it anew"
            )));
        };
        if !fits(given.data_type(), field.data_type()) {
            return Err(Error::invalid(format!(
                "{name}: another tool wrote this file, and its column `{column}` is {}, which can't \
                 be read as {} without loss; move it away, or write it anew",
                given.data_type(),
                field.data_type()
            )));
        }
    }
    Ok(())
}

/// Whether each value of the type `given` is a value of `wanted`, too, or is refused when it is
/// read.
fn fits(given: &DataType, wanted: &DataType) -> bool {
    let text = is_text(given);
    match wanted {
        DataType::Int64 => given.is_integer(),
        DataType::Decimal128(_, scale) => match given {
            DataType::Decimal32(_, other)
            | DataType::Decimal64(_, other)
            | DataType::Decimal128(_, other)
            | DataType::Decimal256(_, other) => other <= scale,
            given => given.is_integer(),
        },
        // Larger integers would be rounded, and so would decimals.
        DataType::Float64 => {
            given.is_floating()
                || given.primitive_width().is_some_and(|bytes| given.is_integer() && bytes <= 4)
        }
        // All times of the dataset are whole microseconds, so smaller fractions are dropped.
        DataType::Timestamp(..) => is_instant(given) || text,
        // Bytes might not be UTF-8, and no later code would check them.
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => text,
        wanted => given == wanted,
    }
}

fn is_instant(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    #[test]
    fn what_would_be_rounded_or_cut_does_not_fit() {
        let decimal = DataType::Decimal128(18, 6);
        let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        for (given, wanted) in [
            (DataType::Float64, DataType::Int64),
            (DataType::Decimal128(10, 0), DataType::Int64),
            (DataType::Utf8, DataType::Int64),
            (DataType::Float32, decimal.clone()),
            (DataType::Decimal128(38, 10), decimal.clone()),
            (DataType::Utf8, decimal.clone()),
            (DataType::Int64, micros.clone()),
            (DataType::Int64, DataType::Float64),
            (DataType::Binary, DataType::Utf8View),
            (DataType::LargeBinary, DataType::Utf8View),
            (DataType::Int64, DataType::Utf8View),
            (DataType::Int8, DataType::Boolean),
            (DataType::Float64, DataType::Boolean),
        ] {
            assert!(!fits(&given, &wanted), "{given} as {wanted}");
        }
        for (given, wanted) in [
            (DataType::Int32, DataType::Int64),
            (DataType::UInt64, DataType::Int64),
            (DataType::Int64, decimal.clone()),
            (DataType::Decimal128(9, 2), decimal),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), micros),
            (DataType::LargeUtf8, DataType::Utf8View),
            (DataType::Int32, DataType::Float64),
            (DataType::Float32, DataType::Float64),
            (DataType::Boolean, DataType::Boolean),
        ] {
            assert!(fits(&given, &wanted), "{given} as {wanted}");
        }
    }
}
