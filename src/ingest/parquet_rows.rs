//! Parquet files of any tool, column by column into ours.

use std::{fs::File, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray},
    compute::cast,
    datatypes::{DataType, TimeUnit, TimestampMicrosecondType},
    json::LineDelimitedWriter,
};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{
    draft::{Draft, Fault},
    field_map::FieldMap,
    reader::RowReader,
    scalar::Scalar,
};
use crate::{
    base::{Error, Result},
    model::Dataset,
};

/// Reads Parquet. Instants without a zone are UTC; a bad row is kept aside as JSON.
pub(super) struct ParquetRows {
    name: String,
    batches: ParquetRecordBatchReader,
    batch: RecordBatch,
    columns: Vec<(usize, Cells)>,
    /// By field of the file, the columns it fills.
    targets: Vec<(usize, usize)>,
    at: usize,
    row: u64,
}

enum Cells {
    Text(StringArray),
    Instant(TimestampMicrosecondArray),
}

impl ParquetRows {
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
        let batches = builder.with_batch_size(8192).build().map_err(corrupt)?;
        let batch = RecordBatch::new_empty(schema);
        Ok(Self { name, batches, batch, columns: Vec::new(), targets, at: 0, row: 0 })
    }

    fn next_batch(&mut self) -> Result<bool> {
        let Some(batch) = self.batches.next() else { return Ok(false) };
        self.batch = batch.map_err(|error| {
            Error::corrupt(format!("{}: {error}", self.name)).with_source(error)
        })?;
        self.at = 0;
        let mut columns = Vec::new();
        for (field, target) in &self.targets {
            columns.push((*target, self.cells(self.batch.column(*field))?));
        }
        self.columns = columns;
        Ok(true)
    }

    fn cells(&self, array: &ArrayRef) -> Result<Cells> {
        let unfit = |error: arrow::error::ArrowError| {
            Error::invalid(format!("{}: {error}", self.name)).with_source(error)
        };
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Ok(match array.data_type() {
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
                let cells = cast(array, &instant).map_err(unfit)?;
                Cells::Instant(cells.as_primitive::<TimestampMicrosecondType>().clone())
            }
            _ => {
                let cells = cast(array, &DataType::Utf8).map_err(unfit)?;
                Cells::Text(cells.as_string::<i32>().clone())
            }
        })
    }
}

impl RowReader for ParquetRows {
    fn next(&mut self, draft: &mut Draft<'_>) -> Result<Option<Result<(), Fault>>> {
        while self.at == self.batch.num_rows() {
            if !self.next_batch()? {
                return Ok(None);
            }
        }
        let at = self.at;
        self.at += 1;
        self.row += 1;
        for (target, cells) in &self.columns {
            let scalar = match cells {
                Cells::Text(cells) if cells.is_valid(at) => Scalar::Text(cells.value(at).into()),
                Cells::Instant(cells) if cells.is_valid(at) => Scalar::Micros(cells.value(at)),
                _ => Scalar::Null,
            };
            if let Err(fault) = draft.set(*target, &scalar) {
                return Ok(Some(Err(fault)));
            }
        }
        Ok(Some(Ok(())))
    }

    fn line(&self) -> u64 {
        self.row
    }

    fn raw(&mut self) -> Result<Vec<u8>> {
        let row = self.batch.slice(self.at.saturating_sub(1), 1);
        let mut json = LineDelimitedWriter::new(Vec::new());
        json.write(&row)
            .and_then(|()| json.finish())
            .map_err(|error| Error::internal("row as JSON").with_source(error))?;
        Ok(json.into_inner().trim_ascii().to_vec())
    }
}
