//! Record batches, their values into our columns: of Parquet files of any tool, and of callers.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryViewArray, ByteView, Decimal128Array, Int64Array,
        RecordBatch, StringViewArray, TimestampMicrosecondArray,
    },
    compute::cast,
    datatypes::{DataType, Decimal128Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType},
    error::ArrowError,
    json::LineDelimitedWriter,
};
use datafusion::execution::SendableRecordBatchStream;

use crate::{
    base::{Error, Result},
    ingest::{
        readers::{
            pump::Pump,
            reader::{BlockReader, RowReader},
        },
        rows::{
            field_map::FieldMap,
            row_builder::{Fault, RowBuilder},
        },
    },
    sources::{Json, Scalar},
};

/// A block ends with the row that brings its texts to this many bytes. In a block texts may be
/// views that share their bytes; behind it, each text of each row is a copy.
const BLOCK_TEXT_BYTES: usize = 8 << 20;

/// Cuts record batches into blocks. Instants without a zone are UTC.
pub(crate) struct RecordBatchBlocks {
    name: Arc<str>,
    batches: Box<dyn Iterator<Item = Result<RecordBatch>>>,
    /// Rows that were read and are in no block yet.
    waiting: Option<RecordBatch>,
    /// The names of all fields of the batches.
    header: Vec<String>,
    /// Pairs of a field of the batches and a column of the dataset that the field fills.
    targets: Arc<[(usize, usize)]>,
    rows: u64,
}

impl RecordBatchBlocks {
    /// Reads batches of that schema, whose texts and bytes are [views](as_views).
    ///
    /// # Errors
    /// `Invalid` when a column of the dataset can't be filled: its field is nested.
    pub(crate) fn try_new(
        name: String,
        schema: &Schema,
        batches: impl Iterator<Item = Result<RecordBatch>> + 'static,
        map: &FieldMap,
    ) -> Result<Self> {
        let mut targets = Vec::new();
        for (at, field) in schema.fields().iter().enumerate() {
            for column in map.targets_of_header(field.name()) {
                if field.data_type().is_nested() && !map.takes_tags(*column) {
                    let reason = format!(
                        "{name}: column `{0}` is nested; name a value in it with --map: \
                         `\"{0}.…\"`",
                        field.name()
                    );
                    return Err(Error::invalid(reason));
                }
                targets.push((at, *column));
            }
        }
        let header: Vec<_> = schema.fields().iter().map(|field| map.spelt(field.name())).collect();
        let (name, targets, batches) = (name.into(), targets.into(), Box::new(batches));
        Ok(Self { name, batches, waiting: None, header, targets, rows: 0 })
    }

    /// Reads a stream on the calling thread, which waits for each batch.
    ///
    /// # Errors
    /// As [`try_new`](Self::try_new).
    pub(crate) fn of_stream(
        name: String,
        stream: SendableRecordBatchStream,
        map: &FieldMap,
    ) -> Result<Self> {
        let schema = Arc::new(as_views(&stream.schema()));
        let viewed = Arc::clone(&schema);
        let batches = Pump::new(stream).map(move |batch| {
            batch.map_err(Error::from).and_then(|batch| with_views(&batch, &viewed))
        });
        Self::try_new(name, &schema, batches, map)
    }
}

impl BlockReader for RecordBatchBlocks {
    fn next(&mut self) -> Result<Option<Box<dyn RowReader>>> {
        let Some(batch) = self.waiting.take().map(Ok).or_else(|| self.batches.next()) else {
            return Ok(None);
        };
        let mut batch = batch?;
        let rows = rows_of_block(&batch);
        if rows < batch.num_rows() {
            self.waiting = Some(batch.slice(rows, batch.num_rows() - rows));
            batch = batch.slice(0, rows);
        }
        let columns = self.targets.iter().map(|(field, target)| {
            let cells = Cells::of(batch.column(*field)).map_err(|error| {
                let column = batch.schema().field(*field).name().clone();
                Error::invalid(format!(
                    "{}: column `{column}`: {error}; cast it to text or numbers first",
                    self.name
                ))
                .with_source(error)
            })?;
            Ok((*target, cells))
        });
        let columns = columns.collect::<Result<_>>()?;
        let first = self.rows;
        self.rows += batch.num_rows() as u64;
        let names = self.header.clone();
        Ok(Some(Box::new(RecordBatchRows { batch, names, columns, first, read: 0 })))
    }

    fn header(&self) -> Option<Vec<String>> {
        Some(self.header.clone())
    }
}

/// The schema with texts and bytes as views.
pub(crate) fn as_views(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        let kind = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
            other => other.clone(),
        };
        field.as_ref().clone().with_data_type(kind)
    });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
}

/// The batch in a schema that has [views](as_views).
fn with_views(batch: &RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns: Result<Vec<_>, _> =
        columns.map(|(column, field)| cast(column, field.data_type())).collect();
    let batch = columns.and_then(|columns| RecordBatch::try_new(Arc::clone(schema), columns));
    batch.map_err(|error| Error::internal("texts as views").with_source(error))
}

/// How many of the first rows make a block: at least one.
fn rows_of_block(batch: &RecordBatch) -> usize {
    let mut texts = 0;
    for row in 0..batch.num_rows() {
        let views = batch.columns().iter().filter_map(|column| match column.data_type() {
            DataType::Utf8View => column.as_string_view().views().get(row),
            DataType::BinaryView => column.as_binary_view().views().get(row),
            _ => None,
        });
        // A view begins with the length of its text.
        texts += views.map(|view| ByteView::from(*view).length as usize).sum::<usize>();
        if texts >= BLOCK_TEXT_BYTES {
            return row + 1;
        }
    }
    batch.num_rows()
}

