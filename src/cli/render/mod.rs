//! Prints answers to standard output.

mod append_printer;
mod chart;
mod job_printer;
mod numbers;
mod table;

use std::{
    collections::VecDeque,
    io::{BufWriter, Write},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    csv::WriterBuilder as CsvBuilder,
    datatypes::SchemaRef,
    json::{
        WriterBuilder as JsonBuilder,
        writer::{JsonArray, JsonFormat, LineDelimited},
    },
};
use parquet::arrow::ArrowWriter;

pub(super) use append_printer::AppendPrinter;
pub(super) use chart::bars;
pub(super) use job_printer::JobPrinter;
pub(super) use numbers::{count, counted, size};

use super::{args::OutputFormat, exit::stdout_error};
use crate::{
    base::{Error, Result},
    engine::Answer,
};

/// Prints the whole answer. An answer with a row limit is read whole before any of it is printed,
/// because a reader of the output would take its beginning for the whole.
pub(super) async fn print(answer: &mut Answer, format: OutputFormat, limited: bool) -> Result<()> {
    let mut rows = Rows { schema: answer.schema(), read: VecDeque::new(), answer };
    if limited || format == OutputFormat::Table {
        rows.read_all().await?;
    }
    let mut out = BufWriter::new(std::io::stdout());
    match format {
        OutputFormat::Table => {
            let within_limits = || rows.answer.check_limits();
            let (schema, batches) = (&rows.schema, rows.read.make_contiguous());
            table::print(schema, batches, &mut out, within_limits)?;
        }
        OutputFormat::Csv => print_csv(&mut rows, &mut out).await?,
        OutputFormat::Json => {
            print_json::<JsonArray>(&mut rows, &mut out).await?;
            writeln!(out).map_err(stdout_error)?;
        }
        OutputFormat::Ndjson => print_json::<LineDelimited>(&mut rows, &mut out).await?,
        OutputFormat::Parquet => print_parquet(&mut rows, &mut out).await?,
    }
    out.flush().map_err(stdout_error)
}

/// Prints rows as a table, without the columns that are NULL in all rows.
pub(super) fn print_rows(batches: &[RecordBatch]) -> Result<()> {
    let Some(first) = batches.first() else { return Ok(()) };
    let all = arrow::compute::concat_batches(&first.schema(), batches);
    let all = all.map_err(|error| Error::internal("rows").with_source(error))?;
    let filled: Vec<_> =
        (0..all.num_columns()).filter(|at| all.column(*at).null_count() < all.num_rows()).collect();
    let rows = all.project(&filled).map_err(|error| Error::internal("rows").with_source(error))?;
    let mut out = BufWriter::new(std::io::stdout());
    table::print(&rows.schema(), std::slice::from_ref(&rows), &mut out, || Ok(()))?;
    out.flush().map_err(stdout_error)
}

/// Number of rows that are printed between two checks of the time limit. A row may have hundreds
/// of kilobytes.
const ROWS_AT_ONCE: usize = 256;

/// An answer's rows: those that were read but not printed yet, then those that weren't read yet.
struct Rows<'a> {
    schema: SchemaRef,
    read: VecDeque<RecordBatch>,
    answer: &'a mut Answer,
}

impl Rows<'_> {
    async fn read_all(&mut self) -> Result<()> {
        while let Some(batch) = self.answer.next().await? {
            self.read.push_back(batch);
        }
        Ok(())
    }

    /// The next rows, so few that printing them takes no noticeable time.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.answer.check_limits()?;
        let next = match self.read.pop_front() {
            Some(batch) => Some(batch),
            None => self.answer.next().await?,
        };
        Ok(next.map(|batch| {
            let rows = batch.num_rows();
            if rows > ROWS_AT_ONCE {
                self.read.push_front(batch.slice(ROWS_AT_ONCE, rows - ROWS_AT_ONCE));
            }
            batch.slice(0, rows.min(ROWS_AT_ONCE))
        }))
    }
}

async fn print_csv(rows: &mut Rows<'_>, out: &mut (impl Write + Send)) -> Result<()> {
    let empty = RecordBatch::new_empty(Arc::clone(&rows.schema));
    let mut csv = CsvBuilder::new().with_header(true).build(out);
    while let Some(batch) = rows.next().await? {
        csv.write(&batch).map_err(written)?;
    }
    // An empty batch prints the header of an answer without rows. It is written last, so that no
    // header precedes an error that comes before the first row.
    csv.write(&empty).map_err(written)
}

async fn print_json<F: JsonFormat + Send>(
    rows: &mut Rows<'_>,
    out: &mut (impl Write + Send),
) -> Result<()> {
    let mut json = JsonBuilder::new().with_explicit_nulls(true).build::<_, F>(out);
    while let Some(batch) = rows.next().await? {
        json.write(&batch).map_err(written)?;
    }
    json.finish().map_err(written)
}

async fn print_parquet(rows: &mut Rows<'_>, out: &mut (impl Write + Send)) -> Result<()> {
    let fail = |error| match error {
        parquet::errors::ParquetError::External(source) => match source.downcast() {
            Ok(io) => stdout_error(*io),
            Err(source) => Error::internal("Parquet").with_source(source),
        },
        other => Error::internal("Parquet").with_source(other),
    };
    let mut parquet = ArrowWriter::try_new(out, Arc::clone(&rows.schema), None).map_err(fail)?;
    while let Some(batch) = rows.next().await? {
        parquet.write(&batch).map_err(fail)?;
    }
    parquet.close().map(drop).map_err(fail)
}

/// Converts an error of Arrow's writers, which return an I/O error as such or only as a text.
fn written(error: arrow::error::ArrowError) -> Error {
    match error {
        arrow::error::ArrowError::IoError(_, io) => stdout_error(io),
        other if other.to_string().contains("Broken pipe") => {
            stdout_error(std::io::Error::from(std::io::ErrorKind::BrokenPipe))
        }
        other => Error::invalid(other.to_string()).with_source(other),
    }
}
