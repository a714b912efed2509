//! Writing Parquet files with checksums.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch},
    datatypes::{DECIMAL64_MAX_PRECISION, DataType, Schema, SchemaRef},
};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use serde::{Deserialize, Serialize};

use super::checksum;
use crate::{
    base::{Error, Result},
    store::{
        BlockHashes, FileFooter, FileKind,
        parquet::{
            block_hashes::BlockHasher,
            footer::{FILE_FORMAT, FOOTER_KEY},
        },
    },
};

/// Rows per row group: enough rows to compress well, and few enough rows to skip.
const ROW_GROUP_ROWS: usize = 128 << 10;

/// Neighbouring rows that are examined to find how often a column's values repeat.
const ROWS_LOOKED_AT: usize = 4096;

/// The length of the start of a file and the BLAKE3 of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileDigest {
    /// The number of bytes, from the file's first byte.
    pub bytes: u64,
    /// The BLAKE3 of these bytes, in hex.
    pub blake3: String,
}

impl FileDigest {
    /// The digest of `bytes`.
    #[must_use]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let blake3 = blake3::hash(bytes).to_hex().to_string();
        Self { bytes: bytes.len() as u64, blake3 }
    }
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packing<'a> {
    /// ZSTD, for many rows that are stored for a long time.
    Small {
        /// The names of text columns whose values hardly ever repeat.
        distinct: &'a [&'a str],
    },
    /// LZ4, for few rows that are read often. Setting up ZSTD takes longer than reading such
    /// rows.
    Quick,
}

impl Packing<'_> {
    /// Numbers that Parquet stores as integers are encoded as differences, packed to the bits
    /// that they need. This is smaller than a dictionary and a compressor make them, and several
    /// times as fast to write and to read. A dictionary is only for texts that repeat.
    fn properties(self, schema: &Schema) -> Result<WriterProperties, ParquetError> {
        let (compression, distinct) = match self {
            Self::Small { distinct } => (Compression::ZSTD(ZstdLevel::try_new(1)?), distinct),
            Self::Quick => (Compression::LZ4_RAW, [].as_slice()),
        };
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_created_by(concat!("tallybook ", env!("CARGO_PKG_VERSION")).to_owned());
        for field in schema.fields() {
            let column = ColumnPath::from(field.name().as_str());
            let encoding = match field.data_type() {
                DataType::Utf8 | DataType::Utf8View
                    if distinct.contains(&field.name().as_str()) =>
                {
                    Encoding::DELTA_BYTE_ARRAY
                }
                kind if stored_as_integer(kind) => {
                    properties = properties
                        .set_column_compression(column.clone(), Compression::UNCOMPRESSED);
                    Encoding::DELTA_BINARY_PACKED
                }
                DataType::Decimal128(..) => Encoding::PLAIN,
                _ => continue,
            };
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, encoding);
        }
        Ok(properties.build())
    }
}

/// Whether Parquet stores the column's values as 32-bit or 64-bit integers.
fn stored_as_integer(kind: &DataType) -> bool {
    match kind {
        DataType::Int64 | DataType::Timestamp(..) | DataType::Date32 => true,
        DataType::Decimal128(precision, _) => *precision <= DECIMAL64_MAX_PRECISION,
        _ => false,
    }
}

/// The names of the text columns with nearly only distinct values, such as request ids. Only the
/// first rows are examined.
#[must_use]
pub(crate) fn distinct_texts(rows: &RecordBatch) -> Vec<&str> {
    let is_distinct = |column: &ArrayRef| {
        let texts = column.as_string_opt::<i32>()?;
        let texts: Vec<_> = texts.iter().take(ROWS_LOOKED_AT).flatten().collect();
        let different: HashSet<_> = texts.iter().collect();
        Some(different.len() > texts.len() / 10 * 9 && !texts.is_empty())
    };
    let columns = rows.schema_ref().fields().iter().zip(rows.columns());
    columns
        .filter(|(_, column)| is_distinct(column).unwrap_or_default())
        .map(|(field, _)| field.name().as_str())
        .collect()
}

/// Writes batches to a staged Parquet file with page statistics. The footer metadata holds the
/// digest of the bytes before the page index.
#[derive(Debug)]
pub(crate) struct ChecksummedWriter {
    writer: ArrowWriter<HashingFile>,
    path: PathBuf,
}

impl ChecksummedWriter {
    /// Begins to write rows in `schema` to an empty file.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) fn try_new(
        path: PathBuf,
        file: File,
        schema: SchemaRef,
        packing: Packing<'_>,
    ) -> Result<Self> {
        let properties = packing.properties(&schema).map_err(|error| write_error(&path, error))?;
        // The embedded Arrow schema is of use only to Arrow readers, and old Arrow readers refuse
        // text views.
        let options =
            ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let (hasher, blocks) = (blake3::Hasher::new(), BlockHasher::default());
        let sink = HashingFile { file, hasher, blocks, bytes: 0 };
        let writer = ArrowWriter::try_new_with_options(sink, schema, options)
            .map_err(|error| write_error(&path, error))?;
        Ok(Self { writer, path })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|error| write_error(&self.path, error))
    }

    /// Finishes the file with its footer metadata and checksum. Gives its path and its size in
    /// bytes.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) fn finish(mut self, kind: FileKind) -> Result<(PathBuf, u64)> {
        let fail = |error| write_error(&self.path, error);
        self.writer.flush().map_err(fail)?;
        self.writer.sync().map_err(|error| fail(error.into()))?;
        let (body, blocks) = self.writer.inner().digests();
        let rows = body.bytes;
        let footer = FileFooter { format: FILE_FORMAT, body, blocks, kind };
        let footer = serde_json::to_string(&footer)
            .map_err(|error| Error::internal("footer").with_source(error))?;
        self.writer.append_key_value_metadata(KeyValue::new(FOOTER_KEY.to_owned(), footer));
        self.writer.append_key_value_metadata(checksum::blank());
        let mut sink = self.writer.into_inner().map_err(fail)?;
        checksum::fill(&mut sink.file, rows)
            .map_err(|error| write_error(&self.path, error.into()))?;
        Ok((self.path, sink.bytes))
    }
}

#[derive(Debug)]
struct HashingFile {
    file: File,
    hasher: blake3::Hasher,
    blocks: BlockHasher,
    bytes: u64,
}

impl HashingFile {
    fn digests(&self) -> (FileDigest, BlockHashes) {
        let blake3 = self.hasher.finalize().to_hex().to_string();
        (FileDigest { bytes: self.bytes, blake3 }, self.blocks.finish())
    }
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        let bytes = bytes.get(..written).unwrap_or_default();
        self.hasher.update(bytes);
        self.blocks.update(bytes);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write_error(path: &Path, error: ParquetError) -> Error {
    Error::unavailable(format!("can't write {}: {error}", path.display())).with_source(error)
}
