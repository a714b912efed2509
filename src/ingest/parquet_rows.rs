//! Parquet files of any tool, their values into our columns.

use std::{fs::File, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Decimal128Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    compute::cast,
    datatypes::{DataType, Decimal128Type, Int64Type, TimeUnit, TimestampMicrosecondType},
    error::ArrowError,
    json::LineDelimitedWriter,
};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{
    draft::{Draft, Fault},
    field_map::FieldMap,
    reader::{BlockReader, RowReader},
    scalar::Scalar,
};
use crate::{
    base::{Error, Result},
    model::Dataset,
};

/// Rows of a block.
const BLOCK_ROWS: usize = 8192;

/// Reads Parquet, batch by batch. Instants without a zone are UTC.
pub(super) struct ParquetBlocks {
    name: Arc<str>,
    batches: ParquetRecordBatchReader,
    /// By field of the file, the columns it fills.
    targets: Arc<[(usize, usize)]>,
    rows: u64,
}

impl ParquetBlocks {
    pub(super) fn try_new(
        name: String,
        file: File,
        dataset: &Dataset,
        map: &FieldMap,
    ) -> Result<Self> {
        let corrupt = |error| {
            Error::corrupt(format!("{name}: not a whole Parquet file: {error}")).with_source(error)
        };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(corrupt)?;
        let schema = Arc::clone(builder.schema());
        let mut targets = Vec::new();
        for (at, field) in schema.fields().iter().enumerate() {
            let whole = map.targets(field.name()).iter().filter(|target| target.path.is_empty());
            for target in whole {
                if field.data_type().is_nested() {
                    let reason = format!("{name}: column `{}` is nested", field.name());
                    return Err(Error::invalid(reason));
                }
                targets.push((at, target.column));
            }
        }
        for (at, column) in dataset.columns().iter().enumerate() {
            let given = targets.iter().any(|(_, target)| *target == at)
                || map.constants().iter().any(|(constant, _)| *constant == at);
            if column.required && !given {
                return Err(Error::invalid(format!(
                    "{name}: there is no column for `{}`; name it with --map",
                    column.name
                )));
            }
        }
        let batches = builder.with_batch_size(BLOCK_ROWS).build().map_err(corrupt)?;
        Ok(Self { name: name.into(), batches, targets: targets.into(), rows: 0 })
    }
}

impl BlockReader for ParquetBlocks {
    fn next(&mut self) -> Result<Option<Box<dyn RowReader>>> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        let batch = batch.map_err(|error| {
            Error::corrupt(format!("{}: {error}", self.name)).with_source(error)
        })?;
        let columns = self.targets.iter().map(|(field, target)| {
            let cells = Cells::of(batch.column(*field)).map_err(|error| {
                Error::invalid(format!("{}: {error}", self.name)).with_source(error)
            })?;
            Ok((*target, cells))
        });
        let columns = columns.collect::<Result<_>>()?;
        let first = self.rows;
        self.rows += batch.num_rows() as u64;
        Ok(Some(Box::new(ParquetRows { batch, columns, first, read: 0 })))
    }
}

/// Some rows of a Parquet file; a bad one is kept aside as JSON.
struct ParquetRows {
    batch: RecordBatch,
    columns: Vec<(usize, Cells)>,
    /// How many rows come before.
    first: u64,
    read: usize,
}

enum Cells {
    Integer(Int64Array),
    Decimal(Decimal128Array, i8),
    Instant(TimestampMicrosecondArray),
    Text(StringArray),
}

impl Cells {
    fn of(array: &ArrayRef) -> Result<Self, ArrowError> {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Ok(match array.data_type() {
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
                let cells = cast(array, &instant)?;
                Self::Instant(cells.as_primitive::<TimestampMicrosecondType>().clone())
            }
            // All of a 64-bit column's values fit, unless it is unsigned.
            kind if kind.is_signed_integer() => {
                Self::Integer(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::Decimal128(_, scale) => {
                Self::Decimal(array.as_primitive::<Decimal128Type>().clone(), *scale)
            }
            _ => Self::Text(cast(array, &DataType::Utf8)?.as_string::<i32>().clone()),
        })
    }

    fn scalar(&self, at: usize) -> Scalar<'_> {
        match self {
            Self::Integer(cells) if cells.is_valid(at) => Scalar::Integer(cells.value(at)),
            Self::Decimal(cells, scale) if cells.is_valid(at) => {
                Scalar::Decimal(cells.value(at), *scale)
            }
            Self::Instant(cells) if cells.is_valid(at) => Scalar::Micros(cells.value(at)),
            Self::Text(cells) if cells.is_valid(at) => Scalar::Text(cells.value(at)),
            _ => Scalar::Null,
        }
    }
}

impl RowReader for ParquetRows {
    fn records_max(&self) -> usize {
        self.batch.num_rows()
    }

    fn next(&mut self, draft: &mut Draft<'_>) -> Option<Result<(), Fault>> {
        let at = self.read;
        if at == self.batch.num_rows() {
            return None;
        }
        self.read += 1;
        for (target, cells) in &self.columns {
            if let Err(fault) = draft.set(*target, &cells.scalar(at)) {
                return Some(Err(fault));
            }
        }
        Some(Ok(()))
    }

    fn line(&self) -> u64 {
        self.first + self.read as u64
    }

    fn raw(&self) -> Result<Vec<u8>> {
        let row = self.batch.slice(self.read.saturating_sub(1), 1);
        let mut json = LineDelimitedWriter::new(Vec::new());
        json.write(&row)
            .and_then(|()| json.finish())
            .map_err(|error| Error::internal("row as JSON").with_source(error))?;
        Ok(json.into_inner().trim_ascii().to_vec())
    }
}
