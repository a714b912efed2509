//! Cuts input of any format into blocks of whole records, and reads the blocks record by record.

pub(super) mod csv_rows;
pub(super) mod decompress;
pub(super) mod format;
pub(super) mod input;
pub(super) mod json_values;
pub(super) mod locations;
pub(super) mod ndjson_blocks;
pub(super) mod ndjson_rows;
pub(super) mod object_reader;
pub(super) mod parquet_file;
pub(super) mod plain_json;
pub(super) mod pump;
pub(super) mod reader;
pub(super) mod record_batches;
pub(super) mod sample;
pub(super) mod stdin;
pub(super) mod text;