/// A block of rows. A bad row is written to the rejects file as JSON.
struct RecordBatchRows {
    batch: RecordBatch,
    /// The names of the fields, as a source spells them.
    names: Vec<String>,
    columns: Vec<(usize, Cells)>,
    /// How many rows of the input come before the block.
    first: u64,
    read: usize,
}

enum Cells {
    Integer(Int64Array),
    Decimal(Decimal128Array, i8),
    Instant(TimestampMicrosecondArray),
    Text(StringViewArray),
    Bytes(BinaryViewArray),
}

impl Cells {
    fn of(array: &ArrayRef) -> Result<Self, ArrowError> {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Ok(match array.data_type() {
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
                let cells = cast(array, &instant)?;
                Self::Instant(cells.as_primitive::<TimestampMicrosecondType>().clone())
            }
            // All signed integers fit 64 bits. Unsigned ones may not.
            kind if kind.is_signed_integer() => {
                Self::Integer(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::Decimal128(_, scale) => {
                Self::Decimal(array.as_primitive::<Decimal128Type>().clone(), *scale)
            }
            DataType::BinaryView => Self::Bytes(array.as_binary_view().clone()),
            kind if kind.is_nested() => Self::Text(as_json(array)?),
            _ => Self::Text(cast(array, &DataType::Utf8View)?.as_string_view().clone()),
        })
    }

    /// The value of the row `at`, or why it can't be read.
    fn scalar(&self, at: usize) -> Result<Scalar<'_>, &'static str> {
        Ok(match self {
            Self::Integer(cells) if cells.is_valid(at) => Scalar::Integer(cells.value(at)),
            Self::Decimal(cells, scale) if cells.is_valid(at) => {
                Scalar::Decimal(cells.value(at), *scale)
            }
            Self::Instant(cells) if cells.is_valid(at) => Scalar::Micros(cells.value(at)),
            Self::Text(cells) if cells.is_valid(at) => Scalar::Text(cells.value(at)),
            Self::Bytes(cells) if cells.is_valid(at) => {
                Scalar::Text(std::str::from_utf8(cells.value(at)).map_err(|_| "not UTF-8")?)
            }
            _ => Scalar::Null,
        })
    }
}

impl RowReader for RecordBatchRows {
    fn records_max(&self) -> usize {
        self.batch.num_rows()
    }

    fn next(&mut self, builder: &mut RowBuilder<'_>) -> Option<Result<(), Fault>> {
        let at = self.read;
        if at == self.batch.num_rows() {
            return None;
        }
        self.read += 1;
        for (target, cells) in &self.columns {
            let set = match cells.scalar(at) {
                Ok(value) => builder.set(*target, &value),
                Err(reason) => Err(builder.fault(*target, reason)),
            };
            if set.is_err() {
                return Some(set);
            }
        }
        Some(Ok(()))
    }

    fn record(&mut self) -> Option<Result<Json, Fault>> {
        if self.read == self.batch.num_rows() {
            return None;
        }
        self.read += 1;
        let parsed = self
            .raw()
            .map_err(|error| error.to_string())
            .and_then(|json| Json::parse(&String::from_utf8_lossy(&json)));
        Some(parsed.map_err(|error| Fault::row(format!("can't be read: {error}"))))
    }

    fn line(&self) -> u64 {
        self.first + self.read as u64
    }

    fn raw(&self) -> Result<Vec<u8>> {
        let row = self.batch.slice(self.read.saturating_sub(1), 1);
        let columns = self.names.iter().zip(row.columns());
        let columns: Vec<_> = columns.filter_map(|(name, column)| shown(name, column)).collect();
        let row = RecordBatch::try_from_iter(columns);
        let mut json = LineDelimitedWriter::new(Vec::new());
        row.and_then(|row| json.write(&row))
            .and_then(|()| json.finish())
            .map_err(|error| Error::internal("row as JSON").with_source(error))?;
        Ok(json.into_inner().trim_ascii().to_vec())
    }
}

/// Each value of a nested column as JSON.
fn as_json(array: &ArrayRef) -> Result<StringViewArray, ArrowError> {
    let rows = RecordBatch::try_from_iter_with_nullable([("v", Arc::clone(array), true)])?;
    let mut json = LineDelimitedWriter::new(Vec::new());
    json.write(&rows)?;
    json.finish()?;
    let text = String::from_utf8_lossy(&json.into_inner()).into_owned();
    // A row whose value is NULL is `{}`.
    let values = text.lines().map(|line| line.strip_prefix(r#"{"v":"#)?.strip_suffix('}'));
    Ok(values.collect())
}

/// A column in a form that JSON has: bytes as text. `None` for a map whose keys are no texts.
fn shown<'n>(name: &'n String, column: &ArrayRef) -> Option<(&'n String, ArrayRef)> {
    match column.data_type() {
        DataType::BinaryView => Some((name, cast(column, &DataType::Utf8View).ok()?)),
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else { return None };
            let has_names = fields.first().is_some_and(|key| key.data_type().is_string());
            has_names.then(|| (name, Arc::clone(column)))
        }
        _ => Some((name, Arc::clone(column))),
    }
}
