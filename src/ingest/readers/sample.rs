//! The first records of an input, from which its source is recognized.

use std::io::{BufRead, Cursor, Read as _};

use bytes::Bytes;
use csv::ReaderBuilder;

use crate::{
    ingest::{
        Format,
        readers::{
            decompress::decompressed,
            format::format_of,
            json_values::JsonValues,
            ndjson_blocks::NdjsonBlocks,
            parquet_file,
            reader::{BlockReader, RECORD_BYTES_MAX},
            text,
        },
        rows::field_map::FieldMap,
    },
    sources::Json,
};

/// How many bytes of an input are looked at first, and then if these show nothing: as many as the
/// longest record has. Both before decompression and after.
pub(crate) const SAMPLE_BYTES: [usize; 2] = [1 << 20, RECORD_BYTES_MAX];

/// How many records are looked at. Transcripts begin with lines that are no calls.
const RECORDS_MAX: usize = 100_000;

/// The start of an input.
pub(crate) struct Sample {
    pub(crate) records: Vec<Json>,
    /// Whether these are all records of the input.
    pub(crate) is_whole: bool,
}

/// The records at the start of an input. None when the input can't be read: reading all of it
/// tells why. `is_whole` says whether `start` is the whole input.
pub(crate) fn sample(name: &str, format: Option<Format>, start: &[u8], is_whole: bool) -> Sample {
    let nothing = Sample { records: Vec::new(), is_whole: false };
    let Ok(reader) = decompressed(name, Cursor::new(start.to_vec())) else { return nothing };
    let Ok(reader) = text::as_utf8(reader) else { return nothing };
    let mut bytes = Vec::new();
    let limit = start.len().max(SAMPLE_BYTES[0]);
    // The sample may end inside a compressed block. What was read until then is good.
    let read = reader.take(limit as u64 + 1).read_to_end(&mut bytes);
    let is_whole = is_whole && read.is_ok() && bytes.len() <= limit;
    bytes.truncate(limit);
    let reader: Box<dyn BufRead> = Box::new(Cursor::new(bytes.clone()));
    let records = match format_of(name, format, &bytes) {
        Format::Csv => csv_records(name, &bytes),
        Format::Parquet if is_whole => parquet_records(Bytes::from(bytes)),
        Format::Parquet => Vec::new(),
        Format::Json => of_blocks(JsonValues::new(String::new(), reader)),
        Format::Ndjson => of_blocks(NdjsonBlocks::new(String::new(), reader)),
    };
    let is_whole = is_whole && records.len() < RECORDS_MAX;
    Sample { records, is_whole }
}

/// The first records of a Parquet file.
pub(crate) fn parquet_records(
    file: impl parquet::file::reader::ChunkReader + 'static,
) -> Vec<Json> {
    parquet_file::open(String::new(), file, &FieldMap::without_fields(Vec::new()))
        .map(of_blocks)
        .unwrap_or_default()
}

fn of_blocks(mut blocks: impl BlockReader) -> Vec<Json> {
    let mut records = Vec::new();
    while let Ok(Some(mut block)) = blocks.next() {
        while let Some(record) = block.record() {
            records.extend(record);
            if records.len() >= RECORDS_MAX {
                return records;
            }
        }
    }
    records
}

fn csv_records(name: &str, bytes: &[u8]) -> Vec<Json> {
    let delimiter = text::delimiter(name, bytes);
    let mut reader = ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(bytes);
    let names: Vec<String> = match reader.byte_headers() {
        Ok(header) => header.iter().map(text::header_name).collect(),
        Err(_) => return Vec::new(),
    };
    let rows = reader.byte_records().take(RECORDS_MAX).flatten();
    rows.map(|row| {
        let texts: Vec<_> = row.iter().map(String::from_utf8_lossy).collect();
        Json::of_fields(names.iter().map(String::as_str).zip(texts.iter().map(AsRef::as_ref)))
    })
    .collect()
}
