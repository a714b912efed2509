//! Answers on standard output.

mod chart;
mod numbers;
mod table;

use std::io::{BufWriter, Write};

use arrow::{
    csv::WriterBuilder as CsvBuilder,
    json::{
        WriterBuilder as JsonBuilder,
        writer::{JsonArray, JsonFormat, LineDelimited},
    },
};
use parquet::arrow::ArrowWriter;

pub(super) use chart::bars;
pub(super) use numbers::{count, size};

use super::{args::OutputFormat, exit::stdout_error};
use crate::{
    base::{Error, Result},
    engine::Answer,
};

/// Prints the whole answer.
pub(super) async fn print(answer: &mut Answer, format: OutputFormat) -> Result<()> {
    let mut out = BufWriter::new(std::io::stdout());
    match format {
        OutputFormat::Table => {
            let mut batches = Vec::new();
            while let Some(batch) = answer.next().await? {
                batches.push(batch);
            }
            let table = table::render(&answer.schema(), &batches)?;
            writeln!(out, "{table}").map_err(stdout_error)?;
        }
        OutputFormat::Csv => print_csv(answer, &mut out).await?,
        OutputFormat::Json => {
            print_json::<JsonArray>(answer, &mut out).await?;
            writeln!(out).map_err(stdout_error)?;
        }
        OutputFormat::Ndjson => print_json::<LineDelimited>(answer, &mut out).await?,
        OutputFormat::Parquet => print_parquet(answer, &mut out).await?,
    }
    out.flush().map_err(stdout_error)
}

async fn print_csv(answer: &mut Answer, out: &mut (impl Write + Send)) -> Result<()> {
    let empty = arrow::array::RecordBatch::new_empty(answer.schema());
    let mut csv = CsvBuilder::new().with_header(true).build(out);
    while let Some(batch) = answer.next().await? {
        csv.write(&batch).map_err(written)?;
    }
    // The header comes even when no row does, but not before an error that comes first.
    csv.write(&empty).map_err(written)
}

async fn print_json<F: JsonFormat + Send>(
    answer: &mut Answer,
    out: &mut (impl Write + Send),
) -> Result<()> {
    let mut json = JsonBuilder::new().with_explicit_nulls(true).build::<_, F>(out);
    while let Some(batch) = answer.next().await? {
        json.write(&batch).map_err(written)?;
    }
    json.finish().map_err(written)
}

async fn print_parquet(answer: &mut Answer, out: &mut (impl Write + Send)) -> Result<()> {
    let fail = |error| match error {
        parquet::errors::ParquetError::External(source) => match source.downcast() {
            Ok(io) => stdout_error(*io),
            Err(source) => Error::internal("Parquet").with_source(source),
        },
        other => Error::internal("Parquet").with_source(other),
    };
    let mut parquet = ArrowWriter::try_new(out, answer.schema(), None).map_err(fail)?;
    while let Some(batch) = answer.next().await? {
        parquet.write(&batch).map_err(fail)?;
    }
    parquet.close().map(drop).map_err(fail)
}

/// Arrow hides an I/O error behind its text, or keeps it.
fn written(error: arrow::error::ArrowError) -> Error {
    match error {
        arrow::error::ArrowError::IoError(_, io) => stdout_error(io),
        other if other.to_string().contains("Broken pipe") => {
            stdout_error(std::io::Error::from(std::io::ErrorKind::BrokenPipe))
        }
        other => Error::invalid(other.to_string()).with_source(other),
    }
}
